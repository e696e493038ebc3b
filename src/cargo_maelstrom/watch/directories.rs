//! The watched directories: the kernel reports what happens to their entries.

use super::rules::WatchRules;
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tokio::net::unix::pipe::Receiver;

/// The size of the buffer for the messages of the kernel, in bytes.
const BUFFER: usize = 64 << 10;

/// A directory that cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error(
        "failed to watch {}: the user watches as many directories as the kernel allows; raise the limit with \
         `sysctl fs.inotify.max_user_watches=524288`, or let `.gitignore` exclude directories that are not source",
        .0.display()
    )]
    TooManyDirectories(PathBuf),
    #[error(
        "failed to watch files: the user has as many watching programs as the kernel allows; end some, or raise \
         the limit with `sysctl fs.inotify.max_user_instances=1024`"
    )]
    TooManyPrograms,
    #[error("failed to watch {}", .path.display())]
    Other { path: PathBuf, source: io::Error },
}

/// What happened to a file or a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happened {
    /// It was made, or moved to its place.
    Appeared,
    /// It was written and closed.
    Written,
    /// It was removed, or moved to another place.
    Disappeared,
}

/// A message of the kernel.
#[derive(Debug)]
pub enum WatchEvent {
    Entry {
        path: PathBuf,
        is_directory: bool,
        happened: Happened,
    },
    /// There were too many messages, and some are lost.
    Lost,
}

/// The watched directories.
pub struct WatchedDirectories {
    kernel: Receiver,
    paths: HashMap<i32, PathBuf>,
    /// The directories that are watched with all that is below them.
    roots: Vec<PathBuf>,
    pub rules: WatchRules,
}

impl WatchedDirectories {
    /// Watches nothing yet. Must be called within a runtime.
    pub fn new(rules: WatchRules) -> Result<Self, WatchError> {
        let kernel = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC);
        let kernel = kernel.map_err(|error| match error {
            Errno::MFILE => WatchError::TooManyPrograms,
            other => failed(Path::new("files"), other.into()),
        })?;
        // It is read in the way of a pipe.
        let kernel = Receiver::from_owned_fd_unchecked(kernel);
        Ok(Self {
            kernel: kernel.map_err(|error| failed(Path::new("files"), error))?,
            paths: HashMap::new(),
            roots: Vec::new(),
            rules,
        })
    }

    pub fn roots(&self) -> &[PathBuf] {
        &self.roots
    }

    /// Watches a directory and what is below it, unless it is watched.
    pub fn add_root(&mut self, root: &Path) -> Result<(), WatchError> {
        if self.roots.iter().any(|other| root.starts_with(other)) {
            return Ok(());
        }
        self.roots.push(root.to_owned());
        self.watch(root, &mut Vec::new())
    }

    /// Watches what is below the roots that was ignored before, as an ignore file has changed, or whose
    /// messages are lost.
    pub fn add_missing(&mut self) -> Result<(), WatchError> {
        self.rules.forget();
        for root in self.roots.clone() {
            self.watch(&root, &mut Vec::new())?;
        }
        Ok(())
    }

    /// Watches a directory that appeared, unless it is ignored. Returns the files in it, which may have
    /// been made before the kernel reported any of them.
    pub fn add(&mut self, directory: &Path) -> Result<Vec<PathBuf>, WatchError> {
        let mut files = Vec::new();
        if !self.rules.ignores_directory(directory) {
            self.watch(directory, &mut files)?;
        }
        Ok(files)
    }

    /// Forgets a directory that was moved away, whose messages would have the wrong path.
    pub fn remove(&mut self, directory: &Path) {
        let kernel = &self.kernel;
        self.paths.retain(|watch, path| {
            let is_below = path.starts_with(directory);
            if is_below {
                // It fails if the directory was removed.
                let _ = inotify::remove_watch(kernel, *watch);
            }
            !is_below
        });
    }

    /// Waits for messages. May be cancelled and called again.
    pub async fn next(&mut self) -> io::Result<Vec<WatchEvent>> {
        loop {
            self.kernel.readable().await?;
            let events = self.read()?;
            // Everything was read, so the next wait is for more.
            let _ = self
                .kernel
                .try_io(|| Err::<(), _>(io::ErrorKind::WouldBlock.into()));
            if !events.is_empty() {
                return Ok(events);
            }
        }
    }

    /// The messages that are there.
    pub fn read(&mut self) -> io::Result<Vec<WatchEvent>> {
        let mut events = Vec::new();
        let mut gone = Vec::new();
        let mut buffer = vec![MaybeUninit::uninit(); BUFFER];
        let mut reader = inotify::Reader::new(&self.kernel, &mut buffer);
        loop {
            let event = match reader.next() {
                Ok(event) => event,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            let flags = event.events();
            if flags.contains(ReadFlags::QUEUE_OVERFLOW) {
                events.push(WatchEvent::Lost);
                continue;
            }
            if flags.contains(ReadFlags::IGNORED) {
                gone.push(event.wd());
                continue;
            }
            let (Some(directory), Some(name)) = (self.paths.get(&event.wd()), event.file_name())
            else {
                continue;
            };
            let happened = if flags.intersects(ReadFlags::CREATE | ReadFlags::MOVED_TO) {
                Happened::Appeared
            } else if flags.intersects(ReadFlags::DELETE | ReadFlags::MOVED_FROM) {
                Happened::Disappeared
            } else {
                Happened::Written
            };
            events.push(WatchEvent::Entry {
                path: directory.join(OsStr::from_bytes(name.to_bytes())),
                is_directory: flags.contains(ReadFlags::ISDIR),
                happened,
            });
        }
        for watch in gone {
            self.paths.remove(&watch);
        }
        Ok(events)
    }

    /// Watches a directory and what is below it, and collects the files in them.
    fn watch(&mut self, directory: &Path, files: &mut Vec<PathBuf>) -> Result<(), WatchError> {
        let mut open = vec![directory.to_owned()];
        while let Some(directory) = open.pop() {
            if !self.watch_one(&directory)? {
                continue;
            }
            // A directory that disappears meanwhile is reported.
            let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
            for entry in entries {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() => {
                        if !self.rules.ignores_directory(&path) {
                            open.push(path);
                        }
                    }
                    Ok(_) => files.push(path),
                    Err(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Watches the entries of a directory. Returns false if it does not exist or cannot be read.
    fn watch_one(&mut self, directory: &Path) -> Result<bool, WatchError> {
        let flags = WatchFlags::CREATE
            | WatchFlags::CLOSE_WRITE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::DELETE
            | WatchFlags::ONLYDIR
            | WatchFlags::DONT_FOLLOW
            | WatchFlags::EXCL_UNLINK;
        match inotify::add_watch(&self.kernel, directory, flags) {
            Ok(watch) => {
                self.paths.insert(watch, directory.to_owned());
                Ok(true)
            }
            Err(Errno::NOENT | Errno::NOTDIR | Errno::ACCESS) => Ok(false),
            Err(Errno::NOSPC) => Err(WatchError::TooManyDirectories(directory.to_owned())),
            Err(error) => Err(failed(directory, error.into())),
        }
    }
}

fn failed(path: &Path, source: io::Error) -> WatchError {
    let path = path.to_owned();
    WatchError::Other { path, source }
}
