//! What earlier runs taught about test cases: how long each takes, and whether it
//! passed last time.
//!
//! # The file
//!
//! All numbers are little-endian.
//!
//! | bytes | what |
//! |---|---|
//! | 8 | `MLSTHIST` |
//! | 4 | version of the format |
//! | 8 each, then as below | one record per test case, in the order of their ids |
//! | 8 | the first bytes of the SHA-256 of all before |
//!
//! A record is the id (8 bytes), the day on which the test was last run, counted
//! from 1970-01-01 (2), a byte whose upper bit says that the test failed then and
//! whose other bits count the durations, and the durations in microseconds (4
//! each), the latest last.
//!
//! *Old reader, new data; new reader, old data*: a reader of another version starts
//! anew, says so, and its save replaces the file. All that is lost is a good order
//! for one run, which is not worth code that converts. The same goes for a file that
//! is damaged.

mod codec;

use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How many durations of a test case are kept.
const KEPT: usize = 5;

/// After so many days without a run a test case is forgotten.
const FORGET_AFTER: u16 = 90;

/// How many test cases are kept; those that ran last.
const MOST_CASES: usize = 200_000;

/// What a test case is known by, on every machine and in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CaseId(u64);

impl CaseId {
    /// `kind` is Cargo's name for the kind of target.
    pub fn new(package: &str, kind: &str, target: &str, name: &str) -> Self {
        let mut hasher = Sha256::new();
        for part in [package, kind, target, name] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let digest = hasher.finalize();
        Self(u64::from_le_bytes(std::array::from_fn(|i| digest[i])))
    }
}

/// Why the record of earlier runs was put aside.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Note {
    #[error("the history of earlier runs in `{}` is damaged; starting a new one", .0.display())]
    Damaged(PathBuf),
    #[error(
        "the history of earlier runs in `{}` was written by another version of this program \
         (format {found}, not {}); starting a new one",
        .path.display(),
        codec::VERSION
    )]
    OtherVersion { path: PathBuf, found: u32 },
}

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("failed to read the history of earlier runs from `{}`", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "failed to write the history of this run to `{}`; the next run will know nothing of it",
        .path.display()
    )]
    Write { path: PathBuf, source: io::Error },
}

/// What is known of every test case, and what this run adds to it.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    note: Option<Note>,
    today: u16,
    records: Records,
    /// Recorded since the last save began.
    changes: Changes,
    /// Being saved.
    saving: Arc<Changes>,
    /// Those that failed at least once in this run.
    failed: BTreeSet<CaseId>,
}

type Records = BTreeMap<CaseId, Record>;

type Changes = BTreeMap<CaseId, Durations>;

/// A save that was begun. Blocks when it is carried out, which may be on another thread.
#[derive(Debug)]
pub struct Save {
    path: PathBuf,
    today: u16,
    changes: Arc<Changes>,
    failed: BTreeSet<CaseId>,
}

/// What a save came to.
#[derive(Debug)]
pub struct Saved {
    records: Records,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Record {
    /// Days since 1970-01-01.
    last_run: u16,
    failed: bool,
    durations: Durations,
}

impl History {
    /// Reads the record of earlier runs. If there is none, or none that this version
    /// understands, it is empty; [`note`](Self::note) says why.
    pub fn load(path: &Path) -> Result<Self, HistoryError> {
        Self::load_on(path, today())
    }

    fn load_on(path: &Path, today: u16) -> Result<Self, HistoryError> {
        let (mut records, note) = read(path)?;
        prune(&mut records, today, MOST_CASES);
        Ok(Self {
            path: path.to_owned(),
            note,
            today,
            records,
            changes: BTreeMap::new(),
            saving: Arc::default(),
            failed: BTreeSet::new(),
        })
    }

    /// What became of the record of earlier runs, if it could not be used.
    pub fn note(&self) -> Option<&Note> {
        self.note.as_ref()
    }

    /// How long the test case will take: the median of the last five times, so that
    /// one or two odd ones do not matter; of an even number of times the longer of
    /// the two in the middle, because starting a test too early costs less than
    /// starting it too late. `None`: it was never run.
    pub fn estimate(&self, id: &CaseId) -> Option<Duration> {
        let mut durations = self
            .records
            .get(id)
            .map_or_else(Durations::default, |record| record.durations);
        for changes in [&*self.saving, &self.changes] {
            if let Some(changes) = changes.get(id) {
                durations.extend(changes);
            }
        }
        durations.median()
    }

    /// Whether it failed last time. `None`: it was never run.
    pub fn last_failed(&self, id: &CaseId) -> Option<bool> {
        if self.changes.contains_key(id) || self.saving.contains_key(id) {
            return Some(self.failed.contains(id));
        }
        self.records.get(id).map(|record| record.failed)
    }

    /// Adds a test that was run. One that was repeated and failed once has failed.
    pub fn record(&mut self, id: CaseId, duration: Duration, passed: bool) {
        self.changes.entry(id).or_default().push(duration);
        if !passed {
            self.failed.insert(id);
        }
    }

    /// Takes note of a test that need not be run because it is known to pass, and to take so
    /// long: that is news only if nothing else is known of it.
    pub fn confirm(&mut self, id: CaseId, duration: Duration) {
        let is_news = self.estimate(&id).is_none();
        let durations = self.changes.entry(id).or_default();
        if is_news {
            durations.push(duration);
        }
    }

    /// Adds what this run recorded to what is in the file by now, which may be more
    /// than was loaded. The file is replaced at once or not at all, whenever the
    /// process or the machine dies. Can be called again as the run goes on.
    pub fn save(&mut self) -> Result<(), HistoryError> {
        let saved = self.begin_save().carry_out();
        let (saved, result) = match saved {
            Ok(saved) => (Some(saved), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.end_save(saved);
        result
    }

    /// Begins a save, during which more can be recorded. It must be ended before the next.
    pub fn begin_save(&mut self) -> Save {
        self.saving = Arc::new(std::mem::take(&mut self.changes));
        Save {
            path: self.path.clone(),
            today: self.today,
            changes: self.saving.clone(),
            failed: self.failed.clone(),
        }
    }

    /// Ends a save. `None`: it failed, and what was to be saved is part of the next.
    pub fn end_save(&mut self, saved: Option<Saved>) {
        let mut changes = Arc::unwrap_or_clone(std::mem::take(&mut self.saving));
        if let Some(saved) = saved {
            self.records = saved.records;
            return;
        }
        for (id, later) in std::mem::take(&mut self.changes) {
            changes.entry(id).or_default().extend(&later);
        }
        self.changes = changes;
    }
}

impl Save {
    /// Waits for other clients that save, and replaces the file.
    pub fn carry_out(self) -> Result<Saved, HistoryError> {
        let write_error = |source| HistoryError::Write {
            path: self.path.clone(),
            source,
        };
        let _lock = lock(&self.path).map_err(write_error)?;
        let (mut records, _) = read(&self.path)?;
        for (id, durations) in &*self.changes {
            let record = records.entry(*id).or_default();
            record.last_run = self.today;
            record.failed = self.failed.contains(id);
            record.durations.extend(durations);
        }
        prune(&mut records, self.today, MOST_CASES);
        replace(&self.path, &codec::encode(&records)).map_err(write_error)?;
        Ok(Saved { records })
    }
}

/// Reads the file; what cannot be used counts as empty.
fn read(path: &Path) -> Result<(Records, Option<Note>), HistoryError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((Records::new(), None)),
        Err(source) => {
            let path = path.to_owned();
            return Err(HistoryError::Read { path, source });
        }
    };
    let path = path.to_owned();
    Ok(match codec::decode(&bytes) {
        Ok(records) => (records, None),
        Err(codec::Unusable::Damaged) => (Records::new(), Some(Note::Damaged(path))),
        Err(codec::Unusable::OtherVersion(found)) => {
            (Records::new(), Some(Note::OtherVersion { path, found }))
        }
    })
}

/// Forgets what was not run for long, and what is too much.
fn prune(records: &mut Records, today: u16, most: usize) {
    // A day that is yet to come is the trace of a clock that was wrong.
    for record in records.values_mut() {
        record.last_run = record.last_run.min(today);
    }
    records.retain(|_, record| today - record.last_run <= FORGET_AFTER);
    if let Some(excess) = records.len().checked_sub(most).filter(|excess| *excess > 0) {
        let mut by_age: Vec<_> = records
            .iter()
            .map(|(id, record)| (record.last_run, *id))
            .collect();
        by_age.sort_unstable();
        for (_, id) in by_age.into_iter().take(excess) {
            records.remove(&id);
        }
    }
}

/// Keeps other clients from saving for as long as the file is open. The directory is
/// made if need be.
fn lock(path: &Path) -> io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(beside(path, ".lock"))?;
    let exclusive = rustix::fs::FlockOperation::LockExclusive;
    rustix::io::retry_on_intr(|| rustix::fs::flock(&file, exclusive))?;
    Ok(file)
}

/// Who calls this holds the lock: the temporary file has but one writer, and what a
/// killed one left is overwritten by the next.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path, ".tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(&temporary, path)
}

fn beside(path: &Path, extension: &str) -> PathBuf {
    let mut path = OsString::from(path);
    path.push(extension);
    path.into()
}

fn today() -> u16 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u16::try_from(since.as_secs() / (24 * 60 * 60)).unwrap_or(u16::MAX)
}

/// The last few durations of a test case, in microseconds, the latest last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Durations {
    micros: [u32; KEPT],
    count: u8,
}

impl Durations {
    fn as_slice(&self) -> &[u32] {
        &self.micros[..usize::from(self.count)]
    }

    fn push(&mut self, duration: Duration) {
        self.push_micros(u32::try_from(duration.as_micros()).unwrap_or(u32::MAX));
    }

    fn push_micros(&mut self, micros: u32) {
        if usize::from(self.count) == KEPT {
            self.micros.rotate_left(1);
            self.count -= 1;
        }
        self.micros[usize::from(self.count)] = micros;
        self.count += 1;
    }

    fn extend(&mut self, later: &Self) {
        for &micros in later.as_slice() {
            self.push_micros(micros);
        }
    }

    fn median(&self) -> Option<Duration> {
        let mut sorted = *self;
        let sorted = &mut sorted.micros[..usize::from(self.count)];
        sorted.sort_unstable();
        let median = sorted.get(sorted.len() / 2)?;
        Some(Duration::from_micros(u64::from(*median)))
    }
}

#[cfg(test)]
mod tests;
