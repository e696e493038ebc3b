//! The input root of an action: it is downloaded, and made of hard links to the cache.

use super::blocking::{BackgroundDrop, Stop, blocking};
use super::cache::{BlobKey, Cache, PinnedBlobs};
use super::directory::ActionDirectory;
use super::error::WorkError;
use super::root_paths::{MAX_NAME, MAX_TARGET, Remover, is_path_error};
use crate::engine::{Engine, reapi};
use crate::store::Digest;
use prost::Message;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An input root on disk. Dropping it removes the input root, and blocks.
pub struct StagedInput {
    cache: Arc<Cache>,
    /// The files of the input root, with their paths below it.
    links: Vec<(BlobKey, PathBuf)>,
    pinned: Vec<BackgroundDrop<PinnedBlobs>>,
    pub directory: ActionDirectory,
    /// The number of bytes that were downloaded.
    pub downloaded: u64,
    /// The total size of the files, in bytes.
    pub bytes: u64,
}

/// The entries of an input root. Paths are below the root, parents first.
#[derive(Default)]
struct InputLayout {
    directories: Vec<PathBuf>,
    files: Vec<(BlobKey, PathBuf)>,
    symlinks: Vec<(String, PathBuf)>,
    /// The total length of all paths and targets, in bytes.
    length: usize,
}

/// The directories of an input root by their digests.
type Directories = HashMap<Digest, reapi::Directory>;

/// The deepest nesting of directories. A small message can describe any depth.
const MAX_DEPTH: usize = 256;

/// The number of entries that an input root may have.
const MAX_ENTRIES: usize = 5_000_000;

/// The total length of their paths, in bytes. They are kept in memory.
const MAX_PATHS_LENGTH: usize = 1 << 30;

/// The largest message of an action, in bytes. A message is read as a whole.
const MAX_MESSAGE_SIZE: u64 = 128 << 20;

/// The total size of the messages of all its directories, in bytes.
const MAX_MESSAGES_SIZE: u64 = 512 << 20;

impl StagedInput {
    /// Downloads the input root and makes it in a new directory.
    pub async fn new(
        cache: &Arc<Cache>,
        engine: &Engine,
        input_root: Digest,
        directory: BackgroundDrop<ActionDirectory>,
    ) -> Result<BackgroundDrop<Self>, WorkError> {
        let mut staged = BackgroundDrop::new(Self {
            cache: Arc::clone(cache),
            links: Vec::new(),
            pinned: Vec::new(),
            directory: directory.into_inner(),
            downloaded: 0,
            bytes: 0,
        });
        let directories = staged.fetch_directories(engine, input_root).await?;
        let laid_out = blocking(move |_| {
            let layout = InputLayout::new(&directories, input_root)?;
            let keys = layout.files.iter().map(|(key, _)| *key).collect();
            Ok::<_, WorkError>((layout, keys))
        });
        let (layout, keys) = laid_out.await?;
        staged.fetch(engine, keys).await?;
        blocking(move |stop| {
            staged.make(layout, stop)?;
            Ok(staged)
        })
        .await
    }

    /// The number of files.
    pub fn files(&self) -> usize {
        self.links.len()
    }

    async fn fetch(&mut self, engine: &Engine, keys: Vec<BlobKey>) -> Result<(), WorkError> {
        let (pinned, bytes) = self.cache.fetch(engine, keys).await?;
        self.pinned.push(pinned);
        self.downloaded += bytes;
        Ok(())
    }

    /// Downloads all directories of the tree, level by level.
    async fn fetch_directories(
        &mut self,
        engine: &Engine,
        root: Digest,
    ) -> Result<Directories, WorkError> {
        let mut directories = Directories::new();
        let mut level = HashSet::from([root]);
        let (mut size, mut depth) = (0, 0);
        while !level.is_empty() {
            if depth > MAX_DEPTH {
                return Err(too_deep());
            }
            depth += 1;
            for digest in &level {
                size = check_message_size(*digest, size)?;
            }
            let keys = level.iter().copied().map(BlobKey::plain).collect();
            self.fetch(engine, keys).await?;
            let cache = Arc::clone(&self.cache);
            let read = blocking(move |stop| {
                let next = read_level(&cache, &level, &mut directories, stop)?;
                Ok::<_, WorkError>((next, directories))
            });
            (level, directories) = read.await?;
        }
        Ok(directories)
    }

    /// Makes the entries of the layout, parents first. No symbolic link is followed, and an
    /// entry that exists already is an error.
    fn make(&mut self, layout: InputLayout, stop: &Stop) -> Result<(), WorkError> {
        let root = self.directory.root();
        self.bytes = layout
            .files
            .iter()
            .fold(0, |sum, (key, _)| key.digest.size.saturating_add(sum));
        let stopped = |error| WorkError::local("stage", &root, error);
        for below in &layout.directories {
            stop.check().map_err(stopped)?;
            fs::create_dir(root.join(below)).map_err(|error| failed(&root, below, error))?;
        }
        for (key, below) in layout.files {
            stop.check().map_err(stopped)?;
            let path = root.join(&below);
            self.cache.link(key, &path).map_err(|error| match error {
                WorkError::Local { error, .. } => failed(&root, &below, error),
                error => error,
            })?;
            self.links.push((key, below));
        }
        for (target, below) in &layout.symlinks {
            stop.check().map_err(stopped)?;
            symlink(target, root.join(below)).map_err(|error| failed(&root, below, error))?;
        }
        Ok(())
    }
}

impl Drop for StagedInput {
    fn drop(&mut self) {
        // The blobs are still pinned. Each link is removed through the cache, which thereby knows
        // that the change time of the inode changed because of this.
        let Ok(mut remover) = Remover::new(&self.directory.root()) else {
            return;
        };
        for (key, below) in &self.links {
            // A link that cannot be removed here is removed with the directory.
            self.cache.unlink(*key, || drop(remover.remove(below)));
        }
    }
}

/// Reads directories whose blobs are pinned. Returns the digests of their subdirectories that were
/// not read before.
fn read_level(
    cache: &Cache,
    level: &HashSet<Digest>,
    directories: &mut Directories,
    stop: &Stop,
) -> Result<HashSet<Digest>, WorkError> {
    let mut next = HashSet::new();
    for digest in level {
        stop.check()
            .map_err(|error| WorkError::local("read", cache.directory(), error))?;
        let directory = reapi::Directory::decode(&*cache.read(*digest)?)
            .map_err(|error| bad_action(format!("{digest} is not a directory: {error}")))?;
        for child in &directory.directories {
            next.insert(digest_of(child.digest.as_ref(), &child.name)?);
        }
        directories.insert(*digest, directory);
    }
    next.retain(|digest| !directories.contains_key(digest));
    Ok(next)
}

/// Fails if a message is too large, alone or together with the `size` bytes of messages before it.
/// Returns the new total size.
pub fn check_message_size(message: Digest, size: u64) -> Result<u64, WorkError> {
    let all = size.saturating_add(message.size);
    if message.size > MAX_MESSAGE_SIZE {
        return Err(bad_action(format!(
            "the message {message} has more than {MAX_MESSAGE_SIZE} bytes"
        )));
    }
    if all > MAX_MESSAGES_SIZE {
        return Err(bad_action(format!(
            "the directories of the input root have more than {MAX_MESSAGES_SIZE} bytes of messages"
        )));
    }
    Ok(all)
}

impl InputLayout {
    fn new(directories: &Directories, input_root: Digest) -> Result<Self, WorkError> {
        let mut layout = Self::default();
        let mut open = vec![(input_root, PathBuf::new(), 0)];
        while let Some((digest, path, depth)) = open.pop() {
            if depth > MAX_DEPTH {
                return Err(too_deep());
            }
            let Some(directory) = directories.get(&digest) else {
                continue;
            };
            let mut names = DirectoryNames::default();
            for child in &directory.directories {
                let below = layout.entry(&path, names.next(&child.name)?)?;
                layout.directories.push(below.clone());
                let digest = digest_of(child.digest.as_ref(), &child.name)?;
                open.push((digest, below, depth + 1));
            }
            for file in &directory.files {
                let key = BlobKey {
                    digest: digest_of(file.digest.as_ref(), &file.name)?,
                    executable: file.is_executable,
                };
                let below = layout.entry(&path, names.next(&file.name)?)?;
                layout.files.push((key, below));
            }
            for link in &directory.symlinks {
                let below = layout.entry(&path, names.next(&link.name)?)?;
                let target = target(link)?;
                layout.length += target.len();
                layout.symlinks.push((target.to_owned(), below));
            }
        }
        Ok(layout)
    }

    /// Checks the limits for one more entry, and returns its path.
    fn entry(&mut self, parent: &Path, name: &str) -> Result<PathBuf, WorkError> {
        let entries = self.directories.len() + self.files.len() + self.symlinks.len();
        if entries >= MAX_ENTRIES {
            return Err(bad_action(format!(
                "the input root has more than {MAX_ENTRIES} entries"
            )));
        }
        let path = parent.join(name);
        self.length += path.as_os_str().len();
        if self.length > MAX_PATHS_LENGTH {
            return Err(bad_action(format!(
                "the paths of the input root have more than {MAX_PATHS_LENGTH} bytes in total"
            )));
        }
        Ok(path)
    }
}

/// The names in one directory, to find duplicates.
#[derive(Default)]
struct DirectoryNames<'a>(HashSet<&'a str>);

impl<'a> DirectoryNames<'a> {
    /// Checks that a name stays in its directory and occurs there once.
    fn next(&mut self, name: &'a str) -> Result<&'a str, WorkError> {
        let name = component(name)?;
        if !self.0.insert(name) {
            return Err(bad_action(format!(
                "a directory of the input root has two entries `{name}`"
            )));
        }
        Ok(name)
    }
}

/// Checks that a name stays in its directory.
fn component(name: &str) -> Result<&str, WorkError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(bad_action(format!("`{name}` is not a file name")));
    }
    if name.len() > MAX_NAME {
        return Err(bad_action(format!(
            "the file name `{name:.40}…` has more than {MAX_NAME} bytes"
        )));
    }
    Ok(name)
}

/// The target of a symbolic link, if the kernel accepts it.
fn target(link: &reapi::SymlinkNode) -> Result<&str, WorkError> {
    let target = &link.target;
    if target.is_empty() || target.contains('\0') || target.len() > MAX_TARGET {
        return Err(bad_action(format!(
            "the target of the symbolic link `{}` is empty, has a NUL byte or more than \
             {MAX_TARGET} bytes",
            link.name
        )));
    }
    Ok(target)
}

/// The error for an entry that cannot be made.
fn failed(root: &Path, below: &Path, error: std::io::Error) -> WorkError {
    if is_path_error(&error) {
        let below = below.display();
        return bad_action(format!("failed to make the input `{below}`: {error}"));
    }
    WorkError::local("stage", &root.join(below), error)
}

fn too_deep() -> WorkError {
    bad_action(format!(
        "the input root is nested more than {MAX_DEPTH} directories deep"
    ))
}

pub fn digest_of(digest: Option<&reapi::Digest>, of: &str) -> Result<Digest, WorkError> {
    let digest = digest.ok_or_else(|| bad_action(format!("`{of}` has no digest")))?;
    Digest::try_from(digest).map_err(|error| bad_action(format!("the digest of `{of}`: {error}")))
}

fn bad_action(what: String) -> WorkError {
    WorkError::BadAction(what)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maelstrom_worker::blocking::tests::Busy;
    use crate::maelstrom_worker::cache::tests::{open, put};
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    /// A cache with one blob, and an action's directory in which that is the input `d/file`.
    fn staged() -> (TempDir, Arc<Cache>, BlobKey, StagedInput) {
        let root = tempfile::tempdir().unwrap();
        let cache = open(root.path(), 1000);
        let key = put(&cache, b"content");
        let (directory, _) = ActionDirectory::new(&cache).unwrap();
        let pinned = cache.pin(vec![key]);
        let mut staged = StagedInput {
            cache: Arc::clone(&cache),
            links: Vec::new(),
            pinned: vec![BackgroundDrop::new(pinned)],
            directory,
            downloaded: 0,
            bytes: 0,
        };
        let layout = InputLayout {
            directories: vec!["d".into()],
            files: vec![(key, "d/file".into())],
            ..InputLayout::default()
        };
        staged.make(layout, &Stop::default()).unwrap();
        (root, cache, key, staged)
    }

    #[test]
    fn names_that_leave_their_directory_are_refused() {
        for name in ["", ".", "..", "a/b", "/etc", "a\0"] {
            assert!(component(name).is_err(), "{name:?}");
        }
        assert!(component(&"x".repeat(MAX_NAME + 1)).is_err());
        assert_eq!(component("...").ok(), Some("..."));
    }

    #[test]
    fn messages_that_are_too_large_to_be_read_are_refused() {
        let of = |size| Digest {
            size,
            ..Digest::of(b"")
        };
        assert_eq!(check_message_size(of(5), 7).ok(), Some(12));
        assert!(check_message_size(of(MAX_MESSAGE_SIZE + 1), 0).is_err());
        assert!(check_message_size(of(1), MAX_MESSAGES_SIZE).is_err());
        assert!(check_message_size(of(u64::MAX), u64::MAX).is_err());
    }

    #[test]
    fn few_directories_cannot_become_more_than_memory_holds() {
        // Each directory has the one below it twice, which makes 2^64 entries.
        let mut directories = Directories::new();
        let mut below = reapi::Directory::default();
        for _ in 0..64 {
            let digest = Digest::of(&below.encode_to_vec());
            directories.insert(digest, below);
            let child = |name: &str| reapi::DirectoryNode {
                name: name.repeat(MAX_NAME),
                digest: Some(digest.into()),
            };
            below = reapi::Directory {
                directories: vec![child("a"), child("b")],
                ..reapi::Directory::default()
            };
        }
        let root = Digest::of(&below.encode_to_vec());
        directories.insert(root, below);
        let error = InputLayout::new(&directories, root).map(drop).unwrap_err();
        assert!(error.to_string().contains("in total"), "{error}");
        assert!(!error.is_worker_fault());
    }

    #[test]
    fn an_input_root_is_removed_off_the_event_loop_and_its_blobs_stay_known() {
        let (root, cache, key, staged) = staged();
        let link = staged.directory.root().join("d/file");
        let busy = Busy::new();
        busy.runtime.block_on(async {
            drop(BackgroundDrop::new(staged));
            assert!(link.exists(), "the event loop removed it");
            busy.release();
        });
        // Dropping the runtime waits for its threads.
        drop(busy);
        let actions = root.path().join("worker/actions");
        assert_eq!(fs::read_dir(actions).unwrap().count(), 0);
        // The blob can be linked without being read again.
        let pinned = cache.pin(vec![key]);
        let (directory, _) = ActionDirectory::new(&cache).unwrap();
        cache.link(key, &directory.root().join("again")).unwrap();
        drop(pinned);
    }

    #[test]
    fn an_action_that_puts_a_link_before_its_inputs_has_nothing_removed_elsewhere() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("file"), "precious").unwrap();
        let (_root, _cache, _, staged) = staged();
        let input_root = staged.directory.root();
        fs::rename(input_root.join("d"), input_root.join("moved")).unwrap();
        symlink(outside.path(), input_root.join("d")).unwrap();
        drop(staged);
        assert!(outside.path().join("file").exists());
        assert!(!input_root.exists());
    }
}
