use super::digest_cache::FileIdentity;
use super::lock::{LockFile, Subject};
use super::open::locked;
use super::*;
use crate::cachedir::MARK;
use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

const LARGE: usize = 300_000;

/// A store with a directory beside it, on the same file system.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        Self { directory }
    }

    fn cache_root(&self) -> PathBuf {
        self.directory.path().join("cache")
    }

    fn root(&self) -> PathBuf {
        self.cache_root().join("store")
    }

    fn open(&self) -> Store {
        self.open_with_limit(u64::MAX)
    }

    fn open_with_limit(&self, size_limit: u64) -> Store {
        Store::open(&self.cache_root(), size_limit).unwrap()
    }

    fn file(&self, name: &str, content: &[u8], mode: u32) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        path
    }
}

fn path(text: &str) -> PathInContainer {
    PathInContainer::new(text.as_bytes()).unwrap()
}

fn mode_of(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn inode_of(path: &Path) -> u64 {
    fs::metadata(path).unwrap().ino()
}

fn manifest(files: &[(&str, Digest)]) -> Manifest {
    let mut manifest = Manifest::new();
    for (name, digest) in files {
        let entry = Entry::File {
            digest: *digest,
            mode: Mode::PLAIN,
        };
        manifest.insert(path(name), entry).unwrap();
    }
    manifest
}

/// A tree with one file of this content at `/d/f`.
fn add_small_tree(store: &Store, content: &[u8]) -> Digest {
    let digest = store.add_bytes(content, false).unwrap();
    store.add_tree(&manifest(&[("/d/f", digest)])).unwrap()
}

/// Rewrites a file as `strip` does: the inode stays.
fn rewrite_in_place(path: &Path, content: &[u8]) {
    let mut file = OpenOptions::new()
        .write(true)
        .truncate(true)
        .open(path)
        .unwrap();
    file.write_all(content).unwrap();
    // The clock of the file system may not have ticked since it was written.
    let later = SystemTime::now() + Duration::from_secs(1);
    file.set_times(FileTimes::new().set_modified(later))
        .unwrap();
}

#[test]
fn executable_and_plain_content_are_two_blobs() {
    let place = Place::new();
    let store = place.open();
    let file = place.file("f", b"content", 0o640);
    let digest = store.add_file(&file, false, Import::Copy).unwrap();
    assert_eq!(digest, Digest::of(b"content"));
    assert_eq!(store.add_bytes(b"content", true).unwrap(), digest);
    let plain = store.blob_path(&digest, Mode::PLAIN);
    let executable = store.blob_path(&digest, Mode::EXECUTABLE);
    assert_eq!((mode_of(&plain), mode_of(&executable)), (0o644, 0o755));
    assert_ne!(inode_of(&plain), inode_of(&executable));
}

#[test]
fn a_copied_file_may_change_afterwards() {
    let place = Place::new();
    let store = place.open();
    for content in [b"small".to_vec(), vec![7; LARGE]] {
        let file = place.file("f", &content, 0o644);
        let digest = store.add_file(&file, false, Import::Copy).unwrap();
        rewrite_in_place(&file, b"other");
        let blob = store.blob_path(&digest, Mode::PLAIN);
        assert_eq!(fs::read(blob).unwrap(), content);
    }
}

#[test]
fn what_a_linker_wrote_is_shared_and_not_copied() {
    let place = Place::new();
    let store = place.open();
    let file = place.file("f", &vec![7; LARGE], 0o755);
    let digest = store.add_file(&file, true, Import::LinkIfSafe).unwrap();
    let blob = store.blob_path(&digest, Mode::EXECUTABLE);
    let cloned = store.client.can_clone.load(Ordering::Relaxed);
    assert!(cloned || inode_of(&blob) == inode_of(&file));
}

#[test]
fn a_file_with_another_mode_is_copied_and_left_alone() {
    let place = Place::new();
    let store = place.open();
    let file = place.file("f", &vec![7; LARGE], 0o775);
    let before = fs::metadata(&file).unwrap();
    let digest = store.add_file(&file, true, Import::LinkIfSafe).unwrap();
    let blob = store.blob_path(&digest, Mode::EXECUTABLE);
    assert_eq!(mode_of(&blob), 0o755);
    assert_ne!(inode_of(&blob), inode_of(&file));
    let after = fs::metadata(&file).unwrap();
    assert_eq!(FileIdentity::of(&after), FileIdentity::of(&before));
}

#[test]
fn a_tree_is_made_of_directories_links_and_symlinks() {
    let place = Place::new();
    let store = place.open();
    let digest = store.add_bytes(b"x", false).unwrap();
    let mut manifest = manifest(&[("/a/f", digest)]);
    let target = b"../elsewhere".to_vec();
    manifest
        .insert(path("/a/l"), Entry::Symlink { target })
        .unwrap();
    let mode = Mode::of_directory(0o1777);
    manifest
        .insert(path("/tmp"), Entry::Directory { mode })
        .unwrap();
    let tree = store
        .trees()
        .join(store.add_tree(&manifest).unwrap().to_string());
    assert_eq!(mode_of(&tree), 0o755);
    assert_eq!(mode_of(&tree.join("a")), 0o755);
    assert_eq!(mode_of(&tree.join("tmp")), 0o1777);
    assert_eq!(
        fs::read_link(tree.join("a/l")).unwrap(),
        Path::new("../elsewhere")
    );
    let blob = store.blob_path(&digest, Mode::PLAIN);
    assert_eq!(inode_of(&tree.join("a/f")), inode_of(&blob));
    assert_eq!(store.manifest(&manifest.digest()), Some(manifest));
}

#[test]
fn a_tree_whose_content_was_not_added_is_an_error_that_names_the_file() {
    let place = Place::new();
    let store = place.open();
    let error = store
        .add_tree(&manifest(&[("/a/f", Digest::of(b"never added"))]))
        .unwrap_err();
    assert!(
        matches!(&error, StoreError::MissingBlob { path, .. } if path.to_string() == "/a/f"),
        "{error}"
    );
    assert_eq!(fs::read_dir(store.trees()).unwrap().count(), 0);
}

#[test]
fn a_missing_file_is_an_error_that_names_it() {
    let place = Place::new();
    let store = place.open();
    let error = store
        .add_file(Path::new("/no/such/file"), false, Import::Copy)
        .unwrap_err();
    assert!(error.is_not_found());
    assert!(error.to_string().contains("/no/such/file"), "{error}");
}

#[test]
fn a_linked_blob_that_was_rewritten_in_place_is_noticed_and_replaced() {
    let place = Place::new();
    let store = place.open();
    // As if the file system could not share extents.
    store.client.can_clone.store(false, Ordering::Relaxed);
    let content = vec![7; LARGE];
    let file = place.file("f", &content, 0o644);
    let digest = store.add_file(&file, false, Import::LinkIfSafe).unwrap();
    let manifest = manifest(&[("/f", digest)]);
    let tree = store.add_tree(&manifest).unwrap();
    assert_eq!(inode_of(&store.tree_path(&tree).join("f")), inode_of(&file));

    let mut stripped = content.clone();
    stripped[0] = 8;
    rewrite_in_place(&file, &stripped);
    let error = store.add_tree(&manifest).unwrap_err();
    assert!(matches!(error, StoreError::MissingBlob { .. }), "{error}");
    let new = store.add_file(&file, false, Import::LinkIfSafe).unwrap();
    assert_eq!(new, Digest::of(&stripped));

    let again = place.file("again", &content, 0o644);
    assert_eq!(
        store.add_file(&again, false, Import::LinkIfSafe).unwrap(),
        digest
    );
    assert_eq!(store.add_tree(&manifest).unwrap(), tree);
    assert_eq!(fs::read(store.tree_path(&tree).join("f")).unwrap(), content);
}

#[test]
fn a_linked_file_that_was_only_touched_is_linked_again() {
    let place = Place::new();
    let store = place.open();
    store.client.can_clone.store(false, Ordering::Relaxed);
    let content = vec![7; LARGE];
    let file = place.file("f", &content, 0o644);
    let add = || {
        let digest = store.add_file(&file, false, Import::LinkIfSafe).unwrap();
        store.add_tree(&manifest(&[("/f", digest)])).unwrap()
    };
    let before = add();
    rewrite_in_place(&file, &content);
    assert_eq!(add(), before);
    let blob = store.blob_path(&Digest::of(&content), Mode::PLAIN);
    assert_eq!(inode_of(&blob), inode_of(&file));
    // The tree that was replaced stays until the end, as jobs may run on it.
    assert_eq!(fs::read_dir(&store.client.temporary).unwrap().count(), 1);
}

#[test]
fn a_copy_passes_for_a_link_where_there_are_too_many_links() {
    let place = Place::new();
    let store = place.open();
    let digest = store.add_bytes(b"x", false).unwrap();
    let blob = store.blob_path(&digest, Mode::PLAIN);
    let copy = place.directory.path().join("copy");
    store.client.copy_blob(&blob, &copy, Mode::PLAIN).unwrap();
    let (of_blob, of_copy) = (fs::metadata(&blob).unwrap(), fs::metadata(&copy).unwrap());
    assert_ne!(of_blob.ino(), of_copy.ino());
    assert_eq!(of_blob.modified().unwrap(), of_copy.modified().unwrap());
    assert_eq!(mode_of(&copy), 0o644);
}

#[test]
fn making_links_does_not_make_the_store_forget_the_digest() {
    let place = Place::new();
    let store = place.open();
    store.client.can_clone.store(false, Ordering::Relaxed);
    let file = place.file("f", &vec![7; LARGE], 0o644);
    let digest = store.add_file(&file, false, Import::LinkIfSafe).unwrap();
    // As if the file had been a second old when it was added.
    let identity = FileIdentity::of(&fs::metadata(&file).unwrap());
    locked(&store.client.digest_cache).insert(&file, identity, &digest);
    store.add_tree(&manifest(&[("/f", digest)])).unwrap();
    let identity = FileIdentity::of(&fs::metadata(&file).unwrap());
    assert_eq!(
        locked(&store.client.digest_cache).get(&file, &identity),
        Some(digest)
    );
}

#[test]
fn a_file_that_changed_just_now_is_not_remembered() {
    let place = Place::new();
    let store = place.open();
    let file = place.file("f", b"x", 0o644);
    store.add_file(&file, false, Import::Copy).unwrap();
    let identity = FileIdentity::of(&fs::metadata(&file).unwrap());
    assert_eq!(
        locked(&store.client.digest_cache).get(&file, &identity),
        None
    );
}

#[test]
fn digests_are_remembered_by_the_next_client() {
    let place = Place::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let digest = place.open().hash_file(&file).unwrap();
    let next = place.open();
    let metadata = fs::metadata(&file).unwrap();
    let recalled = locked(&next.client.digest_cache).get(&file, &FileIdentity::of(&metadata));
    assert_eq!(recalled, Some(digest));
    // Known, so the content is not even looked for, and `add_tree` says so.
    let known = next.add_file_unless_known(&file, &metadata, false, Import::Copy);
    assert_eq!(known.unwrap(), digest);
    assert!(!next.blob_path(&digest, Mode::PLAIN).exists());
    assert_eq!(next.add_file(&file, false, Import::Copy).unwrap(), digest);
    assert!(next.blob_path(&digest, Mode::PLAIN).exists());
}

#[test]
fn a_file_that_changes_while_it_is_read_never_makes_a_wrong_blob() {
    let place = Place::new();
    let store = place.open();
    let file = place.file("f", &vec![0; LARGE], 0o644);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut n = 0_u8;
            while !done.load(Ordering::Relaxed) {
                n = n.wrapping_add(1);
                let mut file = OpenOptions::new().write(true).open(&file).unwrap();
                file.write_all(&vec![n; LARGE]).unwrap();
            }
        });
        for _ in 0..20 {
            let digest = store.add_file(&file, false, Import::Copy).unwrap();
            let blob = store.blob_path(&digest, Mode::PLAIN);
            assert_eq!(Digest::of(&fs::read(blob).unwrap()), digest);
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn clients_and_threads_may_add_the_same_tree_at_once() {
    let place = Place::new();
    let stores = [place.open(), place.open(), place.open()];
    let trees: Vec<Digest> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..9)
            .map(|n| &stores[n % 3])
            .map(|store| {
                scope.spawn(|| {
                    let files: Vec<_> = (0..50)
                        .map(|n: u32| store.add_bytes(&n.to_le_bytes(), false).unwrap())
                        .collect();
                    let names: Vec<_> = (0..50).map(|n| format!("/d{}/f{n}", n % 7)).collect();
                    let entries: Vec<_> = names.iter().map(String::as_str).zip(files).collect();
                    store.add_tree(&manifest(&entries)).unwrap()
                })
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert!(trees.iter().all(|tree| tree == &trees[0]));
    let tree = stores[0].tree_path(&trees[0]);
    assert_eq!(fs::read(tree.join("d1/f8")).unwrap(), 8_u32.to_le_bytes());
    assert_eq!(fs::read_dir(stores[0].trees()).unwrap().count(), 1);
}

#[test]
fn processes_may_add_the_same_tree_at_once() {
    let place = Place::new();
    let processes: Vec<_> = (0..3).map(|_| Process::start("add", &place)).collect();
    let trees: Vec<String> = processes.into_iter().map(Process::finish).collect();
    assert!(trees.iter().all(|tree| tree == &trees[0]));
    let store = place.open();
    let file = store.trees().join(&trees[0]).join("d/f");
    assert_eq!(fs::read(file).unwrap(), b"content");
}

#[test]
fn the_umask_does_not_matter() {
    let place = Place::new();
    let tree = Process::start("umask", &place).finish();
    let store = place.open();
    let tree = store.trees().join(tree);
    assert_eq!(mode_of(&tree), 0o755);
    assert_eq!(mode_of(&tree.join("d")), 0o755);
    assert_eq!(mode_of(&tree.join("d/f")), 0o644);
}

#[test]
fn leftovers_of_a_killed_client_are_cleared_and_those_of_a_live_one_are_not() {
    let place = Place::new();
    let mut dead = Process::start("wait", &place);
    let mut live = Process::start("wait", &place);
    let (of_dead, of_live) = (dead.line(), live.line());
    dead.child.kill().unwrap();
    dead.child.wait().unwrap();
    assert!(Path::new(&of_dead).join("left").exists());
    let _store = place.open();
    assert!(!Path::new(&of_dead).exists());
    assert!(Path::new(&of_live).join("left").exists());
    live.finish();
    assert!(!Path::new(&of_live).exists());
}

#[test]
fn eviction_takes_the_longest_unused_and_spares_what_clients_use() {
    let place = Place::new();
    let contents = [1, 2, 3, 4].map(|byte: u8| vec![byte; LARGE]);
    let trees = contents
        .each_ref()
        .map(|content| add_small_tree(&place.open(), content));
    let other = place.open();
    add_small_tree(&other, &contents[0]);
    let store = place.open_with_limit(3 * LARGE as u64);
    add_small_tree(&store, &contents[1]);
    for (tree, age) in trees.iter().zip([4, 3, 2, 1]) {
        let stamp = File::open(store.client.stamp_path(tree)).unwrap();
        let used = SystemTime::now() - Duration::from_secs(age * 60);
        stamp.set_modified(used).unwrap();
    }

    let evicted = store.evict().unwrap();
    assert_eq!((evicted.trees, evicted.blobs), (2, 2), "{evicted:?}");
    assert!(evicted.held < 3 * LARGE as u64, "{evicted:?}");
    let left = trees.map(|tree| store.tree_path(&tree).join("d/f").exists());
    assert_eq!(left, [true, true, false, false]);
    let blobs = contents.map(|content| {
        let digest = Digest::of(&content);
        store.blob_path(&digest, Mode::PLAIN).exists()
    });
    assert_eq!(blobs, left);

    let again = store.evict().unwrap();
    assert_eq!((again.trees, again.blobs, again.freed), (0, 0, 0));
    drop(other);
    drop(store);
    let last = place.open_with_limit(0).evict().unwrap();
    assert_eq!((last.trees, last.blobs), (2, 2), "{last:?}");
}

#[test]
fn eviction_keeps_what_remaining_trees_share() {
    let place = Place::new();
    let (shared, own) = (vec![1; LARGE], vec![2; LARGE]);
    let store = place.open();
    let digests = [&shared, &own].map(|content| store.add_bytes(content, false).unwrap());
    let used = manifest(&[("/shared", digests[0])]);
    let unused = manifest(&[("/shared", digests[0]), ("/own", digests[1])]);
    store.add_tree(&unused).unwrap();
    drop(store);
    let store = place.open_with_limit(LARGE as u64);
    let tree = store.add_tree(&used).unwrap();
    store.evict().unwrap();
    assert_eq!(
        fs::read(store.tree_path(&tree).join("shared")).unwrap(),
        shared
    );
    assert!(store.blob_path(&digests[0], Mode::PLAIN).exists());
    assert!(!store.blob_path(&digests[1], Mode::PLAIN).exists());
    assert!(!store.tree_path(&unused.digest()).exists());
    assert_eq!(store.add_tree(&used).unwrap(), tree);
}

#[test]
fn eviction_drops_linked_blobs_without_touching_the_file_outside() {
    let place = Place::new();
    let store = place.open();
    store.client.can_clone.store(false, Ordering::Relaxed);
    let content = vec![7; LARGE];
    let file = place.file("f", &content, 0o644);
    let digest = store.add_file(&file, false, Import::LinkIfSafe).unwrap();
    store.add_tree(&manifest(&[("/f", digest)])).unwrap();
    drop(store);
    let store = place.open_with_limit(0);
    let evicted = store.evict().unwrap();
    assert_eq!((evicted.trees, evicted.blobs), (1, 1));
    assert!(evicted.freed < LARGE as u64, "the file is still outside");
    assert_eq!(fs::read(&file).unwrap(), content);
    assert_eq!(fs::metadata(&file).unwrap().nlink(), 1);
}

#[test]
fn a_tree_without_its_mark_is_made_again() {
    let place = Place::new();
    let store = place.open();
    let tree = add_small_tree(&store, b"x");
    fs::remove_file(store.client.stamp_path(&tree)).unwrap();
    let file = store.tree_path(&tree).join("d/f");
    fs::remove_file(&file).unwrap();
    add_small_tree(&store, b"x");
    assert_eq!(fs::read(file).unwrap(), b"x");
}

#[test]
fn the_first_use_after_a_reboot_checks_every_file() {
    let place = Place::new();
    let store = place.open();
    let digest = store.add_bytes(b"content", false).unwrap();
    let manifest = manifest(&[("/f", digest)]);
    let tree = store.add_tree(&manifest).unwrap();
    let stamp_path = store.client.stamp_path(&tree);
    let reboot = || {
        let stamp = tree_stamp::TreeStamp::read(&stamp_path).unwrap();
        let boot = "an earlier one".to_owned();
        fs::write(
            &stamp_path,
            tree_stamp::TreeStamp { boot, ..stamp }.to_bytes(),
        )
        .unwrap();
    };
    reboot();
    let inode = inode_of(&store.tree_path(&tree));
    store.add_tree(&manifest).unwrap();
    assert_eq!(inode_of(&store.tree_path(&tree)), inode, "it was whole");

    // What a power failure leaves of data that never reached the disk.
    reboot();
    let blob = store.blob_path(&digest, Mode::PLAIN);
    rewrite_in_place(&blob, b"");
    assert!(store.add_tree(&manifest).is_err());
    store.add_bytes(b"content", false).unwrap();
    store.add_tree(&manifest).unwrap();
    assert_eq!(
        fs::read(store.tree_path(&tree).join("f")).unwrap(),
        b"content"
    );
}

#[test]
fn a_store_of_another_format_is_discarded_with_a_note() {
    let place = Place::new();
    add_small_tree(&place.open(), b"x");
    fs::write(place.root().join(MARK), "maelstrom store 3\n").unwrap();
    fs::write(place.root().join("foreign"), "").unwrap();
    let store = place.open();
    let note = format!(
        "discarded the content of {}, which has another format (maelstrom store 3)",
        place.root().display()
    );
    assert_eq!(store.discarded(), Some(note.as_str()));
    assert_eq!(fs::read_dir(store.trees()).unwrap().count(), 0);
    assert!(place.root().join("foreign").exists());
    assert_eq!(place.open().discarded(), None);
}

#[test]
fn a_store_of_another_user_is_discarded_with_a_note() {
    if !rustix::process::geteuid().is_root() {
        println!("SKIPPED: needs root");
        return;
    }
    let place = Place::new();
    add_small_tree(&place.open(), b"x");
    // As far as one can tell, all of it: the mark is written first.
    std::os::unix::fs::chown(place.root().join(MARK), Some(12345), None).unwrap();
    let store = place.open();
    let note = format!(
        "discarded the content of {}, which belongs to another user (uid 12345)",
        place.root().display()
    );
    assert_eq!(store.discarded(), Some(note.as_str()));
    assert_eq!(fs::read_dir(store.trees()).unwrap().count(), 0);
    drop(store);
    assert_eq!(place.open().discarded(), None);
}

#[test]
fn a_store_of_another_format_that_is_in_use_is_left_alone() {
    let place = Place::new();
    let _user = place.open();
    fs::write(place.root().join(MARK), "maelstrom store 3\n").unwrap();
    let error = Store::open(&place.cache_root(), 0).err().unwrap();
    assert!(
        matches!(&error, StoreError::IncompatibleInUse { .. }),
        "{error}"
    );
    assert!(place.root().join("trees").exists());
}

#[test]
fn a_place_that_cannot_be_a_store_is_an_error_that_names_it() {
    let place = Place::new();
    let file = place.file("f", b"", 0o644);
    let error = Store::open(&file.join("store"), 0).err().unwrap();
    assert!(error.to_string().contains("/f/store"), "{error}");
}

#[test]
fn values_are_remembered_unless_they_are_damaged() {
    let place = Place::new();
    place.open().cache("listing-1", "a/b\0", b"value").unwrap();
    let store = place.open();
    assert_eq!(store.cached("listing-1", "a/b\0"), Some(b"value".to_vec()));
    assert_eq!(store.cached("listing-1", "other"), None);
    assert_eq!(store.cached("other", "a/b\0"), None);
    let directory = place.root().join("values/listing-1");
    let file = fs::read_dir(directory).unwrap().next().unwrap().unwrap();
    fs::write(file.path(), "valu").unwrap();
    assert_eq!(store.cached("listing-1", "a/b\0"), None);
}

#[test]
fn nothing_is_left_in_the_temporary_directory() {
    let place = Place::new();
    let store = place.open();
    add_small_tree(&store, &vec![7; LARGE]);
    let _ = store.add_tree(&manifest(&[("/f", Digest::of(b"never added"))]));
    assert_eq!(fs::read_dir(&store.client.temporary).unwrap().count(), 0);
    drop(store);
    assert_eq!(fs::read_dir(place.root().join("tmp")).unwrap().count(), 0);
}

/// This test program again, as another client of the same store.
struct Process {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
}

impl Process {
    fn start(role: &str, place: &Place) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "store::tests::another_process",
                "--exact",
                "--ignored",
                "--nocapture",
            ])
            .env("MAELSTROM_TEST_ROLE", role)
            .env("MAELSTROM_TEST_CACHE_ROOT", place.cache_root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self { child, output }
    }

    /// The next line the process says.
    fn line(&mut self) -> String {
        loop {
            let mut line = String::new();
            let length = self.output.read_line(&mut line).unwrap();
            assert_ne!(length, 0, "the process ended without a word");
            if let Some((_, said)) = line.trim_end().split_once("says ") {
                return said.to_owned();
            }
        }
    }

    /// Lets the process end; what it said, if that was not read yet.
    fn finish(mut self) -> String {
        drop(self.child.stdin.take());
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
        let said = rest.lines().find_map(|line| line.split_once("says "));
        said.map(|(_, said)| said.to_owned()).unwrap_or_default()
    }
}

#[test]
#[ignore = "not a test: what other tests run as another process"]
fn another_process() {
    let (Ok(role), Some(root)) = (
        std::env::var("MAELSTROM_TEST_ROLE"),
        std::env::var_os("MAELSTROM_TEST_CACHE_ROOT"),
    ) else {
        return;
    };
    if role == "umask" {
        rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    }
    let store = Store::open(Path::new(&root), u64::MAX).unwrap();
    if role == "wait" {
        fs::create_dir(store.client.temporary.join("left")).unwrap();
        println!("says {}", store.client.temporary.display());
        std::io::stdin().read_to_string(&mut String::new()).unwrap();
    } else {
        println!("says {}", add_small_tree(&store, b"content"));
    }
}

#[test]
fn a_client_shares_the_store_as_long_as_it_lives() {
    let place = Place::new();
    let store = place.open();
    let clone = store.clone();
    let observer = LockFile::open(&place.root().join("lock")).unwrap();
    drop(store);
    assert!(observer.try_hold(Subject::Store).unwrap().is_none());
    drop(clone);
    assert!(observer.try_hold(Subject::Store).unwrap().is_some());
}

#[test]
fn a_client_that_left_has_no_directory_although_a_thread_has_a_clone() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 1 << 30).unwrap();
    let clone = store.clone();
    let clients = || fs::read_dir(store.root().join("tmp")).unwrap().count();
    assert_eq!(clients(), 1);
    store.leave();
    assert_eq!(clients(), 0);
    drop(clone);
}
