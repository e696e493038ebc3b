use super::*;
use proptest::prelude::*;
use std::os::unix::fs::PermissionsExt;

const TODAY: u16 = 20_000;

fn id(name: &str) -> CaseId {
    CaseId::new("pkg", "lib", "pkg", name)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

struct HistoryFile {
    directory: tempfile::TempDir,
}

impl HistoryFile {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("maelstrom/history")
    }

    fn load(&self) -> History {
        self.load_on(TODAY)
    }

    fn load_on(&self, today: u16) -> History {
        History::load_on(&self.path(), today).unwrap()
    }

    fn with_content(bytes: &[u8]) -> Self {
        let file = Self::new();
        fs::create_dir_all(file.path().parent().unwrap()).unwrap();
        fs::write(file.path(), bytes).unwrap();
        file
    }
}

#[test]
fn a_test_that_never_ran_is_unknown() {
    let history = HistoryFile::new().load();
    assert_eq!(history.estimate(&id("a")), None);
    assert_eq!(history.last_failed(&id("a")), None);
    assert_eq!(history.note(), None);
}

#[test]
fn past_durations_are_those_of_earlier_runs() {
    let file = HistoryFile::new();
    let mut history = file.load();
    for millis in [millis(1), millis(2)] {
        history.record(id("a"), millis, true);
    }
    assert_eq!(history.past().of(id("a")), []);
    history.save().unwrap();
    let past = file.load().past();
    assert_eq!(past.of(id("a")), [millis(1), millis(2)]);
    assert_eq!(past.of(id("b")), []);
}

#[test]
fn ids_depend_on_where_one_part_ends_and_the_next_begins() {
    assert_ne!(
        CaseId::new("a", "lib", "b", "c"),
        CaseId::new("a", "lib", "bc", "")
    );
    assert_ne!(
        CaseId::new("a", "lib", "b", "c"),
        CaseId::new("a", "bin", "b", "c")
    );
}

/// The id keys files that outlive this version.
#[test]
fn an_id_never_changes() {
    assert_eq!(id("tests::it_works").0, 0x9acb_890e_1243_6a23);
}

#[test]
fn recorded_runs_are_known_at_once_and_after_loading() {
    let file = HistoryFile::new();
    let mut history = file.load();
    history.record(id("a"), millis(20), true);
    history.record(id("b"), millis(30), false);
    for _ in 0..2 {
        assert_eq!(history.estimate(&id("a")), Some(millis(20)));
        assert_eq!(history.last_failed(&id("a")), Some(false));
        assert_eq!(history.last_failed(&id("b")), Some(true));
        history.save().unwrap();
        history = file.load();
    }
}

#[test]
fn one_outlier_does_not_change_the_estimate() {
    let mut history = HistoryFile::new().load();
    for duration in [20, 21, 9000, 22] {
        history.record(id("a"), millis(duration), true);
    }
    assert_eq!(history.estimate(&id("a")), Some(millis(22)));
    history.record(id("a"), millis(1), true);
    assert_eq!(history.estimate(&id("a")), Some(millis(21)));
}

#[test]
fn the_longer_of_two_durations_is_the_estimate() {
    let mut history = HistoryFile::new().load();
    history.record(id("a"), millis(20), true);
    history.record(id("a"), millis(30), true);
    assert_eq!(history.estimate(&id("a")), Some(millis(30)));
}

#[test]
fn the_estimate_of_a_test_that_became_slow_is_right_after_three_runs() {
    let file = HistoryFile::new();
    for duration in [1, 1, 1, 1, 1, 500, 500, 500] {
        let mut history = file.load();
        history.record(id("a"), millis(duration), true);
        history.save().unwrap();
    }
    assert_eq!(file.load().estimate(&id("a")), Some(millis(500)));
}

#[test]
fn a_repeated_test_that_failed_once_has_failed() {
    let file = HistoryFile::new();
    let mut history = file.load();
    history.record(id("a"), millis(1), false);
    history.save().unwrap();
    history.record(id("a"), millis(1), true);
    history.save().unwrap();
    assert_eq!(history.last_failed(&id("a")), Some(true));
    let mut next = file.load();
    assert_eq!(next.last_failed(&id("a")), Some(true));
    next.record(id("a"), millis(1), true);
    assert_eq!(next.last_failed(&id("a")), Some(false));
}

#[test]
fn a_duration_beyond_the_range_of_the_file_is_kept_as_the_longest() {
    let mut history = HistoryFile::new().load();
    history.record(id("a"), Duration::MAX, true);
    let longest = Duration::from_micros(u32::MAX.into());
    assert_eq!(history.estimate(&id("a")), Some(longest));
}

#[test]
fn the_records_of_two_clients_are_merged() {
    let file = HistoryFile::new();
    let (mut one, mut other) = (file.load(), file.load());
    one.record(id("a"), millis(1), true);
    one.record(id("both"), millis(10), false);
    other.record(id("b"), millis(2), false);
    other.record(id("both"), millis(30), true);
    one.save().unwrap();
    other.save().unwrap();
    let history = file.load();
    assert_eq!(history.last_failed(&id("a")), Some(false));
    assert_eq!(history.last_failed(&id("b")), Some(true));
    assert_eq!(history.last_failed(&id("both")), Some(false));
    assert_eq!(history.estimate(&id("both")), Some(millis(30)));
    assert_eq!(other.last_failed(&id("a")), Some(false));
}

#[test]
fn clients_that_save_at_once_lose_nothing() {
    let file = HistoryFile::new();
    std::thread::scope(|scope| {
        for client in 0..8 {
            let file = &file;
            scope.spawn(move || {
                for test in 0..5 {
                    let mut history = file.load();
                    history.record(id(&format!("{client} {test}")), millis(1), true);
                    history.save().unwrap();
                }
            });
        }
    });
    assert_eq!(file.load().records.len(), 40);
}

#[test]
fn a_test_is_forgotten_when_it_was_not_run_for_90_days() {
    let file = HistoryFile::new();
    let mut history = file.load();
    history.record(id("a"), millis(1), true);
    history.save().unwrap();
    assert_eq!(file.load_on(TODAY + 90).last_failed(&id("a")), Some(false));
    assert_eq!(file.load_on(TODAY + 91).last_failed(&id("a")), None);

    let mut later = file.load_on(TODAY + 91);
    later.record(id("b"), millis(1), true);
    later.save().unwrap();
    assert_eq!(file.load().records.len(), 1);
}

#[test]
fn a_record_from_a_day_in_the_future_is_forgotten_too() {
    let file = HistoryFile::new();
    let mut history = file.load_on(u16::MAX);
    history.record(id("a"), millis(1), true);
    history.save().unwrap();
    file.load_on(TODAY).save().unwrap();
    assert_eq!(file.load_on(TODAY + 91).last_failed(&id("a")), None);
}

#[test]
fn beyond_the_limit_the_tests_that_ran_last_are_kept() {
    let record = |last_run| TestRecord {
        last_run,
        ..TestRecord::default()
    };
    let day = |offset| record(TODAY - offset);
    let mut records = TestRecords::from([
        (CaseId(1), day(2)),
        (CaseId(2), day(0)),
        (CaseId(3), day(1)),
    ]);
    prune(&mut records, TODAY, 2);
    assert_eq!(
        records.into_keys().collect::<Vec<_>>(),
        [CaseId(2), CaseId(3)]
    );
}

#[test]
fn tests_that_failed_or_did_not_run_since_need_a_rerun() {
    let file = HistoryFile::new();
    let mut history = file.load();
    history.record(id("passed"), millis(1), true);
    history.record(id("failed"), millis(1), false);
    history.record_without_run(id("not compiled"), false);
    history.record_not_run(id("never ran"));
    history.save().unwrap();

    let mut history = file.load();
    let needs_rerun = |history: &History, names: &[&str]| {
        let needs = |name: &&str| history.needs_rerun(&id(name));
        names.iter().map(needs).collect::<Vec<_>>()
    };
    let names = ["passed", "failed", "not compiled", "never ran", "unknown"];
    assert_eq!(
        needs_rerun(&history, &names),
        [false, true, true, true, false]
    );
    assert_eq!(history.last_failed(&id("never ran")), None);
    history.record(id("failed"), millis(1), true);
    history.record_without_run(id("not compiled"), true);
    history.record(id("never ran"), millis(1), true);
    history.record_not_run(id("passed"));
    history.save().unwrap();

    let mut history = file.load();
    assert_eq!(
        needs_rerun(&history, &names),
        [true, false, false, false, false]
    );
    assert_eq!(
        history.last_failed(&id("passed")),
        Some(false),
        "it passed when it last ran"
    );
    history.confirm(id("passed"), millis(1));
    history.save().unwrap();
    assert_eq!(needs_rerun(&file.load(), &names), [false; 5]);
}

#[test]
fn a_repeated_test_of_which_some_repetitions_did_not_run_needs_a_rerun() {
    let file = HistoryFile::new();
    let mut history = file.load();
    history.record(id("a"), millis(1), true);
    history.record_not_run(id("a"));
    history.save().unwrap();
    assert!(file.load().needs_rerun(&id("a")));
}

#[test]
fn a_file_of_version_1_is_read() {
    let mut bytes = b"MLSTHIST\x01\0\0\0".to_vec();
    for (name, flags) in [("passed", 0x01), ("failed", 0x81)] {
        bytes.extend(id(name).0.to_le_bytes());
        bytes.extend(TODAY.to_le_bytes());
        bytes.push(flags);
        bytes.extend(7000_u32.to_le_bytes());
    }
    let sum = Sha256::digest(&bytes);
    bytes.extend(&sum[..8]);
    let file = HistoryFile::with_content(&bytes);
    for _ in 0..2 {
        let mut history = file.load();
        assert_eq!(history.note(), None);
        assert_eq!(history.estimate(&id("failed")), Some(millis(7)));
        assert!(history.needs_rerun(&id("failed")));
        assert!(!history.needs_rerun(&id("passed")));
        history.save().unwrap();
    }
}

#[test]
fn a_damaged_file_is_put_aside_with_a_note() {
    let file = HistoryFile::new();
    let mut history = file.load();
    history.record(id("a"), millis(1), true);
    history.save().unwrap();
    let whole = fs::read(file.path()).unwrap();
    let mut flipped = whole.clone();
    flipped[20] ^= 1;
    for bytes in [
        &b""[..],
        b"MLST",
        &[0; 30],
        &whole[..whole.len() - 1],
        &flipped,
    ] {
        let file = HistoryFile::with_content(bytes);
        let mut history = file.load();
        let note = history.note().unwrap().to_string();
        assert!(note.ends_with("is damaged; starting a new one"), "{note}");
        history.record(id("b"), millis(1), true);
        history.save().unwrap();
        let history = file.load();
        assert_eq!(history.note(), None);
        assert_eq!(history.last_failed(&id("b")), Some(false));
    }
}

#[test]
fn a_file_that_is_no_history_is_left_alone_with_a_note() {
    let file = HistoryFile::with_content(b"Chapter 1. The founding of the town\n");
    let mut history = file.load();
    assert_eq!(
        history.note().unwrap().to_string(),
        format!(
            "`{}` is not a history of earlier runs; it is not replaced, and no history is kept until it \
             is moved to another place",
            file.path().display()
        )
    );
    history.record(id("a"), millis(1), true);
    history.save().unwrap();
    let text = fs::read_to_string(file.path()).unwrap();
    assert_eq!(text, "Chapter 1. The founding of the town\n");
}

#[test]
fn another_file_with_the_name_of_the_temporary_file_is_not_replaced() {
    let file = HistoryFile::with_content(b"");
    let temporary = beside(&file.path(), ".tmp");
    let mut history = file.load();
    history.record(id("a"), millis(1), true);
    fs::write(&temporary, "letters").unwrap();
    let HistoryError::Write { source, .. } = history.save().unwrap_err() else {
        panic!("it is not written")
    };
    let source = source.to_string();
    assert!(
        source.ends_with("history.tmp` exists and is not a history; move it away"),
        "{source}"
    );
    assert_eq!(fs::read_to_string(&temporary).unwrap(), "letters");
    // A part of the file, as a killed client leaves it.
    fs::write(&temporary, "MLST").unwrap();
    history.save().unwrap();
}

#[test]
fn a_file_of_another_version_is_put_aside_with_a_note() {
    for version in [0u32, 3, u32::MAX] {
        let bytes = [
            &b"MLSTHIST"[..],
            &version.to_le_bytes(),
            b"what a later version likes",
        ];
        let file = HistoryFile::with_content(&bytes.concat());
        let note = file.load().note().unwrap().to_string();
        let expected = format!(
            "the history of earlier runs in `{}` was written by another version of this program \
             (format {version}, not 2); starting a new one",
            file.path().display()
        );
        assert_eq!(note, expected);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_that_names_it() {
    let file = HistoryFile::new();
    fs::create_dir_all(file.path()).unwrap();
    let error = History::load(&file.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "failed to read the history of earlier runs from `{}`",
            file.path().display()
        )
    );
}

#[test]
fn a_file_that_cannot_be_written_is_an_error_and_the_old_one_stays() {
    let file = HistoryFile::new();
    let mut history = file.load();
    history.record(id("a"), millis(1), true);
    history.save().unwrap();
    fs::create_dir(beside(&file.path(), ".tmp")).unwrap();
    history.record(id("b"), millis(1), true);
    let error = history.save().unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("failed to write the history of this run to `")
    );
    assert_eq!(file.load().last_failed(&id("a")), Some(false));
    assert_eq!(history.last_failed(&id("b")), Some(false));
}

#[test]
fn runs_recorded_during_a_save_are_known_and_part_of_the_next_save() {
    let file = HistoryFile::new();
    let mut history = file.load();
    history.record(id("a"), millis(10), false);
    let save = history.begin_save();
    assert_eq!(history.last_failed(&id("a")), Some(true));
    history.record(id("a"), millis(20), true);
    history.record(id("b"), millis(30), true);
    // The longer of two: both count.
    assert_eq!(history.estimate(&id("a")), Some(millis(20)));
    history.end_save(Some(save.carry_out().unwrap()));
    assert_eq!(file.load().estimate(&id("a")), Some(millis(10)));
    assert_eq!(file.load().estimate(&id("b")), None);
    for known in [&history, &file.load()] {
        assert_eq!(known.last_failed(&id("a")), Some(true));
    }
    history.save().unwrap();
    for known in [&history, &file.load()] {
        assert_eq!(known.estimate(&id("a")), Some(millis(20)));
        assert_eq!(known.estimate(&id("b")), Some(millis(30)));
        assert_eq!(known.records[&id("a")].durations.as_slice().len(), 2);
    }
}

#[test]
fn the_changes_of_a_failed_save_are_part_of_the_next() {
    let file = HistoryFile::new();
    let mut history = file.load();
    history.record(id("a"), millis(10), true);
    drop(history.begin_save());
    history.record(id("a"), millis(20), true);
    history.end_save(None);
    history.save().unwrap();
    let durations = file.load().records[&id("a")].durations;
    assert_eq!(durations.as_slice(), [10_000, 20_000], "in their order");
}

#[test]
fn a_test_that_is_known_to_pass_keeps_its_durations_and_is_not_forgotten() {
    let file = HistoryFile::new();
    let mut history = file.load();
    history.record(id("a"), millis(7), false);
    history.save().unwrap();
    let mut history = file.load_on(TODAY + FORGET_AFTER);
    for _ in 0..KEPT {
        history.confirm(id("a"), millis(100));
        history.confirm(id("b"), millis(100));
    }
    history.save().unwrap();
    let later = file.load_on(TODAY + 2 * FORGET_AFTER);
    assert_eq!(later.estimate(&id("a")), Some(millis(7)));
    assert_eq!(later.estimate(&id("b")), Some(millis(100)));
    assert_eq!(later.last_failed(&id("a")), Some(false));
}

#[test]
fn the_temporary_file_of_a_killed_client_is_gone_after_the_next_save() {
    let file = HistoryFile::with_content(b"");
    let temporary = beside(&file.path(), ".tmp");
    fs::write(&temporary, "MLSTHIST and a half").unwrap();
    file.load().save().unwrap();
    assert!(!temporary.exists());
    assert_eq!(file.load().note(), None);
    let mode = fs::metadata(file.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o600, 0o600);
}

#[test]
fn the_file_of_ten_thousand_tests_is_small() {
    let mut history = HistoryFile::new().load();
    for number in 0..10_000 {
        for _ in 0..KEPT {
            history.record(CaseId(number), millis(1), true);
        }
    }
    history.save().unwrap();
    assert!(fs::metadata(&history.path).unwrap().len() < 320 * 1024);
    assert!(size_of::<(CaseId, TestRecord)>() <= 40);
}

fn records() -> impl Strategy<Value = TestRecords> {
    let durations = proptest::collection::vec(any::<u32>(), 0..=KEPT);
    let ends = (any::<bool>(), any::<bool>());
    let record = (any::<u16>(), ends, durations);
    proptest::collection::btree_map(any::<u64>().prop_map(CaseId), record, 0..20).prop_map(|map| {
        let record = |(last_run, (failed, not_run), micros): (u16, (bool, bool), Vec<u32>)| {
            let mut durations = Durations::default();
            for micros in micros {
                durations.push_micros(micros);
            }
            TestRecord {
                last_run,
                failed,
                not_run,
                durations,
            }
        };
        map.into_iter()
            .map(|(id, parts)| (id, record(parts)))
            .collect()
    })
}

proptest! {
    #[test]
    fn encoded_records_decode_to_the_same_records(records in records()) {
        prop_assert_eq!(codec::decode(&codec::encode(&records)), Ok(records));
    }

    #[test]
    fn no_bytes_are_too_odd_to_decode(bytes in any::<Vec<u8>>()) {
        prop_assert!(codec::decode(&bytes).is_err());
    }

    #[test]
    fn no_records_are_too_odd_to_decode(content in any::<Vec<u8>>()) {
        let mut bytes = [&b"MLSTHIST\x02\0\0\0"[..], &content].concat();
        let checksum = Sha256::digest(&bytes);
        bytes.extend(&checksum[..8]);
        let _ = codec::decode(&bytes);
    }

    #[test]
    fn a_truncated_file_is_always_noticed(records in records(), cut in 1usize..200) {
        let bytes = codec::encode(&records);
        let cut = bytes.len().saturating_sub(cut);
        prop_assert_eq!(codec::decode(&bytes[..cut]), Err(codec::Unusable::Damaged));
    }
}
