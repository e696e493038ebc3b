//! Faults of actions, workers and engines.

use crate::client::{Client, Job, result, stdout};
use crate::engine::Engine;
use crate::needs_cluster;
use crate::worker::{
    Worker, new_cache, new_pool, on_small_disk, wait_for_end_of, wait_for_process,
};
use maelstrom::engine::{missing_blobs_in, random_word};
use maelstrom::store::Digest;
use nix::sys::signal::Signal;
use tonic::Code;

/// A script that does not end by itself, and a word in the command lines of its processes.
fn endless() -> (String, String) {
    let number = u32::from_str_radix(&random_word(), 16).unwrap();
    let word = format!("{}.{number}", 100_000);
    let script = format!("setsid sleep {word} & sleep {word}");
    (script, word)
}

#[tokio::test]
async fn a_cancelled_action_is_killed_with_all_its_processes() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let mut worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let (script, word) = endless();
    let execution = client.start(&Job::script(&pool, &script)).await;
    wait_for_process(&word);
    execution.cancel().await;
    worker.wait_for("was cancelled");
    wait_for_end_of(&word);
    // The worker is free for another action.
    let next = result(client.run(&Job::script(&pool, "echo next")).await);
    assert_eq!(stdout(&next), "next\n");
}

#[tokio::test]
async fn a_killed_worker_leaves_nothing_and_another_runs_its_action_again() {
    needs_cluster!();
    let (engine, pool) = (Engine::shared(), new_pool());
    let (first_cache, second_cache) = (new_cache(), new_cache());
    let first = Worker::start(engine, &pool, &first_cache);
    let client = Client::of(engine).await;
    let (script, word) = endless();
    let execution = client.start(&Job::script(&pool, &script)).await;
    wait_for_process(&word);
    let mut second = Worker::start(engine, &pool, &second_cache);
    first.signal(Signal::SIGKILL);
    wait_for_end_of(&word);
    second.wait_for("starts");
    wait_for_process(&word);
    execution.cancel().await;
    second.wait_for("was cancelled");
    wait_for_end_of(&word);
}

#[tokio::test]
async fn a_worker_that_was_killed_and_restarted_gets_its_action_again() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let (script, word) = endless();
    let execution = client.start(&Job::script(&pool, &script)).await;
    wait_for_process(&word);
    worker.signal(Signal::SIGKILL);
    wait_for_end_of(&word);
    drop(worker);
    let mut again = Worker::start(engine, &pool, &cache);
    again.wait_for("starts");
    wait_for_process(&word);
    execution.cancel().await;
    again.wait_for("was cancelled");
}

#[tokio::test]
async fn a_worker_that_is_terminated_finishes_its_actions() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let mut worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let number = u32::from_str_radix(&random_word(), 16).unwrap();
    let word = format!("2.{number:010}");
    let job = Job::script(&pool, &format!("sleep {word}; echo finished"));
    let execution = client.start(&job).await;
    wait_for_process(&word);
    worker.signal(Signal::SIGTERM);
    worker.wait_for("ending after");
    let result = result(execution.end().await);
    assert_eq!(stdout(&result), "finished\n");
    assert!(worker.end().success(), "{}", worker.log);
}

#[tokio::test]
async fn a_second_signal_ends_a_worker_and_its_actions_at_once() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let mut worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let (script, word) = endless();
    let execution = client.start(&Job::script(&pool, &script)).await;
    wait_for_process(&word);
    worker.signal(Signal::SIGTERM);
    worker.wait_for("ending after");
    worker.signal(Signal::SIGINT);
    assert_eq!(worker.end().code(), Some(130), "{}", worker.log);
    wait_for_end_of(&word);
    execution.cancel().await;
}

#[tokio::test]
async fn a_missing_input_is_named_to_the_client() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let _worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let lost = format!("lost {pool}");
    let job = Job::script(&pool, "cat in/lost").input("in/lost", lost.clone());
    let action = client.upload(&job).await;
    let digest = Digest::of(lost.as_bytes());
    engine.lose(&digest.hex());
    let response = client.execute(action).await.end().await;
    let status = response.status.unwrap();
    assert_eq!(status.code, Code::FailedPrecondition as i32, "{status:?}");
    assert_eq!(missing_blobs_in(&status), [digest]);
}

#[tokio::test]
async fn a_worker_with_a_full_disk_leaves_its_action_to_another() {
    needs_cluster!();
    let (engine, pool) = (Engine::shared(), new_pool());
    let (small_cache, cache) = (new_cache(), new_cache());
    let worker = Worker::command_for(&engine.endpoint(), &pool, &small_cache);
    let mut command = on_small_disk(&worker, &small_cache, 1024);
    command.args(["--slots", "1"]);
    let mut small = Worker::begin(&mut command);
    let client = Client::of(engine).await;
    let job = Job::script(&pool, "wc -c <large").input("large", vec![1; 3 << 20]);
    let execution = client.start(&job).await;
    small.wait_for("No space left on device");
    small.wait_for("no further leases");
    let _other = Worker::start(engine, &pool, &cache);
    let result = result(execution.end().await);
    assert_eq!(stdout(&result), "3145728\n");
}

#[tokio::test]
async fn a_worker_continues_after_its_engine_was_restarted() {
    needs_cluster!();
    let mut engine = Engine::own();
    let (pool, cache) = (new_pool(), new_cache());
    let mut worker = Worker::start(&engine, &pool, &cache);
    let client = Client::of(&engine).await;
    let number = u32::from_str_radix(&random_word(), 16).unwrap();
    let word = format!("1.{number:010}");
    let job = Job::script(&pool, &format!("sleep {word}; echo through"));
    let action = client.upload(&job).await;
    let execution = client.execute(action).await;
    wait_for_process(&word);
    engine.stop();
    drop(execution);
    worker.wait_for("the update of the session");
    wait_for_end_of(&word);
    engine.start();
    // The result of the action was reported, or the action is run again; the client gets one result.
    let client = Client::of(&engine).await;
    let result = result(client.execute(action).await.end().await);
    assert_eq!(stdout(&result), "through\n");
}
