//! From what happens to files to the changes for which tests run again.
//!
//! What happens is collected until it has been quiet for a moment, so that saving a file in several
//! steps, or checking out another branch, is one change. A file that appeared and disappeared within
//! this time is none.

use super::directories::{Happened, WatchError, WatchEvent, WatchedDirectories};
use crate::executor::WrittenSources;
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, UNIX_EPOCH};

/// How long it must be quiet.
const QUIET: Duration = Duration::from_millis(100);

/// The longest time for which changes are collected, if files change all the time.
const LONGEST: Duration = Duration::from_secs(5);

/// Files that a run may write: Cargo writes the lock file, and this program the digests of images.
const WRITTEN_BY_RUNS: [&str; 2] = ["Cargo.lock", "maelstrom-container-tags.lock"];

/// The largest file whose content is compared.
const LARGEST_COMPARED: u64 = 16 << 20;

/// Whether tests run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    Running,
    Waiting,
}

/// The files that changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedFiles {
    pub paths: Vec<PathBuf>,
    /// Messages of the kernel are lost, so other files may have changed.
    pub is_incomplete: bool,
}

/// Waits for changes.
pub struct ChangeWatch {
    pub directories: WatchedDirectories,
    /// What happened since the last change that was returned.
    touched: BTreeMap<PathBuf, Touched>,
    is_incomplete: bool,
    first: Option<Instant>,
    last: Instant,
    activity: Activity,
    /// The files that this program writes.
    pub written: WrittenSources,
    /// The state of files that changed, as they were seen last.
    seen: HashMap<PathBuf, FileState>,
}

struct Touched {
    /// Whether the first that happened to it was that it appeared.
    has_appeared: bool,
    is_directory: bool,
    /// Whether everything happened while tests ran.
    during_run: bool,
}

/// The state of a file.
#[derive(Clone, PartialEq, Eq)]
enum FileState {
    Missing,
    Content(Vec<u8>),
    /// Of a large file: its size and the time of its last change, in nanoseconds.
    Stamp(u64, u128),
    Other,
}

impl ChangeWatch {
    pub fn new(directories: WatchedDirectories) -> Self {
        Self {
            directories,
            touched: BTreeMap::new(),
            is_incomplete: false,
            first: None,
            last: Instant::now(),
            activity: Activity::Waiting,
            written: WrittenSources::default(),
            seen: HashMap::new(),
        }
    }

    /// Tells what the tests do from now on. What happened before is counted with what they did then.
    pub fn set_activity(&mut self, activity: Activity) -> Result<(), WatchError> {
        let events = self.directories.read().map_err(lost)?;
        self.collect(events)?;
        self.activity = activity;
        Ok(())
    }

    /// Forgets what happened before, as all files are about to be read.
    pub fn forget(&mut self) -> Result<(), WatchError> {
        self.set_activity(Activity::Running)?;
        for (path, touched) in std::mem::take(&mut self.touched) {
            if !touched.is_directory {
                self.seen.insert(path.clone(), FileState::of(&path));
            }
        }
        self.first = None;
        self.is_incomplete = false;
        self.written = WrittenSources::default();
        Ok(())
    }

    /// Waits for a change. May be cancelled and called again.
    pub async fn next(&mut self) -> Result<ChangedFiles, WatchError> {
        loop {
            let Some(end) = self.end() else {
                let events = self.directories.next().await.map_err(lost)?;
                self.collect(events)?;
                continue;
            };
            tokio::select! {
                biased;
                events = self.directories.next() => {
                    let events = events.map_err(lost)?;
                    self.collect(events)?;
                }
                () = tokio::time::sleep_until(end.into()) => {
                    if self.is_git_busy() {
                        self.last = Instant::now();
                        continue;
                    }
                    let changed = self.take();
                    if !changed.paths.is_empty() || changed.is_incomplete {
                        return Ok(changed);
                    }
                }
            }
        }
    }

    /// When what happened is complete. `None`: nothing happened.
    fn end(&self) -> Option<Instant> {
        let first = self.first?;
        Some((self.last + QUIET).min(first + LONGEST))
    }

    /// Whether git changes a work tree, so that more changes follow.
    fn is_git_busy(&self) -> bool {
        let is_late = self.first.is_some_and(|first| first.elapsed() >= LONGEST);
        let roots = self.directories.roots().iter();
        !is_late
            && roots
                .filter_map(|root| index_lock(root))
                .any(|lock| lock.exists())
    }

    fn collect(&mut self, events: Vec<WatchEvent>) -> Result<(), WatchError> {
        for event in events {
            match event {
                WatchEvent::Lost => {
                    self.is_incomplete = true;
                    self.now();
                    self.directories.add_missing()?;
                }
                WatchEvent::Entry {
                    path,
                    is_directory: true,
                    happened,
                } => self.directory_event(path, happened)?,
                WatchEvent::Entry { path, happened, .. } => {
                    if path.file_name().is_some_and(|name| name == ".gitignore") {
                        self.directories.add_missing()?;
                    }
                    self.touch(path, false, happened);
                }
            }
        }
        Ok(())
    }

    fn directory_event(&mut self, path: PathBuf, happened: Happened) -> Result<(), WatchError> {
        match happened {
            Happened::Appeared => {
                let files = self.directories.add(&path)?;
                if !self.directories.rules.ignores_directory(&path) {
                    self.touch(path, true, Happened::Appeared);
                }
                for file in files {
                    self.touch(file, false, Happened::Appeared);
                }
            }
            Happened::Written => {}
            Happened::Disappeared => {
                self.directories.remove(&path);
                if !self.directories.rules.ignores_directory(&path) {
                    self.touch(path, true, Happened::Disappeared);
                }
            }
        }
        Ok(())
    }

    fn touch(&mut self, path: PathBuf, is_directory: bool, happened: Happened) {
        if !is_directory && self.directories.rules.ignores_file(&path) {
            return;
        }
        let during_run = self.activity == Activity::Running;
        let touched = self.touched.entry(path).or_insert(Touched {
            has_appeared: happened == Happened::Appeared,
            is_directory,
            during_run,
        });
        touched.during_run &= during_run;
        self.now();
    }

    fn now(&mut self) {
        self.last = Instant::now();
        self.first.get_or_insert(self.last);
    }

    /// The changes among what happened.
    fn take(&mut self) -> ChangedFiles {
        self.first = None;
        let touched = std::mem::take(&mut self.touched);
        let mut paths = Vec::new();
        for (path, touched) in touched {
            if self.is_change(&path, &touched) {
                paths.push(path);
            }
        }
        ChangedFiles {
            paths,
            is_incomplete: std::mem::take(&mut self.is_incomplete),
        }
    }

    fn is_change(&mut self, path: &Path, touched: &Touched) -> bool {
        if touched.is_directory {
            return !touched.has_appeared && !path.is_dir();
        }
        let state = FileState::of(path);
        let before = self.seen.insert(path.to_owned(), state.clone());
        if touched.has_appeared && state == FileState::Missing {
            return false;
        }
        // A build script that writes a source file would otherwise start runs for ever.
        let is_same = before.is_some_and(|before| before == state);
        let name = path.file_name().unwrap_or_default();
        let is_of_run = self.written.contains(path)
            || WRITTEN_BY_RUNS.iter().any(|written| name == *written)
            || is_same;
        !(touched.during_run && is_of_run)
    }
}

impl FileState {
    fn of(path: &Path) -> Self {
        let Ok(metadata) = fs::symlink_metadata(path) else {
            return Self::Missing;
        };
        let modified = metadata.modified().unwrap_or(UNIX_EPOCH);
        let modified = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamp = Self::Stamp(metadata.len(), modified.as_nanos());
        if !metadata.is_file() {
            return Self::Other;
        }
        if metadata.len() > LARGEST_COMPARED {
            return stamp;
        }
        fs::read(path).map_or(stamp, |content| {
            use sha2::Digest as _;
            Self::Content(sha2::Sha256::digest(content).to_vec())
        })
    }
}

/// The file that git has while it changes a work tree.
fn index_lock(directory: &Path) -> Option<PathBuf> {
    let place = directory.ancestors().map(|above| above.join(".git"));
    let place = place.into_iter().find(|place| place.exists())?;
    if place.is_dir() {
        return Some(place.join("index.lock"));
    }
    // In work trees other than the first, and submodules.
    let text = fs::read_to_string(&place).ok()?;
    let repository = text.strip_prefix("gitdir:")?.trim();
    Some(place.parent()?.join(repository).join("index.lock"))
}

fn lost(source: io::Error) -> WatchError {
    let path = PathBuf::from("files");
    WatchError::Other { path, source }
}
