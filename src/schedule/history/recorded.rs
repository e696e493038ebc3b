//! A history that is only read: the file of `--history`, or the history in an archive.

use super::{CaseId, Durations, History, KEPT, TestRecord, TestRecords, codec};
use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Records of test cases. The same file gives the same records on every machine and every day.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecordedHistory {
    records: TestRecords,
}

#[derive(Debug, thiserror::Error)]
pub enum RecordedHistoryError {
    #[error(
        "there is no history in `{}`; `cargo maelstrom history merge -o FILE` without further \
         arguments writes an empty one to start with",
        .0.display()
    )]
    Missing(PathBuf),
    #[error("failed to read the history in `{}`", .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "the history in `{}` cannot be used: {reason}; write a new one with `cargo maelstrom history \
         merge`",
        .path.display()
    )]
    Unusable { path: PathBuf, reason: String },
    #[error("failed to write the history to `{}`", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

impl RecordedHistory {
    /// Reads a file. A missing or damaged file is an error: parts of a run that were divided without
    /// it would lose tests.
    pub fn load(path: &Path) -> Result<Self, RecordedHistoryError> {
        let bytes = fs::read(path).map_err(|source| {
            let path = path.to_owned();
            match source.kind() {
                ErrorKind::NotFound => RecordedHistoryError::Missing(path),
                _ => RecordedHistoryError::Read { path, source },
            }
        })?;
        Self::from_bytes(&bytes).map_err(|reason| RecordedHistoryError::Unusable {
            path: path.to_owned(),
            reason,
        })
    }

    /// Reads the bytes of [`Self::to_bytes`], or those of a history file. The error is the reason.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        match codec::decode(bytes) {
            Ok(records) => Ok(Self { records }),
            Err(codec::Unusable::Damaged) => Err("it is damaged".to_owned()),
            Err(codec::Unusable::Foreign) => Err("it is not a history".to_owned()),
            Err(codec::Unusable::OtherVersion(found)) => Err(format!(
                "another version of this program wrote it (format {found}, not {})",
                codec::VERSION
            )),
        }
    }

    /// The bytes of a history file.
    pub fn to_bytes(&self) -> Vec<u8> {
        codec::encode(&self.records)
    }

    /// Writes a file, which replaces another history but no other file.
    pub fn write(&self, path: &Path) -> Result<(), RecordedHistoryError> {
        let failed = |source| RecordedHistoryError::Write {
            path: path.to_owned(),
            source,
        };
        match fs::read(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed(error)),
            Ok(bytes) if codec::decode(&bytes) == Err(codec::Unusable::Foreign) => {
                let text = "the file exists and is not a history; remove it first";
                return Err(failed(io::Error::new(ErrorKind::AlreadyExists, text)));
            }
            Ok(_) => {}
        }
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let directory = parent.unwrap_or(Path::new("."));
        fs::create_dir_all(directory).map_err(failed)?;
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        file.write_all(&self.to_bytes()).map_err(failed)?;
        // Temporary files are readable by their owner only.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
        file.as_file().set_permissions(mode).map_err(failed)?;
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// The number of test cases.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// As [`History::estimate`].
    pub fn estimate(&self, id: &CaseId) -> Option<Duration> {
        self.records.get(id)?.durations.median()
    }

    /// As [`History::last_failed`].
    pub fn last_failed(&self, id: &CaseId) -> Option<bool> {
        Some(self.records.get(id)?.failed)
    }

    /// Adds the records of another history. The result does not depend on which is added to which,
    /// and adding the same history twice changes nothing.
    pub fn merge(&mut self, other: &Self) {
        for (id, theirs) in &other.records {
            let merged = match self.records.get(id) {
                Some(ours) => merged(ours, theirs),
                None => *theirs,
            };
            self.records.insert(*id, merged);
        }
    }

    /// Keeps the records of these test cases only.
    pub fn retain(&mut self, cases: &BTreeSet<CaseId>) {
        self.records.retain(|id, _| cases.contains(id));
    }
}

impl History {
    /// The records of this machine before the run, and those of other machines.
    pub fn recorded(&self) -> RecordedHistory {
        let mut all = RecordedHistory {
            records: self.records.clone(),
        };
        all.merge(&self.others);
        all
    }
}

/// The record of both: its durations are those of the earlier record and then those of the later
/// one. Durations that both have, as one was made from the other, count once.
fn merged(one: &TestRecord, other: &TestRecord) -> TestRecord {
    let key = |record: &TestRecord| {
        (
            record.last_run,
            record.failed,
            record.durations.as_slice().to_vec(),
        )
    };
    let (earlier, later) = if key(one) <= key(other) {
        (one, other)
    } else {
        (other, one)
    };
    let (before, after) = (earlier.durations.as_slice(), later.durations.as_slice());
    if before
        .windows(after.len().max(1))
        .any(|window| window == after)
    {
        return TestRecord {
            durations: earlier.durations,
            ..*later
        };
    }
    let shared = (0..=before.len().min(after.len()).min(KEPT))
        .rev()
        .find(|&length| before[before.len() - length..] == after[..length]);
    let mut durations = Durations::default();
    let new = &after[shared.unwrap_or_default()..];
    for &micros in before.iter().chain(new) {
        durations.push_micros(micros);
    }
    TestRecord {
        durations,
        ..*later
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn case(name: &str) -> CaseId {
        CaseId::new("package", "lib", "target", name)
    }

    fn record(last_run: u16, failed: bool, micros: &[u32]) -> TestRecord {
        let mut durations = Durations::default();
        for &micros in micros {
            durations.push_micros(micros);
        }
        TestRecord {
            last_run,
            failed,
            durations,
        }
    }

    fn history(records: &[(&str, TestRecord)]) -> RecordedHistory {
        let records = records.iter();
        RecordedHistory {
            records: records
                .map(|(name, record)| (case(name), *record))
                .collect(),
        }
    }

    fn some_history() -> impl Strategy<Value = RecordedHistory> {
        let record = (
            0_u16..3,
            any::<bool>(),
            prop::collection::vec(0_u32..4, 0..=KEPT),
        );
        let record = record.prop_map(|(day, failed, micros)| of_day(day, failed, &micros));
        prop::collection::btree_map("[abc]", record, 0..3).prop_map(|records| RecordedHistory {
            records: records
                .into_iter()
                .map(|(name, record)| (case(&name), record))
                .collect(),
        })
    }

    fn of_day(day: u16, failed: bool, micros: &[u32]) -> TestRecord {
        record(day, failed, micros)
    }

    fn both(one: &RecordedHistory, other: &RecordedHistory) -> RecordedHistory {
        let mut merged = one.clone();
        merged.merge(other);
        merged
    }

    proptest! {
        #[test]
        fn merging_does_not_depend_on_the_order(one in some_history(), other in some_history()) {
            prop_assert_eq!(both(&one, &other), both(&other, &one));
        }

        #[test]
        fn merging_a_history_with_itself_changes_nothing(one in some_history()) {
            prop_assert_eq!(both(&one, &one), one);
        }

        #[test]
        fn a_written_history_is_read_again(one in some_history()) {
            prop_assert_eq!(RecordedHistory::from_bytes(&one.to_bytes()), Ok(one));
        }
    }

    #[test]
    fn durations_of_both_histories_are_kept_and_the_later_record_says_whether_the_test_failed() {
        let old = history(&[
            ("a", record(1, true, &[5, 6])),
            ("b", record(1, false, &[1])),
        ]);
        let new = history(&[("a", record(2, false, &[7])), ("c", record(2, false, &[2]))]);
        let expected = history(&[
            ("a", record(2, false, &[5, 6, 7])),
            ("b", record(1, false, &[1])),
            ("c", record(2, false, &[2])),
        ]);
        assert_eq!(both(&old, &new), expected);
    }

    #[test]
    fn durations_that_both_histories_have_count_once() {
        let old = history(&[("a", record(1, false, &[1, 2, 3]))]);
        let new = history(&[("a", record(2, false, &[2, 3, 4]))]);
        let expected = history(&[("a", record(2, false, &[1, 2, 3, 4]))]);
        assert_eq!(both(&old, &new), expected);
    }

    #[test]
    fn a_file_that_is_missing_or_no_history_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("history");
        let missing = RecordedHistory::load(&path).unwrap_err();
        assert!(matches!(missing, RecordedHistoryError::Missing(_)));
        fs::write(&path, "text").unwrap();
        let foreign = RecordedHistory::load(&path).unwrap_err();
        assert!(
            foreign.to_string().contains("it is not a history"),
            "{foreign}"
        );
        let kept = RecordedHistory::default().write(&path).unwrap_err();
        assert!(matches!(kept, RecordedHistoryError::Write { .. }));
        assert_eq!(fs::read(&path).unwrap(), b"text");
    }

    #[test]
    fn records_of_other_machines_count_for_tests_that_were_not_run_here() {
        let directory = tempfile::tempdir().unwrap();
        let others = history(&[("a", record(1, true, &[5])), ("b", record(1, true, &[5]))]);
        let own = History::load(&directory.path().join("history")).unwrap();
        let mut own = own.with_others(others);
        own.record(case("b"), Duration::from_micros(7), true);
        let a = (own.estimate(&case("a")), own.last_failed(&case("a")));
        assert_eq!(a, (Some(Duration::from_micros(5)), Some(true)));
        let b = (own.estimate(&case("b")), own.last_failed(&case("b")));
        assert_eq!(b, (Some(Duration::from_micros(7)), Some(false)));
    }
}
