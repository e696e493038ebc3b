//! Manifests: lists of the entries of a layer. The same entries have the same bytes, and so the
//! same digest, on every machine.
//!
//! The bytes are a header line and one record for each entry, sorted by path, each ended by a
//! zero byte:
//!
//! ```text
//! d0755 /etc
//! f0644 <digest> /etc/passwd
//! l/etc/mtab <zero byte> /proc/mounts
//! ```
//!
//! A manifest has one encoding: bytes that parse are written back unchanged.

use super::path::{self, PathInContainer};
use super::{Digest, PathError};
use std::collections::BTreeMap;
use std::ops::Bound;

/// Changes with the format, so that manifests of another format have other digests.
const HEADER: &[u8] = b"maelstrom manifest 1\n";

/// A sorted list of the files, directories and symlinks of a layer. Every entry's
/// parent directories are entries too, all but the root, which always exists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manifest {
    entries: BTreeMap<PathInContainer, Entry>,
}

/// The entry of a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    Directory { mode: Mode },
    File { digest: Digest, mode: Mode },
    Symlink { target: Vec<u8> },
}

/// The permissions of a file or directory, without set-id bits. The owner can always read files,
/// and read and write directories, so that the store can manage its trees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mode(u16);

/// An error of adding an entry or reading a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    #[error("`{path}` cannot be made, because `{ancestor}` is not a directory")]
    NotADirectory {
        path: PathInContainer,
        ancestor: PathInContainer,
    },
    #[error("`{0}` cannot be a file or symlink, because it is a directory with other files in it")]
    HasContent(PathInContainer),
    #[error("the root can only be a directory")]
    Root,
    #[error("the symlink `{0}` has a target that is empty or has a NUL byte")]
    BadTarget(PathInContainer),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("not a manifest that this version wrote: damaged at byte {0}")]
    Damaged(usize),
}

impl Mode {
    /// The mode of a plain file: 0644.
    pub const PLAIN: Self = Self(0o644);
    /// The mode of a program: 0755.
    pub const EXECUTABLE: Self = Self(0o755);
    /// The default mode of a directory: 0755.
    pub const DIRECTORY: Self = Self(0o755);

    /// The mode of a file of which only the executable bit is known.
    pub fn executable(executable: bool) -> Self {
        if executable {
            Self::EXECUTABLE
        } else {
            Self::PLAIN
        }
    }

    /// The mode of a file in a tar, without the bits that are not kept.
    pub fn of_file(bits: u32) -> Self {
        Self((bits & 0o777) as u16 | 0o400)
    }

    /// The mode of a directory in a tar, without the bits that are not kept.
    pub fn of_directory(bits: u32) -> Self {
        Self((bits & 0o1777) as u16 | 0o700)
    }

    pub fn bits(self) -> u32 {
        self.0.into()
    }

    pub fn is_executable(self) -> bool {
        self.0 & 0o100 != 0
    }
}

impl Manifest {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// All entries. A directory comes before its content.
    pub fn entries(&self) -> impl Iterator<Item = (&PathInContainer, &Entry)> {
        self.entries.iter()
    }

    pub fn get(&self, path: &PathInContainer) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// Inserts or replaces the entry of a path, and adds the missing parent directories. A
    /// directory that exists gets the new mode.
    pub fn insert(&mut self, path: PathInContainer, entry: Entry) -> Result<(), ManifestError> {
        let is_directory = matches!(entry, Entry::Directory { .. });
        if path.is_root() {
            return if is_directory {
                Ok(())
            } else {
                Err(ManifestError::Root)
            };
        }
        if let Entry::Symlink { target } = &entry
            && (target.is_empty() || target.contains(&0))
        {
            return Err(ManifestError::BadTarget(path));
        }
        if !is_directory && self.content(&path).next().is_some() {
            return Err(ManifestError::HasContent(path));
        }
        self.make_parents(&path)?;
        self.entries.insert(path, entry);
        Ok(())
    }

    fn make_parents(&mut self, path: &PathInContainer) -> Result<(), ManifestError> {
        let mut missing = Vec::new();
        let mut ancestor = path.as_bytes();
        while let Some(parent) = path::parent(ancestor).filter(|&parent| parent != b"/") {
            ancestor = parent;
            match self.entries.get(ancestor) {
                Some(Entry::Directory { .. }) => break,
                Some(_) => {
                    return Err(ManifestError::NotADirectory {
                        path: path.clone(),
                        ancestor: PathInContainer::new(ancestor)?,
                    });
                }
                None => missing.push(PathInContainer::new(ancestor)?),
            }
        }
        let mode = Mode::DIRECTORY;
        self.entries.extend(
            missing
                .into_iter()
                .map(|path| (path, Entry::Directory { mode })),
        );
        Ok(())
    }

    /// Removes an entry and everything below it. Returns whether there was an entry.
    pub fn remove(&mut self, path: &PathInContainer) -> bool {
        self.clear(path);
        self.entries.remove(path).is_some()
    }

    /// Removes everything below a path. Returns whether there was an entry below it.
    pub fn clear(&mut self, path: &PathInContainer) -> bool {
        let content: Vec<_> = self.content(path).cloned().collect();
        for path in &content {
            self.entries.remove(path);
        }
        !content.is_empty()
    }

    /// The paths below `directory`.
    pub fn content<'a>(
        &'a self,
        directory: &PathInContainer,
    ) -> impl Iterator<Item = &'a PathInContainer> + use<'a> {
        let mut prefix = directory.as_bytes().to_vec();
        if !directory.is_root() {
            prefix.push(b'/');
        }
        let from = (Bound::Excluded(prefix.as_slice()), Bound::Unbounded);
        self.entries
            .range::<[u8], _>(from)
            .map(|(path, _)| path)
            .take_while(move |path| path.as_bytes().starts_with(&prefix))
    }

    /// The digest of the bytes, which names the layer.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.to_bytes())
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = HEADER.to_vec();
        for (path, entry) in &self.entries {
            match entry {
                Entry::Directory { mode } => {
                    bytes.extend_from_slice(format!("d{:04o} ", mode.0).as_bytes());
                    bytes.extend_from_slice(path.as_bytes());
                }
                Entry::File { digest, mode } => {
                    bytes.extend_from_slice(format!("f{:04o} {digest} ", mode.0).as_bytes());
                    bytes.extend_from_slice(path.as_bytes());
                }
                Entry::Symlink { target } => {
                    bytes.push(b'l');
                    bytes.extend_from_slice(path.as_bytes());
                    bytes.push(0);
                    bytes.extend_from_slice(target);
                }
            }
            bytes.push(0);
        }
        bytes
    }

    /// Reads the bytes of [`Self::to_bytes`]. Other bytes are an error.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let mut rest = bytes
            .strip_prefix(HEADER)
            .ok_or(ManifestError::Damaged(0))?;
        let mut manifest = Self::new();
        while !rest.is_empty() {
            let damaged = || ManifestError::Damaged(bytes.len() - rest.len());
            let (path, entry, after) = record(rest).ok_or_else(damaged)?;
            let sorted = manifest
                .entries
                .last_key_value()
                .is_none_or(|(last, _)| *last < path);
            let has_parent = match path::parent(path.as_bytes()) {
                None => false,
                Some(b"/") => true,
                Some(parent) => {
                    matches!(manifest.entries.get(parent), Some(Entry::Directory { .. }))
                }
            };
            if !sorted || !has_parent {
                return Err(damaged());
            }
            manifest.entries.insert(path, entry);
            rest = after;
        }
        Ok(manifest)
    }
}

/// The first record of `bytes`, and what comes after it.
fn record(bytes: &[u8]) -> Option<(PathInContainer, Entry, &[u8])> {
    let (first, after) = field(bytes)?;
    let (&kind, text) = first.split_first()?;
    match kind {
        b'd' => {
            let (bits, path) = mode(text)?;
            let mode = Mode::of_directory(bits);
            (mode.bits() == bits).then_some(())?;
            let path = PathInContainer::new(path).ok()?;
            Some((path, Entry::Directory { mode }, after))
        }
        b'f' => {
            let (bits, text) = mode(text)?;
            let mode = Mode::of_file(bits);
            (mode.bits() == bits).then_some(())?;
            let space = text.iter().position(|&byte| byte == b' ')?;
            let digest = str::from_utf8(&text[..space]).ok()?.parse().ok()?;
            let path = PathInContainer::new(&text[space + 1..]).ok()?;
            Some((path, Entry::File { digest, mode }, after))
        }
        b'l' => {
            let path = PathInContainer::new(text).ok()?;
            let (target, after) = field(after)?;
            let target = (!target.is_empty()).then(|| target.to_vec())?;
            Some((path, Entry::Symlink { target }, after))
        }
        _ => None,
    }
}

/// The bytes before the first zero byte, and those after it.
fn field(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

/// Four octal digits and a space.
fn mode(text: &[u8]) -> Option<(u32, &[u8])> {
    let (digits, rest) = text.split_at_checked(4)?;
    let mut bits = 0;
    for digit in digits {
        matches!(digit, b'0'..=b'7').then_some(())?;
        bits = bits << 3 | u32::from(digit - b'0');
    }
    Some((bits, rest.strip_prefix(b" ")?))
}

#[cfg(test)]
mod tests;
