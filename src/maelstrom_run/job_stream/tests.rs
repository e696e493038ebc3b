use super::*;
use crate::session::ClientSettings;
use std::fs;
use std::sync::atomic::Ordering;
use tokio::task::LocalSet;

/// A stream that cannot make containers, and an input of three jobs that share one.
fn job_stream(directory: &tempfile::TempDir) -> (JobStream, Input) {
    let settings = ClientSettings::new(directory.path().join("cache")).unwrap();
    let client = Client::without_containers(&settings);
    let path = directory.path().join("jobs.json");
    let job = r#"{ "layers": [{ "stubs": ["/x"] }], "program": "sh" }"#;
    fs::write(&path, job.repeat(3)).unwrap();
    let outputs = JobOutputCopier::new(directory.path().join("outputs"), 1 << 20);
    let name = "jobs.json".to_owned();
    let job_stream = JobStream::new(client, name, 1 << 20, Duration::ZERO, outputs);
    (job_stream, Input::open(Some(&path)).unwrap())
}

fn block_on<T>(test: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    LocalSet::new().block_on(&runtime.unwrap(), test)
}

#[test]
fn jobs_whose_tasks_panic_make_the_run_fail() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let (job_stream, input) = job_stream(&directory);
        job_stream.client.session.executors.local.panics.set(true);
        let ending = job_stream.run_all(input, Interrupts::none()).await;
        assert_eq!(ending.unwrap(), Ending::FAILURE);
    });
}

#[test]
fn jobs_make_the_run_fail_if_the_preparation_of_their_container_panics() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let (job_stream, input) = job_stream(&directory);
        let panics = &job_stream.client.builder.panics;
        panics.store(true, Ordering::Relaxed);
        let ending = job_stream.run_all(input, Interrupts::none()).await;
        assert_eq!(ending.unwrap(), Ending::FAILURE);
    });
}

#[test]
fn every_job_of_a_task_that_panics_is_an_error_with_its_name() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let (mut job_stream, _) = job_stream(&directory);
        let jobs = vec![(1, "sh".to_owned()), (3, "ls".to_owned())];
        spawn(&mut job_stream.local, jobs, async |_| {
            panic!("a panic for a test")
        });
        let ended = job_stream.local.join_next().await.unwrap().result;
        assert_eq!(ended.numbers, [1, 3]);
        let statuses: Vec<_> = ended.outcomes.iter().map(|o| o.status.clone()).collect();
        let expected = ["job 1 of the input (`sh`)", "job 3 of the input (`ls`)"].map(|name| {
            Status::Error(format!(
                "{name}: internal error: a task panicked: a panic for a test; {BUG}"
            ))
        });
        assert_eq!(statuses, expected);
    });
}

#[test]
fn a_job_that_is_never_reported_makes_the_run_fail() {
    block_on(async {
        let directory = tempfile::tempdir().unwrap();
        let (mut job_stream, _) = job_stream(&directory);
        fs::write(directory.path().join("none"), "").unwrap();
        let input = Input::open(Some(&directory.path().join("none"))).unwrap();
        // A task without an outcome for its job.
        job_stream.outstanding.insert(1, "sh".to_owned());
        let jobs = vec![(1, "sh".to_owned())];
        spawn(&mut job_stream.local, jobs, async |_| Vec::new());
        let ending = job_stream.run_all(input, Interrupts::none()).await;
        assert_eq!(ending.unwrap(), Ending::FAILURE);
    });
}
