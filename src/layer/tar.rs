//! Unpacking tar archives into manifests.
//!
//! Nothing is ever written to a path that an archive names; entries whose path
//! would lead out of the root all the same (`..`, absolute, through a symlink) are
//! refused, since whoever made the archive meant harm or something else. Set-id
//! bits, owners and times are dropped. Devices and pipes are skipped with a
//! warning.
//!
//! Whiteouts (`.wh.x`, `.wh..wh..opq`) are those of OCI image layers: they remove
//! what the layers below brought, which is the manifest that is given. In a lone
//! archive there is nothing to remove, and a warning says so.

mod compression;

use super::{Entry, Manifest, Mode, PathInContainer};
use crate::store::{ManifestError, PathError, Store, StoreError};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{Archive, EntryType};

/// Why an archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    #[error("cannot read {}: {cause}", archive.display())]
    Read { archive: PathBuf, cause: io::Error },
    #[error(
        "{} is compressed with {format}, which is not known here: compress it with gzip or zstd",
        archive.display()
    )]
    UnknownCompression {
        archive: PathBuf,
        format: &'static str,
    },
    #[error("the entry `{entry}` of {} {problem}", archive.display())]
    Entry {
        archive: PathBuf,
        entry: String,
        problem: EntryProblem,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with an entry of an archive; a part of a sentence.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    #[error("has an absolute path, which is not allowed")]
    Absolute,
    #[error("has a path that leads upwards (`..`), which is not allowed")]
    Upwards,
    #[error("leads through the symlink `{0}`, which is not allowed")]
    ThroughSymlink(PathInContainer),
    #[error("is a hard link to `{0}`, which is not in the archive before it")]
    LinkToNothing(String),
    #[error("has no target")]
    NoTarget,
    #[error("cannot be: {0}")]
    Manifest(#[from] ManifestError),
    #[error("cannot be: {0}")]
    Path(#[from] PathError),
}

/// What an archive holds, on top of what was given.
#[derive(Debug)]
pub struct Unpacked {
    pub manifest: Manifest,
    pub warnings: Vec<String>,
}

/// Adds the content of an archive, compressed or not, to the store, and its entries
/// to those of the layers below. `name` is the archive's name in messages.
pub fn unpack(
    store: &Store,
    archive: impl Read,
    name: &Path,
    below: Manifest,
) -> Result<Unpacked, TarError> {
    let read_error = |cause| TarError::Read {
        archive: name.to_owned(),
        cause,
    };
    let content = compression::decompress(archive, name)?;
    let mut unpacking = Unpacking {
        store,
        name,
        manifest: below,
        own: HashSet::new(),
        skipped: Vec::new(),
        whiteouts: Vec::new(),
    };
    for entry in Archive::new(content).entries().map_err(read_error)? {
        unpacking.add(&mut entry.map_err(read_error)?)?;
    }
    Ok(unpacking.finish())
}

struct Unpacking<'a> {
    store: &'a Store,
    name: &'a Path,
    manifest: Manifest,
    /// What this archive brought: whiteouts do not remove that.
    own: HashSet<PathInContainer>,
    /// Devices and pipes.
    skipped: Vec<String>,
    /// Whiteouts that had no effect.
    whiteouts: Vec<String>,
}

impl Unpacking<'_> {
    fn add<R: Read>(&mut self, entry: &mut tar::Entry<'_, R>) -> Result<(), TarError> {
        if entry.header().entry_type() == EntryType::XGlobalHeader {
            return Ok(());
        }
        let written = entry.path_bytes().into_owned();
        let failed = |archive: &Path, problem| TarError::Entry {
            archive: archive.to_owned(),
            entry: String::from_utf8_lossy(&written).into_owned(),
            problem,
        };
        let path = inside(&written).map_err(|problem| failed(self.name, problem))?;
        if path.is_root() {
            return Ok(());
        }
        if self.white_out(&path) {
            return Ok(());
        }
        let mode = entry.header().mode().unwrap_or(0o755);
        let new = match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let mode = Mode::of_file(mode);
                let name = self.name.join(OsStr::from_bytes(&written));
                let digest = self.store.add_stream(entry, mode, &name)?;
                Entry::File { digest, mode }
            }
            EntryType::Directory => Entry::Directory {
                mode: Mode::of_directory(mode),
            },
            EntryType::Symlink => symlink(entry).map_err(|problem| failed(self.name, problem))?,
            EntryType::Link => self
                .linked(entry)
                .map_err(|problem| failed(self.name, problem))?,
            _ => {
                self.skipped
                    .push(String::from_utf8_lossy(&written).into_owned());
                return Ok(());
            }
        };
        self.put(path, new)
            .map_err(|problem| failed(self.name, problem))
    }

    /// What a hard link is another name of.
    fn linked<R: Read>(&self, entry: &tar::Entry<'_, R>) -> Result<Entry, EntryProblem> {
        let target = entry.link_name_bytes().ok_or(EntryProblem::NoTarget)?;
        match self.manifest.get(&inside(&target)?) {
            Some(entry @ (Entry::File { .. } | Entry::Symlink { .. })) => Ok(entry.clone()),
            _ => Err(EntryProblem::LinkToNothing(
                String::from_utf8_lossy(&target).into_owned(),
            )),
        }
    }

    /// Puts an entry in its place, and in that of what layers below have there.
    fn put(&mut self, path: PathInContainer, entry: Entry) -> Result<(), EntryProblem> {
        let mut ancestor = path.parent();
        while let Some(directory) = ancestor.filter(|directory| !directory.is_root()) {
            match self.manifest.get(&directory) {
                None | Some(Entry::Directory { .. }) => {}
                Some(_) if !self.own.contains(&directory) => {
                    self.manifest.remove(&directory);
                }
                Some(Entry::Symlink { .. }) => {
                    return Err(EntryProblem::ThroughSymlink(directory));
                }
                // The manifest says what is wrong.
                Some(Entry::File { .. }) => {}
            }
            ancestor = directory.parent();
        }
        if !matches!(entry, Entry::Directory { .. }) {
            self.manifest.remove(&path);
        }
        self.manifest.insert(path.clone(), entry)?;
        self.own.insert(path);
        Ok(())
    }

    /// Whether this is a whiteout, which is then done.
    fn white_out(&mut self, path: &PathInContainer) -> bool {
        let Some((name, parent)) = path.as_path().file_name().zip(path.parent()) else {
            return false;
        };
        let Some(removed) = name.as_bytes().strip_prefix(b".wh.") else {
            return false;
        };
        let victims: Vec<PathInContainer> = match removed {
            b".wh..opq" => self.manifest.content(&parent).cloned().collect(),
            // Notes of the file system that made the layer.
            _ if removed.starts_with(b".wh.") => return true,
            _ => parent.join(removed).into_iter().collect(),
        };
        let mut had_effect = false;
        for victim in victims {
            had_effect |= self.remove_from_below(&victim);
        }
        if !had_effect {
            self.whiteouts.push(path.to_string());
        }
        true
    }

    /// Removes a path and what is below it, but for what this archive brought.
    fn remove_from_below(&mut self, path: &PathInContainer) -> bool {
        let content: Vec<_> = self.manifest.content(path).cloned().collect();
        let (own, others): (Vec<_>, Vec<_>) = content
            .into_iter()
            .chain([path.clone()])
            .partition(|path| self.own.contains(path));
        let mut removed = false;
        for path in others {
            if !own.iter().any(|own| own.starts_with(&path)) {
                removed |= self.manifest.remove(&path);
            }
        }
        removed
    }

    fn finish(self) -> Unpacked {
        let mut warnings = Vec::new();
        if let Some(paths) = listed(&self.skipped) {
            warnings.push(format!(
                "left out {paths}, as a layer cannot hold devices and pipes"
            ));
        }
        if let Some(paths) = listed(&self.whiteouts) {
            warnings.push(format!(
                "{paths} would remove files of layers below, which only layers of an image can"
            ));
        }
        Unpacked {
            manifest: self.manifest,
            warnings,
        }
    }
}

fn symlink<R: Read>(entry: &tar::Entry<'_, R>) -> Result<Entry, EntryProblem> {
    let target = entry.link_name_bytes().ok_or(EntryProblem::NoTarget)?;
    let target = target.into_owned();
    Ok(Entry::Symlink { target })
}

/// The path of an entry, from the root of the layer.
fn inside(written: &[u8]) -> Result<PathInContainer, EntryProblem> {
    if written.starts_with(b"/") {
        return Err(EntryProblem::Absolute);
    }
    if written
        .split(|&byte| byte == b'/')
        .any(|part| part == b"..")
    {
        return Err(EntryProblem::Upwards);
    }
    Ok(PathInContainer::normalised(written)?)
}

fn listed(paths: &[String]) -> Option<String> {
    match paths {
        [] => None,
        [path] => Some(format!("`{path}`")),
        [first, others @ ..] => Some(format!("`{first}` and {} more", others.len())),
    }
}

#[cfg(test)]
mod tests;
