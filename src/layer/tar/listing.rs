//! Lists the changes that an archive makes, in order. The content of its files goes to the
//! store.

use super::budget::UnpackBudget;
use super::content_writer::ContentWriter;
use super::member::{Member, MemberContent, MemberKind, Members};
use super::{EntryProblem, TarError};
use crate::store::{Entry, Mode, PathInContainer};
use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The longest path that the kernel accepts, in bytes (`PATH_MAX` without the zero byte).
pub(super) const LONGEST_PATH: usize = 4095;

/// The longest file name that the kernel accepts, in bytes (`NAME_MAX`).
const LONGEST_NAME: usize = 255;

/// The approximate memory of a change without its paths, in bytes.
const CHANGE: u64 = 128;

/// The change that an archive makes at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TarChange {
    pub path: PathInContainer,
    pub action: TarAction,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TarAction {
    Put(Entry),
    /// A hard link to the file at this path.
    Link(PathInContainer),
    /// Removes what the layers below have at the path.
    WhiteOut,
    /// Removes what the layers below have in the directory.
    MakeOpaque,
}

/// The changes of an archive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TarListing {
    pub changes: Vec<TarChange>,
    /// The paths of devices and pipes, as written.
    pub skipped: Vec<String>,
}

/// Reads an uncompressed archive up to its end marker, which may come before the end of the
/// file.
pub(super) fn list(
    archive: impl Read,
    name: &Path,
    contents: &ContentWriter<'_>,
    budget: &UnpackBudget,
) -> Result<TarListing, TarError> {
    let read_error = |cause| TarError::Read {
        archive: name.to_owned(),
        cause,
    };
    let mut listing = TarListing::default();
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
                listing.changes.push(TarChange { path, action });
                continue;
            }
            Whiteout::No => match member.kind {
                MemberKind::File => {
                    budget.take(member.map.holes(), name)?;
                    let source = name.join(OsStr::from_bytes(&member.path));
                    let mode = Mode::of_file(member.mode);
                    let mut content = MemberContent::new(&mut members, member.map);
                    let digest = contents.add(&mut content, mode, &source)?;
                    TarAction::Put(Entry::File { digest, mode })
                }
                MemberKind::Directory => TarAction::Put(Entry::Directory {
                    mode: Mode::of_directory(member.mode),
                }),
                MemberKind::Symlink => TarAction::Put(symlink(&member).map_err(failed)?),
                MemberKind::HardLink => TarAction::Link(linked(&member).map_err(failed)?),
                MemberKind::Special => {
                    listing.skipped.push(shown(&member.path));
                    continue;
                }
                MemberKind::Unknown(letter) => {
                    return Err(failed(EntryProblem::Unknown(letter.into())));
                }
            },
        };
        listing.changes.push(TarChange { path, action });
    }
    Ok(listing)
}

/// The path of an entry from the root of the layer.
fn checked(written: &[u8]) -> Result<PathInContainer, EntryProblem> {
    // Some programs write the root as `/`.
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
    /// Metadata of aufs, the file system that made the layer.
    Ignored,
    Is {
        path: PathInContainer,
        action: TarAction,
    },
}

fn whiteout(path: &PathInContainer) -> Result<Whiteout, EntryProblem> {
    let Some(parent) = path.parent() else {
        return Ok(Whiteout::No);
    };
    let mut parts = path.as_bytes().rsplit(|&byte| byte == b'/');
    let name = parts.next().unwrap_or_default();
    if name == b".wh..wh..opq" {
        let (path, action) = (parent, TarAction::MakeOpaque);
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
            action: TarAction::WhiteOut,
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

/// The target of a hard link. An absolute path starts at the root of the layer, as some tools
/// write it.
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
