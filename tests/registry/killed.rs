//! A program that is killed while it downloads.

use crate::downloader::downloader;
use crate::stub::{Made, Reply, Stub};
use crate::user::{User, bytes};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, mpsc};

#[test]
fn a_download_whose_program_was_killed_is_taken_over_by_one_that_waits() {
    const LAYER: &[u8] = b"a layer that is large";
    let made = Made::new(&[LAYER]);
    let works = Arc::new(AtomicBool::new(false));
    let (sender, stalled) = mpsc::channel();
    let (sender, stub_works) = (std::sync::Mutex::new(sender), works.clone());
    let stub = Stub::of(&made, move |request, made| {
        let stalls = request.path.ends_with(&made.path(0)) && !stub_works.load(SeqCst);
        stalls.then(|| {
            sender.lock().unwrap().send(()).unwrap();
            Reply::Stall(LAYER.to_vec(), 8)
        })
    });
    let user = User::new();
    let mut child = downloader(&user, &stub.image()).spawn().unwrap();
    stalled.recv().unwrap();
    let images = user.images();
    let image = user.find_with(&images, &stub.image()).unwrap();
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| bytes(&image.layers[0]));
        while images.download().is_none_or(|download| download.done < 8) {
            std::thread::yield_now();
        }
        works.store(true, SeqCst);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(waits.join().unwrap(), LAYER);
    });
    let from = stub.requests(&made.path(0));
    let from: Vec<_> = from.iter().map(|request| request.from).collect();
    assert_eq!(from, [Some(0), Some(8)]);
    assert_eq!(user.kept(), [3, 0]);
}
