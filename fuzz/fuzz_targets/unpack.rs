//! Any bytes as the archive of a layer, on a small tree.

#![no_main]

use libfuzzer_sys::fuzz_target;
use maelstrom::layer::tar::unpack;
use maelstrom::layer::{Entry, Manifest, Mode, PathInContainer};
use maelstrom::store::{Digest, Store};
use std::path::Path;
use std::sync::OnceLock;
use tempfile::TempDir;

fuzz_target!(|archive: &[u8]| {
    static STORE: OnceLock<(TempDir, Store)> = OnceLock::new();
    let (_, store) = STORE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), 0).unwrap();
        (directory, store)
    });
    let Ok(unpacked) = unpack(store, archive, Path::new("/x.tar"), below()) else {
        return;
    };
    for (path, _) in unpacked.manifest.entries() {
        assert_eq!(PathInContainer::new(path.as_bytes()).as_ref(), Ok(path));
        let inside = path.relative();
        assert!(inside.is_relative() && !inside.starts_with(".."), "{path:?}");
    }
    let bytes = unpacked.manifest.to_bytes();
    assert_eq!(Manifest::parse(&bytes), Ok(unpacked.manifest));
});

/// Files, and symlinks that lead on, around and out.
fn below() -> Manifest {
    let mut below = Manifest::new();
    let mut add = |path: &str, entry| {
        let path = PathInContainer::new(path.as_bytes()).unwrap();
        below.insert(path, entry).unwrap();
    };
    let symlink = |target: &str| Entry::Symlink {
        target: target.into(),
    };
    add(
        "/d/f",
        Entry::File {
            digest: Digest::of(b""),
            mode: Mode::PLAIN,
        },
    );
    add("/l", symlink("d"));
    add("/a", symlink("/d"));
    add("/o", symlink("../.."));
    add("/c", symlink("c/c"));
    below
}
