//! A registry, or a network, that fails.

use crate::stub::{Made, Reply, Stub};
use crate::user::{User, bytes};
use maelstrom::image::Images;
use std::time::Duration;

const ABC: &[u8] = b"abcdefghijklmnopqrstuvwxyz";

/// Finds the image and all of its layers.
#[track_caller]
fn gets_all(stub: &Stub, made: &Made) -> User {
    let user = User::new();
    let image = user.find(&stub.image()).unwrap_or_else(|e| panic!("{e}"));
    image.fetch();
    let layers: Vec<_> = image.layers.iter().map(bytes).collect();
    assert_eq!(layers, made.layers);
    assert_eq!(user.kept()[1], 0);
    user
}

#[test]
fn answers_that_may_pass_are_asked_for_again() {
    for status in [408, 429, 500, 502, 503, 504] {
        let made = Made::new(&[ABC]);
        // Twice for each path but the first.
        let stub = Stub::of(&made, move |request, _| {
            let fails = request.before < 2 && request.path != "/v2/";
            fails.then(|| Reply::Status(status, "<html>".to_owned()))
        });
        gets_all(&stub, &made);
        assert_eq!(stub.requests("/manifests/").len(), 3, "{status}");
        assert_eq!(stub.requests("/blobs/").len(), 6, "{status}");
    }
}

#[test]
fn attempts_at_a_failing_registry_are_limited() {
    let made = Made::new(&[ABC]);
    let stub = Stub::of(&made, |request, _| {
        let of_image = request.path != "/v2/";
        of_image.then(|| Reply::Status(503, String::new()))
    });
    let failure = User::new().failure(&stub.image());
    let expected = format!(
        "cannot get {image} from the registry {host}: status 503 (tried 4 times)",
        host = stub.host,
        image = stub.image()
    );
    assert_eq!(failure, expected);
    assert_eq!(stub.requests("/manifests/").len(), 4);
}

#[test]
fn a_rate_limit_is_an_error_that_says_so() {
    let made = Made::new(&[ABC]);
    let stub = Stub::of(&made, |request, _| {
        let said = r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"you had enough"}]}"#;
        (request.path != "/v2/").then(|| Reply::Status(429, said.to_owned()))
    });
    let failure = User::new().failure(&stub.image());
    assert!(
        failure.contains("rate-limited the request for"),
        "{failure}"
    );
    assert!(
        failure.contains("you had enough (tried 4 times)"),
        "{failure}"
    );
    assert!(failure.contains("docker login"), "{failure}");
}

#[test]
fn a_failure_that_is_not_transient_is_not_retried() {
    for (status, said) in [
        (404, "has no docker://"),
        (403, "the image does not exist or is private"),
        (418, "status 418: short and stout (tried once)"),
    ] {
        let made = Made::new(&[ABC]);
        let stub = Stub::of(&made, move |request, _| {
            let body = || "short and stout\nor not".to_owned();
            request
                .path
                .contains("/manifests/")
                .then(|| Reply::Status(status, body()))
        });
        let failure = User::new().failure(&stub.image());
        assert!(failure.contains(said), "{failure}");
        // A token may have run out, so that one refusal does not count.
        let asked = if status == 403 { 2 } else { 1 };
        assert_eq!(stub.requests("/manifests/").len(), asked, "{status}");
    }
}

#[test]
fn a_download_that_was_cut_goes_on_where_it_ended() {
    type Cut = fn(Vec<u8>, usize) -> Reply;
    for cut in [Reply::Cut as Cut, Reply::Reset as Cut] {
        let made = Made::new(&[b"small", ABC]);
        // Five bytes at a time: as long as it goes on, it is not given up.
        let stub = Stub::of(&made, move |request, made| {
            let cuts = request.path.ends_with(&made.path(1));
            cuts.then(|| cut(ABC.to_vec(), 5))
        });
        gets_all(&stub, &made);
        let from = stub.requests(&made.path(1));
        let from: Vec<_> = from.iter().map(|request| request.from).collect();
        // What a reset takes away depends on how fast it was read.
        if matches!(cut(Vec::new(), 0), Reply::Cut(..)) {
            assert_eq!(from, [0, 5, 10, 15, 20, 25].map(Some));
        }
    }
}

#[test]
fn a_registry_that_cannot_go_on_begins_again() {
    let made = Made::new(&[ABC]);
    let stub = Stub::of(&made, |request, made| {
        let path = made.path(0);
        request.path.ends_with(&path).then(|| match request.before {
            0 => Reply::Cut(ABC.to_vec(), 20),
            1 => Reply::Status(416, String::new()),
            _ => Reply::WholeContent(ABC.to_vec()),
        })
    });
    gets_all(&stub, &made);
    let from = stub.requests(&made.path(0));
    let from: Vec<_> = from.iter().map(|request| request.from).collect();
    assert_eq!(from, [Some(0), Some(20), Some(0)]);
}

#[test]
fn a_stalled_download_is_retried() {
    let made = Made::new(&[ABC]);
    let stub = Stub::of(&made, |request, made| {
        let stalls = request.before == 0 && request.path.ends_with(&made.path(0));
        stalls.then(|| Reply::Stall(ABC.to_vec(), 7))
    });
    let user = User::new();
    let mut settings = user.settings();
    settings.retry.read_timeout = Duration::from_millis(100);
    let images = Images::new(settings);
    let image = user.find_with(&images, &stub.image()).unwrap();
    assert_eq!(bytes(&image.layers[0]), ABC);
    assert_eq!(stub.requests(&made.path(0))[1].from, Some(7));
}

#[test]
fn a_blob_that_fails_digest_verification_is_not_kept() {
    let made = Made::new(&[ABC]);
    let stub = Stub::of(&made, |request, made| {
        let wrong = request.before < 4 && request.path.ends_with(&made.path(0));
        wrong.then(|| Reply::Content(ABC.to_ascii_uppercase()))
    });
    let user = User::new();
    let image = user.find(&stub.image()).unwrap();
    let error = image.layers[0].open().err().unwrap().to_string();
    assert!(error.contains("that failed digest verification"), "{error}");
    assert!(error.ends_with("(tried 4 times)"), "{error}");
    assert_eq!(user.kept()[0], 2);
    // It is mended now.
    assert_eq!(bytes(&image.layers[0]), ABC);
    assert_eq!(user.kept(), [3, 0]);
}

#[test]
fn a_manifest_that_has_another_digest_is_refused() {
    let made = Made::new(&[ABC]);
    let stub = Stub::of(&made, |request, made| {
        let mut manifest = made.manifest.clone();
        manifest.push(b' ');
        let is_manifest = request.path.contains("/manifests/");
        is_manifest.then_some(Reply::Content(manifest))
    });
    let digest = crate::user::digest(&made.manifest);
    let user = User::new();
    let failure = user.failure(&format!("docker://{}/image@{digest}", stub.host));
    assert!(failure.contains("failed digest verification"), "{failure}");
    assert_eq!(user.kept(), [0, 0]);
}

#[test]
fn a_registry_that_cannot_be_reached_is_an_error() {
    let stopped = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let failure = User::new().failure(&format!("docker://{stopped}/image:1"));
    assert!(failure.contains("cannot reach the registry"), "{failure}");
    assert!(failure.contains("onnection refused"), "{failure}");
    assert!(failure.contains("(tried 4 times)"), "{failure}");
    // `.invalid` never resolves (RFC 2606).
    let failure = User::new().failure("docker://nowhere.invalid/image:1");
    assert!(
        failure.contains("cannot reach the registry nowhere.invalid"),
        "{failure}"
    );
}
