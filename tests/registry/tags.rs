//! Tags that are pinned to digests.

use crate::stub::{Made, Reply, Stub};
use crate::user::{User, digest};
use camino::Utf8Path;
use std::fs;

/// A registry whose tag resolves to the first image once, and then to the second.
fn moving(first: &Made, second: &Made) -> Stub {
    let (first, second) = (first.clone(), second.clone());
    Stub::start(move |request| {
        let now = if request.before == 0 { &first } else { &second };
        if request.path.ends_with("/manifests/1") {
            return Reply::Content(now.manifest.clone());
        }
        match first.answer(request) {
            Reply::Status(404, _) => second.answer(request),
            reply => reply,
        }
    })
}

#[test]
fn a_tag_stays_pinned_until_its_line_is_removed() {
    let (first, second) = (Made::new(&[b"first"]), Made::new(&[b"second"]));
    let stub = moving(&first, &second);
    let user = User::new();
    let found = || {
        let image = user.find(&stub.image()).unwrap();
        image.layers[0].digest.clone().unwrap()
    };
    assert_eq!(found(), digest(b"first"));
    let text = fs::read_to_string(user.tag_file()).unwrap();
    assert!(text.contains(&digest(&first.manifest)), "{text}");
    // The depot does not matter.
    fs::remove_dir_all(user.depot()).unwrap();
    assert_eq!(found(), digest(b"first"));
    assert_eq!(fs::read_to_string(user.tag_file()).unwrap(), text);

    let others = text.lines().filter(|line| !line.contains(&stub.host));
    fs::write(user.tag_file(), others.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(found(), digest(b"second"));
}

#[test]
fn a_pinned_image_that_the_registry_lacks_is_an_error() {
    let made = Made::new(&[b"one"]);
    let stub = Stub::of(&made, |_, _| None);
    let user = User::new();
    let gone = digest(b"gone");
    let name = stub.image()["docker://".len()..].to_owned();
    let text = format!("version = 1\n[tags]\n\"{name}\" = \"{gone}\"\n");
    fs::write(user.tag_file(), text).unwrap();
    let failure = user.failure(&stub.image());
    assert!(
        failure.contains("no longer has the image that docker://"),
        "{failure}"
    );
    assert!(
        failure.contains("remove its line from <home>/project/"),
        "{failure}"
    );
}

#[test]
fn a_name_with_a_digest_is_not_pinned() {
    let made = Made::new(&[b"one"]);
    let stub = Stub::of(&made, |_, _| None);
    let user = User::new();
    let digest = digest(&made.manifest);
    let name = format!("docker://{}/image@{digest}", stub.host);
    user.find(&name).unwrap();
    assert!(!user.tag_file().exists());
}

#[test]
fn a_malformed_tag_file_is_an_error() {
    let user = User::new();
    let text = "version = 1\n\n[tags]\n<<<<<<< HEAD\n";
    fs::write(user.tag_file(), text).unwrap();
    let failure = user.failure("docker://127.0.0.1:1/a:1");
    let place = "<home>/project/maelstrom-container-tags.lock:4:1: unresolved merge conflict";
    assert!(failure.starts_with(place), "{failure}");
    assert_eq!(fs::read_to_string(user.tag_file()).unwrap(), text);
}

#[test]
fn a_tag_file_that_cannot_be_written_is_a_warning() {
    let made = Made::new(&[b"one"]);
    let stub = Stub::of(&made, |_, _| None);
    let user = User::new();
    let nowhere = user.project().join("nowhere");
    let image = user
        .images()
        .find(&stub.image().parse().unwrap(), Utf8Path::new(&nowhere))
        .unwrap();
    let [warning] = image.warnings.as_slice() else {
        panic!("{:?}", image.warnings);
    };
    assert!(warning.starts_with("cannot write "), "{warning}");
    assert!(
        warning.ends_with("may resolve to another image in the next run"),
        "{warning}"
    );
}
