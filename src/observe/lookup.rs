//! Looking up paths in a tree: the layers of a container, or this machine.
//!
//! Of the files, only executed ones of the layers are opened. A file system of this machine that does
//! not answer delays the facts, not the job. Symbolic links are resolved here one by one, from the
//! tree's root. Those of `/proc` are not followed: `/proc/self` and its descriptors would be those of
//! this process.

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, PROC_SUPER_MAGIC, ResolveFlags, StatxFlags, fstatfs, openat2,
    readlinkat, statx,
};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

/// The file system of a directory that is an automatic mount, see `linux/magic.h`.
const AUTOFS_SUPER_MAGIC: rustix::fs::FsWord = 0x0187;

/// The most symbolic links of a path, as in the kernel.
const MOST_LINKS: usize = 40;

/// The most components that are looked up for a path with symbolic links.
const MOST_STEPS: usize = 1024;

/// The root directory of a tree.
#[derive(Debug)]
pub struct Tree(OwnedFd);

/// The result of looking up a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// The file exists. The path is without symbolic links, except at its end if those were not
    /// followed.
    Present {
        path: PathBuf,
        kind: FileType,
    },
    Absent,
    /// The path leads to a place where something is mounted in the container. It is without
    /// symbolic links up to there.
    Mounted {
        path: PathBuf,
    },
}

impl Tree {
    pub fn new(root: OwnedFd) -> Self {
        Self(root)
    }

    /// The files of this machine, as this process sees them.
    pub fn of_machine() -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open("/", flags, Mode::empty())?))
    }

    /// Looks up an absolute path. `mounts` are the places where the tree is covered.
    pub fn find(&self, path: &Path, follow: bool, mounts: &[PathBuf]) -> Sought {
        let is_plain = !path.components().any(|part| part == Component::ParentDir);
        if is_plain {
            if is_below(path, mounts) {
                let path = path.to_owned();
                return Sought::Mounted { path };
            }
            match self.entry(path) {
                Ok((_, FileType::Symlink)) if follow => {}
                Ok((_, kind)) => {
                    let path = path.to_owned();
                    return Sought::Present { path, kind };
                }
                // A directory on the way is a symbolic link.
                Err(rustix::io::Errno::LOOP) => {}
                Err(_) => return Sought::Absent,
            }
        }
        self.walk(path, follow, mounts).unwrap_or(Sought::Absent)
    }

    /// Looks up a path component by component. `None`: it is absent.
    fn walk(&self, path: &Path, follow: bool, mounts: &[PathBuf]) -> Option<Sought> {
        let mut at = PathBuf::from("/");
        let mut kind = FileType::Directory;
        // The next component is the last one of this list.
        let mut rest = reversed_components(path);
        let (mut links, mut steps) = (0, 0);
        while let Some(component) = rest.pop() {
            steps += 1;
            if steps > MOST_STEPS {
                return None;
            }
            if component == ".." {
                at.pop();
                continue;
            }
            let next = at.join(&component);
            if is_below(&next, mounts) {
                let path = next.join(rest.iter().rev().collect::<PathBuf>());
                return Some(Sought::Mounted { path });
            }
            let (entry, found) = self.entry(&next).ok()?;
            kind = found;
            if found != FileType::Symlink || (rest.is_empty() && !follow) {
                at = next;
                continue;
            }
            links += 1;
            if links > MOST_LINKS || is_on_proc(&entry) {
                return None;
            }
            let target = readlinkat(&entry, "", Vec::new()).ok()?.into_bytes();
            let target = PathBuf::from(OsString::from_vec(target));
            if target.is_absolute() {
                at = PathBuf::from("/");
            }
            rest.extend(reversed_components(&target));
            kind = FileType::Directory;
        }
        Some(Sought::Present { path: at, kind })
    }

    /// The entry of a path without symbolic links, except that the entry may be one.
    fn entry(&self, path: &Path) -> rustix::io::Result<(OwnedFd, FileType)> {
        let entry = openat2(
            &self.0,
            path,
            OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC,
            Mode::empty(),
            ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS | ResolveFlags::NO_SYMLINKS,
        )?;
        // No file system is waited for that knows the kind already.
        let flags = AtFlags::EMPTY_PATH | AtFlags::STATX_DONT_SYNC;
        let status = statx(&entry, "", flags, StatxFlags::TYPE)?;
        let kind = FileType::from_raw_mode(status.stx_mode.into());
        Ok((entry, kind))
    }

    /// Opens a regular file for reading, by its path without symbolic links.
    pub fn open_regular(&self, path: &Path) -> Option<File> {
        let (entry, kind) = self.entry(path).ok()?;
        if kind != FileType::RegularFile {
            return None;
        }
        // The same file, also if another one has its path meanwhile.
        File::open(format!("/proc/self/fd/{}", entry.as_raw_fd())).ok()
    }

    /// The names of a directory's entries, by its path without symbolic links. `None` if it cannot
    /// be listed, or if listing it may mount a file system.
    pub fn names(&self, path: &Path) -> Option<HashSet<OsString>> {
        let (entry, kind) = self.entry(path).ok()?;
        let file_system = fstatfs(&entry).ok()?;
        if kind != FileType::Directory || file_system.f_type == AUTOFS_SUPER_MAGIC {
            return None;
        }
        let listed = fs::read_dir(format!("/proc/self/fd/{}", entry.as_raw_fd())).ok()?;
        listed.map(|entry| Some(entry.ok()?.file_name())).collect()
    }
}

fn reversed_components(path: &Path) -> Vec<OsString> {
    let components = path.components().rev();
    components
        .filter_map(|part| match part {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
        })
        .collect()
}

/// Whether a path is one of these, or below one.
pub fn is_below(path: &Path, directories: &[PathBuf]) -> bool {
    directories.iter().any(|other| path.starts_with(other))
}

fn is_on_proc(entry: &OwnedFd) -> bool {
    fstatfs(entry).is_ok_and(|file_system| file_system.f_type == PROC_SUPER_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    struct Example {
        directory: tempfile::TempDir,
    }

    impl Example {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let at = |path: &str| directory.path().join(path);
            fs::create_dir_all(at("usr/bin")).unwrap();
            fs::create_dir(at("proc")).unwrap();
            fs::write(at("usr/bin/tool"), "#!/bin/sh\n").unwrap();
            symlink("/usr/bin", at("bin")).unwrap();
            symlink("../../bin/tool", at("usr/bin/again")).unwrap();
            symlink("/../../../etc/passwd", at("outside")).unwrap();
            symlink("missing", at("dangling")).unwrap();
            symlink("round", at("round")).unwrap();
            symlink("/proc/self", at("process")).unwrap();
            nix::unistd::mkfifo(&at("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
            Self { directory }
        }

        fn tree(&self) -> Tree {
            Tree::new(File::open(self.directory.path()).unwrap().into())
        }

        fn find(&self, path: &str, follow: bool) -> Sought {
            self.tree().find(Path::new(path), follow, &["/proc".into()])
        }
    }

    fn present(path: &str, kind: FileType) -> Sought {
        let path = path.into();
        Sought::Present { path, kind }
    }

    #[test]
    fn files_are_found_through_links_of_the_tree() {
        let example = Example::new();
        let tool = present("/usr/bin/tool", FileType::RegularFile);
        for path in [
            "/usr/bin/tool",
            "/bin/tool",
            "/bin/again",
            "/usr/bin/again",
            "/bin/../bin/tool",
            "/../usr/../../usr/bin/tool",
        ] {
            assert_eq!(example.find(path, true), tool, "{path}");
        }
        assert_eq!(example.find("/", true), present("/", FileType::Directory));
        assert_eq!(
            example.find("/bin", true),
            present("/usr/bin", FileType::Directory)
        );
        assert_eq!(
            example.find("/bin", false),
            present("/bin", FileType::Symlink)
        );
        assert_eq!(
            example.find("/bin/again", false),
            present("/usr/bin/again", FileType::Symlink)
        );
        assert_eq!(
            example.find("/pipe", true),
            present("/pipe", FileType::Fifo)
        );
    }

    #[test]
    fn files_outside_of_the_tree_and_endless_links_are_absent() {
        let example = Example::new();
        for path in [
            "/outside",
            "/etc/passwd",
            "/../../etc/passwd",
            "/dangling",
            "/round",
            "/round/x",
            "/usr/bin/tool/x",
            "/missing/../usr/bin/tool",
        ] {
            assert_eq!(example.find(path, true), Sought::Absent, "{path}");
        }
        let dangling = present("/dangling", FileType::Symlink);
        assert_eq!(example.find("/dangling", false), dangling);
        let long = "/usr/..".repeat(MOST_STEPS);
        assert_eq!(example.find(&long, true), Sought::Absent);
    }

    #[test]
    fn paths_to_mounts_are_not_looked_up() {
        let example = Example::new();
        for (path, found) in [
            ("/proc", "/proc"),
            ("/proc/x", "/proc/x"),
            ("/process/fd/1", "/proc/self/fd/1"),
            ("/usr/../proc/x", "/proc/x"),
        ] {
            let mounted = Sought::Mounted { path: found.into() };
            assert_eq!(example.find(path, true), mounted, "{path}");
        }
        let link = present("/process", FileType::Symlink);
        assert_eq!(example.find("/process", false), link);
    }

    #[test]
    fn links_of_proc_are_not_followed() {
        let machine = Tree::of_machine().unwrap();
        let find = |path: &str| machine.find(Path::new(path), true, &[]);
        for path in [
            "/proc/self",
            "/proc/self/status",
            "/proc/self/exe",
            "/proc/thread-self/cwd/Cargo.toml",
            "/dev/fd/0",
        ] {
            assert_eq!(find(path), Sought::Absent, "{path}");
        }
        let version = present("/proc/version", FileType::RegularFile);
        assert_eq!(find("/proc/version"), version);
    }

    #[test]
    fn only_regular_files_are_opened() {
        let tree = Example::new();
        let open = |path: &str| tree.tree().open_regular(Path::new(path));
        let mut text = String::new();
        let mut tool = open("/usr/bin/tool").unwrap();
        io::Read::read_to_string(&mut tool, &mut text).unwrap();
        assert_eq!(text, "#!/bin/sh\n");
        for path in ["/pipe", "/usr", "/bin/tool", "/outside", "/missing"] {
            assert!(open(path).is_none(), "{path}");
        }
    }
}
