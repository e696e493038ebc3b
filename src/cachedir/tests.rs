use super::*;
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::sync::Barrier;

/// All files below a directory, with what they hold.
fn files(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
            found.insert(path, Vec::new());
        } else {
            found.insert(path.clone(), fs::read(&path).unwrap_or_default());
        }
    }
    found
}

/// Tries to use a directory that is to be refused, and to stay as it is.
#[track_caller]
fn refusal(directory: &Path, kind: CacheKind) -> RefusalReason {
    let before = files(directory);
    let error = claim(directory, kind).unwrap_err();
    assert_eq!(files(directory), before);
    let CacheDirError::Refused(refusal) = error else {
        panic!("{error}")
    };
    refusal.reason
}

#[test]
fn a_new_directory_is_made_and_marked_and_found_again() {
    let place = tempfile::tempdir().unwrap();
    let root = place.path().join("new/root");
    for kind in [CacheKind::Store, CacheKind::Worker, CacheKind::Store] {
        let claimed = claim(&root, kind).unwrap();
        assert_eq!(claimed.directory, root.join(kind.name()));
        assert_eq!(claimed.other_format, None);
    }
    let text = |name: &str| fs::read_to_string(root.join(name)).unwrap();
    assert_eq!(text("maelstrom-cache"), "maelstrom cache-root 1\n");
    assert_eq!(text("store/maelstrom-cache"), "maelstrom store 2\n");
    assert_eq!(text("worker/maelstrom-cache"), "maelstrom worker 1\n");
    // The first 43 bytes are what other programs go by.
    assert!(text("CACHEDIR.TAG").starts_with("Signature: 8a477f597d28d172789f06886806bc55\n"));
}

#[test]
fn a_directory_with_anything_in_it_is_refused_and_left_as_it_is() {
    type Make = fn(&Path);
    let cases: [(&str, Make); 7] = [
        (".bashrc", |path| fs::write(path, "alias").unwrap()),
        ("tmp", |path| fs::create_dir(path).unwrap()),
        ("dangling", |path| symlink("/nonexistent", path).unwrap()),
        // Not what they seem to be.
        (MARK, |path| fs::write(path, "a list of caches").unwrap()),
        (MARK, |path| symlink("/nonexistent", path).unwrap()),
        (TAG, |path| fs::create_dir(path).unwrap()),
        ("lost+found", |path| fs::write(path, "keys").unwrap()),
    ];
    for (name, make) in cases {
        for kind in [CacheKind::Store, CacheKind::Worker] {
            let place = tempfile::tempdir().unwrap();
            make(&place.path().join(name));
            assert_eq!(
                refusal(place.path(), kind),
                RefusalReason::Foreign(name.into())
            );
        }
    }
}

#[test]
fn the_directory_of_one_kind_below_the_root_is_refused_if_it_is_not_marked() {
    let place = tempfile::tempdir().unwrap();
    claim(place.path(), CacheKind::Worker).unwrap();
    fs::create_dir(place.path().join("store")).unwrap();
    fs::write(place.path().join("store/bread"), "rye").unwrap();
    let reason = refusal(place.path(), CacheKind::Store);
    assert_eq!(reason, RefusalReason::Foreign("bread".into()));
}

#[test]
fn what_other_programs_put_into_new_directories_does_not_matter() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("lost+found")).unwrap();
    fs::write(place.path().join(TAG), "somebody's").unwrap();
    claim(place.path(), CacheKind::Store).unwrap();
    let tag = fs::read_to_string(place.path().join(TAG)).unwrap();
    assert_eq!(tag, "somebody's");
}

#[test]
fn parts_of_a_cache_are_not_caches() {
    let place = tempfile::tempdir().unwrap();
    let store = claim(place.path(), CacheKind::Store).unwrap().directory;
    let found = RefusalReason::OtherKind("maelstrom store 2".to_owned());
    assert_eq!(refusal(&store, CacheKind::Worker), found);
    assert_eq!(refusal(&store, CacheKind::Store), found);
    let state = directory_state(place.path(), CacheKind::Images).unwrap();
    assert_eq!(
        state,
        DirectoryState::OtherKind("maelstrom cache-root 1".to_owned())
    );
}

#[test]
fn another_format_is_told_of_and_replaced_only_when_it_is_renewed() {
    let place = tempfile::tempdir().unwrap();
    let store = claim(place.path(), CacheKind::Store).unwrap().directory;
    let mark = store.join(MARK);
    fs::write(&mark, "maelstrom store 3\n").unwrap();
    for _ in 0..2 {
        let claimed = claim(place.path(), CacheKind::Store).unwrap();
        assert_eq!(claimed.other_format.as_deref(), Some("maelstrom store 3"));
    }
    replace_mark(&store, CacheKind::Store).unwrap();
    assert_eq!(
        claim(place.path(), CacheKind::Store).unwrap().other_format,
        None
    );

    fs::write(place.path().join(MARK), "maelstrom cache-root 2\n").unwrap();
    let found = RefusalReason::OtherFormat("maelstrom cache-root 2".to_owned());
    assert_eq!(refusal(place.path(), CacheKind::Store), found);
}

#[test]
fn what_a_killed_program_left_of_a_mark_is_completed() {
    let whole = CacheKind::Root.mark();
    for length in 0..whole.len() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join(MARK);
        fs::write(&path, &whole[..length]).unwrap();
        claim(place.path(), CacheKind::Store).unwrap();
        assert_eq!(fs::read_to_string(path).unwrap(), whole);

        // That is where it stops: nothing is made before the mark is whole.
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join(MARK), &whole[..length]).unwrap();
        fs::write(place.path().join("letters"), "").unwrap();
        let reason = refusal(place.path(), CacheKind::Store);
        assert_eq!(reason, RefusalReason::Foreign("letters".into()));
    }
}

#[test]
fn many_may_make_the_same_directory_at_once() {
    for _ in 0..50 {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        let start = Barrier::new(8);
        std::thread::scope(|scope| {
            for n in 0..8 {
                let (start, root) = (&start, &root);
                scope.spawn(move || {
                    let kind = [CacheKind::Store, CacheKind::Worker][n % 2];
                    start.wait();
                    let claimed = claim(root, kind).unwrap();
                    assert_eq!(claimed.other_format, None);
                    // As a cache does at once.
                    fs::write(claimed.directory.join(format!("{n}")), "").unwrap();
                });
            }
        });
    }
}

#[test]
fn refusals_say_why_and_what_to_do() {
    let text = |purpose, reason| Refusal::new(Path::new("/d"), purpose, reason).to_string();
    assert_eq!(
        text(CacheKind::Store, RefusalReason::Foreign(".bashrc".into())),
        "cannot use /d as a cache: it holds `.bashrc`, which no cache of Maelstrom made, and \
         caches remove files; choose a new or empty directory (`--cache-root`; with `cargo \
         maelstrom`, `--target-dir`)"
    );
    assert_eq!(
        text(CacheKind::Worker, RefusalReason::Older),
        "cannot use /d as a cache: it looks like the cache of an earlier version of Maelstrom, \
         but is not marked as one; remove it if it is no more than that, or choose a new or \
         empty directory (`--cache-root`)"
    );
    assert_eq!(
        text(
            CacheKind::Worker,
            RefusalReason::OtherKind("maelstrom store 2".into())
        ),
        "cannot use /d as a cache: it is part of another cache (maelstrom store 2); choose a new \
         or empty directory (`--cache-root`)"
    );
    assert_eq!(
        text(
            CacheKind::Images,
            RefusalReason::OtherFormat("maelstrom images 2".into())
        ),
        "cannot use /d for images: another version of Maelstrom made it (maelstrom images 2); \
         remove it, or choose a new or empty directory (`--container-image-depot-root`)"
    );
}
