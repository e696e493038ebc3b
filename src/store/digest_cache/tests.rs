use super::super::checksum::seal;
use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

const IDENTITY: FileIdentity = FileIdentity {
    inode: 1,
    size: 1,
    modified: 10 * SECOND,
    changed: 20 * SECOND,
};

fn cache() -> (tempfile::TempDir, DigestCache) {
    let directory = tempfile::tempdir().unwrap();
    let cache = DigestCache::new(directory.path().join("cache"));
    (directory, cache)
}

fn save(cache: &mut DigestCache) {
    let bytes = cache.take_changes().expect("something to save");
    fs::write(&cache.file, bytes).unwrap();
}

#[test]
fn a_file_is_recalled_until_anything_about_it_changes() {
    let (_directory, mut cache) = cache();
    let (path, digest) = (Path::new("/f"), Digest::of(b"x"));
    cache.insert(path, IDENTITY, &digest);
    assert_eq!(cache.get(path, &IDENTITY), Some(digest));
    assert_eq!(cache.get(Path::new("/g"), &IDENTITY), None);
    for changed in [
        FileIdentity {
            inode: 2,
            ..IDENTITY
        },
        FileIdentity {
            size: 2,
            ..IDENTITY
        },
        FileIdentity {
            modified: 0,
            ..IDENTITY
        },
        FileIdentity {
            changed: 0,
            ..IDENTITY
        },
    ] {
        assert_eq!(cache.get(path, &changed), None);
    }
}

#[test]
fn a_file_that_changed_within_the_last_second_is_not_settled() {
    assert!(!IDENTITY.is_settled(20 * SECOND + SECOND));
    assert!(IDENTITY.is_settled(20 * SECOND + SECOND + 1));
    assert!(!IDENTITY.is_settled(0), "a file from the future");
}

#[test]
fn what_two_clients_learn_is_merged() {
    let (_directory, mut one) = cache();
    let mut other = DigestCache::new(one.file.clone());
    let digest = Digest::of(b"x");
    assert_eq!(other.get(Path::new("/one"), &IDENTITY), None);
    one.insert(Path::new("/one"), IDENTITY, &digest);
    other.insert(Path::new("/other"), IDENTITY, &digest);
    save(&mut one);
    save(&mut other);
    let mut third = DigestCache::new(one.file.clone());
    assert_eq!(third.get(Path::new("/one"), &IDENTITY), Some(digest));
    assert_eq!(third.get(Path::new("/other"), &IDENTITY), Some(digest));
    assert_eq!(third.take_changes(), None, "it learned nothing");
}

#[test]
fn a_link_of_our_own_does_not_make_a_file_forgotten() {
    let (_directory, mut cache) = cache();
    let (path, digest) = (Path::new("/f"), Digest::of(b"x"));
    cache.insert(path, IDENTITY, &digest);
    cache.set_linked(path, IDENTITY.inode);
    let after = FileIdentity {
        changed: 30 * SECOND,
        ..IDENTITY
    };
    cache.change_time_moved(&IDENTITY, &after);
    assert_eq!(cache.get(path, &after), Some(digest));
    let foreign = FileIdentity {
        changed: 40 * SECOND,
        ..IDENTITY
    };
    cache.change_time_moved(
        &foreign,
        &FileIdentity {
            changed: 50 * SECOND,
            ..IDENTITY
        },
    );
    assert_eq!(cache.get(path, &after), Some(digest));
}

#[test]
fn files_not_seen_for_long_are_forgotten() {
    let (_directory, mut cache) = cache();
    let digest = Digest::of(b"x");
    cache.today -= FORGOTTEN_AFTER;
    cache.insert(Path::new("/old"), IDENTITY, &digest);
    save(&mut cache);
    let mut later = DigestCache::new(cache.file.clone());
    later.insert(Path::new("/new"), IDENTITY, &digest);
    save(&mut later);
    let mut last = DigestCache::new(cache.file.clone());
    assert_eq!(last.get(Path::new("/old"), &IDENTITY), None);
    assert_eq!(last.get(Path::new("/new"), &IDENTITY), Some(digest));
}

#[test]
fn a_damaged_file_is_as_good_as_none() {
    let (_directory, mut cache) = cache();
    cache.insert(Path::new("/f"), IDENTITY, &Digest::of(b"x"));
    let bytes = cache.take_changes().unwrap();
    assert!(format::read(&bytes).is_some());
    assert!(format::read(&bytes[..bytes.len() - 1]).is_none());
    let mut damaged = bytes.clone();
    damaged[25] ^= 1;
    assert!(format::read(&damaged).is_none());
}

proptest! {
    #[test]
    fn what_is_written_is_read(paths in btree_map(vec(any::<u8>(), 0..6), any::<[u8; 32]>(), 0..8)) {
        let entries: Vec<_> = paths
            .into_iter()
            .enumerate()
            .map(|(n, (path, sha256))| {
                let identity = FileIdentity { inode: n as u64, ..IDENTITY };
                (path.into_boxed_slice(), CachedDigest { identity, sha256, seen: 7, changed_here: false })
            })
            .collect();
        let borrowed: Vec<_> = entries.iter().map(|(path, entry)| (&**path, entry)).collect();
        let read = format::read(&format::write(&borrowed)).unwrap();
        prop_assert_eq!(read, entries.into_iter().collect());
    }

    #[test]
    fn reading_never_panics(bytes in vec(any::<u8>(), 0..300)) {
        let mut sealed = b"maelstrom cache 1\n".to_vec();
        sealed.extend_from_slice(&bytes);
        let _ = format::read(&seal(sealed));
        let _ = format::read(&bytes);
    }
}
