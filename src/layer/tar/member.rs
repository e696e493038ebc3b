//! Reads an archive member by member.
//!
//! The `tar` crate parses headers. The members are read here, since the crate's iterator treats
//! newlines in names as the end of a record, leaves the maps of sparse files in their content,
//! and holds names of any length in memory.

use super::pax::Pax;
use super::sparse::{BLOCK, SparseMap};
use std::io::{self, ErrorKind, Read};
use tar::{EntryType, Header};

/// The largest size in bytes of the names and records that describe one member.
const LARGEST_DESCRIPTION: u64 = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemberKind {
    File,
    Directory,
    Symlink,
    HardLink,
    /// A device or a pipe.
    Special,
    /// An unsupported type flag.
    Unknown(u8),
}

/// The description of a member, which comes before its content.
#[derive(Debug)]
pub(super) struct Member {
    /// The path as written.
    pub path: Vec<u8>,
    pub kind: MemberKind,
    pub mode: u32,
    /// The target of a link, as written.
    pub link: Option<Vec<u8>>,
    pub map: SparseMap,
}

/// The members of an archive, in order.
pub(super) struct Members<R> {
    archive: R,
    /// The size of the unread content of the member, in bytes.
    content: u64,
    /// The size of the padding up to the next header, in bytes.
    padding: u64,
}

/// The extended headers of a member, which come before its header.
#[derive(Default)]
struct Description {
    pax: Pax,
    name: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    /// The size of the headers in bytes.
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

    /// The next member, if any. Unread content of the last member is skipped.
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
                // Global headers and volume names are ignored.
                b'g' | b'V' => self.expect(size)?,
                _ => return self.member(&header, size, description).map(Some),
            }
        }
        if description.size > 0 {
            return Err(malformed("ends before the member that it describes"));
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

    /// `None` at the end of the archive, which is a block of zeros or the end of the file.
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
        // A fuzzer would not find valid checksums.
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

    /// Expects content of this size next.
    fn expect(&mut self, size: u64) -> io::Result<()> {
        if size > i64::MAX as u64 {
            return Err(malformed("has a file of an impossible size"));
        }
        self.content = size;
        self.padding = size.next_multiple_of(BLOCK as u64) - size;
        Ok(())
    }

    /// Reads a text up to its end or to the first zero byte.
    fn text(&mut self, size: u64, total: &mut u64) -> io::Result<Vec<u8>> {
        let mut text = self.description(size, total)?;
        let end = text.iter().position(|&byte| byte == 0);
        text.truncate(end.unwrap_or(text.len()));
        Ok(text)
    }

    fn description(&mut self, size: u64, total: &mut u64) -> io::Result<Vec<u8>> {
        *total = total.saturating_add(size).saturating_add(BLOCK as u64);
        if *total > LARGEST_DESCRIPTION {
            return Err(malformed(
                "has names or extended headers of more than 1 MiB for one file",
            ));
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
        let map = if kind == MemberKind::File {
            let mut stored = pax.size.unwrap_or(size);
            let map = SparseMap::read(&mut self.archive, header, &pax, &mut stored)?;
            self.expect(stored)?;
            map
        } else {
            if let MemberKind::Unknown(_) = kind {
                self.expect(pax.size.unwrap_or(size))?;
            }
            // Other kinds have no content, whatever their size field says.
            SparseMap::default()
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

fn kind_of(header: &Header, path: &[u8]) -> MemberKind {
    match header.entry_type() {
        // V7 archives mark a directory by a trailing slash.
        EntryType::Regular if header.as_bytes()[156] == 0 && path.ends_with(b"/") => {
            MemberKind::Directory
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => MemberKind::File,
        EntryType::Directory => MemberKind::Directory,
        EntryType::Symlink => MemberKind::Symlink,
        EntryType::Link => MemberKind::HardLink,
        EntryType::Char | EntryType::Block | EntryType::Fifo => MemberKind::Special,
        _ => MemberKind::Unknown(header.as_bytes()[156]),
    }
}

fn size_of(header: &Header) -> io::Result<u64> {
    let field = &header.as_bytes()[124..136];
    // Numbers that are too large for octal digits are binary (GNU). These are negative, or
    // larger than the crate supports.
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

/// The content of the last member, with zeros for its holes.
pub(super) struct MemberContent<'a, R> {
    members: &'a mut Members<R>,
    map: SparseMap,
    /// The position in the file, in bytes.
    position: u64,
}

impl<'a, R> MemberContent<'a, R> {
    /// `map` is the map of the member.
    pub fn new(members: &'a mut Members<R>, map: SparseMap) -> Self {
        Self {
            members,
            map,
            position: 0,
        }
    }
}

impl<R: Read> Read for MemberContent<'_, R> {
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

impl<R> MemberContent<'_, R> {
    fn zeros(&mut self, until: u64, buffer: &mut [u8]) -> usize {
        let most = usize::try_from(until - self.position).unwrap_or(usize::MAX);
        let length = buffer.len().min(most);
        buffer[..length].fill(0);
        self.position += length as u64;
        length
    }
}
