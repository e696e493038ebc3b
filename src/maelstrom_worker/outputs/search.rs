//! Finding the outputs of an action on disk.

use super::fault::FaultReason;
use super::{OutputLimits, Outputs};
use crate::engine::{BlobContent, UploadBlob, reapi};
use crate::maelstrom_worker::blocking::{Stop, hash};
use crate::maelstrom_worker::error::is_worker_fault;
use crate::maelstrom_worker::root_paths::{make_readable, resolve};
use crate::store::Digest;
use prost::Message;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{self, FileType, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The state of collecting all outputs of an action.
pub(super) struct OutputSearch<'a> {
    root: PathBuf,
    limits: OutputLimits,
    stop: &'a Stop,
    pub(super) outputs: Outputs,
    /// The blobs of the output that is being collected.
    pub(super) blobs: BTreeMap<Digest, BlobContent>,
    entries: usize,
    /// The length of all names and targets, in bytes.
    names: usize,
}

/// Why an output cannot be collected.
pub(super) enum CollectError {
    Action(FaultReason),
    Machine(PathBuf, io::Error),
}

impl From<FaultReason> for CollectError {
    fn from(reason: FaultReason) -> Self {
        Self::Action(reason)
    }
}

impl<'a> OutputSearch<'a> {
    pub(super) fn new(root: PathBuf, limits: OutputLimits, stop: &'a Stop) -> Self {
        Self {
            root,
            limits,
            stop,
            outputs: Outputs::default(),
            blobs: BTreeMap::new(),
            entries: 0,
            names: 0,
        }
    }

    /// Collects one output. An output that does not exist is left out.
    pub(super) fn find(
        &mut self,
        below: &Path,
        name: &str,
        kind: Option<OutputKind>,
    ) -> Result<(), CollectError> {
        let path = match resolve(&self.root, below) {
            Ok(Some(path)) => path,
            Ok(None) => return Ok(()),
            Err(Errno::XDEV) => return Err(FaultReason::LeadsOut.into()),
            Err(error) => return Err(self.failure(&self.root.join(below), error.into())),
        };
        let read = fs::symlink_metadata(&path);
        let metadata = read.map_err(|error| self.failure(&path, error))?;
        if let Some(expected) = kind
            && let Some(found) = OutputKind::of(metadata.file_type())
            && found != expected
        {
            let (found, expected) = (found.as_str(), expected.as_str());
            return Err(FaultReason::Kind { found, expected }.into());
        }
        self.count(name)?;
        let name = name.to_owned();
        if metadata.is_symlink() {
            let target = self.target(&path)?;
            self.outputs.symlinks.push(reapi::OutputSymlink {
                path: name,
                target,
                ..reapi::OutputSymlink::default()
            });
        } else if metadata.is_dir() {
            let tree_digest = self.tree(&path, &metadata)?;
            self.outputs.directories.push(reapi::OutputDirectory {
                path: name,
                tree_digest: Some(tree_digest.into()),
                is_topologically_sorted: false,
                ..reapi::OutputDirectory::default()
            });
        } else {
            let digest = self.file(&path, &metadata)?;
            self.outputs.files.push(reapi::OutputFile {
                path: name,
                digest: Some(digest.into()),
                is_executable: is_executable(&metadata),
                ..reapi::OutputFile::default()
            });
        }
        Ok(())
    }

    /// The digest of a directory and all below it as one message.
    fn tree(&mut self, path: &Path, metadata: &Metadata) -> Result<Digest, CollectError> {
        let mut children = BTreeMap::new();
        let directory = self.walk(path, metadata, &mut children, 0)?;
        let root_digest = Digest::of(&directory.encode_to_vec());
        children.remove(&root_digest);
        let tree = reapi::Tree {
            root: Some(directory),
            children: children.into_values().collect(),
        };
        let tree = UploadBlob::of(tree.encode_to_vec());
        self.check_blob_size(path, tree.digest.size)?;
        self.blobs.insert(tree.digest, tree.content);
        Ok(tree.digest)
    }

    /// A directory as a message, and those below it by their digests.
    fn walk(
        &mut self,
        path: &Path,
        metadata: &Metadata,
        children: &mut BTreeMap<Digest, reapi::Directory>,
        depth: usize,
    ) -> Result<reapi::Directory, CollectError> {
        if depth > self.limits.depth {
            return Err(FaultReason::TooDeep(self.below(path), self.limits.depth).into());
        }
        make_readable(path, metadata.permissions().mode())
            .map_err(|error| self.failure(path, error))?;
        let mut directory = reapi::Directory::default();
        for (name, path) in self.list(path)? {
            let read = fs::symlink_metadata(&path);
            let metadata = read.map_err(|error| self.failure(&path, error))?;
            if metadata.is_dir() {
                let child = self.walk(&path, &metadata, children, depth + 1)?;
                let digest = Digest::of(&child.encode_to_vec());
                children.insert(digest, child);
                directory.directories.push(reapi::DirectoryNode {
                    name,
                    digest: Some(digest.into()),
                });
            } else if metadata.is_symlink() {
                directory.symlinks.push(reapi::SymlinkNode {
                    name,
                    target: self.target(&path)?,
                    ..reapi::SymlinkNode::default()
                });
            } else {
                directory.files.push(reapi::FileNode {
                    name,
                    digest: Some(self.file(&path, &metadata)?.into()),
                    is_executable: is_executable(&metadata),
                    ..reapi::FileNode::default()
                });
            }
        }
        Ok(directory)
    }

    /// The entries of a directory, sorted by name.
    fn list(&mut self, directory: &Path) -> Result<Vec<(String, PathBuf)>, CollectError> {
        let mut entries = Vec::new();
        let failed = |error| self.failure(directory, error);
        for entry in fs::read_dir(directory).map_err(failed)? {
            let path = entry
                .map_err(|error| self.failure(directory, error))?
                .path();
            let name = path.file_name().and_then(|name| name.to_str());
            let Some(name) = name.map(str::to_owned) else {
                return Err(FaultReason::Name(self.below(&path)).into());
            };
            self.count(&name)?;
            entries.push((name, path));
        }
        entries.sort_unstable();
        Ok(entries)
    }

    /// The digest of a regular file. A special file is an error.
    fn file(&mut self, path: &Path, metadata: &Metadata) -> Result<Digest, CollectError> {
        if let Some(special) = special(metadata.file_type()) {
            return Err(FaultReason::Special(self.below(path), special).into());
        }
        self.check_blob_size(path, metadata.len())?;
        let hashed = match hash(path, self.stop) {
            // The action may have taken its owner the right to read the file.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                let mode = Permissions::from_mode(metadata.permissions().mode() | 0o400);
                fs::set_permissions(path, mode).and_then(|()| hash(path, self.stop))
            }
            hashed => hashed,
        };
        let digest = hashed.map_err(|error| self.failure(path, error))?;
        let content = BlobContent::File(path.to_owned());
        self.blobs.insert(digest, content);
        Ok(digest)
    }

    fn target(&mut self, link: &Path) -> Result<String, CollectError> {
        let target = fs::read_link(link).map_err(|error| self.failure(link, error))?;
        let target = target.into_os_string().into_string();
        let target = target.map_err(|_| FaultReason::Target(self.below(link)))?;
        self.count_length(&target)?;
        Ok(target)
    }

    /// Counts an entry with this name.
    fn count(&mut self, name: &str) -> Result<(), CollectError> {
        self.stop
            .check()
            .map_err(|error| CollectError::Machine(self.root.clone(), error))?;
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(FaultReason::TooMany(self.limits.entries).into());
        }
        self.count_length(name)
    }

    fn count_length(&mut self, name: &str) -> Result<(), CollectError> {
        self.names += name.len();
        if self.names > self.limits.names {
            return Err(FaultReason::TooLong(self.limits.names).into());
        }
        Ok(())
    }

    fn check_blob_size(&self, path: &Path, size: u64) -> Result<(), CollectError> {
        match self.limits.blob {
            Some(limit) if size > limit => {
                Err(FaultReason::TooLarge(self.below(path), size, limit).into())
            }
            _ => Ok(()),
        }
    }

    /// Whether an error of reading is the fault of this worker or of the action.
    fn failure(&self, path: &Path, error: io::Error) -> CollectError {
        if is_worker_fault(&error) {
            return CollectError::Machine(path.to_owned(), error);
        }
        FaultReason::Unreadable(self.below(path), error).into()
    }

    /// A path as the action sees it, from its input root.
    fn below(&self, path: &Path) -> PathBuf {
        path.strip_prefix(&self.root).unwrap_or(path).to_owned()
    }
}

/// The kind that the client expects of an output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OutputKind {
    File,
    Directory,
}

impl OutputKind {
    /// `None` for special files and symbolic links.
    fn of(found: FileType) -> Option<Self> {
        if found.is_dir() {
            return Some(Self::Directory);
        }
        found.is_file().then_some(Self::File)
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
        }
    }
}

/// The outputs that a command names. Clients of the API before version 2.1 name files and
/// directories apart.
pub(super) fn named(command: &reapi::Command) -> Vec<(&str, Option<OutputKind>)> {
    if !command.output_paths.is_empty() {
        let paths = command.output_paths.iter();
        return paths.map(|path| (path.as_str(), None)).collect();
    }
    #[allow(deprecated, reason = "older clients use them")]
    let (files, directories) = (&command.output_files, &command.output_directories);
    let of_kind = |kind| move |path| (String::as_str(path), Some(kind));
    let files = files.iter().map(of_kind(OutputKind::File));
    let directories = directories.iter().map(of_kind(OutputKind::Directory));
    files.chain(directories).collect()
}

fn special(kind: FileType) -> Option<&'static str> {
    if kind.is_fifo() {
        Some("named pipe")
    } else if kind.is_socket() {
        Some("socket")
    } else if kind.is_block_device() || kind.is_char_device() {
        Some("device")
    } else {
        None
    }
}

fn is_executable(metadata: &Metadata) -> bool {
    metadata.permissions().mode() & 0o111 != 0
}
