//! Access to an engine: certificates, and the errors of clients and workers that are refused.

use crate::client::Client;
use crate::engine::Engine;
use crate::worker::{Worker, new_cache, new_pool};
use crate::{client, needs_cluster, needs_engine};
use maelstrom::engine::{Engine as Connected, EngineSettings, Problem};

async fn problem(settings: &EngineSettings) -> Problem {
    Connected::connect(settings).await.unwrap_err().problem
}

#[tokio::test]
async fn client_and_engine_accept_certificates_of_their_authority() {
    needs_engine!();
    let connected = Connected::connect(&Engine::shared().tls_settings()).await;
    assert!(connected.unwrap().capabilities().execution);
}

#[tokio::test]
async fn an_engine_with_a_certificate_of_another_authority_is_not_trusted() {
    needs_engine!();
    let server = Engine::shared();
    let settings = EngineSettings {
        tls_ca: Some(server.file("other.pem")),
        ..server.tls_settings()
    };
    let problem = problem(&settings).await;
    assert!(matches!(problem, Problem::Untrusted(_)), "{problem:?}");
    assert!(problem.to_string().contains("`remote-tls-ca`"));
}

#[tokio::test]
async fn a_client_without_a_certificate_gets_an_error_that_says_so() {
    needs_engine!();
    let settings = EngineSettings {
        tls_client_cert: None,
        tls_client_key: None,
        ..Engine::shared().tls_settings()
    };
    let problem = problem(&settings).await;
    let text = problem.to_string();
    assert!(text.contains("`remote-tls-client-cert`"), "{text}");
}

#[tokio::test]
async fn tls_to_a_plain_port_and_plain_text_to_a_tls_port_are_errors() {
    needs_engine!();
    let server = Engine::shared();
    let mut settings = server.tls_settings();
    settings.endpoint.port = server.port;
    let answer = problem(&settings).await;
    assert!(matches!(answer, Problem::Tls(_)), "{answer:?}");
    let mut settings = server.settings();
    settings.endpoint.port = server.tls_port;
    settings.endpoint.host = "localhost".into();
    let answer = problem(&settings).await;
    assert!(matches!(answer, Problem::ConnectionLost(_)), "{answer:?}");
}

#[tokio::test]
async fn an_error_names_an_unknown_instance() {
    needs_engine!();
    let mut settings = Engine::shared().settings();
    settings.endpoint.instance = "elsewhere".into();
    let problem = problem(&settings).await;
    let Problem::NoSuchInstance { instance, .. } = &problem else {
        panic!("{problem:?}")
    };
    assert_eq!(instance, "elsewhere");
}

#[tokio::test]
async fn an_error_names_files_that_are_not_certificates() {
    needs_engine!();
    let server = Engine::shared();
    let settings = EngineSettings {
        tls_ca: Some(server.file("absent.pem")),
        ..server.tls_settings()
    };
    let text = problem(&settings).await.to_string();
    assert!(text.contains("absent.pem for `remote-tls-ca`"), "{text}");
    let settings = EngineSettings {
        tls_client_key: Some(server.file("engine.yml")),
        ..server.tls_settings()
    };
    let text = problem(&settings).await.to_string();
    assert!(
        text.contains("engine.yml for `remote-tls-client-key`"),
        "{text}"
    );
}

#[tokio::test]
async fn an_error_names_an_endpoint_where_no_server_listens() {
    let endpoint = "grpc://127.0.0.1:1/main".parse().unwrap();
    let error = Connected::connect(&EngineSettings::new(endpoint))
        .await
        .unwrap_err();
    assert!(
        matches!(error.problem, Problem::Unreachable(_)),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(text.contains("grpc://127.0.0.1:1/main"), "{text}");
    assert!(text.contains("check that the engine is running"), "{text}");
}

#[tokio::test]
async fn a_worker_works_over_tls_and_a_distrusted_engine_ends_it() {
    needs_cluster!();
    let (server, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let settings = server.tls_settings();
    let start = |ca: &str, cache| {
        Worker::of(
            Worker::command(cache)
                .args(["--remote", &settings.endpoint.to_string()])
                .args(["--property", &format!("pool={pool}")])
                .args(["--slots", "1", "--remote-tls-ca"])
                .arg(server.file(ca))
                .arg("--remote-tls-client-cert")
                .arg(server.file("client.pem"))
                .arg("--remote-tls-client-key")
                .arg(server.file("client.key")),
        )
    };
    let mut worker = start("ca.pem", &cache);
    worker.wait_for("begins");
    let client = Client::of(server).await;
    let job = client::Job::script(&pool, "echo through");
    let result = client::result(client.run(&job).await);
    assert_eq!(client::stdout(&result), "through\n");

    let other_cache = new_cache();
    let mut worker = start("other.pem", &other_cache);
    assert_eq!(worker.end().code(), Some(96));
    assert!(worker.log.contains("is not trusted"), "{}", worker.log);
}

#[test]
fn two_workers_do_not_share_a_cache() {
    needs_cluster!();
    let (server, pool, cache) = (Engine::shared(), new_pool(), new_cache());
    let _worker = Worker::start(server, &pool, &cache);
    let mut other = Worker::of(Worker::command(&cache).args(["--remote", &server.endpoint()]));
    assert_eq!(other.end().code(), Some(96));
    assert!(other.log.contains("`cache-root`"), "{}", other.log);
}
