//! What an action leaves: found, hashed and uploaded.
//!
//! The action has ended, and nothing of it runs: what is looked at stays as it is. What a result
//! cannot hold is the action's fault, and does not keep the rest from being found.

use super::blocking::{Stop, blocking, hash};
use super::error::{WorkError, is_worker_fault};
use super::root_paths::{make_directory, make_readable, relative, resolve};
use crate::engine::{BlobContent, Engine, Progress, UploadBlob, Uploaded, reapi, rpc};
use crate::store::Digest;
use prost::Message;
use rustix::io::Errno;
use std::collections::BTreeMap;
use std::fs::{self, FileType, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tonic::Code;

/// Outputs up to this size together are sent without asking first whether the engine has them,
/// in bytes: to ask costs it as much, and the slot waits for the answer.
const MAX_UNCHECKED_UPLOAD: u64 = 64 << 10;

/// How many blobs are sent together: to prepare more would keep the event loop busy.
const BLOBS_PER_UPLOAD: usize = 10_000;

/// What goes into a result and what it names.
#[derive(Default)]
pub struct Outputs {
    pub files: Vec<reapi::OutputFile>,
    pub directories: Vec<reapi::OutputDirectory>,
    pub symlinks: Vec<reapi::OutputSymlink>,
    /// The first output that the result cannot hold, if there is any.
    pub fault: Option<OutputFault>,
    blobs: BTreeMap<Digest, BlobContent>,
}

/// Why an output cannot be collected, which is the action's fault.
#[derive(Debug, thiserror::Error)]
#[error("failed to collect the output `{output}`: {reason}")]
pub struct OutputFault {
    /// As the client names it.
    output: String,
    reason: FaultReason,
}

#[derive(Debug, thiserror::Error)]
enum FaultReason {
    #[error("{0:?} has a name that is not UTF-8; give it another one")]
    Name(PathBuf),
    #[error("{0:?} is a symbolic link to a path that is not UTF-8; have it lead elsewhere")]
    Target(PathBuf),
    #[error(
        "{0:?} is a {1}, and results hold files, directories and symbolic links only; remove it \
         before the action ends"
    )]
    Special(PathBuf, &'static str),
    #[error("it is a {found}, and the client says that it is a {expected}")]
    Kind {
        found: &'static str,
        expected: &'static str,
    },
    #[error("a symbolic link on its path leads out of the input root; write it where it should be")]
    LeadsOut,
    #[error("the outputs have more than {0} files and directories; pack them into an archive")]
    TooMany(usize),
    #[error("the names in the outputs are longer than {0} bytes; pack them into an archive")]
    TooLong(usize),
    #[error("{0:?} is in directories that are nested deeper than {1}; pack it into an archive")]
    TooDeep(PathBuf, usize),
    #[error("{0:?} has {1} bytes, and the engine takes no more than {2}; split it")]
    TooLarge(PathBuf, u64, u64),
    #[error("failed to read {0:?}: {1}")]
    Unreadable(PathBuf, io::Error),
}

/// What a result may hold.
#[derive(Clone, Copy, Debug)]
pub struct OutputLimits {
    /// How many files, directories and links all outputs may have: they are in memory, and each
    /// directory becomes one message.
    entries: usize,
    /// How long their names and targets may be together, in bytes.
    names: usize,
    /// How deep directories may be nested; input roots may not be deeper either.
    depth: usize,
    /// The largest blob that the engine takes, in bytes.
    blob: Option<u64>,
}

impl OutputLimits {
    pub fn of(engine: &Engine) -> Self {
        Self {
            blob: engine.capabilities().blob_limit,
            ..Self::default()
        }
    }
}

impl Default for OutputLimits {
    fn default() -> Self {
        Self {
            entries: 1_000_000,
            names: 256 << 20,
            depth: 256,
            blob: None,
        }
    }
}

impl OutputFault {
    /// What a worker tells the client.
    pub fn status(&self, worker: &str) -> rpc::Status {
        let code = match self.reason {
            // The API says so.
            FaultReason::Kind { .. } => Code::FailedPrecondition,
            _ => Code::InvalidArgument,
        };
        rpc::Status {
            code: code as i32,
            message: format!("worker {worker}: {self}"),
            details: Vec::new(),
        }
    }
}

impl Outputs {
    /// Makes the directories that outputs lie in. To be done before the action runs; blocks.
    pub fn prepare(root: &Path, command: &reapi::Command) -> Result<(), WorkError> {
        let working_directory = relative(&command.working_directory)?;
        make_directory(root, &working_directory)?;
        for (path, _) in named(command) {
            let path = working_directory.join(relative(path)?);
            if let Some(parent) = path.parent() {
                make_directory(root, parent)?;
            }
        }
        Ok(())
    }

    /// Finds the outputs that a command names. Those that are not there are left out.
    pub async fn find(
        root: PathBuf,
        command: Arc<reapi::Command>,
        limits: OutputLimits,
    ) -> Result<Self, WorkError> {
        blocking(move |stop| {
            let working_directory = relative(&command.working_directory)?;
            // An action cannot remove it.
            fs::symlink_metadata(&root)
                .map_err(|error| WorkError::local("read the output", &root, error))?;
            let mut search = OutputSearch {
                root,
                limits,
                stop,
                outputs: Self::default(),
                blobs: BTreeMap::new(),
                entries: 0,
                names: 0,
            };
            for (name, kind) in named(&command) {
                let below = working_directory.join(relative(name)?);
                let found = search.find(&below, name, kind);
                let mut blobs = std::mem::take(&mut search.blobs);
                match found {
                    Ok(()) => search.outputs.blobs.append(&mut blobs),
                    Err(CollectError::Action(reason)) => {
                        search.outputs.fault.get_or_insert(OutputFault {
                            output: name.to_owned(),
                            reason,
                        });
                    }
                    Err(CollectError::Machine(path, error)) => {
                        return Err(WorkError::local("read the output", &path, error));
                    }
                }
            }
            Ok(search.outputs)
        })
        .await
    }

    /// What was printed to a stream: itself if it has no more than `inline` bytes, else its digest.
    pub async fn stream_content(
        &mut self,
        stream: &str,
        path: PathBuf,
        inline: u64,
        limits: OutputLimits,
    ) -> Result<(Vec<u8>, Option<reapi::Digest>), WorkError> {
        let from = path.clone();
        let read = blocking(move |stop| {
            let size = fs::metadata(&from)?.len();
            if size <= inline {
                return Ok(StreamContent::Short(fs::read(&from)?));
            }
            Ok(match limits.blob {
                Some(limit) if size > limit => StreamContent::TooLarge(size, limit),
                _ => StreamContent::Long(hash(&from, stop)?),
            })
        });
        let failed = |error| WorkError::local("read", &path, error);
        Ok(match read.await.map_err(failed)? {
            StreamContent::Short(content) => (content, None),
            StreamContent::Long(digest) => {
                self.blobs.insert(digest, BlobContent::File(path));
                (Vec::new(), Some(digest.into()))
            }
            StreamContent::TooLarge(size, limit) => {
                self.fault.get_or_insert(OutputFault {
                    output: stream.to_owned(),
                    reason: FaultReason::TooLarge(stream.into(), size, limit),
                });
                (Vec::new(), None)
            }
        })
    }

    pub async fn upload(&mut self, engine: &Engine) -> Result<Uploaded, WorkError> {
        let mut blobs = std::mem::take(&mut self.blobs)
            .into_iter()
            .map(|(digest, content)| UploadBlob { digest, content });
        let progress = Arc::new(Progress::default());
        let mut all = Uploaded::default();
        loop {
            let some: Vec<_> = blobs.by_ref().take(BLOBS_PER_UPLOAD).collect();
            if some.is_empty() {
                return Ok(all);
            }
            let size: u64 = some.iter().map(|blob| blob.digest.size).sum();
            let uploaded = if size <= MAX_UNCHECKED_UPLOAD {
                engine.upload_all(some, &progress).await?
            } else {
                engine.upload(some, &progress).await?
            };
            all.blobs += uploaded.blobs;
            all.bytes += uploaded.bytes;
        }
    }
}

enum StreamContent {
    Short(Vec<u8>),
    Long(Digest),
    /// How many bytes there are, and how many there may be.
    TooLarge(u64, u64),
}

/// The search for all outputs of an action.
struct OutputSearch<'a> {
    root: PathBuf,
    limits: OutputLimits,
    stop: &'a Stop,
    outputs: Outputs,
    /// Of the output that is being looked at.
    blobs: BTreeMap<Digest, BlobContent>,
    entries: usize,
    /// The length of all names and targets, in bytes.
    names: usize,
}

/// Why an output was not found.
enum CollectError {
    Action(FaultReason),
    Machine(PathBuf, io::Error),
}

impl From<FaultReason> for CollectError {
    fn from(reason: FaultReason) -> Self {
        Self::Action(reason)
    }
}

impl OutputSearch<'_> {
    fn find(
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

    /// What is in a directory, by name.
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

    /// The digest of what is a file, unless it is something that results cannot hold.
    fn file(&mut self, path: &Path, metadata: &Metadata) -> Result<Digest, CollectError> {
        if let Some(special) = special(metadata.file_type()) {
            return Err(FaultReason::Special(self.below(path), special).into());
        }
        self.check_blob_size(path, metadata.len())?;
        let hashed = match hash(path, self.stop) {
            // An action may leave what not even its owner may read.
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

    /// What a failure to read something is. What is there is the action's; whether that can be
    /// read at all is the machine's.
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

/// What the client says that an output is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OutputKind {
    File,
    Directory,
}

impl OutputKind {
    /// `None`: neither.
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

/// The outputs of a command: clients of before version 2.1 name them by their kinds.
fn named(command: &reapi::Command) -> Vec<(&str, Option<OutputKind>)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maelstrom_worker::blocking::tests::leaves_the_loop_free;
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;
    use tempfile::TempDir;

    fn command(outputs: &[&str]) -> reapi::Command {
        reapi::Command {
            output_paths: outputs.iter().map(|path| (*path).to_owned()).collect(),
            ..reapi::Command::default()
        }
    }

    fn find_within(root: &TempDir, outputs: &[&str], limits: OutputLimits) -> Outputs {
        let command = Arc::new(command(outputs));
        leaves_the_loop_free(Outputs::find(root.path().to_owned(), command, limits)).unwrap()
    }

    fn find(root: &TempDir, outputs: &[&str]) -> Outputs {
        find_within(root, outputs, OutputLimits::default())
    }

    #[test]
    fn links_out_of_the_root_lead_nowhere() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("out")).unwrap();
        let found = find(&root, &["out/secret"]);
        assert!(found.files.is_empty() && found.blobs.is_empty());
        assert_eq!(
            found.fault.unwrap().to_string(),
            "failed to collect the output `out/secret`: a symbolic link on its path leads out of \
             the input root; write it where it should be"
        );
        assert!(Outputs::prepare(root.path(), &command(&["out/secret"])).is_err());
    }

    #[test]
    fn a_directory_becomes_a_tree_and_a_link_stays_one() {
        let root = tempfile::tempdir().unwrap();
        let outputs = ["d", "link", "absent", "absolute", "loop"];
        Outputs::prepare(root.path(), &command(&outputs)).unwrap();
        fs::create_dir_all(root.path().join("d/e")).unwrap();
        fs::write(root.path().join("d/e/f"), "f").unwrap();
        symlink("d/e", root.path().join("link")).unwrap();
        symlink("/etc", root.path().join("absolute")).unwrap();
        symlink("loop", root.path().join("loop")).unwrap();
        let found = find(&root, &outputs);
        assert!(found.fault.is_none());
        assert_eq!(found.directories.len(), 1);
        let targets: Vec<_> = found.symlinks.iter().map(|link| &*link.target).collect();
        assert_eq!(targets, ["d/e", "/etc", "loop"]);
        // The file and the tree.
        assert_eq!(found.blobs.len(), 2);
    }

    #[test]
    fn what_a_result_cannot_hold_is_named_and_the_rest_is_found() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        for directory in ["name", "target", "pipe", "socket"] {
            fs::create_dir(at(directory)).unwrap();
            fs::write(at(directory).join("a"), directory).unwrap();
        }
        let strange = OsStr::from_bytes(b"x\xff");
        fs::write(at("name").join(strange), "").unwrap();
        symlink(strange, at("target/x")).unwrap();
        nix::unistd::mkfifo(&at("pipe/x"), nix::sys::stat::Mode::S_IRWXU).unwrap();
        let _listener = UnixListener::bind(at("socket/x")).unwrap();
        fs::write(at("good"), "good").unwrap();
        for (output, expected) in [
            (
                "name",
                r#""name/x\xFF" has a name that is not UTF-8; give it another one"#,
            ),
            (
                "target",
                r#""target/x" is a symbolic link to a path that is not UTF-8; have it lead elsewhere"#,
            ),
            (
                "pipe",
                "\"pipe/x\" is a named pipe, and results hold files, directories and symbolic \
                 links only; remove it before the action ends",
            ),
            (
                "socket/x",
                "\"socket/x\" is a socket, and results hold files, directories and symbolic links \
                 only; remove it before the action ends",
            ),
        ] {
            let found = find(&root, &[output, "good"]);
            let fault = found.fault.unwrap();
            assert_eq!(
                fault.to_string(),
                format!("failed to collect the output `{output}`: {expected}")
            );
            assert_eq!(fault.status("w").code, Code::InvalidArgument as i32);
            assert!(found.directories.is_empty());
            assert_eq!(found.files[0].path, "good");
            // Nothing of what the result does not name.
            assert_eq!(found.blobs.len(), 1, "{output}");
        }
    }

    #[test]
    fn outputs_have_limits() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("d/e/f")).unwrap();
        fs::write(root.path().join("d/long"), "12345").unwrap();
        symlink("target", root.path().join("d/link")).unwrap();
        let fits = OutputLimits {
            entries: 5,
            names: "d".len() + "e".len() + "f".len() + "longlinktarget".len(),
            depth: 2,
            blob: Some(1000),
        };
        assert!(find_within(&root, &["d"], fits).fault.is_none());
        for (limits, expected) in [
            (OutputLimits { entries: 4, ..fits }, "more than 4 files"),
            (OutputLimits { names: 16, ..fits }, "longer than 16 bytes"),
            (OutputLimits { depth: 1, ..fits }, "deeper than 1"),
            (
                OutputLimits {
                    blob: Some(4),
                    ..fits
                },
                r#""d/long" has 5 bytes, and the engine takes no more than 4"#,
            ),
        ] {
            let found = find_within(&root, &["d"], limits);
            let fault = found.fault.unwrap().to_string();
            assert!(fault.contains(expected), "{fault}");
            assert!(found.blobs.is_empty());
        }
    }

    #[test]
    fn a_path_that_is_too_long_is_the_fault_of_the_action() {
        let root = tempfile::tempdir().unwrap();
        let name = "x".repeat(200);
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let mut directory = openat(CWD, root.path(), flags, Mode::empty()).unwrap();
        for _ in 0..30 {
            mkdirat(&directory, &*name, Mode::RWXU).unwrap();
            directory = openat(&directory, &*name, flags, Mode::empty()).unwrap();
        }
        let found = find(&root, &[&name]);
        let fault = found.fault.unwrap().to_string();
        assert!(fault.contains("File name too long"), "{fault}");
        crate::store::remove_tree(&root.path().join(&name)).unwrap();
    }

    #[test]
    fn an_input_root_that_is_gone_is_the_fault_of_the_machine() {
        let root = PathBuf::from("/nonexistent");
        let found = Outputs::find(root, Arc::new(command(&["a"])), OutputLimits::default());
        let error = leaves_the_loop_free(found).map(drop).unwrap_err();
        assert!(error.is_worker_fault(), "{error}");
    }

    #[test]
    fn long_output_is_hashed_off_the_event_loop() {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), "12345").unwrap();
        let printed = |inline, limits| {
            let mut outputs = Outputs::default();
            let path = file.path().to_owned();
            let printed =
                leaves_the_loop_free(outputs.stream_content("stdout", path, inline, limits));
            (printed.unwrap(), outputs)
        };
        let (short, _) = printed(5, OutputLimits::default());
        assert_eq!(short, (b"12345".to_vec(), None));
        let ((_, digest), outputs) = printed(4, OutputLimits::default());
        assert_eq!(digest, Some(Digest::of(b"12345").into()));
        assert_eq!(outputs.blobs.len(), 1);
        let limits = OutputLimits {
            blob: Some(4),
            ..OutputLimits::default()
        };
        let (_, outputs) = printed(4, limits);
        assert!(outputs.blobs.is_empty());
        let fault = outputs.fault.unwrap().to_string();
        assert!(
            fault.starts_with("failed to collect the output `stdout`"),
            "{fault}"
        );
    }
}
