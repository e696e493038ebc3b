//! Stamps: a tree with a stamp is complete. The stamp also has the inodes of its linked files.
//!
//! A stamp has a header line, the boot in which the tree was last checked, the size of the tree
//! without its blobs in bytes, a record ended by a zero byte for each file that is a hard link to a
//! build output, and a checksum.

use super::blob::{Origin, has_size_and_mode};
use super::checksum::{seal, unseal};
use super::digest_cache::FileIdentity;
use super::{Digest, Entry, Manifest, Mode, PathInContainer, parallel};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

const HEADER: &str = "maelstrom tree 1";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TreeStamp {
    pub boot: String,
    pub size: u64,
    pub linked: Vec<LinkedFile>,
}

/// A file of a tree whose inode is also that of a file outside of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LinkedFile {
    pub digest: Digest,
    pub mode: Mode,
    pub inode: u64,
    pub modified: i64,
    pub path: PathInContainer,
}

impl LinkedFile {
    pub fn new(path: &PathInContainer, digest: &Digest, mode: Mode, metadata: &Metadata) -> Self {
        let identity = FileIdentity::of(metadata);
        Self {
            digest: *digest,
            mode,
            inode: identity.inode,
            modified: identity.modified,
            path: path.clone(),
        }
    }

    fn is_intact(&self, tree: &Path) -> bool {
        fs::symlink_metadata(tree.join(self.path.relative())).is_ok_and(|metadata| {
            let identity = FileIdentity::of(&metadata);
            has_size_and_mode(&metadata, &self.digest, self.mode)
                && (identity.inode, identity.modified) == (self.inode, self.modified)
        })
    }
}

impl TreeStamp {
    pub fn read(path: &Path) -> Option<Self> {
        Self::parse(&fs::read(path).ok()?)
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{HEADER}\n{}\n{}\n", self.boot, self.size).into_bytes();
        for file in &self.linked {
            let record = format!(
                "{} {} {} {} ",
                file.digest,
                file.mode.bits(),
                file.inode,
                file.modified
            );
            bytes.extend_from_slice(record.as_bytes());
            bytes.extend_from_slice(file.path.as_bytes());
            bytes.push(0);
        }
        seal(bytes)
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let mut lines = unseal(bytes)?.splitn(4, |&byte| byte == b'\n');
        if lines.next()? != HEADER.as_bytes() {
            return None;
        }
        let boot = str::from_utf8(lines.next()?).ok()?.to_owned();
        let size = number(lines.next()?)?;
        let linked = lines
            .next()?
            .split_inclusive(|&byte| byte == 0)
            .map(record)
            .collect::<Option<_>>()?;
        Some(Self { boot, size, linked })
    }

    /// Whether the linked files are unchanged.
    pub fn linked_files_are_intact(&self, tree: &Path) -> bool {
        self.linked.iter().all(|file| file.is_intact(tree))
    }

    /// Whether the tree matches the manifest, by the attributes of its files.
    pub fn matches_tree(&self, tree: &Path, manifest: &Manifest) -> bool {
        let linked: HashSet<&PathInContainer> = self.linked.iter().map(|file| &file.path).collect();
        let entries: Vec<_> = manifest.entries().collect();
        let looks_right = |(path, entry): &(&PathInContainer, &Entry)| {
            let host = tree.join(path.relative());
            let Ok(metadata) = fs::symlink_metadata(&host) else {
                return false;
            };
            match entry {
                Entry::Directory { mode } => {
                    metadata.is_dir() && metadata.mode() & 0o7777 == mode.bits()
                }
                Entry::Symlink { target } => fs::read_link(&host)
                    .is_ok_and(|found| found.as_os_str() == OsStr::from_bytes(target)),
                Entry::File { digest, mode } => {
                    has_size_and_mode(&metadata, digest, *mode)
                        && (Origin::of(&metadata) == Origin::Written || linked.contains(path))
                }
            }
        };
        self.linked_files_are_intact(tree)
            && parallel::map(&entries, 128, looks_right)
                .into_iter()
                .all(|right| right)
    }
}

fn record(bytes: &[u8]) -> Option<LinkedFile> {
    let mut fields = bytes.strip_suffix(b"\0")?.splitn(5, |&byte| byte == b' ');
    Some(LinkedFile {
        digest: number(fields.next()?)?,
        mode: Mode::of_file(number(fields.next()?)?),
        inode: number(fields.next()?)?,
        modified: number(fields.next()?)?,
        path: PathInContainer::new(fields.next()?).ok()?,
    })
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stamp() -> TreeStamp {
        let file = |path: &[u8]| LinkedFile {
            digest: Digest::of(path),
            mode: Mode::EXECUTABLE,
            inode: 7,
            modified: -3,
            path: PathInContainer::new(path).unwrap(),
        };
        TreeStamp {
            boot: "b-1".to_owned(),
            size: 4096,
            linked: vec![file(b"/a b/c\nd"), file(b"/\xff")],
        }
    }

    #[test]
    fn a_stamp_is_parsed_as_it_was_written() {
        assert_eq!(TreeStamp::parse(&stamp().to_bytes()), Some(stamp()));
        let none = TreeStamp {
            linked: Vec::new(),
            ..stamp()
        };
        assert_eq!(TreeStamp::parse(&none.to_bytes()), Some(none));
    }

    #[test]
    fn a_damaged_stamp_is_rejected() {
        let bytes = stamp().to_bytes();
        assert_eq!(TreeStamp::parse(&bytes[..bytes.len() - 1]), None);
        assert_eq!(TreeStamp::parse(&vec![0; bytes.len()]), None);
        assert_eq!(TreeStamp::parse(b""), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let content = [format!("{HEADER}\n\n0\n").as_bytes(), &bytes].concat();
            let _ = TreeStamp::parse(&seal(content));
            let _ = TreeStamp::parse(&bytes);
        }
    }
}
