//! Paths below an action's input root. The action may have made symbolic links there: none is
//! followed out of the input root.

use super::error::WorkError;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The longest name of a file, in bytes.
pub const MAX_NAME: usize = 255;

/// The longest target of a symbolic link, in bytes.
pub const MAX_TARGET: usize = 4095;

/// Checks that a path of a message is relative and has no `.` or `..`.
pub fn relative(path: &str) -> Result<PathBuf, WorkError> {
    let is_fine = |component| !matches!(component, ".." | ".");
    let mut components = path.split('/').filter(|component| !component.is_empty());
    if path.starts_with('/') || path.contains('\0') || !components.clone().all(is_fine) {
        return Err(WorkError::BadAction(format!(
            "`{path}` is not a path below the input root"
        )));
    }
    Ok(components.by_ref().collect())
}

/// Makes a directory and its parents. Symbolic links are not followed.
pub fn make_directory(root: &Path, below: &Path) -> Result<(), WorkError> {
    let failed = |errno: Errno| {
        let error = io::Error::from(errno);
        if is_path_error(&error) {
            let path = below.display();
            let message = format!("failed to make the directory `{path}` in the input root");
            return WorkError::BadAction(format!("{message}: {error}"));
        }
        WorkError::local("make the directory", &root.join(below), error)
    };
    let mut directory = open(root).map_err(failed)?;
    for component in below.components() {
        let name = component.as_os_str();
        match rustix::fs::mkdirat(&directory, name, Mode::from_raw_mode(0o755)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(failed(error)),
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        directory = rustix::fs::openat(&directory, name, flags, Mode::empty()).map_err(failed)?;
    }
    Ok(())
}

/// Resolves the symbolic links in a path, but not in its last component. `None` if nothing exists
/// at the path. The error is `EXDEV` if links lead out of the root.
pub fn resolve(root: &Path, below: &Path) -> Result<Option<PathBuf>, Errno> {
    let directory = open(root)?;
    if below.as_os_str().is_empty() {
        return Ok(Some(root.to_owned()));
    }
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let open = || rustix::fs::openat2(&directory, below, flags, Mode::empty(), beneath);
    let found = match open() {
        Err(Errno::ACCESS) => {
            make_all_readable(root);
            open()
        }
        found => found,
    };
    match found {
        Ok(found) => {
            let link = format!("/proc/self/fd/{}", found.as_raw_fd());
            let path = fs::read_link(link);
            Ok(Some(path.map_err(|error| {
                Errno::from_io_error(&error).unwrap_or(Errno::IO)
            })?))
        }
        Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Makes all directories readable for their owner, as far as possible. The action may have changed
/// their modes.
fn make_all_readable(root: &Path) {
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        let Ok(metadata) = fs::symlink_metadata(&directory) else {
            continue;
        };
        let _ = make_readable(&directory, metadata.permissions().mode());
        for entry in fs::read_dir(&directory).into_iter().flatten().flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(entry.path());
            }
        }
    }
}

/// Makes a directory readable and searchable for its owner. `mode` is its present mode.
pub fn make_readable(directory: &Path, mode: u32) -> io::Result<()> {
    const NEEDED: u32 = 0o500;
    if mode & NEEDED == NEEDED {
        return Ok(());
    }
    fs::set_permissions(directory, Permissions::from_mode(mode | 0o700))
}

/// Removes files below a root. Processes that are being killed may still change the root meanwhile.
pub struct Remover {
    root: OwnedFd,
    /// The directory of the last file. The next file is often in the same directory.
    last: Option<(PathBuf, OwnedFd)>,
}

impl Remover {
    pub fn new(root: &Path) -> io::Result<Self> {
        Ok(Self {
            root: open(root)?,
            last: None,
        })
    }

    /// Removes a file. Fails if a directory of its path is a symbolic link.
    pub fn remove(&mut self, below: &Path) -> io::Result<()> {
        let (Some(parent), Some(name)) = (below.parent(), below.file_name()) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let directory = match self.last.take() {
            Some((path, directory)) if path == parent => directory,
            _ if parent.as_os_str().is_empty() => self.root.try_clone()?,
            _ => {
                let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
                let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
                rustix::fs::openat2(&self.root, parent, flags, Mode::empty(), beneath)?
            }
        };
        let removed = rustix::fs::unlinkat(directory.as_fd(), name, AtFlags::empty());
        self.last = Some((parent.to_owned(), directory));
        Ok(removed?)
    }
}

/// Whether the file system refuses a path on any machine: because of its length or characters, or
/// because of another entry of the input root.
pub fn is_path_error(error: &io::Error) -> bool {
    matches!(
        Errno::from_io_error(error),
        Some(
            Errno::EXIST
                | Errno::NAMETOOLONG
                | Errno::INVAL
                | Errno::ILSEQ
                | Errno::NOTDIR
                | Errno::LOOP
        )
    )
}

fn open(root: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, root, flags, Mode::empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_that_lead_out_are_refused() {
        for path in ["/etc/passwd", "../x", "a/../../x", "a\0"] {
            assert!(relative(path).is_err(), "{path:?}");
        }
        assert_eq!(relative("a//b/").unwrap(), Path::new("a/b"));
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_the_fault_of_its_path() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        symlink(".", root.path().join("link")).unwrap();
        for path in ["file", "file/below", "link/below", &"x".repeat(300)] {
            let made = make_directory(root.path(), Path::new(path));
            assert!(matches!(made, Err(WorkError::BadAction(_))), "{made:?}");
        }
        let gone = make_directory(&root.path().join("gone"), Path::new("a"));
        assert!(gone.unwrap_err().is_worker_fault());
    }

    #[test]
    fn links_are_followed_below_the_root_and_not_out_of_it() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir(at("d")).unwrap();
        fs::write(at("d/f"), "").unwrap();
        symlink("d", at("inside")).unwrap();
        symlink(outside.path(), at("outside")).unwrap();
        symlink("loop", at("loop")).unwrap();
        let resolve = |path: &str| resolve(root.path(), Path::new(path));
        let file = at("d/f").canonicalize().unwrap();
        assert_eq!(resolve("inside/f"), Ok(Some(file)));
        assert_eq!(resolve("inside/absent"), Ok(None));
        assert_eq!(resolve("d/f/below"), Ok(None));
        assert_eq!(resolve("outside/secret"), Err(Errno::XDEV));
        assert_eq!(resolve("loop/f"), Err(Errno::LOOP));
    }

    #[test]
    fn a_file_is_not_removed_where_a_link_leads_out() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("file"), "x").unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("d")).unwrap();
        fs::write(root.path().join("d/file"), "x").unwrap();
        fs::write(root.path().join("file"), "x").unwrap();
        symlink(outside.path(), root.path().join("link")).unwrap();
        let mut remover = Remover::new(root.path()).unwrap();
        assert!(remover.remove(Path::new("link/file")).is_err());
        assert!(outside.path().join("file").exists());
        for inside in ["d/file", "file"] {
            remover.remove(Path::new(inside)).unwrap();
            assert!(!root.path().join(inside).exists());
        }
    }
}
