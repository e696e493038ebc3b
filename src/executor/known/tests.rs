use super::*;
use crate::executor::JobVariable;
use crate::executor::{Captured, Container, Status};
use crate::spec::{BindAccess, Device, Mount, Network, RootOverlay};
use crate::store::Digest;
use std::time::Duration;
use tempfile::TempDir;

fn container() -> Container {
    Container {
        layers: vec![Digest::of(b"layer")],
        environment: [("PATH".to_owned(), "/bin".to_owned())].into(),
        mounts: vec![Mount::Proc {
            mount_point: "/proc".into(),
        }],
        network: Network::Loopback,
        root_overlay: RootOverlay::Tmp,
        working_directory: "/".into(),
        user: 1000,
        group: 1000,
        init: true,
        hostname: "maelstrom".to_owned(),
        watched: Vec::new(),
        outputs: Vec::new(),
    }
}

pub fn job() -> Job {
    Job {
        container: Arc::new(container()),
        program: "/bin/true".into(),
        arguments: vec!["now".to_owned()],
        variables: vec![JobVariable::Text {
            name: "TEST".to_owned(),
            value: "one".to_owned(),
        }],
        timeout: Some(Duration::from_secs(10)),
        limits: crate::container::JobLimits::default(),
        should_panic: false,
        group_slot: None,
    }
}

pub fn passed() -> Outcome {
    Outcome {
        status: Status::Exited(0),
        stdout: Captured::from(&b"0123456789"[..]),
        stderr: Captured::from(&b"err\n"[..]),
        duration: Duration::from_secs(2),
        ..Outcome::error(String::new())
    }
}

fn known(use_as: CacheResults) -> (TempDir, KnownOutcomes) {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 1 << 30).unwrap();
    (directory, KnownOutcomes::new(store, use_as))
}

#[test]
fn what_passed_is_found_as_it_was() {
    let (_directory, known) = known(CacheResults::Auto);
    assert!(known.find(&job(), 100).is_none());
    known.keep(&job(), 100, &passed());
    let found = known.find(&job(), 100).unwrap();
    assert!(found.cached);
    assert_eq!(found.status, Status::Exited(0));
    assert_eq!(found.stdout, passed().stdout);
    assert_eq!(found.stderr, passed().stderr);
    assert_eq!(found.duration, passed().duration);
}

#[test]
fn failures_are_never_kept() {
    let (_directory, known) = known(CacheResults::Auto);
    for status in [
        Status::Exited(1),
        Status::Signaled(9),
        Status::TimedOut,
        Status::Error("no".to_owned()),
    ] {
        let outcome = Outcome { status, ..passed() };
        known.keep(&job(), 100, &outcome);
        assert!(known.find(&job(), 100).is_none(), "{outcome:?}");
    }
}

#[test]
fn what_is_only_read_is_not_added_to() {
    let (_directory, known) = known(CacheResults::Auto);
    let reader = |use_as| KnownOutcomes {
        store: known.store.clone(),
        use_as,
        machine: known.machine.clone(),
    };
    reader(CacheResults::Read).keep(&job(), 100, &passed());
    assert!(known.find(&job(), 100).is_none());
    known.keep(&job(), 100, &passed());
    assert!(reader(CacheResults::Read).find(&job(), 100).is_some());
    assert!(reader(CacheResults::Off).find(&job(), 100).is_none());
}

#[test]
fn everything_that_a_job_is_given_makes_it_another() {
    let (_directory, known) = known(CacheResults::Auto);
    known.keep(&job(), 100, &passed());
    let changes: [fn(&mut Container); 11] = [
        |c| c.layers.push(Digest::of(b"more")),
        |c| c.layers.clear(),
        |c| c.environment = [("PATH".to_owned(), "/sbin".to_owned())].into(),
        |c| c.mounts.clear(),
        |c| {
            c.mounts.push(Mount::Devices {
                devices: vec![Device::Shm],
            });
        },
        |c| c.network = Network::Disabled,
        |c| c.root_overlay = RootOverlay::None,
        |c| c.working_directory = "/tmp".into(),
        |c| (c.user, c.group) = (0, 0),
        |c| c.init = false,
        |c| c.hostname = "other".to_owned(),
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let mut other = container();
        change(&mut other);
        let job = Job {
            container: Arc::new(other),
            ..job()
        };
        assert!(known.find(&job, 100).is_none(), "change {number}");
    }
    let changes: [fn(&mut Job); 3] = [
        |job| job.program = "/bin/false".into(),
        |job| job.arguments.push("x".to_owned()),
        |job| job.variables.clear(),
    ];
    for change in changes {
        let mut other = job();
        change(&mut other);
        assert!(known.find(&other, 100).is_none(), "{other:?}");
    }
}

#[test]
fn a_job_that_gets_something_of_this_machine_does_not_count() {
    let (_directory, known) = known(CacheResults::Auto);
    let changes: [fn(&mut Container); 3] = [
        |c| c.network = Network::Local,
        |c| {
            c.root_overlay = RootOverlay::Local {
                upper: "/upper".into(),
                work: "/work".into(),
            };
        },
        |c| {
            c.mounts.push(Mount::Bind {
                mount_point: "/a".into(),
                local_path: "/a".into(),
                access: BindAccess::ReadOnly,
                identity: None,
            });
        },
    ];
    for change in changes {
        let mut other = container();
        change(&mut other);
        let job = Job {
            container: Arc::new(other),
            ..job()
        };
        known.keep(&job, 100, &passed());
        assert!(known.find(&job, 100).is_none(), "{job:?}");
    }
}

#[test]
fn a_bind_mount_with_an_identity_counts_by_it() {
    let (_directory, known) = known(CacheResults::Auto);
    let job = |identity: &str, access| {
        let mut container = container();
        container.mounts.push(Mount::Bind {
            mount_point: "/a".into(),
            local_path: "/a".into(),
            access,
            identity: Some(identity.to_owned()),
        });
        Job {
            container: Arc::new(container),
            ..job()
        }
    };
    known.keep(&job("one", BindAccess::ReadOnly), 100, &passed());
    let is_known = |job: Job| known.find(&job, 100).is_some();
    assert!(is_known(job("one", BindAccess::ReadOnly)));
    assert!(!is_known(job("two", BindAccess::ReadOnly)));
    assert!(!is_known(job("one", BindAccess::ReadWrite)));
}

#[test]
fn a_cache_mount_counts_by_its_name() {
    let (_directory, known) = known(CacheResults::Auto);
    let job = |name: &str| {
        let mut container = container();
        container.mounts.push(Mount::Cache {
            mount_point: "/a".into(),
            name: name.to_owned(),
        });
        Job {
            container: Arc::new(container),
            ..job()
        }
    };
    known.keep(&job("one"), 100, &passed());
    assert!(known.find(&job("one"), 100).is_some());
    assert!(known.find(&job("two"), 100).is_none());
}

#[test]
fn a_job_that_took_longer_than_it_may_now_is_not_known() {
    let (_directory, known) = known(CacheResults::Auto);
    known.keep(&job(), 100, &passed());
    let with = |timeout| Job { timeout, ..job() };
    assert!(known.find(&with(None), 100).is_some());
    assert!(
        known
            .find(&with(Some(Duration::from_secs(2))), 100)
            .is_some()
    );
    assert!(
        known
            .find(&with(Some(Duration::from_secs(1))), 100)
            .is_none()
    );
}

#[test]
fn a_job_in_another_slot_of_its_group_is_the_same() {
    let (_directory, known) = known(CacheResults::Auto);
    let job = |group_slot| {
        let variables = vec![JobVariable::GroupSlot {
            name: "GROUP_SLOT".to_owned(),
        }];
        Job {
            variables,
            group_slot,
            ..job()
        }
    };
    known.keep(&job(Some(1)), 100, &passed());
    assert!(known.find(&job(Some(0)), 100).is_some());
    assert!(known.find(&job(None), 100).is_some());
}

#[test]
fn output_is_as_long_as_it_may_be_now() {
    let (_directory, known) = known(CacheResults::Auto);
    known.keep(&job(), 100, &passed());
    let found = known.find(&job(), 4).unwrap();
    assert_eq!(
        (&*found.stdout.head, &*found.stdout.tail),
        (&b"01"[..], &b"89"[..])
    );
    assert_eq!(found.stdout.omitted, 6);
    // Of what was cut, only the same cut is known.
    known.keep(
        &job(),
        4,
        &Outcome {
            cached: false,
            ..found.clone()
        },
    );
    assert_eq!(known.find(&job(), 4).unwrap().stdout, found.stdout);
    assert!(known.find(&job(), 100).is_none());
}

#[test]
fn what_is_damaged_is_not_known() {
    for bytes in [
        &b""[..],
        b"100",
        b"100\n",
        b"x\n{}",
        b"100\n{\"started\":0}\n",
    ] {
        assert!(decode(bytes).is_none(), "{bytes:?}");
    }
    let whole = encode(100, &passed());
    assert!(decode(&whole).is_some());
    assert!(decode(&whole[..whole.len() - 1]).is_none());
}
