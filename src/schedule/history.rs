//! The history of test cases: the durations of earlier runs, and how the last one ended.
//!
//! # The file
//!
//! All numbers are little-endian.
//!
//! | bytes | content |
//! |---|---|
//! | 8 | `MLSTHIST` |
//! | 4 | version of the format |
//! | 8 each, then as below | one record per test case, in the order of their ids |
//! | 8 | the first bytes of the SHA-256 of all before |
//!
//! A record is the id (8 bytes), the day on which the test was last run or was to
//! run, counted from 1970-01-01 (2), a byte, and the durations in microseconds (4
//! each), the latest last. The upper bit of the byte says that the test failed when
//! it last ran, the next one that it was to run since and did not, and the other
//! bits count the durations.
//!
//! *New reader, old data*: version 1 has no second bit, and is read as this version: every test ran
//! when it was to run.
//!
//! *Old reader, new data*: a reader starts with an empty history if the version is newer than its own,
//! with a note to the user, and its save replaces the file. The order of tests in one run is worse, and
//! it is not known which tests failed. A damaged file is handled in the same way. A file without the
//! magic bytes is not replaced.

mod codec;
mod recorded;

pub use recorded::{RecordedHistory, RecordedHistoryError};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The number of durations kept for a test case.
const KEPT: usize = 5;

/// The number of days after its last run at which a test case is removed.
const FORGET_AFTER: u16 = 90;

/// The number of test cases kept: those that ran last.
const MOST_CASES: usize = 200_000;

/// The identity of a test case. It is the same on every machine and in every run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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

/// The reason why the history of earlier runs is not used.
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
    #[error(
        "`{}` is not a history of earlier runs; it is not replaced, and no history is kept until it is \
         moved to another place",
        .0.display()
    )]
    Foreign(PathBuf),
}

#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    #[error("failed to read the history of earlier runs from `{}`", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "failed to write the history of this run to `{}`; the next run starts without it",
        .path.display()
    )]
    Write { path: PathBuf, source: io::Error },
}

/// The records of test cases, and the changes of this run.
#[derive(Debug)]
pub struct History {
    path: PathBuf,
    note: Option<Note>,
    today: u16,
    records: TestRecords,
    /// The durations recorded since the start of the last save.
    changes: Changes,
    /// The durations being saved.
    saving: Arc<Changes>,
    /// The test cases that failed at least once in this run.
    failed: BTreeSet<CaseId>,
    /// The test cases that were to run in this run and did not.
    not_run: BTreeSet<CaseId>,
    /// Records of other machines, for test cases without a record here. They are not saved.
    others: RecordedHistory,
}

type TestRecords = BTreeMap<CaseId, TestRecord>;

type Changes = BTreeMap<CaseId, Durations>;

/// A save that was started, which [`Save::carry_out`] does on any thread.
#[derive(Debug)]
pub struct Save {
    path: PathBuf,
    today: u16,
    changes: Arc<Changes>,
    failed: BTreeSet<CaseId>,
    not_run: BTreeSet<CaseId>,
}

/// The result of a save.
#[derive(Debug)]
pub struct Saved {
    records: TestRecords,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct TestRecord {
    /// Days since 1970-01-01.
    last_run: u16,
    /// Whether the test failed when it last ran.
    failed: bool,
    /// Whether the test was to run after that and did not.
    not_run: bool,
    durations: Durations,
}

impl TestRecord {
    /// `None`: the test never ran.
    fn last_failed(&self) -> Option<bool> {
        let never_ran = self.not_run && !self.failed && self.durations.count == 0;
        (!never_ran).then_some(self.failed)
    }

    fn needs_rerun(&self) -> bool {
        self.failed || self.not_run
    }
}

impl History {
    /// Reads the history of earlier runs. It is empty if there is no file, or if the file cannot be
    /// used; [`note`](Self::note) has the reason.
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
            not_run: BTreeSet::new(),
            others: RecordedHistory::default(),
        })
    }

    /// Uses the records of other machines for test cases that were not run here.
    #[must_use]
    pub fn with_others(mut self, others: RecordedHistory) -> Self {
        self.others = others;
        self
    }

    /// The reason why the file could not be used.
    pub fn note(&self) -> Option<&Note> {
        self.note.as_ref()
    }

    /// The estimated duration of a test case: the median of the last five, so that one or two outliers
    /// do not matter. For an even number it is the longer of the two in the middle, because starting
    /// a test too early costs less than starting it too late. `None`: the test never ran.
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
        durations.median().or_else(|| self.others.estimate(id))
    }

    /// The durations of the runs before this one.
    pub fn past(&self) -> PastDurations {
        let durations = |(id, record): (&CaseId, &TestRecord)| (*id, record.durations);
        PastDurations(self.records.iter().map(durations).collect())
    }

    /// Whether the test case failed in its last run. `None`: it never ran.
    pub fn last_failed(&self, id: &CaseId) -> Option<bool> {
        if self.changes.contains_key(id) || self.saving.contains_key(id) {
            return Some(self.failed.contains(id));
        }
        let record = self.records.get(id).and_then(TestRecord::last_failed);
        record.or_else(|| self.others.last_failed(id))
    }

    /// Whether the test case failed in its last run before this one, or was to run after that and did
    /// not.
    pub fn needs_rerun(&self, id: &CaseId) -> bool {
        let record = self.records.get(id).map(TestRecord::needs_rerun);
        record.unwrap_or_else(|| self.others.needs_rerun(id))
    }

    /// Whether no run of a test is known.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty() && self.changes.is_empty() && self.others.is_empty()
    }

    /// Adds a run of a test. A repeated test has failed if one repetition failed.
    pub fn record(&mut self, id: CaseId, duration: Duration, passed: bool) {
        self.changes.entry(id).or_default().push(duration);
        if !passed {
            self.failed.insert(id);
        }
    }

    /// Adds the result of a test for which no program ran, such as one that could not be compiled.
    pub fn record_without_run(&mut self, id: CaseId, passed: bool) {
        self.changes.entry(id).or_default();
        if !passed {
            self.failed.insert(id);
        }
    }

    /// Adds a test that was to run and did not, as the run was cancelled or its container could not be
    /// made.
    pub fn record_not_run(&mut self, id: CaseId) {
        self.not_run.insert(id);
    }

    /// Adds a test whose earlier result was reused. `duration` is recorded only if no duration is
    /// known.
    pub fn confirm(&mut self, id: CaseId, duration: Duration) {
        let is_unknown = self.estimate(&id).is_none();
        let durations = self.changes.entry(id).or_default();
        if is_unknown {
            durations.push(duration);
        }
    }

    /// Adds the records of this run to the file, which other clients may have changed since it was
    /// loaded. The file is replaced atomically. May be called several times in a run.
    pub fn save(&mut self) -> Result<(), HistoryError> {
        let saved = self.begin_save().carry_out();
        let (saved, result) = match saved {
            Ok(saved) => (Some(saved), Ok(())),
            Err(error) => (None, Err(error)),
        };
        self.end_save(saved);
        result
    }

    /// Starts a save, during which further runs can be recorded. [`Self::end_save`] must follow before
    /// the next save.
    pub fn begin_save(&mut self) -> Save {
        self.saving = Arc::new(std::mem::take(&mut self.changes));
        Save {
            path: self.path.clone(),
            today: self.today,
            changes: self.saving.clone(),
            failed: self.failed.clone(),
            not_run: self.not_run.clone(),
        }
    }

    /// Ends a save. `None`: the save failed, and its changes are part of the next save.
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
    /// Waits for saves of other clients, and replaces the file. Blocking.
    pub fn carry_out(self) -> Result<Saved, HistoryError> {
        let write_error = |source| HistoryError::Write {
            path: self.path.clone(),
            source,
        };
        let _lock = lock_for_saving(&self.path).map_err(write_error)?;
        let (mut records, note) = read(&self.path)?;
        if let Some(Note::Foreign(_)) = note {
            return Ok(Saved { records });
        }
        for (id, durations) in &*self.changes {
            let record = records.entry(*id).or_default();
            record.last_run = self.today;
            record.failed = self.failed.contains(id);
            record.not_run = false;
            record.durations.extend(durations);
        }
        for id in &self.not_run {
            let record = records.entry(*id).or_default();
            record.last_run = self.today;
            record.not_run = true;
        }
        prune(&mut records, self.today, MOST_CASES);
        replace(&self.path, &codec::encode(&records)).map_err(write_error)?;
        Ok(Saved { records })
    }
}

/// Reads the file. A file that cannot be used counts as empty.
fn read(path: &Path) -> Result<(TestRecords, Option<Note>), HistoryError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok((TestRecords::new(), None)),
        Err(source) => {
            let path = path.to_owned();
            return Err(HistoryError::Read { path, source });
        }
    };
    let path = path.to_owned();
    Ok(match codec::decode(&bytes) {
        Ok(records) => (records, None),
        Err(codec::Unusable::Damaged) => (TestRecords::new(), Some(Note::Damaged(path))),
        Err(codec::Unusable::OtherVersion(found)) => {
            (TestRecords::new(), Some(Note::OtherVersion { path, found }))
        }
        Err(codec::Unusable::Foreign) => (TestRecords::new(), Some(Note::Foreign(path))),
    })
}

/// Removes test cases that were not run for a long time, and the oldest beyond `most`.
fn prune(records: &mut TestRecords, today: u16, most: usize) {
    // A day in the future comes from a wrong clock.
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

/// Takes the lock for saving, which is held while the file is open. Creates the directory if it is
/// missing.
pub fn lock_for_saving(path: &Path) -> io::Result<File> {
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

/// Replaces the file. The caller holds the lock, so the temporary file has only one writer. The
/// temporary file of a killed client is overwritten. A file without the magic bytes is not overwritten.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = beside(path, ".tmp");
    let left = match fs::read(&temporary) {
        Err(error) if error.kind() == ErrorKind::NotFound => Vec::new(),
        left => left?,
    };
    if codec::decode(&left) == Err(codec::Unusable::Foreign) {
        let text = format!(
            "`{}` exists and is not a history; move it away",
            temporary.display()
        );
        return Err(io::Error::new(ErrorKind::AlreadyExists, text));
    }
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

/// The durations of test cases in earlier runs.
#[derive(Clone, Debug, Default)]
pub struct PastDurations(BTreeMap<CaseId, Durations>);

impl PastDurations {
    /// The last few durations of a test case, the latest last.
    pub fn of(&self, id: CaseId) -> Vec<Duration> {
        let durations = self.0.get(&id).map_or(&[][..], Durations::as_slice);
        let durations = durations.iter();
        durations
            .map(|&micros| Duration::from_micros(micros.into()))
            .collect()
    }
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
