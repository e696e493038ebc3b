//! A history that is only read: the file of `--history`, or the history in an archive.

use super::{CaseId, Durations, History, TestRecord, TestRecords, codec};
use crate::process::replace_file;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
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
        if let Some(directory) = path.parent() {
            fs::create_dir_all(directory).map_err(failed)?;
        }
        replace_file(path, self.to_bytes()).map_err(failed)
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
        self.records.get(id)?.last_failed()
    }

    /// As [`History::needs_rerun`].
    pub fn needs_rerun(&self, id: &CaseId) -> bool {
        let record = self.records.get(id);
        record.is_some_and(TestRecord::needs_rerun)
    }

    /// The records of all these histories. Their order does not matter, and a history whose records
    /// another one has already adds nothing.
    pub fn of_all(histories: &[Self]) -> Self {
        let mut of_cases: BTreeMap<CaseId, Vec<TestRecord>> = BTreeMap::new();
        for (id, record) in histories.iter().flat_map(|history| &history.records) {
            of_cases.entry(*id).or_default().push(*record);
        }
        let merged = of_cases.into_iter().filter_map(|(id, mut records)| {
            records.sort_by_cached_key(order);
            Some((id, records.into_iter().reduce(merged)?))
        });
        Self {
            records: merged.collect(),
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
        let own = RecordedHistory {
            records: self.records.clone(),
        };
        RecordedHistory::of_all(&[own, self.others.clone()])
    }
}

/// The order of the records of a test case: the later one says whether the test failed, or did not
/// run. The durations make the order complete.
fn order(record: &TestRecord) -> (u16, bool, bool, Vec<u32>) {
    let durations = record.durations.as_slice().to_vec();
    (record.last_run, record.failed, record.not_run, durations)
}

/// The record of both: its durations are those of the earlier record and then those of the later
/// one. Durations that both have, as one was made from the other, count once.
fn merged(one: TestRecord, other: TestRecord) -> TestRecord {
    let (earlier, later) = if order(&one) <= order(&other) {
        (one, other)
    } else {
        (other, one)
    };
    let (before, after) = (earlier.durations.as_slice(), later.durations.as_slice());
    let durations = if contains(before, after) {
        earlier.durations
    } else if contains(after, before) {
        later.durations
    } else if overlap(after, before) > overlap(before, after) {
        // Of two records of one day, the one that counts as later may have the earlier durations.
        joined(after, before)
    } else {
        joined(before, after)
    };
    TestRecord { durations, ..later }
}

fn contains(whole: &[u32], part: &[u32]) -> bool {
    part.is_empty() || whole.windows(part.len()).any(|window| window == part)
}

/// The number of durations with which one list ends and the next begins.
fn overlap(first: &[u32], next: &[u32]) -> usize {
    let lengths = (0..=first.len().min(next.len())).rev();
    let mut shared = lengths.filter(|&length| first.ends_with(&next[..length]));
    shared.next().unwrap_or_default()
}

fn joined(first: &[u32], next: &[u32]) -> Durations {
    let mut durations = Durations::default();
    for &micros in first.iter().chain(&next[overlap(first, next)..]) {
        durations.push_micros(micros);
    }
    durations
}

#[cfg(test)]
mod tests {
    use super::super::KEPT;
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
            not_run: false,
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
        let fields = (
            0_u16..3,
            any::<bool>(),
            any::<bool>(),
            prop::collection::vec(0_u32..4, 0..=KEPT),
        );
        let records = fields.prop_map(|(day, failed, not_run, micros)| TestRecord {
            not_run,
            ..record(day, failed, &micros)
        });
        prop::collection::btree_map("[abc]", records, 0..3).prop_map(|records| RecordedHistory {
            records: records
                .into_iter()
                .map(|(name, record)| (case(&name), record))
                .collect(),
        })
    }

    /// A record of one test case. No duration occurs by chance in two of them.
    fn distinct_durations() -> impl Strategy<Value = RecordedHistory> {
        let durations = prop::collection::vec(any::<u32>(), 0..=KEPT);
        (0_u16..2, any::<bool>(), durations)
            .prop_map(|(day, failed, micros)| history(&[("a", record(day, failed, &micros))]))
    }

    fn both(one: &RecordedHistory, other: &RecordedHistory) -> RecordedHistory {
        RecordedHistory::of_all(&[one.clone(), other.clone()])
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
        fn the_order_of_several_histories_does_not_matter(
            one in some_history(),
            other in some_history(),
            third in some_history(),
        ) {
            let all = |of: [&RecordedHistory; 3]| RecordedHistory::of_all(&of.map(Clone::clone));
            let merged = all([&one, &other, &third]);
            for order in [[&one, &third, &other], [&other, &third, &one], [&third, &other, &one]] {
                prop_assert_eq!(&all(order), &merged);
            }
        }

        #[test]
        fn a_history_that_was_merged_before_changes_nothing(
            one in distinct_durations(),
            other in distinct_durations(),
        ) {
            let merged = both(&one, &other);
            prop_assert_eq!(&both(&merged, &other), &merged);
            prop_assert_eq!(&both(&merged, &one), &merged);
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
    fn the_later_record_says_whether_a_test_did_not_run() {
        let not_run = TestRecord {
            not_run: true,
            ..record(2, false, &[])
        };
        for (day, needs_rerun) in [(1, true), (3, false)] {
            let one = history(&[("a", not_run)]);
            let other = history(&[("a", record(day, false, &[5]))]);
            let merged = both(&one, &other);
            assert_eq!(merged.needs_rerun(&case("a")), needs_rerun);
            assert_eq!(merged.last_failed(&case("a")), Some(false));
        }
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
