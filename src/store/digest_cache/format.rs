//! The format of the digest cache's file, `memory`.
//!
//! A header line is followed by the entries sorted by path, and a checksum. An entry has, with
//! numbers in little endian: the length of the prefix that the path shares with the path before
//! (2 bytes), the length of the rest (2), the rest of the path, inode (8), size (8), modification
//! time (8), change time (8), SHA-256 (32), and the day of the last lookup (4). A file of another
//! version is ignored.

use super::super::checksum::{seal, unseal};
use super::{CachedDigest, FileIdentity};
use std::collections::HashMap;

const HEADER: &[u8] = b"maelstrom memory 1\n";

pub(super) fn write(entries: &[(&[u8], &CachedDigest)]) -> Vec<u8> {
    let mut bytes = HEADER.to_vec();
    let mut last: &[u8] = b"";
    for (path, entry) in entries {
        let shared = last
            .iter()
            .zip(path.iter())
            .take_while(|(a, b)| a == b)
            .count();
        let (Ok(shared_length), Ok(rest_length)) =
            (u16::try_from(shared), u16::try_from(path.len() - shared))
        else {
            // Longer than any path of the kernel.
            continue;
        };
        bytes.extend_from_slice(&shared_length.to_le_bytes());
        bytes.extend_from_slice(&rest_length.to_le_bytes());
        bytes.extend_from_slice(&path[shared..]);
        bytes.extend_from_slice(&entry.identity.inode.to_le_bytes());
        bytes.extend_from_slice(&entry.identity.size.to_le_bytes());
        bytes.extend_from_slice(&entry.identity.modified.to_le_bytes());
        bytes.extend_from_slice(&entry.identity.changed.to_le_bytes());
        bytes.extend_from_slice(&entry.sha256);
        bytes.extend_from_slice(&entry.seen.to_le_bytes());
        last = path;
    }
    seal(bytes)
}

pub(super) fn read(bytes: &[u8]) -> Option<HashMap<Box<[u8]>, CachedDigest>> {
    let mut rest = unseal(bytes)?.strip_prefix(HEADER)?;
    let mut entries = HashMap::new();
    let mut path = Vec::new();
    while !rest.is_empty() {
        let shared = u16::from_le_bytes(take(&mut rest)?);
        let length = u16::from_le_bytes(take(&mut rest)?);
        let (tail, after) = rest.split_at_checked(length.into())?;
        rest = after;
        if usize::from(shared) > path.len() {
            return None;
        }
        path.truncate(shared.into());
        path.extend_from_slice(tail);
        let identity = FileIdentity {
            inode: u64::from_le_bytes(take(&mut rest)?),
            size: u64::from_le_bytes(take(&mut rest)?),
            modified: i64::from_le_bytes(take(&mut rest)?),
            changed: i64::from_le_bytes(take(&mut rest)?),
        };
        let entry = CachedDigest {
            identity,
            sha256: take(&mut rest)?,
            seen: u32::from_le_bytes(take(&mut rest)?),
            changed_here: false,
        };
        entries.insert(path.as_slice().into(), entry);
    }
    Some(entries)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(*first)
}
