//! What an action leaves: found, hashed and uploaded.
//!
//! The action has ended, and nothing of it runs: what is looked at stays as it is. Symbolic links
//! in its tree may lead anywhere on this machine; none is followed out of the tree.

use super::cache::{blocking, hash};
use super::error::WorkError;
use crate::engine::{Blob, Content, Engine, Progress, Uploaded, reapi};
use crate::store::Digest;
use prost::Message;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Outputs up to this size together are sent without asking first whether the engine has them,
/// in bytes: to ask costs it as much, and the slot waits for the answer.
const UNASKED: u64 = 64 << 10;

/// What goes into a result and what it names.
#[derive(Default)]
pub struct Outputs {
    pub files: Vec<reapi::OutputFile>,
    pub directories: Vec<reapi::OutputDirectory>,
    pub symlinks: Vec<reapi::OutputSymlink>,
    blobs: BTreeMap<Digest, Content>,
}

impl Outputs {
    /// Makes the directories that outputs lie in. To be done before the action runs.
    pub fn prepare(root: &Path, command: &reapi::Command) -> Result<(), WorkError> {
        let working_directory = relative(&command.working_directory)?;
        make_directory(root, &working_directory)?;
        for path in named(command) {
            let path = working_directory.join(relative(path)?);
            if let Some(parent) = path.parent() {
                make_directory(root, parent)?;
            }
        }
        Ok(())
    }

    /// Finds the outputs that a command names. Those that are not there are left out.
    pub async fn find(root: &Path, command: &reapi::Command) -> Result<Self, WorkError> {
        let (root, command) = (root.to_owned(), command.clone());
        blocking(move || {
            let working_directory = relative(&command.working_directory)?;
            let mut outputs = Self::default();
            for path in named(&command) {
                let below = working_directory.join(relative(path)?);
                outputs.find_one(&root, &below, path)?;
            }
            Ok(outputs)
        })
        .await
    }

    /// Adds what is to be uploaded beside the outputs.
    pub fn add_file(&mut self, digest: Digest, path: &Path) {
        let content = Content::File(path.to_owned());
        self.blobs.insert(digest, content);
    }

    pub async fn upload(&mut self, engine: &Engine) -> Result<Uploaded, WorkError> {
        let blobs = std::mem::take(&mut self.blobs);
        let size: u64 = blobs.keys().map(|digest| digest.size).sum();
        let blobs = blobs
            .into_iter()
            .map(|(digest, content)| Blob { digest, content });
        let progress = Arc::new(Progress::default());
        let uploaded = if size <= UNASKED {
            engine.upload_all(blobs.collect(), &progress).await
        } else {
            engine.upload(blobs, &progress).await
        };
        Ok(uploaded?)
    }

    fn find_one(&mut self, root: &Path, below: &Path, name: &str) -> Result<(), WorkError> {
        let Some(path) = resolve(root, below) else {
            return Ok(());
        };
        let failed = |error| WorkError::local("read the output", &path, error);
        let Ok(metadata) = fs::symlink_metadata(&path) else {
            return Ok(());
        };
        let path_name = name.to_owned();
        if metadata.is_symlink() {
            let target = target_of(&path).map_err(failed)?;
            self.symlinks.push(reapi::OutputSymlink {
                path: path_name,
                target,
                ..reapi::OutputSymlink::default()
            });
        } else if metadata.is_dir() {
            let mut children = BTreeMap::new();
            let directory = self.walk(&path, &mut children).map_err(failed)?;
            let root_digest = Digest::of(&directory.encode_to_vec());
            children.remove(&root_digest);
            let tree = reapi::Tree {
                root: Some(directory),
                children: children.into_values().collect(),
            };
            let tree = Blob::of(tree.encode_to_vec());
            self.directories.push(reapi::OutputDirectory {
                path: path_name,
                tree_digest: Some(tree.digest.into()),
                is_topologically_sorted: false,
                ..reapi::OutputDirectory::default()
            });
            self.blobs.insert(tree.digest, tree.content);
        } else if metadata.is_file() {
            let digest = self.hash(&path).map_err(failed)?;
            self.files.push(reapi::OutputFile {
                path: path_name,
                digest: Some(digest.into()),
                is_executable: metadata.permissions().mode() & 0o111 != 0,
                ..reapi::OutputFile::default()
            });
        }
        Ok(())
    }

    /// A directory as a message, and those below it by their digests. What is neither file nor
    /// directory nor link is left out.
    fn walk(
        &mut self,
        path: &Path,
        children: &mut BTreeMap<Digest, reapi::Directory>,
    ) -> io::Result<reapi::Directory> {
        let mut directory = reapi::Directory::default();
        let mut entries: Vec<_> = fs::read_dir(path)?.collect::<Result<_, _>>()?;
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let name = entry.file_name().into_string().map_err(|name| {
                io::Error::other(format!("the name {} is not UTF-8", name.display()))
            })?;
            let (kind, path) = (entry.file_type()?, entry.path());
            if kind.is_dir() {
                let child = self.walk(&path, children)?;
                let digest = Digest::of(&child.encode_to_vec());
                children.insert(digest, child);
                directory.directories.push(reapi::DirectoryNode {
                    name,
                    digest: Some(digest.into()),
                });
            } else if kind.is_symlink() {
                directory.symlinks.push(reapi::SymlinkNode {
                    name,
                    target: target_of(&path)?,
                    ..reapi::SymlinkNode::default()
                });
            } else if kind.is_file() {
                let mode = entry.metadata()?.permissions().mode();
                directory.files.push(reapi::FileNode {
                    name,
                    digest: Some(self.hash(&path)?.into()),
                    is_executable: mode & 0o111 != 0,
                    ..reapi::FileNode::default()
                });
            }
        }
        Ok(directory)
    }

    fn hash(&mut self, path: &Path) -> io::Result<Digest> {
        let digest = match hash(path) {
            // An action may leave what not even its owner may read.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
                hash(path)?
            }
            hashed => hashed?,
        };
        self.add_file(digest, path);
        Ok(digest)
    }
}

/// The outputs of a command: clients of before version 2.1 name them by their kinds.
fn named(command: &reapi::Command) -> Vec<&str> {
    #[allow(deprecated, reason = "older clients use them")]
    let older = command
        .output_files
        .iter()
        .chain(&command.output_directories);
    let paths = &command.output_paths;
    if paths.is_empty() {
        older.map(String::as_str).collect()
    } else {
        paths.iter().map(String::as_str).collect()
    }
}

/// A path that stays below where it starts.
fn relative(path: &str) -> Result<PathBuf, WorkError> {
    let is_fine = |component| !matches!(component, ".." | ".");
    let mut components = path.split('/').filter(|component| !component.is_empty());
    if path.starts_with('/') || path.contains('\0') || !components.clone().all(is_fine) {
        return Err(WorkError::BadAction(format!(
            "`{path}` is not a path below the input root"
        )));
    }
    Ok(components.by_ref().collect())
}

/// Makes a directory and its parents, as the input root's links lead, but not out of it.
fn make_directory(root: &Path, below: &Path) -> Result<(), WorkError> {
    let failed = |error| WorkError::local("make the directory", &root.join(below), error);
    let mut directory = open_root(root).map_err(failed)?;
    for component in below.components() {
        let name = component.as_os_str();
        match rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(failed(error.into())),
        }
        // A link to a directory inside would be fine too, but who would want that?
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        directory = rustix::fs::openat(&directory, name, flags, Mode::empty())
            .map_err(|error| failed(error.into()))?;
    }
    Ok(())
}

/// Where something below the root really is; `None` if it is not there or elsewhere.
fn resolve(root: &Path, below: &Path) -> Option<PathBuf> {
    let directory = open_root(root).ok()?;
    if below.as_os_str().is_empty() {
        return Some(root.to_owned());
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let found = rustix::fs::openat2(&directory, below, flags, Mode::empty(), resolve).ok()?;
    fs::read_link(format!("/proc/self/fd/{}", found.as_raw_fd())).ok()
}

fn open_root(root: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, root, flags, Mode::empty())?)
}

fn target_of(link: &Path) -> io::Result<String> {
    let target = fs::read_link(link)?.into_os_string();
    target
        .into_string()
        .map_err(|target| io::Error::other(format!("the target {} is not UTF-8", target.display())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn command(outputs: &[&str]) -> reapi::Command {
        reapi::Command {
            output_paths: outputs.iter().map(|path| (*path).to_owned()).collect(),
            ..reapi::Command::default()
        }
    }

    #[tokio::test]
    async fn links_out_of_the_root_lead_nowhere() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        symlink(outside.path(), root.path().join("out")).unwrap();
        let command = command(&["out/secret"]);
        let found = Outputs::find(root.path(), &command).await.unwrap();
        assert!(found.files.is_empty());
        assert!(Outputs::prepare(root.path(), &command).is_err());
    }

    #[tokio::test]
    async fn a_directory_becomes_a_tree_and_a_link_stays_one() {
        let root = tempfile::tempdir().unwrap();
        let outputs = command(&["d", "link", "absent"]);
        Outputs::prepare(root.path(), &outputs).unwrap();
        fs::create_dir_all(root.path().join("d/e")).unwrap();
        fs::write(root.path().join("d/e/f"), "f").unwrap();
        symlink("d/e", root.path().join("link")).unwrap();
        let found = Outputs::find(root.path(), &outputs).await.unwrap();
        assert_eq!(found.directories.len(), 1);
        assert_eq!(found.symlinks[0].target, "d/e");
        // The file and the tree.
        assert_eq!(found.blobs.len(), 2);
    }

    #[test]
    fn paths_that_lead_out_are_refused() {
        for path in ["/etc/passwd", "../x", "a/../../x", "a\0"] {
            assert!(relative(path).is_err(), "{path:?}");
        }
        assert_eq!(relative("a//b/").unwrap(), Path::new("a/b"));
    }
}
