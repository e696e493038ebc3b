//! Actions cannot see or change other actions, the worker and its cache.

use crate::client::{Client, Job, result, stdout};
use crate::engine::Engine;
use crate::needs_cluster;
use crate::worker::{Worker, new_cache, new_pool};

#[tokio::test]
async fn an_action_has_the_environment_of_its_command_and_no_other() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let _worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let job = Job {
        arguments: vec!["/usr/bin/env".into()],
        environment: [("GREETING".into(), "hello".into())].into(),
        pool: pool.clone(),
        ..Job::default()
    };
    let result = result(client.run(&job).await);
    assert_eq!(stdout(&result), "GREETING=hello\n");
}

#[tokio::test]
async fn an_action_sees_nothing_of_the_worker_and_of_other_actions() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let _worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let secret = cache.path().join("credentials");
    std::fs::write(&secret, "secret").unwrap();
    let script = format!(
        "ls {cache} 2>&1; cat {secret} 2>&1; ls /home /root /var 2>&1; ls /action/..
        grep -l xyzzy /proc/*/environ 2>/dev/null
        for process in /proc/[0-9]*; do cat $process/comm; done | sort -u",
        cache = cache.path().display(),
        secret = secret.display(),
    );
    let result = result(client.run(&Job::script(&pool, &script)).await);
    let seen = stdout(&result);
    assert!(!seen.contains("blobs"), "{seen}");
    assert!(!seen.contains("\nsecret"), "{seen}");
    assert!(!seen.contains("environ"), "{seen}");
    for process in ["postgres", "maelstrom", "launcher", "python"] {
        assert!(
            !seen.lines().any(|line| line.starts_with(process)),
            "{seen}"
        );
    }
    assert_eq!(seen.matches("No such file").count(), 5, "{seen}");
}

#[tokio::test]
async fn an_input_that_an_action_changes_is_not_used_again() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let mut worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    // The script resets the modification time, so that the change is not visible in it.
    let script = "chmod u+w in && touch -r in time && printf EVIL | dd of=in conv=notrunc
        touch -r time in && chmod u-w in; cat in";
    let changed = result(
        client
            .run(&Job::script(&pool, script).input("in", "good"))
            .await,
    );
    assert_eq!(stdout(&changed), "EVIL", "{changed:?}");
    let next = result(
        client
            .run(&Job::script(&pool, "cat in").input("in", "good"))
            .await,
    );
    assert_eq!(stdout(&next), "good");
    worker.wait_for("in the cache was changed");
}

#[tokio::test]
async fn an_action_can_make_containers() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let _worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let script = "unshare --user --map-root-user --mount --pid --fork --net sh -c '
        mount -t proc proc /proc && mount -t tmpfs none /tmp && mkdir /tmp/up /tmp/work
        mount -t overlay -o userxattr,lowerdir=in,upperdir=/tmp/up,workdir=/tmp/work none in
        echo $$ >in/new; cat in/old in/new'; ls in";
    let job = Job::script(&pool, script).input("in/old", "old\n");
    let result = result(client.run(&job).await);
    assert_eq!(stdout(&result), "old\n1\nold\n", "{result:?}");
}
