use super::*;
use crate::container::Step;
use crate::executor::{LimitKeeper, ListedKind, ListedOutput};
use proptest::prelude::*;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

fn outcome(status: Status, stdout: &[u8], tail: &[u8]) -> Outcome {
    Outcome {
        status,
        stdout: Captured {
            head: stdout.to_vec(),
            omitted: 7,
            tail: tail.to_vec(),
        },
        stderr: Captured::from(b"\n{\xff".as_slice()),
        duration: Duration::from_micros(1234),
        usage: ResourceUsage {
            user: Duration::from_nanos(1),
            system: Duration::from_secs(2),
            max_resident: 4096,
        },
        limits: Some(HeldLimits {
            memory: Some(64 << 20),
            processes: None,
            by: LimitKeeper::ControlGroup,
            process_refused: true,
        }),
        scratch_full: true,
        leaked: true,
        changed_files: vec!["/w/file".to_owned()],
        outputs: None,
        cached: false,
    }
}

fn ended(job: usize, outcome: Outcome) -> RunnerRecord {
    RunnerRecord::Ended(job, outcome.into(), listing(&[b"/w/a", b"/w/\xff\n"]))
}

/// A listing of files, links and removed names with these paths and targets.
fn listing(paths: &[&[u8]]) -> OutputListing {
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let outputs = paths.iter().flat_map(|name| {
        [
            ListedKind::File { executable: false },
            ListedKind::File { executable: true },
            ListedKind::Symlink { target: path(name) },
            ListedKind::Removed,
        ]
        .map(|kind| ListedOutput {
            path: path(name),
            kind,
        })
    });
    OutputListing {
        outputs: outputs.collect(),
        problems: vec!["one\ntwo".to_owned()],
    }
}

fn statuses() -> impl Strategy<Value = Status> {
    prop_oneof![
        any::<i32>().prop_map(Status::Exited),
        any::<i32>().prop_map(Status::Signaled),
        Just(Status::TimedOut),
        any::<u64>().prop_map(|limit| Status::OutOfMemory { limit }),
        any::<String>().prop_map(Status::Error),
        any::<(String, i32)>().prop_map(|(program, errno)| Status::NotStarted(StepError {
            step: Step::Execute { program },
            errno,
        })),
    ]
}

#[test]
fn what_was_running_when_the_runner_died_is_known() {
    let ended = ended(0, outcome(Status::Exited(0), b"out", b""));
    let bytes = [RunnerRecord::Started(0), ended, RunnerRecord::Started(1)]
        .iter()
        .flat_map(RunnerRecord::to_bytes)
        .collect::<Vec<_>>();
    let ending = BatchEnd::parse(&bytes).unwrap();
    assert_eq!(ending.running, BTreeSet::from([1]));
    assert!(ending.ended.contains_key(&0));
}

#[test]
fn damage_is_told_with_its_place() {
    let mut bytes = RunnerRecord::Started(0).to_bytes();
    bytes.extend_from_slice(b"nonsense\n");
    let error = BatchEnd::parse(&bytes).unwrap_err();
    assert!(error.to_string().ends_with("at byte 14"), "{error}");
}

proptest! {
    #[test]
    fn an_outcome_survives_its_journey(
        status in statuses(),
        stdout: Vec<u8>,
        tail: Vec<u8>,
    ) {
        let sent = outcome(status, &stdout, &tail);
        let ending = BatchEnd::parse(&ended(3, sent.clone()).to_bytes()).unwrap();
        prop_assert_eq!(format!("{:?}", ending.ended[&3]), format!("{sent:?}"));
    }

    #[test]
    fn outputs_survive_their_journey(paths: Vec<Vec<u8>>) {
        let paths: Vec<&[u8]> = paths
            .iter()
            .filter(|path| !path.contains(&0))
            .map(Vec::as_slice)
            .collect();
        let sent = listing(&paths);
        let outcome = outcome(Status::TimedOut, b"", b"");
        let record = RunnerRecord::Ended(2, outcome.into(), sent.clone());
        let ending = BatchEnd::parse(&record.to_bytes()).unwrap();
        prop_assert_eq!(&ending.listings[&2], &sent);
    }

    #[test]
    fn no_listing_makes_reading_it_panic(bytes: Vec<u8>) {
        let listing = OutputListing::decode(&bytes, Vec::new());
        prop_assert!(listing.outputs.len() <= bytes.len());
    }

    #[test]
    fn records_cut_anywhere_are_read_up_to_there(
        outputs in prop::collection::vec(any::<Vec<u8>>(), 0..6),
        cut: prop::sample::Index,
    ) {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        for (job, stdout) in outputs.iter().enumerate() {
            bytes.extend(RunnerRecord::Started(job).to_bytes());
            bytes.extend(ended(job, outcome(Status::Exited(0), stdout, b"")).to_bytes());
            ends.push(bytes.len());
        }
        let cut = cut.index(bytes.len() + 1);
        let ending = BatchEnd::parse(&bytes[..cut]).unwrap();
        let whole = ends.iter().filter(|end| **end <= cut).count();
        prop_assert_eq!(ending.ended.len(), whole);
        prop_assert!(ending.running.len() <= 1);
        for (job, outcome) in &ending.ended {
            prop_assert_eq!(&outcome.stdout.head, &outputs[*job]);
        }
    }

    #[test]
    fn no_bytes_make_reading_records_panic(bytes: Vec<u8>) {
        let _ = BatchEnd::parse(&bytes);
    }
}
