use super::*;
use proptest::prelude::*;
use strum::VariantArray;

fn container() -> Container {
    Container {
        layers: vec![Digest::of(b"a"), Digest::of(b"b")],
        environment: BTreeMap::from([("PATH".to_owned(), "/bin".to_owned())]),
        mounts: vec![
            Mount::Devices {
                devices: Device::VARIANTS.to_vec(),
            },
            Mount::Proc {
                mount_point: "/proc".into(),
            },
            Mount::Tmp {
                mount_point: "/tmp".into(),
            },
        ],
        network: Network::Loopback,
        root_overlay: RootOverlay::Tmp,
        working_directory: "/w".into(),
        user: 1000,
        group: 1001,
        init: true,
        hostname: "host".to_owned(),
        watched: vec!["/w".into()],
        outputs: Vec::new(),
    }
}

fn job(container: &Arc<Container>, name: &str) -> Job {
    Job {
        container: container.clone(),
        program: "/test".into(),
        arguments: vec![name.to_owned(), "--exact".to_owned()],
        variables: vec![
            JobVariable::Text {
                name: "TEST".to_owned(),
                value: name.to_owned(),
            },
            JobVariable::Slot {
                name: "SLOT".to_owned(),
            },
            JobVariable::RunId {
                name: "RUN".to_owned(),
                suffix: ":x".to_owned(),
            },
        ],
        timeout: Some(Duration::from_millis(1500)),
        limits: crate::container::JobLimits::default(),
        should_panic: false,
        group_slot: None,
    }
}

fn batch(jobs: Vec<Job>) -> JobBatch {
    JobBatch {
        jobs,
        inline_limit: 1 << 20,
        outputs_limit: 1 << 30,
        blob_limit: Some(1 << 32),
    }
}

#[test]
fn a_batch_survives_its_journey() {
    let (one, mut other) = (Arc::new(container()), container());
    other.outputs = vec!["/w/**".to_owned(), "!/w/target/**".to_owned()];
    other.mounts.clear();
    other.network = Network::Disabled;
    other.root_overlay = RootOverlay::None;
    let other = Arc::new(other);
    let mut last = job(&one, "c");
    last.timeout = None;
    let batch = batch(vec![job(&one, "a"), job(&other, "b"), last]);
    let json = batch.to_json().unwrap();
    assert_eq!(JobBatch::from_json(&json).unwrap(), batch);
}

#[test]
fn equal_batches_are_the_same_bytes_wherever_their_containers_are_in_memory() {
    let shared = Arc::new(container());
    let together = batch(vec![job(&shared, "a"), job(&shared, "b")]);
    let apart = batch(vec![
        job(&Arc::new(container()), "a"),
        job(&Arc::new(container()), "b"),
    ]);
    assert_eq!(together.to_json().unwrap(), apart.to_json().unwrap());
}

#[test]
fn what_needs_its_clients_machine_is_told_apart() {
    let mut bound = container();
    bound.mounts.push(Mount::Bind {
        mount_point: "/b".into(),
        local_path: "/h".into(),
        access: crate::spec::BindAccess::ReadOnly,
        identity: None,
    });
    let mut cached = container();
    cached.mounts.push(Mount::Cache {
        mount_point: "/b".into(),
        name: "c".to_owned(),
    });
    let mut local = container();
    local.network = Network::Local;
    let mut kept = container();
    kept.root_overlay = RootOverlay::Local {
        upper: "/u".into(),
        work: "/k".into(),
    };
    for (container, why) in [
        (bound, NotPortable::Bind),
        (cached, NotPortable::Cache),
        (local, NotPortable::Network),
        (kept, NotPortable::Overlay),
    ] {
        assert_eq!(container.is_portable(), Err(why));
        let batch = batch(vec![job(&Arc::new(container), "a")]);
        assert_eq!(batch.to_json(), Err(why));
    }
    assert_eq!(container().is_portable(), Ok(()));
}

#[test]
fn a_batch_of_another_version_is_refused_by_its_number() {
    let error = JobBatch::from_json(br#"{"version": 7, "more": []}"#).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the batch has version 7, but this runner supports 1"
    );
}

proptest! {
    #[test]
    fn no_bytes_make_reading_a_batch_panic(bytes: Vec<u8>) {
        let _ = JobBatch::from_json(&bytes);
    }
}
