//! A layer that is being built: its content goes into the store, its entries into a manifest.

use super::{LayerContent, LayerProblem};
use crate::store::{Entry, Import, Mode, PathInContainer, Store, StoreError, parallel};
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Whether the records of the store are trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trust {
    /// Content with a recorded digest is assumed to be in the store.
    Remembered,
    /// Content is checked, and added where it is missing or damaged.
    Nothing,
}

/// A file of the host, and its path in the layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HostFile {
    pub host: PathBuf,
    pub to: PathInContainer,
}

/// How files of the host are read.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadOptions {
    /// Whether symlinks are followed.
    pub follow: bool,
    pub how: Import,
}

/// The file at a path of the host.
#[derive(Debug)]
pub(super) enum HostEntry {
    Entry(Entry),
    /// A socket, pipe or device.
    Special,
}

pub(super) struct Assembly<'a> {
    pub store: &'a Store,
    pub trust: Trust,
    pub content: LayerContent,
}

impl<'a> Assembly<'a> {
    pub fn new(store: &'a Store, trust: Trust) -> Self {
        Self {
            store,
            trust,
            content: LayerContent::default(),
        }
    }

    /// Adds files, symlinks and directories of the host, all of which must exist. The content of
    /// directories is not added.
    pub fn add_host_files(
        &mut self,
        files: &[HostFile],
        reading: ReadOptions,
    ) -> Result<(), LayerProblem> {
        let found = parallel::map(files, 4, |file| self.read(&file.host, reading));
        for (file, found) in files.iter().zip(found) {
            match found? {
                HostEntry::Entry(entry) => self.content.manifest.insert(file.to.clone(), entry)?,
                HostEntry::Special => return Err(LayerProblem::Special(file.host.clone())),
            }
        }
        Ok(())
    }

    /// Reads the entry at a path of the host, and adds its content to the store.
    pub fn read(&self, host: &Path, reading: ReadOptions) -> Result<HostEntry, StoreError> {
        let unreadable = |cause| StoreError::Read {
            path: host.to_owned(),
            cause,
        };
        let metadata = if reading.follow {
            fs::metadata(host)
        } else {
            fs::symlink_metadata(host)
        };
        let metadata = metadata.map_err(unreadable)?;
        let entry = if metadata.is_file() {
            self.read_file(host, &metadata, reading.how)?
        } else if metadata.is_dir() {
            Entry::Directory {
                mode: Mode::DIRECTORY,
            }
        } else if metadata.is_symlink() {
            let target = fs::read_link(host).map_err(unreadable)?;
            let target = target.into_os_string().into_vec();
            Entry::Symlink { target }
        } else {
            return Ok(HostEntry::Special);
        };
        Ok(HostEntry::Entry(entry))
    }

    fn read_file(
        &self,
        host: &Path,
        metadata: &Metadata,
        how: Import,
    ) -> Result<Entry, StoreError> {
        let executable = metadata.mode() & 0o100 != 0;
        let digest = match self.trust {
            Trust::Remembered => self
                .store
                .add_file_unless_known(host, metadata, executable, how)?,
            Trust::Nothing => self.store.add_file(host, executable, how)?,
        };
        let mode = Mode::executable(executable);
        Ok(Entry::File { digest, mode })
    }

    /// Adds a file with this content. Content that starts with `#!` makes it executable.
    pub fn add_text(&mut self, to: PathInContainer, content: &str) -> Result<(), LayerProblem> {
        let executable = content.starts_with("#!");
        let digest = self.store.add_bytes(content.as_bytes(), executable)?;
        let mode = Mode::executable(executable);
        self.content
            .manifest
            .insert(to, Entry::File { digest, mode })?;
        Ok(())
    }

    pub fn add_directory(&mut self, to: PathInContainer) -> Result<(), LayerProblem> {
        let mode = Mode::DIRECTORY;
        self.content
            .manifest
            .insert(to, Entry::Directory { mode })?;
        Ok(())
    }

    pub fn add_symlink(&mut self, to: PathInContainer, target: &Path) -> Result<(), LayerProblem> {
        let target = target.to_owned().into_os_string().into_vec();
        self.content
            .manifest
            .insert(to, Entry::Symlink { target })?;
        Ok(())
    }
}
