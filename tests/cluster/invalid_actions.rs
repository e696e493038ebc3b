//! Actions that no worker can run, or whose outputs no worker can collect: such an action fails,
//! its client gets the reason, and the worker continues with other actions.

use crate::client::{Client, Job, result, stdout};
use crate::engine::Engine;
use crate::needs_cluster;
use crate::worker::{Worker, new_cache, new_pool};
use maelstrom::engine::{UploadBlob, reapi};
use maelstrom::store::Digest;
use nix::sys::signal::Signal;
use prost::Message;
use tonic::Code;

/// Asserts that a worker still takes actions and never stopped to.
async fn assert_in_service(client: &Client, pool: &str, mut worker: Worker) {
    let next = result(client.run(&Job::script(pool, "echo next")).await);
    assert_eq!(stdout(&next), "next\n");
    worker.signal(Signal::SIGTERM);
    assert!(worker.end().success(), "{}", worker.log);
    let log = &worker.log;
    assert!(!log.contains("no further leases"), "{log}");
}

#[tokio::test]
async fn outputs_that_a_result_cannot_hold_fail_their_action_and_the_worker_goes_on() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let long = "x".repeat(200);
    let deep = |name: &str, depth: usize| {
        format!("i=0; while [ $i -lt {depth} ]; do mkdir {name}; cd {name}; i=$((i+1)); done")
    };
    let cases = [
        (
            r#"mkdir out; echo >"$(printf 'out/a\377')""#.to_owned(),
            "out",
            r#""out/a\xFF""#,
        ),
        (
            r#"mkdir -p out/d; ln -s "$(printf '\377')" out/d/l"#.to_owned(),
            "out",
            r#""out/d/l""#,
        ),
        (
            r#"ln -s "$(printf '\377')" out"#.to_owned(),
            "out",
            r#""out""#,
        ),
        ("mkfifo out".to_owned(), "out", "named pipe"),
        (
            "mkdir out; mkfifo out/p".to_owned(),
            "out",
            r#""out/p" is a named pipe"#,
        ),
        (
            "mkdir out; mknod out/n c 0 0".to_owned(),
            "out",
            r#""out/n" is a device"#,
        ),
        (
            format!("mkdir out; cd out; {}", deep("d", 300)),
            "out",
            "directories deep",
        ),
        (
            format!("mkdir out; cd out; {}", deep(&long, 30)),
            "out",
            "File name too long",
        ),
        ("ln -s b a; ln -s a b".to_owned(), "a/out", "symbolic links"),
        (
            "rmdir a; ln -s /usr/bin a".to_owned(),
            "a/env",
            "leads out of the input root",
        ),
    ];
    for (script, output, expected) in cases {
        let script = format!("rm -rf a; {script}; echo printed; exit 3");
        let response = client
            .run(&Job::script(&pool, &script).output(output))
            .await;
        let status = response.status.unwrap();
        assert_eq!(
            status.code,
            Code::InvalidArgument as i32,
            "{script}: {status:?}"
        );
        let message = &status.message;
        assert!(message.contains(&format!("`{output}`")), "{message}");
        assert!(message.contains(expected), "{script}: {message}");
        // The rest of the result is reported.
        let result = response.result.unwrap();
        assert_eq!((stdout(&result), result.exit_code), ("printed\n", 3));
    }
    assert_in_service(&client, &pool, worker).await;
}

#[tokio::test]
async fn an_output_of_another_kind_than_the_client_named_fails_its_action() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let file = Job {
        output_files: vec!["out".into()],
        ..Job::script(&pool, "mkdir out")
    };
    let directory = Job {
        output_directories: vec!["out".into()],
        ..Job::script(&pool, "echo >out")
    };
    for (job, expected) in [(file, "is a directory"), (directory, "is a file")] {
        let status = client.run(&job).await.status.unwrap();
        assert_eq!(status.code, Code::FailedPrecondition as i32, "{status:?}");
        assert!(status.message.contains("`out`"), "{status:?}");
        assert!(status.message.contains(expected), "{status:?}");
    }
    assert_in_service(&client, &pool, worker).await;
}

#[tokio::test]
async fn outputs_that_their_owner_may_not_read_are_collected() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let script = "mkdir -p out/d/e; echo one >out/d/e/one; echo two >out/d/two; ln -s nowhere out/l
        ln -s . out/loop; echo three >file; chmod 000 out/d/two out/d/e out/d out file .; echo done";
    let job = Job::script(&pool, script).output("out").output("file");
    let done = result(client.run(&job).await);
    assert_eq!(stdout(&done), "done\n", "{done:?}");
    let file = done.output_files[0].digest.as_ref().unwrap();
    let read = client.engine.read(file.try_into().unwrap()).await.unwrap();
    assert_eq!(read, b"three\n");
    let tree = done.output_directories[0].tree_digest.as_ref().unwrap();
    let tree = client.engine.read(tree.try_into().unwrap()).await.unwrap();
    let tree = reapi::Tree::decode(&*tree).unwrap();
    let root = tree.root.unwrap();
    assert_eq!(root.directories[0].name, "d");
    let links: Vec<_> = root.symlinks.iter().map(|link| &*link.target).collect();
    assert_eq!(links, ["nowhere", "."]);
    let mut files: Vec<_> = tree
        .children
        .iter()
        .flat_map(|directory| &directory.files)
        .map(|file| &*file.name)
        .collect();
    files.sort_unstable();
    assert_eq!(files, ["one", "two"]);
    assert_in_service(&client, &pool, worker).await;
}

#[tokio::test]
async fn an_input_root_that_cannot_be_created_fails_its_action() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let empty = UploadBlob::of(reapi::Directory::default().encode_to_vec());
    let content = UploadBlob::of(b"content".to_vec());
    let file = |name: &str| reapi::FileNode {
        name: name.into(),
        digest: Some(content.digest.into()),
        ..reapi::FileNode::default()
    };
    let directory = |name: &str, digest: Digest| reapi::DirectoryNode {
        name: name.into(),
        digest: Some(digest.into()),
    };
    let link = |name: &str, target: &str| reapi::SymlinkNode {
        name: name.into(),
        target: target.into(),
        ..reapi::SymlinkNode::default()
    };
    let files = |names: &[&str]| reapi::Directory {
        files: names.iter().map(|name| file(name)).collect(),
        ..reapi::Directory::default()
    };
    let links = |links: &[(&str, &str)]| reapi::Directory {
        symlinks: links
            .iter()
            .map(|(name, target)| link(name, target))
            .collect(),
        ..reapi::Directory::default()
    };
    let long = "x".repeat(256);
    let far = "y".repeat(5000);
    let cases = [
        (files(&["twice", "twice"]), "twice"),
        (
            reapi::Directory {
                files: vec![file("twice")],
                directories: vec![directory("twice", empty.digest)],
                ..reapi::Directory::default()
            },
            "twice",
        ),
        (links(&[("twice", "a"), ("twice", "b")]), "twice"),
        (files(&[".."]), "`..`"),
        (files(&["a/b"]), "`a/b`"),
        (files(&[&long]), "xxx"),
        (links(&[("link", "")]), "link"),
        (links(&[("link", "a\0b")]), "link"),
        (links(&[("link", &far)]), "link"),
        (
            reapi::Directory {
                files: vec![reapi::FileNode {
                    name: "sizeless".into(),
                    digest: Some(reapi::Digest {
                        size_bytes: -1,
                        ..content.digest.into()
                    }),
                    ..reapi::FileNode::default()
                }],
                ..reapi::Directory::default()
            },
            "sizeless",
        ),
    ];
    let job = Job::script(&pool, "true");
    for (root, expected) in cases {
        let root = UploadBlob::of(root.encode_to_vec());
        let digest = root.digest;
        let blobs = vec![root, empty.clone(), content.clone()];
        let action = client.upload_with(&job, digest, blobs).await;
        let response = client.execute(action).await.end().await;
        let status = response.status.unwrap();
        assert_eq!(
            status.code,
            Code::InvalidArgument as i32,
            "{expected}: {status:?}"
        );
        assert!(status.message.contains(expected), "{expected}: {status:?}");
    }
    assert_in_service(&client, &pool, worker).await;
}

#[tokio::test]
async fn an_invalid_command_fails_its_action() {
    needs_cluster!();
    let (engine, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let worker = Worker::start(engine, &pool, &cache);
    let client = Client::of(engine).await;
    let job = || Job::script(&pool, "true").input("file", "x");
    let cases = [
        (
            Job {
                working_directory: "file".into(),
                ..job()
            },
            "`file`",
        ),
        (job().output("file/below"), "`file`"),
        (job().output(&format!("{}/b", "x".repeat(300))), "xxx"),
        (job().output("../out"), "`../out`"),
    ];
    for (job, expected) in cases {
        let status = client.run(&job).await.status.unwrap();
        assert_eq!(
            status.code,
            Code::InvalidArgument as i32,
            "{expected}: {status:?}"
        );
        assert!(status.message.contains(expected), "{expected}: {status:?}");
    }
    assert_in_service(&client, &pool, worker).await;
}
