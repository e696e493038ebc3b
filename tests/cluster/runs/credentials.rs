//! Tokens and certificates of clients and workers.

use super::cluster::Cluster;
use super::gate::Gate;
use crate::engine::{Engine, Setup, token};
use crate::fixture::{Project, Run};
use crate::worker::{Worker, new_cache};
use crate::{needs_cluster, needs_engine};
use maelstrom::engine::Engine as Connected;
use std::time::Duration;

const SECRET: &str = "a secret of at least thirty-two bytes";
const OTHER_SECRET: &str = "another secret of thirty-two bytes or more";

fn engine_with_tokens() -> Engine {
    Engine::with(&Setup {
        secret: Some(SECRET),
        ..Setup::default()
    })
}

#[test]
fn an_invalid_token_is_refused_and_no_token_is_shown() {
    needs_engine!();
    let engine = engine_with_tokens();
    let (cluster, project) = (Cluster::of(&engine.endpoint()), Project::own("plain"));
    let [remote, _] = cluster.options();
    project.write(
        "job.json",
        r#"{ "layers": [{ "stubs": ["/a"] }], "program": "/a" }"#,
    );
    for header in [
        token(SECRET, -10),
        token(OTHER_SECRET, 1000),
        "authorization=Bearer nonsense".to_owned(),
        "other=nothing-of-use".to_owned(),
    ] {
        let option = format!("--remote-header={header}");
        let (_, secret) = header.split_once('=').unwrap();
        let (cache, job) = (new_cache(), ["--one", "--file", "job.json"]);
        let mut worker = Worker::of(Worker::command(&cache).args([&remote, &option]));
        assert_eq!(worker.end().code(), Some(96), "{}", worker.log);
        let texts = [
            project.maelstrom(&[&remote, &option]).exits(96).stderr,
            Run::of(
                &mut project.jobs(&[&[remote.as_str(), &option], &job[..]].concat()),
                &project,
            )
            .exits(1)
            .stderr,
            worker.log.clone(),
        ];
        for text in texts {
            assert!(
                text.contains("the engine requires authentication"),
                "{text}"
            );
            assert!(text.contains("`remote-header = "), "{text}");
            assert!(!text.contains(secret), "{text}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_token_expires_in_a_run_each_test_is_an_error_that_says_so() {
    needs_cluster!();
    let engine = engine_with_tokens();
    let mut cluster = Cluster::of(&engine.endpoint());
    let mut worker = cluster.worker(1);
    worker.args(["--remote-header", &token(SECRET, 1000)]);
    cluster.add(worker);
    let (project, gates) = (Project::own("plain"), [Gate::new(), Gate::new()]);
    project
        .write("src/lib.rs", &(gates[0].test() + "#[test] fn other() {}"))
        .write("tests/more.rs", &gates[1].test());
    // A first run builds and uploads everything, so that the second needs its token only briefly.
    let opened = gates.each_ref().map(Gate::open);
    let header = format!("--remote-header={}", token(SECRET, 1000));
    let run = cluster.run(&project, &[&header]).exits(0);
    assert_eq!(run.statuses().len(), 3, "{run}");
    drop(opened);
    let header = token(SECRET, 8);
    let option = format!("--remote-header={header}");
    let running = cluster.begin(&project, &[&option, "--slots=1"]);
    while !gates.iter().any(Gate::is_waited_at) {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let mut settings = engine.settings();
    settings.headers = vec![header.parse().unwrap()];
    while Connected::connect(&settings).await.is_ok() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let _opened = gates.each_ref().map(Gate::open);
    let run = running.end().exits(100);
    assert_eq!(run.statuses().len(), 3, "{run}");
    for name in run.statuses().keys() {
        let event = run.finished(name);
        assert_eq!(event["status"], "error", "{run}");
        let message = event["message"].as_str().unwrap();
        assert!(message.contains("send a valid token"), "{message}");
    }
}

#[test]
fn untrusted_certificates_of_clients_workers_and_engines_are_refused() {
    needs_engine!();
    let engine = Engine::shared();
    let file = |name: &str| engine.file(name).to_str().unwrap().to_owned();
    let tls = |ca: &str, client: Option<&str>| {
        let settings = engine.tls_settings();
        let mut options = vec![
            format!("--remote={}", settings.endpoint),
            format!("--remote-tls-ca={}", file(ca)),
        ];
        if let Some(client) = client {
            options.push(format!(
                "--remote-tls-client-cert={}",
                file(&format!("{client}.pem"))
            ));
            options.push(format!(
                "--remote-tls-client-key={}",
                file(&format!("{client}.key"))
            ));
        }
        options
    };
    let project = Project::own("plain");
    for (options, said) in [
        (tls("other.pem", Some("client")), "`remote-tls-ca`"),
        (tls("ca.pem", None), "`remote-tls-client-cert`"),
        (tls("ca.pem", Some("stranger")), "`remote-tls-client-cert`"),
    ] {
        let arguments: Vec<&str> = options.iter().map(String::as_str).collect();
        project
            .maelstrom(&arguments)
            .exits(96)
            .says(" at grpcs://localhost:")
            .says(said)
            .does_not_say("Ran ");
        let cache = new_cache();
        let mut worker = Worker::of(Worker::command(&cache).args(&options));
        worker.wait_for(said);
        assert!(!worker.log.contains("begins"), "{}", worker.log);
    }
}
