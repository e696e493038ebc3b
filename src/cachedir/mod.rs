//! The directories of caches: which are ours, and which are refused.
//!
//! A cache removes files. It does so only in a directory that was empty when the cache began,
//! and that was marked then. The mark is a file with one line: what the directory is for, and
//! the format of what is in it.
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
//! So all programs can have the same cache root, and none uses a file of another kind of cache.
//!
//! # Several programs at once, and killed ones
//!
//! The mark is written before anything else, and forced onto the disk: a directory with files
//! of a cache has a whole mark. Programs that mark a directory at the same time write the same
//! bytes to the same place. What a killed program left of a mark is the beginning of those
//! bytes, alone in its directory; the next program completes it.

mod refusal;

pub use refusal::{Refusal, RefusalReason};

use rustix::io::Errno;
use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The name of the file that is the mark.
pub const MARK: &str = "maelstrom-cache";

/// The name of the file that tells other programs of a cache.
pub const TAG: &str = "CACHEDIR.TAG";

/// The first line is what programs look for.
const TAG_TEXT: &str = "\
Signature: 8a477f597d28d172789f06886806bc55
# This directory is a cache of cargo-maelstrom, which removes files in it.
# https://bford.info/cachedir/ says what this file is for.
";

/// What a directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheKind {
    /// To hold the directories of the next two.
    Root,
    /// The layers of `cargo maelstrom`, `maelstrom-run` and other clients.
    Store,
    /// The inputs of a worker's actions.
    Worker,
    /// Downloaded images.
    Images,
}

impl CacheKind {
    /// In the mark; also the name of a directory below the root.
    fn name(self) -> &'static str {
        match self {
            Self::Root => "cache-root",
            Self::Store => "store",
            Self::Worker => "worker",
            Self::Images => "images",
        }
    }

    /// To be changed with the layout, or with what any file means. Stores had their first
    /// format before there were marks.
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

/// What a directory is to a kind of cache.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DirectoryState {
    /// It is not there, or empty, and may be marked.
    Free,
    Ours,
    /// It has the mark of another version, which this is.
    OtherFormat(String),
    /// It has the mark of another kind of cache, which this is.
    OtherKind(String),
    /// It has no mark, but this file or directory.
    Foreign(OsString),
}

/// A directory that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedDirectory {
    pub directory: PathBuf,
    /// What the mark says, if the content is that of another version: to be discarded, and
    /// the mark to be [renewed](replace_mark), by whoever has the cache for itself.
    pub other_format: Option<String>,
}

/// Why a directory cannot be used.
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

/// What to do where it is a matter of permission.
fn remedy(cause: &io::Error) -> &'static str {
    match Errno::from_io_error(cause) {
        Some(Errno::ROFS | Errno::ACCESS | Errno::PERM) => {
            "; make the directory writable for this user, or choose another one (`cache-root`)"
        }
        _ => "",
    }
}

/// The directory of a kind of cache below `root`. Both are made and marked where there is
/// nothing yet.
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

/// Marks a directory that has no mark yet. Its format, if it is another one.
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

/// What a directory is to this kind of cache.
pub fn directory_state(directory: &Path, kind: CacheKind) -> io::Result<DirectoryState> {
    directory_state_ignoring(directory, kind, &[])
}

/// The same where entries with these names do not count, since the caller has to examine them
/// itself: earlier versions made such ones, and no mark.
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
    // Another program may have marked it since, and have made that entry.
    Ok(marked(directory, kind)?.unwrap_or(DirectoryState::Foreign(entry)))
}

/// What the mark of a directory says. `None`: it has no whole one.
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

/// The content of a file that can be a mark.
fn read_mark(directory: &Path) -> io::Result<Option<String>> {
    /// More than any mark has, in bytes.
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

/// Something in a directory without a mark that keeps it from being empty; the first one by
/// name.
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
            // The beginning of one.
            Some(MARK) => !read_mark(directory)?.is_some_and(|text| kind.mark().starts_with(&text)),
            // Left by a backup, or made by people for theirs.
            Some(TAG) => !entry.file_type()?.is_file(),
            // In every new file system of some kinds.
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

/// Marks a directory, which must be known to be ours.
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

/// Replaces the mark of another format or user. The caller has the cache for itself.
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
