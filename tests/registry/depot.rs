//! What is kept, and who shares it.

use crate::stub::{Made, Reply, Stub};
use crate::user::{User, bytes, digest};
use maelstrom::image::Download;
use std::fs::{self, File, FileTimes};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc;
use std::time::{Duration, SystemTime};

#[test]
fn several_processes_download_the_same_image_once() {
    let made = Made::new(&[b"one", b"two", b"three"]);
    let stub = Stub::of(&made, |_, _| None);
    let user = User::new();
    // As many programs, with as many threads.
    let all: Vec<_> = (0..4).map(|_| user.images()).collect();
    std::thread::scope(|scope| {
        for images in &all {
            for _ in 0..4 {
                scope.spawn(|| {
                    let image = user.find_with(images, &stub.image()).unwrap();
                    image.fetch();
                    let layers: Vec<_> = image.layers.iter().map(bytes).collect();
                    assert_eq!(layers, made.layers);
                });
            }
        }
    });
    for layer in 0..3 {
        assert_eq!(stub.requests(&made.path(layer)).len(), 1);
    }
    assert_eq!(user.kept(), [5, 0]);
}

#[test]
fn a_blob_that_is_damaged_is_downloaded_again() {
    let made = Made::new(&[b"one"]);
    let stub = Stub::of(&made, |_, _| None);
    let user = User::new();
    let image = user.find(&stub.image()).unwrap();
    let layer = &image.layers[0];
    bytes(layer);
    // As a power failure leaves it.
    fs::write(layer.path(), b"").unwrap();
    assert_eq!(bytes(layer), b"one");
    fs::write(layer.path(), b"\0\0\0").unwrap();
    assert!(layer.discard_damaged());
    assert_eq!(bytes(layer), b"one");
    assert_eq!(stub.requests(&made.path(0)).len(), 3);
    // A disk that goes on like that is not worth trying.
    assert!(!layer.discard_damaged());
}

#[test]
fn a_manifest_that_is_damaged_is_downloaded_again() {
    let made = Made::new(&[b"one"]);
    let stub = Stub::of(&made, |_, _| None);
    let user = User::new();
    user.find(&stub.image()).unwrap();
    let blobs = user.depot().join("blobs/sha256");
    for entry in fs::read_dir(&blobs).unwrap() {
        fs::write(entry.unwrap().path(), "{}").unwrap();
    }
    let image = user.find(&stub.image()).unwrap();
    assert_eq!(image.environment["A"], "b");
}

/// A registry that stops in the middle of a layer, and says so.
fn stalling(made: &Made) -> (Stub, mpsc::Receiver<()>) {
    let (sender, receiver) = mpsc::channel();
    let sender = Mutex::new(sender);
    let stub = Stub::of(made, move |request, made| {
        request.path.ends_with(&made.path(1)).then(|| {
            let _ = sender.lock().unwrap().send(());
            Reply::Stall(made.layers[1].clone(), 3)
        })
    });
    (stub, receiver)
}

#[test]
fn progress_is_that_of_all_layers_and_ends_with_them() {
    let made = Made::new(&[b"one", b"seven"]);
    let (stub, _stalled) = stalling(&made);
    let user = User::new();
    let images = user.images();
    let image = user.find_with(&images, &stub.image()).unwrap();
    assert_eq!(images.download(), None);
    image.fetch();
    let expected = Download {
        name: stub.image(),
        done: 6,
        total: 8,
    };
    while images.download().as_ref() != Some(&expected) {
        std::thread::yield_now();
    }
    // The layer below does not wait for the one above.
    assert_eq!(bytes(&image.layers[0]), b"one");
    images.cancel();
    while images.download().is_some() {
        std::thread::yield_now();
    }
}

#[test]
fn cancelling_fails_downloads_and_waits_for_other_processes() {
    let made = Made::new(&[b"one", b"seven"]);
    let (stub, stalled) = stalling(&made);
    let user = User::new();
    let images = Arc::new(user.images());
    let image = user.find_with(&images, &stub.image()).unwrap();
    // `images` downloads the layer; `other` waits for that as another process would.
    let other = user.images();
    let elsewhere = user.find_with(&other, &stub.image()).unwrap();
    std::thread::scope(|scope| {
        let downloads = scope.spawn(|| image.layers[1].open().err().unwrap().to_string());
        stalled.recv().unwrap();
        let waits = scope.spawn(|| elsewhere.layers[1].open().err().unwrap().to_string());
        while other.download().is_none_or(|download| download.done < 3) {
            std::thread::yield_now();
        }
        other.cancel();
        images.cancel();
        let expected = format!("the download of {} was interrupted", stub.image());
        assert_eq!(waits.join().unwrap(), expected);
        assert_eq!(downloads.join().unwrap(), expected);
    });
    let later = user.find_with(&images, &format!("docker://{}/image:2", stub.host));
    assert!(later.unwrap_err().to_string().ends_with("was interrupted"));
}

#[test]
fn a_cancelled_download_can_be_resumed() {
    let made = Made::new(&[b"one", b"seven"]);
    let (stub, stalled) = stalling(&made);
    let user = User::new();
    let images = user.images();
    let image = user.find_with(&images, &stub.image()).unwrap();
    image.fetch();
    stalled.recv().unwrap();
    while images.download().is_none_or(|download| download.done < 6) {
        std::thread::yield_now();
    }
    images.cancel();
    drop((images, image));
    let partial = user
        .depot()
        .join("tmp")
        .join(&digest(b"seven")["sha256:".len()..]);
    assert_eq!(fs::read(&partial).unwrap(), b"sev");
    let mended = Stub::of(&made, |_, _| None);
    let image = user.find(&mended.image()).unwrap();
    assert_eq!(bytes(&image.layers[1]), b"seven");
    assert_eq!(mended.requests(&made.path(1))[0].from, Some(3));
    assert_eq!(user.kept()[1], 0);
}

#[test]
fn a_directory_that_holds_something_else_is_left_as_it_is() {
    let made = Made::new(&[b"one"]);
    let stub = Stub::of(&made, |_, _| None);
    let user = User::new();
    // As `/` or a home is, where somebody keeps letters in `tmp`.
    let letter = user.depot().join("tmp/letter");
    fs::create_dir_all(letter.parent().unwrap()).unwrap();
    fs::write(&letter, "Dear").unwrap();
    let old = SystemTime::now() - Duration::from_secs(365 * 24 * 60 * 60);
    let file = File::options().write(true).open(&letter).unwrap();
    file.set_times(FileTimes::new().set_modified(old)).unwrap();
    let images = user.images();
    let found = user.find_with(&images, &stub.image());
    let said = match found {
        Err(error) => error
            .to_string()
            .replace(user.home().to_str().unwrap(), "<home>"),
        Ok(image) => {
            bytes(&image.layers[0]);
            "it is taken for a depot".to_owned()
        }
    };
    drop(images);
    assert_eq!(
        said,
        format!(
            "cannot store {}: cannot use <home>/depot for images: it holds `tmp`, which no cache \
             of Maelstrom made, and caches remove files; choose a new or empty directory \
             (`--container-image-depot-root`)",
            stub.image()
        )
    );
    assert_eq!(fs::read_to_string(&letter).unwrap(), "Dear");
    assert_eq!(fs::read_dir(user.depot()).unwrap().count(), 1);
}
