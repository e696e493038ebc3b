//! The directories of caches, and their marks.
//!
//! A cache removes files. It does so only in a directory that was empty when the cache was made,
//! and was marked then. The mark is a file with one line: the purpose of the directory and the
//! format of its content.
//!
//! ```text
//! <cache-root>/maelstrom-cache         maelstrom cache-root 1
//! <cache-root>/CACHEDIR.TAG            tells backup programs that this is a cache
//! <cache-root>/store/maelstrom-cache   maelstrom store 2
//! <cache-root>/worker/maelstrom-cache  maelstrom worker 1
//! <depot>/maelstrom-cache              maelstrom images 1
//! <depot>/CACHEDIR.TAG
//! ```
//!
//! So all programs can have the same cache root, and no cache uses files of another kind of cache.
//!
//! # Several programs at once, and killed ones
//!
//! The mark is written before any other file and synced to the disk, so a directory with files of
//! a cache has a complete mark. Programs that mark a directory at the same time write the same
//! bytes. A killed program may leave the beginning of the mark as the only file of the directory.
//! The next program completes it.

mod refusal;

pub use refusal::{Refusal, RefusalReason};

use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The file name of the mark.
pub const MARK: &str = "maelstrom-cache";

/// The file that tells backup programs that a directory is a cache.
pub const TAG: &str = "CACHEDIR.TAG";

/// The content of the tag. Programs look for its first line.
const TAG_TEXT: &str = "\
Signature: 8a477f597d28d172789f06886806bc55
# This directory is a cache of cargo-maelstrom, which removes files in it.
# https://bford.info/cachedir/ says what this file is for.
";

/// The purpose of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheKind {
    /// The parent of the directories of the next two.
    Root,
    /// The layers of `cargo maelstrom`, `maelstrom-run` and other clients.
    Store,
    /// The inputs of a worker's actions.
    Worker,
    /// Downloaded images.
    Images,
}

impl CacheKind {
    /// The name in the mark, which is also the name of the directory in the root.
    fn name(self) -> &'static str {
        match self {
            Self::Root => "cache-root",
            Self::Store => "store",
            Self::Worker => "worker",
            Self::Images => "images",
        }
    }

    /// The format, which changes with the layout or the meaning of a file. The first format of
    /// stores had no mark.
    fn format(self) -> u32 {
        match self {
            Self::Store => 2,
            Self::Root | Self::Worker | Self::Images => 1,
        }
    }

    fn mark(self) -> String {
        format!("maelstrom {} {}\n", self.name(), self.format())
    }

    fn has_tag(self) -> bool {
        matches!(self, Self::Root | Self::Images)
    }
}

/// The state of a directory with respect to a kind of cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryState {
    /// The directory does not exist or is empty. It may be marked.
    Free,
    Ours,
    /// The directory has this mark of another format.
    OtherFormat(String),
    /// The directory has this mark of another kind of cache.
    OtherKind(String),
    /// The directory has no mark, but this entry.
    Foreign(OsString),
}

/// A directory that is marked for this kind of cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedDirectory {
    pub directory: PathBuf,
    /// The mark, if its format is another one. A program that has locked the cache must discard the
    /// content and [replace the mark](replace_mark).
    pub other_format: Option<String>,
}

/// An error of claiming a directory.
#[derive(Debug, thiserror::Error)]
pub enum CacheDirError {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("cannot {doing} {}: {cause}{}", path.display(), remedy(cause))]
    Io {
        doing: &'static str,
        path: PathBuf,
        cause: io::Error,
    },
}

/// The remedy for missing permissions.
fn remedy(cause: &io::Error) -> &'static str {
    match Errno::from_io_error(cause) {
        Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => {
            "; make the directory writable for this user, or choose another one (`cache-root`)"
        }
        _ => "",
    }
}

/// The directory of a kind of cache in `root`. Both are made and marked if they do not exist or are
/// empty.
pub fn claim(root: &Path, kind: CacheKind) -> Result<ClaimedDirectory, CacheDirError> {
    if let Some(format) = claim_directory(root, CacheKind::Root, kind)? {
        return Err(Refusal::new(root, kind, RefusalReason::OtherFormat(format)).into());
    }
    let directory = root.join(kind.name());
    Ok(ClaimedDirectory {
        other_format: claim_directory(&directory, kind, kind)?,
        directory,
    })
}

/// Marks a directory that has no mark. Returns its format if that is another one.
fn claim_directory(
    directory: &Path,
    kind: CacheKind,
    purpose: CacheKind,
) -> Result<Option<String>, CacheDirError> {
    let failed = |doing| {
        let path = directory.to_owned();
        move |cause| CacheDirError::Io { doing, path, cause }
    };
    let reason =
        match directory_state(directory, kind).map_err(failed("look into the directory"))? {
            DirectoryState::Ours => return Ok(None),
            DirectoryState::OtherFormat(format) => return Ok(Some(format)),
            DirectoryState::Free => {
                fs::create_dir_all(directory).map_err(failed("make the directory"))?;
                mark(directory, kind).map_err(failed("write to the directory"))?;
                return Ok(None);
            }
            DirectoryState::OtherKind(found) => RefusalReason::OtherKind(found),
            DirectoryState::Foreign(_) if refusal::seems_older(directory) => RefusalReason::Older,
            DirectoryState::Foreign(entry) => RefusalReason::Foreign(entry.into()),
        };
    Err(Refusal::new(directory, purpose, reason).into())
}

/// The state of a directory with respect to this kind of cache.
pub fn directory_state(directory: &Path, kind: CacheKind) -> io::Result<DirectoryState> {
    directory_state_ignoring(directory, kind, &[])
}

/// Like [`directory_state`], but entries with the names `older` are ignored. Earlier versions made
/// them without a mark, and the caller examines them.
pub fn directory_state_ignoring(
    directory: &Path,
    kind: CacheKind,
    older: &[&str],
) -> io::Result<DirectoryState> {
    if let Some(state) = marked(directory, kind)? {
        return Ok(state);
    }
    let Some(entry) = foreign_entry(directory, kind, older)? else {
        return Ok(DirectoryState::Free);
    };
    // Another program may have marked the directory since, and made that entry.
    Ok(marked(directory, kind)?.unwrap_or(DirectoryState::Foreign(entry)))
}

/// The state by the mark of a directory. `None` if it has no complete mark.
fn marked(directory: &Path, kind: CacheKind) -> io::Result<Option<DirectoryState>> {
    let Some(text) = read_mark(directory)? else {
        return Ok(None);
    };
    if text == kind.mark() {
        return Ok(Some(DirectoryState::Ours));
    }
    let Some(words) = text.strip_suffix('\n') else {
        return Ok(None);
    };
    Ok(match words.split(' ').collect::<Vec<_>>()[..] {
        ["maelstrom", name, _] if name == kind.name() => {
            Some(DirectoryState::OtherFormat(words.to_owned()))
        }
        ["maelstrom", _, _] => Some(DirectoryState::OtherKind(words.to_owned())),
        _ => None,
    })
}

/// The content of the mark's file, if it is a small regular file of UTF-8.
fn read_mark(directory: &Path) -> io::Result<Option<String>> {
    /// The longest content that is read, in bytes.
    const MOST: u64 = 256;
    let path = directory.join(MARK);
    let read = || match fs::symlink_metadata(&path)? {
        metadata if metadata.is_file() && metadata.len() <= MOST => fs::read(&path).map(Some),
        _ => Ok(None),
    };
    match read() {
        Ok(bytes) => Ok(bytes.and_then(|bytes| String::from_utf8(bytes).ok())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// An entry of a directory without a mark that belongs to no cache: the first one by name.
fn foreign_entry(
    directory: &Path,
    kind: CacheKind,
    older: &[&str],
) -> io::Result<Option<OsString>> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut foreign: Option<OsString> = None;
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let counts = match name.to_str() {
            // The beginning of a mark, which a killed program left.
            Some(MARK) => !read_mark(directory)?.is_some_and(|text| kind.mark().starts_with(&text)),
            // A tag may have been restored from a backup or made by the user.
            Some(TAG) => !entry.file_type()?.is_file(),
            // Some new file systems have this directory.
            Some("lost+found") => !entry.file_type()?.is_dir(),
            Some(name) => !older.contains(&name),
            None => true,
        };
        if counts && foreign.as_ref().is_none_or(|first| name < *first) {
            foreign = Some(name);
        }
    }
    Ok(foreign)
}

/// Marks a directory. The caller has checked that it is free.
pub fn mark(directory: &Path, kind: CacheKind) -> io::Result<()> {
    if kind.has_tag() {
        match OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(directory.join(TAG))
        {
            Ok(mut file) => file.write_all(TAG_TEXT.as_bytes())?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .open(directory.join(MARK))?;
    file.write_all(kind.mark().as_bytes())?;
    file.sync_all()
}

/// Replaces the mark of another format or owner. The caller has locked the cache.
pub fn replace_mark(directory: &Path, kind: CacheKind) -> io::Result<()> {
    let new = directory.join("maelstrom-cache.new");
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&new)?;
    file.write_all(kind.mark().as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, directory.join(MARK))
}

#[cfg(test)]
mod tests;
