//! The outputs of an action: finding, hashing and uploading them.
//!
//! The action has ended and no process of it is left, so its files do not change any more. An
//! output that a result cannot hold is the action's fault. The other outputs are still collected.

mod fault;
mod search;

pub use fault::OutputFault;

use super::blocking::{blocking, hash};
use super::error::WorkError;
use super::root_paths::{make_directory, relative};
use crate::engine::{BlobContent, Engine, Progress, UploadBlob, Uploaded, reapi};
use crate::store::Digest;
use fault::FaultReason;
use search::{CollectError, OutputSearch, named};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Outputs of at most this total size, in bytes, are uploaded without asking the engine first
/// which of them it has. The question would cost the engine as much, and the slot would wait for
/// the answer.
const MAX_UNCHECKED_UPLOAD: u64 = 64 << 10;

/// The number of blobs in one upload. Preparing more would keep the event loop busy.
const BLOBS_PER_UPLOAD: usize = 10_000;

/// The outputs in the form of a result, and the blobs that the result refers to.
#[derive(Default)]
pub struct Outputs {
    pub files: Vec<reapi::OutputFile>,
    pub directories: Vec<reapi::OutputDirectory>,
    pub symlinks: Vec<reapi::OutputSymlink>,
    /// The first output that the result cannot hold, if there is any.
    pub fault: Option<OutputFault>,
    blobs: BTreeMap<Digest, BlobContent>,
}

/// The limits of a result.
#[derive(Clone, Copy, Debug)]
pub struct OutputLimits {
    /// The number of files, directories and links in all outputs. They are kept in memory, and
    /// each directory becomes one message.
    entries: usize,
    /// The total length of their names and targets, in bytes.
    names: usize,
    /// The depth of nested directories. Input roots have the same limit.
    depth: usize,
    /// The largest blob that the engine accepts, in bytes.
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

impl Outputs {
    /// Makes the parent directories of the outputs, before the action runs. Blocks.
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

    /// Finds the outputs that a command names. An output that does not exist is left out.
    pub async fn find(
        root: PathBuf,
        command: Arc<reapi::Command>,
        limits: OutputLimits,
    ) -> Result<Self, WorkError> {
        blocking(move |stop| {
            let working_directory = relative(&command.working_directory)?;
            // An action cannot remove its input root.
            fs::symlink_metadata(&root)
                .map_err(|error| WorkError::local("read the output", &root, error))?;
            let mut search = OutputSearch::new(root, limits, stop);
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

    /// The content of stdout or stderr if it has at most `inline` bytes, otherwise its digest.
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

    /// Uploads the blobs that the engine does not have.
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
    /// The size and its limit, in bytes.
    TooLarge(u64, u64),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maelstrom_worker::blocking::tests::leaves_the_loop_free;
    use nix::sys::stat::SFlag;
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;
    use tonic::Code;

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
             the input root; write the output below the input root"
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
        let user = nix::sys::stat::Mode::S_IRWXU;
        nix::unistd::mkfifo(&at("pipe/x"), user).unwrap();
        // `bind` refuses paths of more than 107 bytes, a temporary directory may be longer.
        nix::sys::stat::mknod(&at("socket/x"), SFlag::S_IFSOCK, user, 0).unwrap();
        fs::write(at("good"), "good").unwrap();
        for (output, expected) in [
            (
                "name",
                r#""name/x\xFF" has a name that is not UTF-8; give it another one"#,
            ),
            (
                "target",
                r#""target/x" is a symbolic link to a path that is not UTF-8; change its target"#,
            ),
            (
                "pipe",
                "\"pipe/x\" is a named pipe, but a result can hold only files, directories and \
                 symbolic links; remove it before the action ends",
            ),
            (
                "socket/x",
                "\"socket/x\" is a socket, but a result can hold only files, directories and \
                 symbolic links; remove it before the action ends",
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
            (OutputLimits { names: 16, ..fits }, "more than 16 bytes"),
            (
                OutputLimits { depth: 1, ..fits },
                "more than 1 directories deep",
            ),
            (
                OutputLimits {
                    blob: Some(4),
                    ..fits
                },
                r#""d/long" has 5 bytes, and the engine accepts at most 4"#,
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
