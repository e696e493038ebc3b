//! A registry that wants tokens, which another server gives out.

use crate::stub::{Made, Reply, Request, Stub};
use crate::user::{User, bytes};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

/// `me` and `secret`.
const BASIC: &str = "Basic bWU6c2VjcmV0";

fn token_server(password: Option<&'static str>) -> (Stub, Arc<AtomicUsize>) {
    let given = Arc::new(AtomicUsize::new(0));
    let count = given.clone();
    let stub = Stub::start(move |request| {
        assert!(request.path.contains("scope=repository%3Aimage%3Apull"));
        assert!(request.path.contains("service=registry"));
        if request.authorization.as_deref() != password {
            let said = r#"{"details":"incorrect username or password"}"#;
            return Reply::Status(401, said.to_owned());
        }
        let number = count.fetch_add(1, SeqCst);
        Reply::Status(200, format!(r#"{{"token":"token{number}"}}"#))
    });
    (stub, given)
}

/// One that knows only the token of this number.
fn registry(
    made: &Made,
    tokens: &Stub,
    wanted: impl Fn(&Request) -> usize + Send + Sync + 'static,
) -> Stub {
    let realm = tokens.host.clone();
    Stub::of(made, move |request, _| {
        let token = format!("Bearer token{}", wanted(request));
        let known = request.authorization.as_ref() == Some(&token);
        (!known).then(|| {
            Reply::Challenge(format!(
                r#"Bearer realm="http://{realm}/token",service="registry""#
            ))
        })
    })
}

#[test]
fn a_token_is_had_for_everybody_or_for_a_password() {
    for password in [None, Some(BASIC)] {
        let made = Made::new(&[b"one", b"two"]);
        let (tokens, given) = token_server(password);
        let stub = registry(&made, &tokens, |_| 0);
        let user = User::new();
        if password.is_some() {
            user.log_in(&stub.host, "me", "secret");
        }
        let image = user.find(&stub.image()).unwrap_or_else(|e| panic!("{e}"));
        image.fetch();
        let layers: Vec<_> = image.layers.iter().map(bytes).collect();
        assert_eq!(layers, made.layers);
        assert_eq!(given.load(SeqCst), 1);
    }
}

#[test]
fn a_token_that_is_no_longer_known_is_replaced() {
    let made = Made::new(&[b"one"]);
    let (tokens, given) = token_server(None);
    let stub = registry(&made, &tokens, |request| {
        usize::from(request.path.contains("/blobs/"))
    });
    let image = User::new().find(&stub.image()).unwrap();
    assert_eq!(image.environment["A"], "b");
    assert_eq!(given.load(SeqCst), 2);
}

#[test]
fn credentials_that_give_no_token_are_named() {
    let made = Made::new(&[b"one"]);
    let (tokens, _) = token_server(Some(BASIC));
    let stub = registry(&made, &tokens, |_| 0);
    let user = User::new();
    let failure = user.failure(&stub.image());
    assert!(
        failure.contains("if it is private, log in with"),
        "{failure}"
    );
    user.log_in(&stub.host, "me", "wrong");
    let failure = user.failure(&stub.image());
    assert!(
        failure.contains("with the credentials from <home>/config.json"),
        "{failure}"
    );
    // A password that is wrong is not tried again and again.
    assert_eq!(tokens.requests("/token").len(), 2);
}
