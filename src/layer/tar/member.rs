//! Reading an archive member by member.
//!
//! The `tar` crate knows what is in a header. What goes on between headers is read here,
//! since its own iterator takes newlines in names for the end of a record, leaves the maps
//! of sparse files in their content, and holds in memory whatever an archive calls a name.

use super::pax::Pax;
use super::sparse::{BLOCK, Map};
use std::io::{self, ErrorKind, Read};
use tar::{EntryType, Header};

/// The most that is read of names and other records that describe one member, in bytes.
const LARGEST_DESCRIPTION: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Symlink,
    HardLink,
    /// A device or a pipe.
    Special,
    /// A letter that this program knows nothing of.
    Unknown(u8),
}

/// What an archive says of a file or the like, before its content.
#[derive(Debug)]
pub(super) struct Member {
    /// As written.
    pub path: Vec<u8>,
    pub kind: Kind,
    pub mode: u32,
    /// Where a link leads, as written.
    pub link: Option<Vec<u8>>,
    pub map: Map,
}

/// The members of an archive, in order.
pub(super) struct Members<R> {
    archive: R,
    /// How much of the member's content has not been read, in bytes.
    content: u64,
    /// What follows it up to the next header.
    padding: u64,
}

/// What was said of a member before its own header.
#[derive(Default)]
struct Description {
    pax: Pax,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// In bytes.
    size: u64,
}

impl<R: Read> Members<R> {
    pub fn new(archive: R) -> Self {
        Self {
            archive,
            content: 0,
            padding: 0,
        }
    }

    /// The next member, if there is one; what was not read of the last is skipped.
    pub fn next(&mut self) -> io::Result<Option<Member>> {
        let mut description = Description::default();
        while let Some(header) = self.header()? {
            let size = size_of(&header)?;
            match header.as_bytes()[156] {
                b'L' => description.name = Some(self.text(size, &mut description.size)?),
                b'K' => description.link = Some(self.text(size, &mut description.size)?),
                b'x' | b'X' => {
                    let records = self.description(size, &mut description.size)?;
                    description.pax = Pax::parse(&records)?;
                }
                // Says nothing that matters here, nor does the name of an archive.
                b'g' | b'V' => self.expect(size)?,
                _ => return self.member(&header, size, description).map(Some),
            }
        }
        if description.size > 0 {
            return Err(malformed("ends before what it has begun to describe"));
        }
        Ok(None)
    }

    /// Reads the content of the member that was returned last, without its holes.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = buffer
            .len()
            .min(usize::try_from(self.content).unwrap_or(usize::MAX));
        if most == 0 {
            return Ok(0);
        }
        loop {
            match self.archive.read(&mut buffer[..most]) {
                Ok(0) => return Err(malformed("ends in the middle of a file")),
                Ok(length) => {
                    self.content -= length as u64;
                    return Ok(length);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// `None` at the end of the archive, which is a block of zeros, or no block.
    fn header(&mut self) -> io::Result<Option<Header>> {
        self.skip()?;
        let mut header = Header::new_old();
        let bytes = header.as_mut_bytes();
        let mut length = 0;
        while length < BLOCK {
            match self.archive.read(&mut bytes[length..]) {
                Ok(0) if length == 0 => return Ok(None),
                Ok(0) => return Err(malformed("ends in the middle of a header")),
                Ok(more) => length += more,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let sum = |from: &[u8]| from.iter().copied().map(u32::from).sum::<u32>();
        let sum = sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]);
        // A fuzzer would hardly find the right one.
        if !cfg!(fuzzing) && header.cksum().ok() != Some(sum) {
            return Err(malformed("has a header whose checksum is wrong"));
        }
        Ok(Some(header))
    }

    fn skip(&mut self) -> io::Result<()> {
        let left = self.content + self.padding;
        if left == 0 {
            return Ok(());
        }
        let skipped = io::copy(&mut (&mut self.archive).take(left), &mut io::sink())?;
        if skipped < self.content {
            return Err(malformed("ends in the middle of a file"));
        }
        (self.content, self.padding) = (0, 0);
        Ok(())
    }

    /// From here on there is content of this size.
    fn expect(&mut self, size: u64) -> io::Result<()> {
        if size > i64::MAX as u64 {
            return Err(malformed("has a file of an impossible size"));
        }
        self.content = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    /// A text that may end with a zero byte.
    fn text(&mut self, size: u64, total: &mut u64) -> io::Result<Vec<u8>> {
        let mut text = self.description(size, total)?;
        let end = text.iter().position(|&byte| byte == 0);
        text.truncate(end.unwrap_or(text.len()));
        Ok(text)
    }

    fn description(&mut self, size: u64, total: &mut u64) -> io::Result<Vec<u8>> {
        *total = total.saturating_add(size).saturating_add(BLOCK as u64);
        if *total > LARGEST_DESCRIPTION {
            return Err(malformed("says too much about a single file"));
        }
        self.expect(size)?;
        let mut bytes = vec![0; size as usize];
        let mut length = 0;
        while length < bytes.len() {
            length += self.read(&mut bytes[length..])?;
        }
        Ok(bytes)
    }

    fn member(
        &mut self,
        header: &Header,
        size: u64,
        description: Description,
    ) -> io::Result<Member> {
        let Description {
            pax, name, link, ..
        } = description;
        let path = pax.sparse.name.clone().or(pax.path.clone()).or(name);
        let path = path.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = pax.link.clone().or(link);
        let kind = kind_of(header, &path);
        let map = if kind == Kind::File {
            let mut stored = pax.size.unwrap_or(size);
            let map = Map::read(&mut self.archive, header, &pax, &mut stored)?;
            self.expect(stored)?;
            map
        } else {
            if let Kind::Unknown(_) = kind {
                self.expect(pax.size.unwrap_or(size))?;
            }
            // The others have no content, whatever size they tell.
            Map::default()
        };
        Ok(Member {
            path,
            kind,
            mode: header.mode().unwrap_or(0o755),
            link: link.or_else(|| header.link_name_bytes().map(std::borrow::Cow::into_owned)),
            map,
        })
    }
}

fn kind_of(header: &Header, path: &[u8]) -> Kind {
    match header.entry_type() {
        // So very old archives say that it is a directory.
        EntryType::Regular if header.as_bytes()[156] == 0 && path.ends_with(b"/") => {
            Kind::Directory
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => Kind::File,
        EntryType::Directory => Kind::Directory,
        EntryType::Symlink => Kind::Symlink,
        EntryType::Link => Kind::HardLink,
        EntryType::Char | EntryType::Block | EntryType::Fifo => Kind::Special,
        _ => Kind::Unknown(header.as_bytes()[156]),
    }
}

fn size_of(header: &Header) -> io::Result<u64> {
    let field = &header.as_bytes()[124..136];
    // Numbers that are too large for digits are binary, and these here negative, or larger
    // than what the crate looks at.
    let binary = field[0] & 0x80 != 0;
    if binary && (field[0] != 0x80 || field[1..4] != [0; 3]) {
        return Err(malformed("has a file of an impossible size"));
    }
    if field.iter().all(|byte| b" \0".contains(byte)) {
        return Ok(0);
    }
    header
        .entry_size()
        .map_err(|_| malformed("has a file of an impossible size"))
}

fn malformed(what: &str) -> io::Error {
    let kind = if what.starts_with("ends") {
        ErrorKind::UnexpectedEof
    } else {
        ErrorKind::InvalidData
    };
    io::Error::new(kind, format!("it {what}"))
}

/// The content of the member that was returned last, with its holes.
pub(super) struct Content<'a, R> {
    members: &'a mut Members<R>,
    map: Map,
    /// In the file, in bytes.
    position: u64,
}

impl<'a, R> Content<'a, R> {
    /// `map` is that of the member.
    pub fn new(members: &'a mut Members<R>, map: Map) -> Self {
        Self {
            members,
            map,
            position: 0,
        }
    }
}

impl<R: Read> Read for Content<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(piece) = self.map.pieces.front_mut() else {
            return Ok(self.zeros(self.map.size, buffer));
        };
        let (offset, length) = *piece;
        if self.position < offset {
            return Ok(self.zeros(offset, buffer));
        }
        let most = buffer
            .len()
            .min(usize::try_from(length).unwrap_or(usize::MAX));
        let read = self.members.read(&mut buffer[..most])?;
        self.position += read as u64;
        *piece = (self.position, length - read as u64);
        if piece.1 == 0 {
            self.map.pieces.pop_front();
        }
        Ok(read)
    }
}

impl<R> Content<'_, R> {
    fn zeros(&mut self, until: u64, buffer: &mut [u8]) -> usize {
        let most = usize::try_from(until - self.position).unwrap_or(usize::MAX);
        let length = buffer.len().min(most);
        buffer[..length].fill(0);
        self.position += length as u64;
        length
    }
}
