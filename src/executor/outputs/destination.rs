//! Writing and removing files below a directory, and nowhere else.
//!
//! The paths come from jobs. A directory is opened component by component from the one above it,
//! and no symbolic link is followed. A file is written under another name first and then renamed,
//! which replaces what was there, also if that is a symbolic link.

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, ResolveFlags, fstat, mkdirat, open, openat2, readlinkat,
    renameat, symlinkat, unlinkat,
};
use rustix::io::Errno;
use std::cell::RefCell;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A directory that receives files.
pub struct OutputDirectory {
    directory: OwnedFd,
    /// The last directory that was opened below it. The next file is often in the same one.
    last: RefCell<Option<(PathBuf, Rc<OwnedFd>)>>,
}

/// The result of writing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placed {
    /// The file was there already, with the same content, or there was no file to remove.
    Unchanged,
    Written,
}

/// What becomes of a missing directory on the path of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    IsMade,
    Fails,
}

impl OutputDirectory {
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self {
            directory: open(path, flags, Mode::empty())?,
            last: RefCell::default(),
        })
    }

    /// Writes a file of `size` bytes to a relative path.
    pub fn place_file(
        &self,
        path: &Path,
        mut content: impl Read + Seek,
        size: u64,
        executable: bool,
    ) -> io::Result<Placed> {
        let (parent, name) = self.parent(path)?;
        if has_content(&parent, name, &mut content, size, executable)? {
            return Ok(Placed::Unchanged);
        }
        content.rewind()?;
        let mode = Mode::from_bits_truncate(if executable { 0o755 } else { 0o644 });
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let new = new_name();
        let created = beneath(&parent, &new, flags, mode)?;
        let copied = io::copy(&mut content.take(size), &mut File::from(created));
        replace(&parent, &new, name, copied.map(drop))
    }

    /// The content of the file at a relative path: empty if there is no file, and `None` if there is
    /// something else, or a file with more than `limit` bytes.
    pub fn read(&self, path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
        let opened = match self.directory_of(path, Missing::Fails) {
            Ok((parent, name)) => {
                let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
                beneath(&parent, name, flags, Mode::empty()).map_err(Into::into)
            }
            Err(error) => Err(error),
        };
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Some(Vec::new())),
            Err(_) => return Ok(None),
        };
        let status = fstat(&file)?;
        let is_file = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
        if !is_file || status.st_size as u64 > limit {
            return Ok(None);
        }
        let mut content = Vec::new();
        File::from(file).take(limit).read_to_end(&mut content)?;
        Ok(Some(content))
    }

    /// Makes a symbolic link at a relative path.
    pub fn place_symlink(&self, path: &Path, target: &OsStr) -> io::Result<Placed> {
        let (parent, name) = self.parent(path)?;
        let present = readlinkat(&parent, name, Vec::new());
        if present.is_ok_and(|present| present.as_bytes() == target.as_bytes()) {
            return Ok(Placed::Unchanged);
        }
        let new = new_name();
        symlinkat(target, &parent, &new)?;
        replace(&parent, &new, name, Ok(()))
    }

    /// Removes the file or symbolic link at a relative path. A directory is not removed.
    pub fn remove(&self, path: &Path) -> io::Result<Placed> {
        match self.directory_of(path, Missing::Fails) {
            Ok((parent, name)) => match unlinkat(&parent, name, AtFlags::empty()) {
                Ok(()) => Ok(Placed::Written),
                Err(Errno::NOENT | Errno::ISDIR) => Ok(Placed::Unchanged),
                Err(error) => Err(error.into()),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Placed::Unchanged),
            Err(error) => Err(error),
        }
    }

    /// The directory of a file, which is made if it is missing, and the name of the file.
    fn parent<'a>(&self, path: &'a Path) -> io::Result<(Rc<OwnedFd>, &'a OsStr)> {
        self.directory_of(path, Missing::IsMade)
    }

    fn directory_of<'a>(
        &self,
        path: &'a Path,
        missing: Missing,
    ) -> io::Result<(Rc<OwnedFd>, &'a OsStr)> {
        let mut names: Vec<&OsStr> = Vec::new();
        for component in path.components() {
            match component {
                Component::Normal(name) => names.push(name),
                _ => return Err(io::Error::other("its path is not a plain one")),
            }
        }
        let Some(name) = names.pop() else {
            return Err(io::Error::other("it has no name"));
        };
        let directory = path.parent().unwrap_or(Path::new(""));
        if let Some((last, opened)) = &*self.last.borrow()
            && last == directory
        {
            return Ok((Rc::clone(opened), name));
        }
        let mut parent = self.directory.try_clone()?;
        for name in names {
            if missing == Missing::IsMade {
                match mkdirat(&parent, name, Mode::from_bits_truncate(0o755)) {
                    Ok(()) | Err(Errno::EXIST) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
            parent = beneath(&parent, name, flags, Mode::empty()).map_err(|error| {
                let name = name.to_string_lossy();
                match error {
                    Errno::LOOP => {
                        io::Error::other(format!("`{name}` on its path is a symbolic link here"))
                    }
                    Errno::NOTDIR => {
                        io::Error::other(format!("`{name}` on its path is not a directory here"))
                    }
                    error => error.into(),
                }
            })?;
        }
        let parent = Rc::new(parent);
        let last = (directory.to_owned(), Rc::clone(&parent));
        self.last.replace(Some(last));
        Ok((parent, name))
    }
}

/// Opens an entry of a directory. Fails if it is a symbolic link.
fn beneath(
    parent: &OwnedFd,
    name: &OsStr,
    flags: OFlags,
    mode: Mode,
) -> rustix::io::Result<OwnedFd> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    openat2(parent, name, flags, mode, resolve)
}

/// Whether a file is there with this content and may be executed as this one may.
fn has_content(
    parent: &OwnedFd,
    name: &OsStr,
    content: &mut impl Read,
    size: u64,
    executable: bool,
) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let Ok(present) = beneath(parent, name, flags, Mode::empty()) else {
        return Ok(false);
    };
    let status = fstat(&present)?;
    let is_file = FileType::from_raw_mode(status.st_mode) == FileType::RegularFile;
    let is_executable = status.st_mode & 0o100 != 0;
    if !is_file || status.st_size as u64 != size || is_executable != executable {
        return Ok(false);
    }
    same_bytes(&mut File::from(present), content)
}

fn same_bytes(one: &mut impl Read, other: &mut impl Read) -> io::Result<bool> {
    const PART: u64 = 64 * 1024;
    let (mut left, mut right) = (Vec::new(), Vec::new());
    loop {
        left.clear();
        right.clear();
        one.take(PART).read_to_end(&mut left)?;
        other.take(PART).read_to_end(&mut right)?;
        if left != right {
            return Ok(false);
        }
        if left.is_empty() {
            return Ok(true);
        }
    }
}

/// Gives a new file its name, or removes it if it could not be written.
fn replace(
    parent: &OwnedFd,
    new: &OsStr,
    name: &OsStr,
    written: io::Result<()>,
) -> io::Result<Placed> {
    let renamed = written.and_then(|()| Ok(renameat(parent, new, parent, name)?));
    if let Err(error) = renamed {
        let _ = unlinkat(parent, new, AtFlags::empty());
        return Err(error);
    }
    Ok(Placed::Written)
}

/// A name that no other file has.
fn new_name() -> OsString {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    format!(".maelstrom-{}-{number}", std::process::id()).into()
}
