//! Stores of the first format, which had no mark and were in the cache root itself.
//!
//! Such a store is discarded, but only if the directory has nothing else: the file `version` has
//! the text of a store, and every name, down to those of blobs, trees and values, is one that a
//! client made. If there is any other file, the directory is refused.
//!
//! The root is marked before anything is removed. So if several clients find the store, one
//! discards it and the others continue. If a client is killed while it discards the store, the
//! next one continues: `version` is removed last except for the lock file.

use super::blob::parse_name;
use super::error::{Incompatibility, write_error};
use super::lock::{LockFile, Subject};
use super::removal::remove;
use super::{Digest, StoreError};
use crate::cachedir::{self, CacheKind, DirectoryState, Refusal, RefusalReason};
use std::fs::{self, DirEntry, FileType};
use std::io;
use std::path::{Path, PathBuf};

/// The content of the file `version`.
const VERSION: &str = "maelstrom store 1\n";

/// The entries of such a store, in the order in which they are removed.
const NAMES: [&str; 11] = [
    "blobs",
    "manifests",
    "marks",
    "trees",
    "values",
    "memory",
    "usage",
    "tmp",
    "version.new",
    "version",
    "lock",
];

/// Discards a store of the first format in this cache root, if there is one. Returns its format.
pub(super) fn discard(root: &Path, size_limit: u64) -> Result<Option<Incompatibility>, StoreError> {
    let failed = |doing, path: &Path, cause| write_error(root, size_limit, doing, path, cause);
    let looked = |cause| failed("look into the directory", root, cause);
    let cannot_lock = |cause| StoreError::CannotLock {
        root: root.to_owned(),
        cause,
    };
    if !has_version(root).map_err(looked)? {
        return Ok(None);
    }
    let path = root.join("lock");
    let lock = LockFile::open_existing(&path).map_err(|cause| failed("open", &path, cause))?;
    let Some(lock) = lock else {
        return Ok(None);
    };
    let _opening = lock.hold(Subject::Opening).map_err(cannot_lock)?;
    // Another client may have discarded it meanwhile.
    if !has_version(root).map_err(looked)? {
        return Ok(None);
    }
    let refused =
        |entry| Refusal::new(root, CacheKind::Store, RefusalReason::OlderAnd(entry)).into();
    // The default depot for images, which has a mark of its own and is kept.
    let known = [NAMES.as_slice(), &["containers"]].concat();
    let state =
        cachedir::directory_state_ignoring(root, CacheKind::Root, &known).map_err(looked)?;
    match (state.clone(), foreign_entry(root).map_err(looked)?) {
        (DirectoryState::Free | DirectoryState::Ours, None) => {}
        (DirectoryState::Foreign(entry), _) => return Err(refused(entry.into())),
        (DirectoryState::Free, Some(entry)) => return Err(refused(entry)),
        // The root is marked as a cache and has other files, so this is no old store.
        _ => return Ok(None),
    }
    let foreign = Incompatibility::Format(VERSION.trim_end().to_owned());
    let Some(_alone) = lock.try_hold(Subject::Store).map_err(cannot_lock)? else {
        if state == DirectoryState::Ours {
            // A running client of an earlier version uses its store beside the new one.
            return Ok(None);
        }
        return Err(StoreError::IncompatibleInUse {
            root: root.to_owned(),
            foreign,
        });
    };
    if state == DirectoryState::Free {
        cachedir::mark(root, CacheKind::Root).map_err(|cause| failed("mark", root, cause))?;
    }
    for name in NAMES {
        let path = root.join(name);
        remove(&path).map_err(|cause| failed("remove", &path, cause))?;
    }
    Ok(Some(foreign))
}

fn has_version(root: &Path) -> io::Result<bool> {
    let path = root.join("version");
    match fs::symlink_metadata(&path) {
        Ok(found) if found.is_file() && found.len() == VERSION.len() as u64 => {
            Ok(fs::read(&path)? == VERSION.as_bytes())
        }
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => Ok(false),
        Err(error) => Err(error),
    }
}

/// An entry below the directories of the first format that no client made, relative to the root.
fn foreign_entry(root: &Path) -> io::Result<Option<PathBuf>> {
    let is_top = |entry: &DirEntry, name: &str| {
        let kind = entry.file_type()?;
        Ok(match name {
            "lock" => kind.is_file() && entry.metadata()?.len() == 0,
            "version" | "version.new" | "memory" | "usage" => kind.is_file(),
            name => kind.is_dir() || !NAMES.contains(&name),
        })
    };
    let is_digest_of = |is_kind: fn(&FileType) -> bool| {
        move |entry: &DirEntry, name: &str| {
            Ok(is_kind(&entry.file_type()?) && name.parse::<Digest>().is_ok())
        }
    };
    let is_file = is_digest_of(FileType::is_file);
    let is_hex_directory = |digits: usize| {
        move |entry: &DirEntry, name: &str| {
            let is_hex = name.len() == digits && name.bytes().all(|b| b.is_ascii_hexdigit());
            Ok(is_hex && entry.file_type()?.is_dir())
        }
    };
    let top = Path::new("");
    let mut found = foreign_in(root, top, &is_top)?;
    for (name, is_own) in [
        ("manifests", &is_file as &IsOwnEntry),
        ("marks", &is_file),
        ("trees", &is_digest_of(FileType::is_dir)),
        ("tmp", &is_hex_directory(8)),
        ("blobs", &is_hex_directory(2)),
        ("values", &|entry, _| Ok(entry.file_type()?.is_dir())),
    ] {
        found = found.or(foreign_in(root, Path::new(name), is_own)?);
    }
    for (name, is_own) in [("blobs", &is_blob as &IsOwnEntry), ("values", &is_file)] {
        if found.is_none() {
            for directory in list(&root.join(name))? {
                let directory = Path::new(name).join(directory.file_name());
                found = found.or(foreign_in(root, &directory, is_own)?);
            }
        }
    }
    Ok(found)
}

/// Tells whether a client of the first format may have made an entry with this name.
type IsOwnEntry<'a> = dyn Fn(&DirEntry, &str) -> io::Result<bool> + 'a;

fn is_blob(entry: &DirEntry, name: &str) -> io::Result<bool> {
    let kind = entry.file_type()?;
    let (name, is_kind) = match name.strip_suffix(".link") {
        Some(name) => (name, kind.is_symlink()),
        None => (name, kind.is_file()),
    };
    Ok(is_kind && parse_name(name).is_some())
}

/// An entry of a directory that no client made, relative to the root.
fn foreign_in(root: &Path, directory: &Path, is_own: &IsOwnEntry) -> io::Result<Option<PathBuf>> {
    for entry in list(&root.join(directory))? {
        let name = entry.file_name();
        let is_own = match name.to_str() {
            Some(name) => is_own(&entry, name)?,
            None => false,
        };
        if !is_own {
            return Ok(Some(directory.join(name)));
        }
    }
    Ok(None)
}

/// The entries of a directory. None if it does not exist.
fn list(directory: &Path) -> io::Result<Vec<DirEntry>> {
    match fs::read_dir(directory) {
        Ok(entries) => entries.collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cachedir::{MARK, TAG};
    use crate::store::{Entry, Manifest, Mode, PathInContainer, Store};
    use std::os::unix::fs::symlink;

    /// A store of the first format that a killed client left.
    fn older() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(root.path(), u64::MAX).unwrap();
        let digest = store.add_bytes(b"content", false).unwrap();
        let mut manifest = Manifest::new();
        let path = PathInContainer::new(b"/d/f").unwrap();
        let mode = Mode::PLAIN;
        manifest.insert(path, Entry::File { digest, mode }).unwrap();
        store.add_tree(&manifest).unwrap();
        store.cache("listing-1", "key", b"value").unwrap();
        let blob = store.blob_path(&digest, mode);
        symlink("1 2", blob.with_extension("644.link")).unwrap();
        drop(store);
        let store = root.path().join("store");
        fs::remove_file(store.join(MARK)).unwrap();
        for entry in fs::read_dir(&store).unwrap() {
            let entry = entry.unwrap();
            fs::rename(entry.path(), root.path().join(entry.file_name())).unwrap();
        }
        fs::remove_dir(store).unwrap();
        for name in [MARK, TAG] {
            fs::remove_file(root.path().join(name)).unwrap();
        }
        fs::write(root.path().join("version"), VERSION).unwrap();
        fs::write(root.path().join("memory"), "").unwrap();
        fs::create_dir_all(root.path().join("tmp/0123abcd/left")).unwrap();
        root
    }

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_store_of_the_first_format_is_discarded_with_a_note() {
        let root = older();
        let images = root.path().join("containers/blobs");
        fs::create_dir_all(&images).unwrap();
        let store = Store::open(root.path(), u64::MAX).unwrap();
        let note = format!(
            "discarded the content of {}, which has another format (maelstrom store 1)",
            root.path().display()
        );
        assert_eq!(store.discarded(), Some(note.as_str()));
        assert_eq!(names(root.path()), [TAG, "containers", MARK, "store"]);
        assert!(images.exists());
        drop(store);
        let again = Store::open(root.path(), u64::MAX).unwrap();
        assert_eq!(again.discarded(), None);
    }

    #[test]
    fn one_that_holds_anything_else_is_refused_and_left_as_it_is() {
        for foreign in [
            "notes",
            "store/bread",
            "blobs/notes",
            "blobs/ab/notes",
            "trees/notes",
            "manifests/notes",
            "marks/notes",
            "values/notes",
            "values/listing-1/notes",
            "tmp/notes",
        ] {
            let root = older();
            let path = root.path().join(foreign);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, "mine").unwrap();
            let before = names(root.path());
            let error = Store::open(root.path(), u64::MAX).err().unwrap();
            let named = foreign.split('/').next().unwrap();
            let named = if named == "store" { named } else { foreign };
            let expected = format!("earlier version of Maelstrom, but holds `{named}` too");
            assert!(error.to_string().contains(&expected), "{error}");
            assert_eq!(fs::read(path).unwrap(), b"mine");
            assert_eq!(names(root.path()), before);
            assert_eq!(
                names(&root.path().join("trees")).len(),
                1 + usize::from(foreign == "trees/notes")
            );
        }
    }

    #[test]
    fn a_file_called_version_makes_no_store() {
        for text in [
            "",
            "1.0\n",
            "maelstrom store 2\n",
            "maelstrom store 1\nand\n",
        ] {
            let root = older();
            fs::write(root.path().join("version"), text).unwrap();
            let before = names(root.path());
            let error = Store::open(root.path(), u64::MAX).err().unwrap();
            assert!(matches!(error, StoreError::Refused(_)), "{error}");
            assert_eq!(names(root.path()), before);
            assert_eq!(names(&root.path().join("trees")).len(), 1);
        }
    }

    #[test]
    fn one_that_is_in_use_is_left_alone() {
        let root = older();
        let lock = LockFile::open(&root.path().join("lock")).unwrap();
        lock.share(Subject::Store).unwrap();
        let error = Store::open(root.path(), u64::MAX).err().unwrap();
        assert!(
            matches!(error, StoreError::IncompatibleInUse { .. }),
            "{error}"
        );
        assert!(!root.path().join(MARK).exists());
        drop(lock);
        assert!(Store::open(root.path(), u64::MAX).is_ok());

        // In a marked root it does not matter.
        let root = older();
        cachedir::mark(root.path(), CacheKind::Root).unwrap();
        let lock = LockFile::open(&root.path().join("lock")).unwrap();
        lock.share(Subject::Store).unwrap();
        let store = Store::open(root.path(), u64::MAX).unwrap();
        assert_eq!(store.discarded(), None);
        assert_eq!(names(&root.path().join("trees")).len(), 1);
    }

    #[test]
    fn what_a_killed_client_did_not_discard_the_next_one_does() {
        let root = older();
        cachedir::mark(root.path(), CacheKind::Root).unwrap();
        fs::remove_dir_all(root.path().join("blobs")).unwrap();
        let store = Store::open(root.path(), u64::MAX).unwrap();
        assert!(store.discarded().is_some());
        assert_eq!(names(root.path()), [TAG, MARK, "store"]);
    }

    #[test]
    fn of_many_clients_that_find_one_all_go_on() {
        for _ in 0..20 {
            let root = older();
            let start = std::sync::Barrier::new(4);
            let discarded: Vec<bool> = std::thread::scope(|scope| {
                let clients: Vec<_> = (0..4)
                    .map(|_| {
                        scope.spawn(|| {
                            start.wait();
                            let store = Store::open(root.path(), u64::MAX).unwrap();
                            store.discarded().is_some()
                        })
                    })
                    .collect();
                let ended = clients.into_iter().map(|client| client.join().unwrap());
                ended.collect()
            });
            assert_eq!(discarded.iter().filter(|&&discarded| discarded).count(), 1);
            assert_eq!(names(root.path()), [TAG, MARK, "store"]);
        }
    }
}
