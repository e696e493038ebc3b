//! The input root of an action: fetched, and laid out as hard links to the cache.

use super::cache::{Cache, Held, Key, blocking};
use super::error::WorkError;
use crate::engine::{Engine, reapi};
use crate::store::Digest;
use prost::Message;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// An input root on disk. What is linked is unlinked when this is dropped.
pub struct Staged {
    cache: Arc<Cache>,
    links: Vec<(Key, PathBuf)>,
    held: Vec<Held>,
    /// How many bytes had to be downloaded.
    pub downloaded: u64,
    /// How many bytes of files there are.
    pub bytes: u64,
}

/// What a directory becomes.
#[derive(Default)]
struct Layout {
    directories: Vec<PathBuf>,
    files: Vec<(Key, PathBuf)>,
    symlinks: Vec<(String, PathBuf)>,
}

/// How deep directories may be nested, since a message of few bytes can ask for any depth.
const DEPTH: usize = 256;

/// How many entries an input root may have.
const ENTRIES: usize = 5_000_000;

impl Staged {
    /// Lays the input root out in `root`, an empty directory.
    pub async fn new(
        cache: &Arc<Cache>,
        engine: &Engine,
        input_root: Digest,
        root: &Path,
    ) -> Result<Self, WorkError> {
        let mut staged = Self {
            cache: Arc::clone(cache),
            links: Vec::new(),
            held: Vec::new(),
            downloaded: 0,
            bytes: 0,
        };
        let directories = staged.fetch_directories(engine, input_root).await?;
        let layout = Layout::new(&directories, input_root, root)?;
        staged.bytes = layout.files.iter().map(|(key, _)| key.digest.size).sum();
        let keys = layout.files.iter().map(|(key, _)| *key).collect();
        staged.fetch(engine, keys).await?;
        // Before they are made: some of them may be when it fails.
        staged.links = layout.files.clone();
        let cache = Arc::clone(cache);
        blocking(move || layout.make(&cache)).await?;
        Ok(staged)
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.links.len()
    }

    async fn fetch(&mut self, engine: &Engine, keys: Vec<Key>) -> Result<(), WorkError> {
        let (held, bytes) = self.cache.fetch(engine, keys).await?;
        self.held.push(held);
        self.downloaded += bytes;
        Ok(())
    }

    /// All directories of the tree, one level after the other.
    async fn fetch_directories(
        &mut self,
        engine: &Engine,
        root: Digest,
    ) -> Result<HashMap<Digest, reapi::Directory>, WorkError> {
        let mut directories = HashMap::new();
        let mut level = HashSet::from([root]);
        while !level.is_empty() {
            let keys = level.iter().copied().map(Key::plain).collect();
            self.fetch(engine, keys).await?;
            let mut next = HashSet::new();
            for digest in level {
                let directory = reapi::Directory::decode(&*self.cache.read(digest)?)
                    .map_err(|error| bad(format!("{digest} is not a directory: {error}")))?;
                for child in &directory.directories {
                    next.insert(digest_of(child.digest.as_ref(), &child.name)?);
                }
                directories.insert(digest, directory);
            }
            next.retain(|digest| !directories.contains_key(digest));
            level = next;
        }
        Ok(directories)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        for (key, path) in &self.links {
            self.cache.unlink(*key, path);
        }
    }
}

impl Layout {
    fn new(
        directories: &HashMap<Digest, reapi::Directory>,
        input_root: Digest,
        root: &Path,
    ) -> Result<Self, WorkError> {
        let mut layout = Self::default();
        let mut open = vec![(input_root, root.to_owned(), 0)];
        while let Some((digest, path, depth)) = open.pop() {
            if depth > DEPTH {
                return Err(bad(format!("directories are nested deeper than {DEPTH}")));
            }
            let Some(directory) = directories.get(&digest) else {
                continue;
            };
            for child in &directory.directories {
                let below = path.join(component(&child.name)?);
                layout.directories.push(below.clone());
                let digest = digest_of(child.digest.as_ref(), &child.name)?;
                open.push((digest, below, depth + 1));
            }
            for file in &directory.files {
                let key = Key {
                    digest: digest_of(file.digest.as_ref(), &file.name)?,
                    executable: file.is_executable,
                };
                layout.files.push((key, path.join(component(&file.name)?)));
            }
            for link in &directory.symlinks {
                let path = path.join(component(&link.name)?);
                layout.symlinks.push((link.target.clone(), path));
            }
            let entries = layout.directories.len() + layout.files.len() + layout.symlinks.len();
            if entries > ENTRIES {
                return Err(bad(format!("there are more than {ENTRIES} inputs")));
            }
        }
        Ok(layout)
    }

    /// Makes it, parents first. Nothing is followed: what is there already is an error.
    fn make(self, cache: &Cache) -> Result<(), WorkError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |error| WorkError::local("stage", &path, error)
        };
        for path in &self.directories {
            fs::create_dir(path).map_err(failed(path))?;
        }
        for (key, path) in self.files {
            cache.link(key, &path)?;
        }
        for (target, path) in &self.symlinks {
            symlink(target, path).map_err(failed(path))?;
        }
        Ok(())
    }
}

/// A name that stays in its directory.
fn component(name: &str) -> Result<&str, WorkError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(bad(format!("`{name}` is not a file name")));
    }
    Ok(name)
}

pub fn digest_of(digest: Option<&reapi::Digest>, of: &str) -> Result<Digest, WorkError> {
    let digest = digest.ok_or_else(|| bad(format!("`{of}` has no digest")))?;
    Digest::try_from(digest).map_err(|error| bad(format!("the digest of `{of}`: {error}")))
}

fn bad(what: String) -> WorkError {
    WorkError::BadAction(what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_their_directory_are_refused() {
        for name in ["", ".", "..", "a/b", "/etc", "a\0"] {
            assert!(component(name).is_err(), "{name:?}");
        }
        assert_eq!(component("...").ok(), Some("..."));
    }
}
