//! What an archive wants to be done, in order; the content of its files goes to the store.

use super::budget::Budget;
use super::contents::Contents;
use super::member::{Content, Kind, Member, Members};
use super::{EntryProblem, TarError};
use crate::store::{Entry, Mode, PathInContainer};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What the kernel allows of a path, in bytes.
pub(super) const LONGEST_PATH: usize = 4095;

/// What the kernel allows of a part of a path, in bytes.
const LONGEST_NAME: usize = 255;

/// What a change takes in memory beside its paths, about, in bytes.
const CHANGE: u64 = 128;

/// What an archive has at a path, or wants to be gone there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub path: PathInContainer,
    pub action: Action,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Put(Entry),
    /// Another name for what is at this path.
    Link(PathInContainer),
    /// What layers below have at the path is not there.
    WhiteOut,
    /// Nothing of what layers below have in the directory is there.
    MakeOpaque,
}

/// An archive's changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Listing {
    pub changes: Vec<Change>,
    /// Devices and pipes, as written.
    pub skipped: Vec<String>,
}

/// Reads an archive that is not compressed up to its end, which may come before that of the
/// bytes.
pub(super) fn list(
    archive: impl Read,
    name: &Path,
    contents: &Contents<'_>,
    budget: &Budget,
) -> Result<Listing, TarError> {
    let read_error = |cause| TarError::Read {
        archive: name.to_owned(),
        cause,
    };
    let mut listing = Listing::default();
    let mut members = Members::new(archive);
    while let Some(member) = members.next().map_err(read_error)? {
        let text = member.path.len() + member.link.as_ref().map_or(0, Vec::len);
        budget.take_paths(text as u64 + CHANGE, name)?;
        let failed = |problem| TarError::Entry {
            archive: name.to_owned(),
            entry: shown(&member.path),
            problem,
        };
        let path = checked(&member.path).map_err(failed)?;
        let action = match whiteout(&path).map_err(failed)? {
            Whiteout::Ignored => continue,
            Whiteout::Is { path, action } => {
                listing.changes.push(Change { path, action });
                continue;
            }
            Whiteout::No => match member.kind {
                Kind::File => {
                    budget.take(member.map.holes(), name)?;
                    let source = name.join(OsStr::from_bytes(&member.path));
                    let mode = Mode::of_file(member.mode);
                    let mut content = Content::new(&mut members, member.map);
                    let digest = contents.add(&mut content, mode, &source)?;
                    Action::Put(Entry::File { digest, mode })
                }
                Kind::Directory => Action::Put(Entry::Directory {
                    mode: Mode::of_directory(member.mode),
                }),
                Kind::Symlink => Action::Put(symlink(&member).map_err(failed)?),
                Kind::HardLink => Action::Link(linked(&member).map_err(failed)?),
                Kind::Special => {
                    listing.skipped.push(shown(&member.path));
                    continue;
                }
                Kind::Unknown(letter) => return Err(failed(EntryProblem::Unknown(letter.into()))),
            },
        };
        listing.changes.push(Change { path, action });
    }
    Ok(listing)
}

/// The path of an entry, from the root of the layer.
fn checked(written: &[u8]) -> Result<PathInContainer, EntryProblem> {
    // Some programs call the root itself so.
    let is_root = written.iter().all(|&byte| byte == b'/');
    if written.starts_with(b"/") && !is_root {
        return Err(EntryProblem::Absolute);
    }
    let mut longest = 0;
    for part in written.split(|&byte| byte == b'/') {
        if part == b".." {
            return Err(EntryProblem::Upwards);
        }
        longest = longest.max(part.len());
    }
    if written.len() > LONGEST_PATH || longest > LONGEST_NAME {
        return Err(EntryProblem::TooLong);
    }
    Ok(PathInContainer::normalised(written)?)
}

enum Whiteout {
    No,
    /// A note of the file system that made the layer, for itself.
    Ignored,
    Is {
        path: PathInContainer,
        action: Action,
    },
}

fn whiteout(path: &PathInContainer) -> Result<Whiteout, EntryProblem> {
    let Some(parent) = path.parent() else {
        return Ok(Whiteout::No);
    };
    let mut parts = path.as_bytes().rsplit(|&byte| byte == b'/');
    let name = parts.next().unwrap_or_default();
    if name == b".wh..wh..opq" {
        let (path, action) = (parent, Action::MakeOpaque);
        return Ok(Whiteout::Is { path, action });
    }
    if name.starts_with(b".wh..wh.") || parts.any(|part| part.starts_with(b".wh..wh.")) {
        return Ok(Whiteout::Ignored);
    }
    match name.strip_prefix(b".wh.") {
        None => Ok(Whiteout::No),
        Some(b"" | b"." | b"..") => Err(EntryProblem::WhiteoutOfNothing),
        Some(name) => Ok(Whiteout::Is {
            path: parent.join(name)?,
            action: Action::WhiteOut,
        }),
    }
}

fn symlink(member: &Member) -> Result<Entry, EntryProblem> {
    match member.link.as_deref() {
        None | Some(b"") => Err(EntryProblem::NoTarget),
        Some(target) if target.len() > LONGEST_PATH => Err(EntryProblem::TooLong),
        Some(target) => Ok(Entry::Symlink {
            target: target.to_vec(),
        }),
    }
}

/// What a hard link is another name of. An absolute path, too, is from the root of the layer:
/// some tools write them, and whatever it is has to be in there.
fn linked(member: &Member) -> Result<PathInContainer, EntryProblem> {
    let mut target = member.link.as_deref().ok_or(EntryProblem::NoTarget)?;
    while let Some(rest) = target.strip_prefix(b"/") {
        target = rest;
    }
    if target.is_empty() {
        return Err(EntryProblem::NoTarget);
    }
    checked(target)
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
