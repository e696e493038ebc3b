//! The maps of sparse files. GNU tar has four formats, one in its own headers and three in
//! extended headers (versions 0.0, 0.1 and 1.0): see [the
//! manual](https://www.gnu.org/software/tar/manual/html_section/Sparse-Formats.html).

use super::pax::{Pax, SparseRecords, number};
use std::collections::VecDeque;
use std::io::{self, Read};
use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

/// The largest number of pieces of a file.
const MOST_PIECES: usize = 1 << 20;

/// The longest line of a map in an archive: a number and a newline.
const LONGEST_NUMBER: usize = 21;

pub(super) const BLOCK: usize = 512;

/// The pieces of a file that an archive stores.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SparseMap {
    /// Offsets in the file and lengths, which are not 0, ascending. The holes between them are
    /// zeros.
    pub pieces: VecDeque<(u64, u64)>,
    /// The size of the file with its holes, in bytes.
    pub size: u64,
}

impl SparseMap {
    /// The map of a file without holes.
    pub fn whole(size: u64) -> Self {
        let pieces = (size > 0).then_some((0, size));
        let pieces = pieces.into_iter().collect();
        Self { pieces, size }
    }

    /// The size of all holes, in bytes.
    pub fn holes(&self) -> u64 {
        let stored: u64 = self.pieces.iter().map(|(_, length)| length).sum();
        self.size - stored
    }

    /// Reads the map of a file whose content takes `stored` bytes in the archive. If the map
    /// itself is part of the content, `stored` is reduced by its size.
    pub fn read(
        archive: &mut dyn Read,
        header: &Header,
        pax: &Pax,
        stored: &mut u64,
    ) -> io::Result<Self> {
        let records = &pax.sparse;
        let (numbers, size) = if header.entry_type().is_gnu_sparse() {
            of_header(archive, header)?
        } else if records.major.is_some() || records.minor.is_some() {
            (of_content(archive, records, stored)?, size_of(records)?)
        } else if let Some(map) = &records.map {
            (map.clone(), size_of(records)?)
        } else {
            return Ok(Self::whole(*stored));
        };
        Self::new(&numbers, size, *stored)
    }

    /// A map of alternating offsets and lengths.
    fn new(numbers: &[u64], size: u64, stored: u64) -> io::Result<Self> {
        let (pairs, []) = numbers.as_chunks::<2>() else {
            return Err(wrong("has an offset without a length"));
        };
        let mut end = 0;
        let mut sum = 0;
        let mut pieces = VecDeque::new();
        for &[offset, length] in pairs {
            if offset < end {
                return Err(wrong("has pieces that overlap"));
            }
            end = offset
                .checked_add(length)
                .filter(|&end| end <= size)
                .ok_or_else(|| wrong("leads beyond the end of the file"))?;
            // The sum of lengths is at most `end`, so it does not overflow.
            sum += length;
            if length > 0 {
                pieces.push_back((offset, length));
            }
        }
        if sum != stored {
            return Err(wrong("does not match the size of the stored content"));
        }
        Ok(Self { pieces, size })
    }
}

/// The map in a header of GNU tar and the blocks that follow it, and the file's size.
fn of_header(archive: &mut dyn Read, header: &Header) -> io::Result<(Vec<u64>, u64)> {
    let gnu = header
        .as_gnu()
        .ok_or_else(|| wrong("is not in a header of GNU tar"))?;
    let mut numbers = Vec::new();
    add_pieces(&gnu.sparse, &mut numbers)?;
    let mut more = gnu.is_extended();
    while more {
        let mut block = GnuExtSparseHeader::new();
        archive.read_exact(block.as_mut_bytes())?;
        add_pieces(&block.sparse, &mut numbers)?;
        if numbers.len() > 2 * MOST_PIECES {
            return Err(wrong("has too many pieces"));
        }
        more = block.is_extended();
    }
    Ok((numbers, gnu.real_size()?))
}

fn add_pieces(pieces: &[GnuSparseHeader], numbers: &mut Vec<u64>) -> io::Result<()> {
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        numbers.extend([piece.offset()?, piece.length()?]);
    }
    Ok(())
}

/// The map of version 1.0: the number of pieces, then offsets and lengths, each on a line,
/// padded to a block.
fn of_content(
    archive: &mut dyn Read,
    records: &SparseRecords,
    stored: &mut u64,
) -> io::Result<Vec<u64>> {
    if (records.major, records.minor.unwrap_or(0)) != (Some(1), 0) {
        return Err(wrong("is of an unsupported version"));
    }
    let mut map = MapReader {
        archive,
        left: stored,
        block: [0; BLOCK],
        position: BLOCK,
    };
    let pieces = usize::try_from(map.number()?)
        .ok()
        .filter(|&pieces| pieces <= MOST_PIECES)
        .ok_or_else(|| wrong("has too many pieces"))?;
    (0..2 * pieces).map(|_| map.number()).collect()
}

fn size_of(records: &SparseRecords) -> io::Result<u64> {
    records.size.ok_or_else(|| wrong("has no file size"))
}

/// Reads the numbers of a map block by block.
struct MapReader<'a> {
    archive: &'a mut dyn Read,
    /// The size of the unread content in the archive, in bytes.
    left: &'a mut u64,
    block: [u8; BLOCK],
    position: usize,
}

impl MapReader<'_> {
    fn number(&mut self) -> io::Result<u64> {
        let mut digits = Vec::new();
        while digits.len() < LONGEST_NUMBER {
            match self.byte()? {
                b'\n' if !digits.is_empty() => return number(&digits),
                byte => digits.push(byte),
            }
        }
        Err(wrong("is malformed"))
    }

    fn byte(&mut self) -> io::Result<u8> {
        if self.position == BLOCK {
            *self.left = self
                .left
                .checked_sub(BLOCK as u64)
                .ok_or_else(|| wrong("has no end"))?;
            self.archive.read_exact(&mut self.block)?;
            self.position = 0;
        }
        self.position += 1;
        Ok(self.block[self.position - 1])
    }
}

fn wrong(what: &str) -> io::Error {
    let text = format!("the map of a sparse file {what}");
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inconsistent_maps_are_errors() {
        let problem = |numbers: &[u64], size, stored| {
            let error = SparseMap::new(numbers, size, stored).unwrap_err();
            error.to_string().replace("the map of a sparse file ", "")
        };
        assert_eq!(problem(&[0, 1, 2], 9, 1), "has an offset without a length");
        assert_eq!(problem(&[0, 4, 3, 1], 9, 5), "has pieces that overlap");
        assert_eq!(problem(&[8, 2], 9, 2), "leads beyond the end of the file");
        assert_eq!(
            problem(&[u64::MAX, 1], u64::MAX, 1),
            "leads beyond the end of the file"
        );
        assert_eq!(
            problem(&[0, 1], 9, 2),
            "does not match the size of the stored content"
        );
    }

    #[test]
    fn a_map_knows_the_size_of_its_holes() {
        assert_eq!(SparseMap::new(&[4, 2, 10, 0], 10, 2).unwrap().holes(), 8);
        assert_eq!(SparseMap::whole(7).holes(), 0);
    }
}
