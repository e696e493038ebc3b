//! The log of a worker.

use crate::client::{Client, Job, result};
use crate::engine::Engine;
use crate::needs_cluster;
use crate::worker::{Worker, new_cache, new_pool};
use nix::sys::signal::Signal;
use regex::Regex;

/// The log without the parts that differ between runs.
fn stable(log: &str) -> String {
    let mut log = log.to_owned();
    for (pattern, replacement) in [
        (r"(?m)^ +[0-9.]+s ", "<time> "),
        (r"worker [\w.-]*-\w+", "worker <bot>"),
        (r"127\.0\.0\.1:\d+", "<engine>"),
        (r"cache in \S+", "cache in <cache>"),
        (r"session \S+", "session <session>"),
        (r"lease \S+", "lease <lease>"),
        (r"action [0-9a-f]{12}", "action <action>"),
        (r"\d+ ms", "<n> ms"),
        (r"\d+ bytes", "<n> bytes"),
    ] {
        let pattern = Regex::new(pattern).unwrap();
        log = pattern.replace_all(&log, replacement).into_owned();
    }
    log
}

#[tokio::test]
async fn the_log_of_a_worker_has_a_line_for_each_event_of_a_lease() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let mut worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    for script in ["exit 0", "exit 3", "kill -9 $$"] {
        result(client.run(&Job::script(&pool, script)).await);
    }
    client
        .run(&Job::script(&pool, "mkfifo out").output("out"))
        .await;
    client
        .run(&Job {
            working_directory: "../out".into(),
            ..Job::script(&pool, "true")
        })
        .await;
    worker.signal(Signal::SIGTERM);
    assert!(worker.end().success(), "{}", worker.log);
    insta::assert_snapshot!(stable(&worker.log), @r#"
    <time>  INFO worker <bot> serves grpc://<engine>/main: 2 actions at once, cache in <cache>
    <time>  INFO session <session> begins
    <time>  INFO lease <lease> starts: action <action>
    <time>  INFO lease <lease> ended: action <action>, exit code 0, <n> ms, 0 input files of <n> bytes, <n> bytes downloaded, <n> bytes uploaded
    <time>  INFO lease <lease> starts: action <action>
    <time>  INFO lease <lease> ended: action <action>, exit code 3, <n> ms, 0 input files of <n> bytes, <n> bytes downloaded, <n> bytes uploaded
    <time>  INFO lease <lease> starts: action <action>
    <time>  INFO lease <lease> ended: action <action>, exit code 137, <n> ms, 0 input files of <n> bytes, <n> bytes downloaded, <n> bytes uploaded
    <time>  INFO lease <lease> starts: action <action>
    <time>  INFO lease <lease> ended: action <action>, worker <bot>: failed to collect the output `out`: "out" is a named pipe, but a result can hold only files, directories and symbolic links; remove it before the action ends, <n> ms, 0 input files of <n> bytes, <n> bytes downloaded, <n> bytes uploaded
    <time>  INFO lease <lease> starts: action <action>
    <time>  WARN lease <lease> failed: action <action>, <n> ms, 0 input files of <n> bytes, <n> bytes downloaded, <n> bytes uploaded: `../out` is not a path below the input root
    <time>  INFO ending after 0 running leases
    <time>  INFO worker ended
    "#);
}
