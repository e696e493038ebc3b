//! Files with holes: what is where. GNU tar has four ways to write that down, one in its own
//! headers and three in extended headers (versions 0.0, 0.1 and 1.0).

use super::pax::{Pax, SparseRecords, number};
use std::collections::VecDeque;
use std::io::{self, Read};
use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

/// More pieces of a file than that are taken for an attack.
const MOST_PIECES: usize = 1 << 20;

/// The longest line of a map in an archive: a number and its end.
const LONGEST_NUMBER: usize = 21;

pub(super) const BLOCK: usize = 512;

/// What an archive has of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Map {
    /// Offsets in the file and lengths, which are not 0, ascending. Between them there are
    /// zeros.
    pub pieces: VecDeque<(u64, u64)>,
    /// In bytes, of the file with its holes.
    pub size: u64,
}

impl Map {
    /// A file without holes.
    pub fn whole(size: u64) -> Self {
        let pieces = (size > 0).then_some((0, size));
        let pieces = pieces.into_iter().collect();
        Self { pieces, size }
    }

    /// In bytes, of what holes take that are written out.
    pub fn holes(&self) -> u64 {
        let stored: u64 = self.pieces.iter().map(|(_, length)| length).sum();
        self.size - stored
    }

    /// That of a file of which the archive has `stored` bytes. Maps that stand in the
    /// archive before the file are read, and `stored` becomes less by them.
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

    /// Of offsets and lengths in turn.
    fn new(numbers: &[u64], size: u64, stored: u64) -> io::Result<Self> {
        let (pairs, []) = numbers.as_chunks::<2>() else {
            return Err(wrong("has half a piece"));
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
            // No sum of lengths is larger than the end.
            sum += length;
            if length > 0 {
                pieces.push_back((offset, length));
            }
        }
        if sum != stored {
            return Err(wrong("does not fit what is stored"));
        }
        Ok(Self { pieces, size })
    }
}

/// The map in a header of GNU tar, and in the blocks that follow it; and the file's size.
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

/// The map of version 1.0: how many pieces there are, then offsets and lengths, each on a
/// line; filled up to a block.
fn of_content(
    archive: &mut dyn Read,
    records: &SparseRecords,
    stored: &mut u64,
) -> io::Result<Vec<u64>> {
    if (records.major, records.minor.unwrap_or(0)) != (Some(1), 0) {
        return Err(wrong("is of a version that is not known here"));
    }
    let mut lines = Lines {
        archive,
        left: stored,
        block: [0; BLOCK],
        position: BLOCK,
    };
    let pieces = usize::try_from(lines.number()?)
        .ok()
        .filter(|&pieces| pieces <= MOST_PIECES)
        .ok_or_else(|| wrong("has too many pieces"))?;
    (0..2 * pieces).map(|_| lines.number()).collect()
}

fn size_of(records: &SparseRecords) -> io::Result<u64> {
    records
        .size
        .ok_or_else(|| wrong("does not tell the file's size"))
}

/// Numbers that are read block by block.
struct Lines<'a> {
    archive: &'a mut dyn Read,
    /// What the archive has of the file from here, in bytes.
    left: &'a mut u64,
    block: [u8; BLOCK],
    position: usize,
}

impl Lines<'_> {
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
    fn maps_that_do_not_fit_are_errors() {
        let problem = |numbers: &[u64], size, stored| {
            let error = Map::new(numbers, size, stored).unwrap_err();
            error.to_string().replace("the map of a sparse file ", "")
        };
        assert_eq!(problem(&[0, 1, 2], 9, 1), "has half a piece");
        assert_eq!(problem(&[0, 4, 3, 1], 9, 5), "has pieces that overlap");
        assert_eq!(problem(&[8, 2], 9, 2), "leads beyond the end of the file");
        assert_eq!(
            problem(&[u64::MAX, 1], u64::MAX, 1),
            "leads beyond the end of the file"
        );
        assert_eq!(problem(&[0, 1], 9, 2), "does not fit what is stored");
    }

    #[test]
    fn a_map_tells_the_size_of_its_holes() {
        assert_eq!(Map::new(&[4, 2, 10, 0], 10, 2).unwrap().holes(), 8);
        assert_eq!(Map::whole(7).holes(), 0);
    }
}
