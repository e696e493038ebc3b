use super::super::checksum::seal;
use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

const IDENTITY: Identity = Identity {
    inode: 1,
    size: 1,
    modified: 10 * SECOND,
    changed: 20 * SECOND,
};

fn memory() -> (tempfile::TempDir, Memory) {
    let directory = tempfile::tempdir().unwrap();
    let memory = Memory::new(directory.path().join("memory"));
    (directory, memory)
}

fn save(memory: &mut Memory) {
    let bytes = memory.news().expect("something to save");
    fs::write(&memory.file, bytes).unwrap();
}

#[test]
fn a_file_is_recalled_until_anything_about_it_changes() {
    let (_directory, mut memory) = memory();
    let (path, digest) = (Path::new("/f"), Digest::of(b"x"));
    memory.remember(path, IDENTITY, &digest);
    assert_eq!(memory.recall(path, &IDENTITY), Some(digest));
    assert_eq!(memory.recall(Path::new("/g"), &IDENTITY), None);
    for changed in [
        Identity {
            inode: 2,
            ..IDENTITY
        },
        Identity {
            size: 2,
            ..IDENTITY
        },
        Identity {
            modified: 0,
            ..IDENTITY
        },
        Identity {
            changed: 0,
            ..IDENTITY
        },
    ] {
        assert_eq!(memory.recall(path, &changed), None);
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
    let (_directory, mut one) = memory();
    let mut other = Memory::new(one.file.clone());
    let digest = Digest::of(b"x");
    assert_eq!(other.recall(Path::new("/one"), &IDENTITY), None);
    one.remember(Path::new("/one"), IDENTITY, &digest);
    other.remember(Path::new("/other"), IDENTITY, &digest);
    save(&mut one);
    save(&mut other);
    let mut third = Memory::new(one.file.clone());
    assert_eq!(third.recall(Path::new("/one"), &IDENTITY), Some(digest));
    assert_eq!(third.recall(Path::new("/other"), &IDENTITY), Some(digest));
    assert_eq!(third.news(), None, "it learned nothing");
}

#[test]
fn a_link_of_our_own_does_not_make_a_file_forgotten() {
    let (_directory, mut memory) = memory();
    let (path, digest) = (Path::new("/f"), Digest::of(b"x"));
    memory.remember(path, IDENTITY, &digest);
    memory.is_linked(path, IDENTITY.inode);
    let after = Identity {
        changed: 30 * SECOND,
        ..IDENTITY
    };
    memory.relinked(&IDENTITY, &after);
    assert_eq!(memory.recall(path, &after), Some(digest));
    let foreign = Identity {
        changed: 40 * SECOND,
        ..IDENTITY
    };
    memory.relinked(
        &foreign,
        &Identity {
            changed: 50 * SECOND,
            ..IDENTITY
        },
    );
    assert_eq!(memory.recall(path, &after), Some(digest));
}

#[test]
fn files_not_seen_for_long_are_forgotten() {
    let (_directory, mut memory) = memory();
    let digest = Digest::of(b"x");
    memory.today -= FORGOTTEN_AFTER;
    memory.remember(Path::new("/old"), IDENTITY, &digest);
    save(&mut memory);
    let mut later = Memory::new(memory.file.clone());
    later.remember(Path::new("/new"), IDENTITY, &digest);
    save(&mut later);
    let mut last = Memory::new(memory.file.clone());
    assert_eq!(last.recall(Path::new("/old"), &IDENTITY), None);
    assert_eq!(last.recall(Path::new("/new"), &IDENTITY), Some(digest));
}

#[test]
fn a_damaged_file_is_as_good_as_none() {
    let (_directory, mut memory) = memory();
    memory.remember(Path::new("/f"), IDENTITY, &Digest::of(b"x"));
    let bytes = memory.news().unwrap();
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
                let identity = Identity { inode: n as u64, ..IDENTITY };
                (path.into_boxed_slice(), Remembered { identity, sha256, seen: 7, fresh: false })
            })
            .collect();
        let borrowed: Vec<_> = entries.iter().map(|(path, entry)| (&**path, entry)).collect();
        let read = format::read(&format::write(&borrowed)).unwrap();
        prop_assert_eq!(read, entries.into_iter().collect());
    }

    #[test]
    fn reading_never_panics(bytes in vec(any::<u8>(), 0..300)) {
        let mut sealed = b"maelstrom memory 1\n".to_vec();
        sealed.extend_from_slice(&bytes);
        let _ = format::read(&seal(sealed));
        let _ = format::read(&bytes);
    }
}
