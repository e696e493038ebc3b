//! The results of actions.

use crate::client::{Client, Job, result, stderr, stdout};
use crate::engine::Engine;
use crate::needs_cluster;
use crate::worker::{Worker, new_cache, new_pool, wait_for_end_of};
use maelstrom::engine::{random_word, reapi};
use prost::Message;
use tonic::Code;

#[tokio::test]
async fn an_action_gets_its_inputs_and_its_outputs_come_back() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let _worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let job = Job::script(
        &pool,
        "cat ../in/a.txt; ../in/tool; echo made >new/out.txt; chmod +x new/out.txt
        ln -s out.txt new/link; mkdir -p tree/deep; echo leaf >tree/deep/leaf; ln -s leaf tree/l
        echo trouble >&2; exit 3",
    )
    .input("in/a.txt", "hello\n")
    .input("in/tool*", "#!/bin/sh\necho tool\n")
    .input("work/", "")
    .output("new/out.txt")
    .output("new/link")
    .output("tree")
    .output("absent");
    let job = Job {
        working_directory: "work".into(),
        ..job
    };
    let result = result(client.run(&job).await);
    assert_eq!(stdout(&result), "hello\ntool\n", "{result:?}");
    assert_eq!(stderr(&result), "trouble\n");
    assert_eq!(result.exit_code, 3);

    let [file] = &*result.output_files else {
        panic!("{result:?}")
    };
    assert_eq!((&*file.path, file.is_executable), ("new/out.txt", true));
    let digest = file.digest.as_ref().unwrap().try_into().unwrap();
    assert_eq!(client.engine.read(digest).await.unwrap(), b"made\n");
    let [link] = &*result.output_symlinks else {
        panic!("{result:?}")
    };
    assert_eq!((&*link.path, &*link.target), ("new/link", "out.txt"));
    let [directory] = &*result.output_directories else {
        panic!("{result:?}")
    };
    let digest = directory.tree_digest.as_ref().unwrap().try_into().unwrap();
    let tree = client.engine.read(digest).await.unwrap();
    let tree = reapi::Tree::decode(&*tree).unwrap();
    let root = tree.root.unwrap();
    assert_eq!(root.directories[0].name, "deep");
    assert_eq!(root.symlinks[0].target, "leaf");
    assert_eq!(tree.children[0].files[0].name, "leaf");

    let metadata = result.execution_metadata.unwrap();
    assert!(!metadata.worker.is_empty());
    let at = |time: Option<maelstrom::engine::protobuf::Timestamp>| {
        let time = time.expect("all timestamps are there");
        (time.seconds, time.nanos)
    };
    let times = [
        metadata.worker_start_timestamp,
        metadata.input_fetch_start_timestamp,
        metadata.input_fetch_completed_timestamp,
        metadata.execution_start_timestamp,
        metadata.execution_completed_timestamp,
        metadata.output_upload_start_timestamp,
        metadata.output_upload_completed_timestamp,
        metadata.worker_completed_timestamp,
    ]
    .map(at);
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test]
async fn long_output_is_returned_by_its_digest() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let _worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let job = Job::script(&pool, "head -c 3000000 /dev/zero | tr '\\0' x");
    let result = result(client.run(&job).await);
    let digest = result.stdout_digest.as_ref().unwrap().try_into().unwrap();
    let printed = client.engine.read(digest).await.unwrap();
    assert!(printed == vec![b'x'; 3_000_000]);
}

#[tokio::test]
async fn an_action_that_takes_too_long_is_killed_with_all_its_processes() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let _worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let number = u32::from_str_radix(&random_word(), 16).unwrap();
    let word = format!("100000.{number}");
    let script = format!("echo begun; (setsid sleep {word} &); sleep {word}");
    let job = Job {
        timeout: Some(1),
        ..Job::script(&pool, &script)
    };
    let response = client.run(&job).await;
    let status = response.status.unwrap();
    assert_eq!(status.code, Code::DeadlineExceeded as i32, "{status:?}");
    assert_eq!(stdout(&response.result.unwrap()), "begun\n");
    wait_for_end_of(&word);
}

#[tokio::test]
async fn a_missing_program_has_the_exit_code_127() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let _worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let job = Job {
        arguments: vec!["./nothing".into()],
        pool: pool.clone(),
        ..Job::default()
    };
    let result = result(client.run(&job).await);
    assert_eq!(result.exit_code, 127);
    assert!(stderr(&result).contains("./nothing"), "{result:?}");
}

#[tokio::test]
async fn the_same_inputs_are_downloaded_once() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let mut worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let job = |salt: &str| Job {
        salt: salt.into(),
        // The link count shows whether the input is a hard link.
        ..Job::script(&pool, "stat -c %h in/large; cat in/small")
            .input("in/large", vec![7; 3 << 20])
            .input("in/small", pool.clone())
    };
    let first = result(client.run(&job("1")).await);
    assert!(stdout(&first).starts_with("2\n"), "{first:?}");
    let line = worker.wait_for("ended");
    assert!(!line.contains(" 0 bytes downloaded"), "{line}");
    result(client.run(&job("2")).await);
    let line = worker.wait_for("ended");
    assert!(line.contains(" 0 bytes downloaded"), "{line}");

    // The cache of another worker is reused after its files have been checked.
    drop(worker);
    let mut worker = Worker::start(engine, &pool, &cache);
    result(client.run(&job("3")).await);
    let line = worker.wait_for("ended");
    assert!(line.contains(" 0 bytes downloaded"), "{line}");
}
