//! Tests on a worker cannot access files of the worker and of other batches.

use super::cluster::Cluster;
use super::gate::Gate;
use crate::engine::Engine;
use crate::fixture::Project;
use crate::needs_cluster;
use crate::worker::{Worker, new_cache};
use std::fs;

/// Tests that look for files that they must not find. The paths of these files are added later.
const TRIES: &str = r#"
use std::fs;
use std::path::{Path, PathBuf};

/// Every process that can be seen, and how its files may be reached.
fn roots() -> Vec<PathBuf> {
    let mut roots = vec![PathBuf::from("/")];
    for process in fs::read_dir("/proc").unwrap().flatten() {
        if process.file_name().to_str().unwrap().parse::<u32>().is_ok() {
            roots.push(process.path().join("root"));
            roots.push(process.path().join("cwd"));
        }
    }
    roots
}

fn has_secret(path: &Path) -> bool {
    is_secret(&fs::read(path).unwrap_or_default())
}

fn is_secret(text: &[u8]) -> bool {
    // Not as it is, or this program would have it.
    let secret: Vec<u8> = b"yzzyx".iter().rev().copied().collect();
    text.windows(secret.len()).any(|part| part == secret)
}

#[test]
fn files_of_the_worker_cannot_be_reached() {
    for root in roots() {
        for place in PLACES {
            let path = root.join(&place[1..]);
            assert!(fs::symlink_metadata(&path).is_err(), "{path:?}");
            // Nor by ways up from here.
            let path = root.join("../../../../../../../..").join(&place[1..]);
            assert!(fs::symlink_metadata(&path).is_err(), "{path:?}");
        }
    }
}

#[test]
fn no_process_tells_the_secret() {
    let parent = std::os::unix::process::parent_id();
    for process in roots().iter().filter_map(|root| root.parent()) {
        for file in ["environ", "cmdline"] {
            assert!(!has_secret(&process.join(file)), "{process:?}");
        }
    }
    for file in ["environ", "cmdline"] {
        assert!(!has_secret(Path::new(&format!("/proc/{parent}/{file}"))));
        assert!(!has_secret(Path::new(&format!("/proc/1/{file}"))));
    }
    assert_eq!(std::env::var_os("SECRET_OF_THE_WORKER"), None);
    for (name, value) in std::env::vars() {
        assert!(!is_secret(value.as_bytes()), "{name}");
    }
}

fn search(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            if !["/proc", "/sys", "/dev"].contains(&path.to_str().unwrap()) {
                search(&path, found);
            }
        } else if has_secret(&path) || path.to_str().unwrap().contains(GATE) {
            found.push(path);
        }
    }
}

#[test]
fn nothing_of_another_batch_is_anywhere() {
    let mut found = Vec::new();
    search(Path::new("/"), &mut found);
    assert_eq!(found, [] as [PathBuf; 0]);
    for root in roots() {
        assert!(!root.join(&GATE[1..]).exists(), "{root:?}");
    }
    let seen = fs::read_dir("/proc").unwrap().flatten().filter(|process| {
        let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&words).contains("waits_")
    });
    assert_eq!(seen.count(), 0);
}

#[test]
fn the_engine_and_the_network_cannot_be_reached() {
    assert!(std::net::TcpStream::connect(ENGINE).is_err());
    assert!(std::net::UdpSocket::bind("0.0.0.0:0").unwrap().connect("198.18.0.1:1").is_err());
}
"#;

#[test]
fn a_test_cannot_access_anything_of_the_worker_or_of_another_batch() {
    needs_cluster!();
    let engine = Engine::shared();
    let mut cluster = Cluster::of(&engine.endpoint());
    let (cache, credentials) = (new_cache(), new_cache());
    let file = |name: &str| credentials.path().join(name).to_str().unwrap().to_owned();
    for name in ["ca.pem", "client.pem", "client.key"] {
        // The copy is readable for everybody, so that permissions do not protect it.
        fs::write(file(name), fs::read(engine.file(name)).unwrap()).unwrap();
    }
    fs::write(file("token"), "xyzzy").unwrap();
    let mut worker = Worker::command_for(
        &engine.tls_settings().endpoint.to_string(),
        &cluster.pool,
        &cache,
    );
    worker
        .args(["--slots", "2", "--remote-tls-ca", &file("ca.pem")])
        .args(["--remote-tls-client-cert", &file("client.pem")])
        .args(["--remote-tls-client-key", &file("client.key")])
        .env("MAELSTROM_REMOTE_HEADER", "authorization=Bearer xyzzy");
    cluster.add(worker);
    let (project, gate) = (Project::own("plain"), Gate::new());
    let cache = cache.path().to_str().unwrap();
    let places = [
        file("client.key"),
        file("token"),
        cache.to_owned(),
        format!("{cache}/worker/blobs"),
        format!("{cache}/worker/actions/0"),
        format!("{cache}/worker/actions/1"),
        engine.file("cas").to_str().unwrap().to_owned(),
    ];
    let source = TRIES
        .replace("PLACES", &format!("{places:?}"))
        .replace("GATE", &format!("{:?}", gate.file()))
        .replace("ENGINE", &format!("\"127.0.0.1:{}\"", engine.port));
    project
        .write("src/lib.rs", &gate.test())
        .write("tests/tries.rs", &source);
    let running = cluster.begin(&project, &[]);
    gate.wait();
    // The other batch runs during the whole time of this one.
    cluster.workers[0].wait_for("ended");
    let _opened = gate.open();
    let run = running.end().exits(0);
    assert_eq!(run.statuses().len(), 5, "{run}");
}
