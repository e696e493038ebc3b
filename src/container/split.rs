//! The root of a job that is laid over the view of the machine.
//!
//! overlayfs refuses a lower directory that has mounts below it, as the kernel does not reveal what
//! these cover. So the root consists of several overlays:
//!
//! - A directory with nothing special below it is one overlay: the layers' directories on top, and
//!   the machine's directory at the bottom.
//! - A directory with mounts, excluded or owned directories below it is *split*. It is an overlay
//!   of the layers' directories and of a directory of *stubs*, one for each entry that only the
//!   machine has. Regular files of the machine are bound on their stubs, stubs of symbolic links
//!   are the links, and directories are treated in the same way again. Sockets, FIFOs and devices
//!   of the machine have no stub. Files of owned directories are copied instead of bound, since a
//!   job may replace them, as Cargo does in its target directory, and a mount cannot be replaced.
//!
//! Where the container has its own content alone, nothing is mounted: the overlay of the directory
//! above shows it. An overlay names directories of layers and of the machine, never another
//! overlay of the job, since overlayfs stacks only two deep. Through an overlay a job cannot
//! connect to a socket of the machine: it has an inode of its own.
//!
//! The layers decide: their files, symbolic links and whiteouts hide the entries of the machine.
//! Where a layer has a directory and the machine a symbolic link to one, or the reverse, the files
//! of both are shown.

use super::conflicts;
use super::in_layers::InLayers;
use super::outputs::WrittenDirectory;
use super::overlay::Overlay;
use super::protocol::{ReceivedRequest, Root};
use super::step::{Step, StepContext, StepError};
use super::view::{
    MACHINE, Machine, MachineDirectory, OWNED, OnMachine, directory_in, is_strictly_below,
};
use nix::libc;
use nix::mount::{MsFlags, mount};
use rustix::fs::{Access, AtFlags, CWD, accessat};
use std::collections::{BTreeSet, VecDeque};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, symlink};
use std::path::{Path, PathBuf};

/// The most mounts of a view.
const MOST_MOUNTS: usize = 300;

/// The most bytes of files that are copied. The copies are in memory.
const MOST_COPIED: u64 = 64 << 20;

/// The place of the job's root in the launcher's root.
const ROOT: &str = "/root";

/// The directory of the parts of the view in the scratch space.
const PARTS: &str = "view";

/// The parts of a root that is laid over the view of the machine.
#[derive(Debug, Default)]
pub struct LaidRoot {
    /// The directories for changes, except that of `/`.
    pub uppers: Vec<WrittenDirectory>,
    /// The paths in the job of the directories of the machine that are not shown: they cannot be
    /// read, overlayfs refuses them, or they would need too many mounts.
    pub left_out: Vec<PathBuf>,
}

/// Mounts the root at `/root`. `layers` is a mount of the layers alone.
pub fn lay(
    request: &ReceivedRequest<'_>,
    machine: &Machine,
    layers: BorrowedFd<'_>,
) -> Result<LaidRoot, StepError> {
    let is_writable = match request.root {
        Root::ReadOnly => false,
        Root::Scratch => true,
        Root::Local { .. } => {
            let error = io::Error::from_raw_os_error(libc::EOPNOTSUPP);
            return Err(StepError::new(Step::LayLocalRoot, &error));
        }
    };
    fs::create_dir(Path::new("/scratch").join(PARTS)).step(Step::CreateOverlayDirectories)?;
    let trees = request.lowers.iter().rev();
    let trees = trees.map(|name| Path::new("/trees").join(OsStr::from_bytes(name.to_bytes())));
    let root = Directory {
        path: "/".into(),
        layers: trees.collect(),
        machine: vec![MachineDirectory {
            path: "/".into(),
            tree: Some(MACHINE.into()),
        }],
    };
    let mut laying = Laying {
        machine,
        layers,
        is_writable,
        copied: 0,
        parts: 0,
        mounts: 0,
        conflicts: conflicts::find(&root.layers, machine),
        waiting: VecDeque::from([root]),
        links: Vec::new(),
        laid: LaidRoot::default(),
    };
    // The directories near the root come first: they get their mounts before there are too many.
    while let Some(directory) = laying.waiting.pop_front() {
        laying.lay(directory)?;
    }
    Ok(laying.laid)
}

/// A directory of the root.
struct Directory {
    /// Its path in the job.
    path: PathBuf,
    /// The layers' directories, top first.
    layers: Vec<PathBuf>,
    /// The machine's directories, which lie below those of the layers.
    machine: Vec<MachineDirectory>,
}

/// A root that is being made.
struct Laying<'a> {
    machine: &'a Machine,
    layers: BorrowedFd<'a>,
    is_writable: bool,
    /// The bytes of files that were copied.
    copied: u64,
    parts: usize,
    mounts: usize,
    waiting: VecDeque<Directory>,
    /// The paths in the job where the overlay of a directory would hide files.
    conflicts: BTreeSet<PathBuf>,
    /// Directories of the machine where the layers have a symbolic link, with the path in the job
    /// that the link leads to.
    links: Vec<(PathBuf, MachineDirectory)>,
    laid: LaidRoot,
}

/// The entries of a split directory that only the machine has, and its directories.
#[derive(Default)]
struct Entries {
    files: Vec<(OsString, PathBuf)>,
    links: Vec<(OsString, PathBuf)>,
    directories: Vec<Directory>,
    left_out: Vec<PathBuf>,
}

impl Laying<'_> {
    fn lay(&mut self, mut directory: Directory) -> Result<(), StepError> {
        let must_be_split =
            (directory.machine.iter()).any(|of_machine| self.machine.must_be_split(of_machine));
        if !must_be_split && !self.has_conflict(&directory.path) {
            return self.merge(&directory);
        }
        let mut entries = self.entries(&directory);
        if !self.has_room_for(&entries) {
            if !must_be_split {
                let below = |path: &&PathBuf| is_strictly_below(path, &directory.path);
                let hidden: Vec<_> = self.conflicts.iter().filter(below).cloned().collect();
                self.laid.left_out.extend(hidden);
                return self.merge(&directory);
            }
            self.laid.left_out.push(directory.path.clone());
            for of_machine in &mut directory.machine {
                of_machine.tree = None;
            }
            entries = self.entries(&directory);
        }
        self.split(&directory, entries)
    }

    fn has_room_for(&self, entries: &Entries) -> bool {
        let further = 1 + entries.files.len() + entries.directories.len();
        self.mounts + self.waiting.len() + further <= MOST_MOUNTS
    }

    /// Mounts one overlay of the layers' and the machine's directories.
    fn merge(&mut self, directory: &Directory) -> Result<(), StepError> {
        let machine: Vec<_> = (directory.machine.iter())
            .filter_map(|of_machine| of_machine.tree.as_deref())
            .collect();
        if machine.is_empty() {
            return Ok(());
        }
        let layers = directory.layers.iter().map(PathBuf::as_path);
        let lowers: Vec<_> = layers.chain(machine).collect();
        let part = self.new_part(directory)?;
        if self.mount_overlay(directory, lowers, &part).is_err() {
            self.laid.left_out.push(directory.path.clone());
        }
        Ok(())
    }

    /// Mounts an overlay of the layers' directories and the stubs of these entries, and mounts the
    /// entries on it.
    fn split(&mut self, directory: &Directory, entries: Entries) -> Result<(), StepError> {
        let part = self.new_part(directory)?;
        let stubs = part.join("stubs");
        make_stubs(&stubs, mode(directory), &entries).step(Step::MakeStubs)?;
        let copies = self.copy_owned(&stubs, &entries);
        let layers = directory.layers.iter().map(PathBuf::as_path);
        let lowers = layers.chain([stubs.as_path()]).collect();
        self.mount_overlay(directory, lowers, &part)
            .step_with(|| Step::MountDirectory {
                directory: directory.path.display().to_string(),
            })?;
        let Entries {
            files,
            directories,
            left_out,
            ..
        } = entries;
        self.laid.left_out.extend(left_out);
        for (name, file) in files {
            if copies.contains(&name) {
                continue;
            }
            let path = directory.path.join(name);
            let (none, flags) = (None::<&str>, MsFlags::MS_BIND);
            match mount(Some(&file), &in_root(&path), none, flags, none) {
                Ok(()) => self.mounts += 1,
                // The file was removed meanwhile.
                Err(_) => self.laid.left_out.push(path),
            }
        }
        self.waiting.extend(directories);
        Ok(())
    }

    /// Copies files of owned directories over their stubs, and returns their names.
    fn copy_owned(&mut self, stubs: &Path, entries: &Entries) -> BTreeSet<OsString> {
        let mut copies = BTreeSet::new();
        let owned = (entries.files.iter()).filter(|(_, file)| file.starts_with(OWNED));
        for (name, file) in owned.filter(|_| self.is_writable) {
            let size = fs::metadata(file).map_or(u64::MAX, |metadata| metadata.len());
            let can_be_read = || accessat(CWD, file, Access::READ_OK, AtFlags::empty()).is_ok();
            if size > MOST_COPIED - self.copied || !can_be_read() {
                continue;
            }
            let stub = stubs.join(name);
            match copy(file, &stub) {
                Ok(()) => {
                    self.copied += size;
                    copies.insert(name.clone());
                }
                // It is bound instead.
                Err(_) => drop(fs::File::create(stub)),
            }
        }
        copies
    }

    /// The entries of a directory that is split.
    fn entries(&mut self, directory: &Directory) -> Entries {
        for name in self.names(directory) {
            if InLayers::find(&directory.layers, &name).is_symlink {
                self.note_link(&directory.path.join(name), directory);
            }
        }
        let mut entries = Entries::default();
        // The links may lead to further names.
        for name in self.names(directory) {
            self.add_entry(directory, &name, &mut entries);
        }
        entries
    }

    fn add_entry(&self, directory: &Directory, name: &OsStr, entries: &mut Entries) {
        let path = directory.path.join(name);
        let in_layers = InLayers::find(&directory.layers, name);
        let mut machine = Vec::new();
        let has_directory =
            |machine: &Vec<_>| !in_layers.directories.is_empty() || !machine.is_empty();
        for above in &directory.machine {
            if in_layers.covers {
                break;
            }
            let on_machine = above.path.join(name);
            match self.machine.entry(above, &on_machine) {
                OnMachine::Directory(found) => machine.push(found),
                OnMachine::Unreadable(owned) => {
                    entries.left_out.push(path.clone());
                    machine.extend(owned);
                }
                OnMachine::Nothing => {}
                OnMachine::Symlink(_) if has_directory(&machine) => {
                    machine.extend(self.machine.resolve(&on_machine));
                }
                _ if has_directory(&machine) => break,
                OnMachine::Symlink(tree) => {
                    entries.links.push((name.to_owned(), tree));
                    break;
                }
                OnMachine::File(tree) => {
                    entries.files.push((name.to_owned(), tree));
                    break;
                }
                OnMachine::Special => break,
            }
        }
        let links = self.links.iter().filter(|(target, _)| *target == path);
        machine.extend(links.map(|(_, found)| found.clone()));
        if !machine.is_empty() || self.leads_below(&path) {
            entries.directories.push(Directory {
                path,
                layers: in_layers.directories,
                machine,
            });
        }
    }

    /// The names of the entries that the machine has, or that lead to directories with mounts of
    /// their own. The others are shown by the overlay of the layers.
    fn names(&self, directory: &Directory) -> BTreeSet<OsString> {
        let mut names = BTreeSet::new();
        let first_below = |path: &Path, directory: &Path| {
            let below = path.strip_prefix(directory).ok()?;
            Some(below.components().next()?.as_os_str().to_owned())
        };
        for of_machine in &directory.machine {
            if let Some(tree) = &of_machine.tree
                && let Ok(listed) = fs::read_dir(tree)
            {
                names.extend(listed.flatten().map(|entry| entry.file_name()));
            }
            let owned = self.machine.owned_below(&of_machine.path);
            names.extend(owned.filter_map(|place| first_below(place, &of_machine.path)));
        }
        let links = self.links.iter();
        names.extend(links.filter_map(|(target, _)| first_below(target, &directory.path)));
        names
    }

    /// Notes that a symbolic link of the layers hides directories of the machine.
    fn note_link(&mut self, link: &Path, directory: &Directory) {
        let Some(target) = directory_in(self.layers, link) else {
            return;
        };
        let name = link.file_name().unwrap_or_default();
        for above in &directory.machine {
            let noted = |path: &Path| {
                let mut links = self.links.iter();
                links.any(|(at, known)| *at == target && known.path == path)
            };
            if let OnMachine::Directory(found) = self.machine.entry(above, &above.path.join(name))
                && !noted(&found.path)
            {
                if target.starts_with(&directory.path) {
                    self.links.push((target.clone(), found));
                } else {
                    // The directory that it leads to may be mounted already.
                    self.laid.left_out.push(link.to_owned());
                }
            }
        }
    }

    /// Whether one overlay of a directory would hide files.
    fn has_conflict(&self, path: &Path) -> bool {
        let targets = self.links.iter().map(|(target, _)| target);
        let mut conflicts = self.conflicts.iter().chain(targets);
        conflicts.any(|conflict| is_strictly_below(conflict, path))
    }

    /// Whether a symbolic link of the layers leads to a path below this one.
    fn leads_below(&self, path: &Path) -> bool {
        let mut targets = self.links.iter().map(|(target, _)| target);
        targets.any(|target| is_strictly_below(target, path))
    }

    /// Makes a directory for a part of the view, with directories for changes if it is writable.
    fn new_part(&mut self, directory: &Directory) -> Result<PathBuf, StepError> {
        let part = Path::new("/scratch")
            .join(PARTS)
            .join(self.parts.to_string());
        self.parts += 1;
        let make = |path: &Path, mode| fs::DirBuilder::new().mode(mode).create(path);
        make(&part, 0o755).step(Step::CreateOverlayDirectories)?;
        if self.is_writable && !is_root(directory) {
            // An overlay has the attributes of its upper directory.
            make(&part.join("upper"), mode(directory)).step(Step::CreateOverlayDirectories)?;
            make(&part.join("work"), 0o755).step(Step::CreateOverlayDirectories)?;
        }
        Ok(part)
    }

    fn mount_overlay(
        &mut self,
        directory: &Directory,
        mut lowers: Vec<&Path>,
        part: &Path,
    ) -> io::Result<()> {
        let of_root = || ("/scratch/upper".into(), "/scratch/work".into());
        let of_part = || (part.join("upper"), part.join("work"));
        let upper: Option<(PathBuf, PathBuf)> = match self.is_writable {
            false => None,
            true if is_root(directory) => Some(of_root()),
            true => Some(of_part()),
        };
        // overlayfs needs two directories if it has no upper.
        if lowers.len() < 2 {
            lowers.push(Path::new("/empty"));
        }
        let borrowed = (upper.as_ref()).map(|(upper, work)| (upper.as_path(), work.as_path()));
        Overlay::new(&lowers, borrowed).mount(&in_root(&directory.path))?;
        self.mounts += 1;
        if let Some((upper, _)) = upper
            && !is_root(directory)
            && let Ok(scratch) = upper.strip_prefix("/scratch")
        {
            self.laid.uppers.push(WrittenDirectory {
                path: directory.path.clone(),
                scratch: scratch.to_owned(),
                is_overlay: true,
            });
        }
        Ok(())
    }
}

fn is_root(directory: &Directory) -> bool {
    directory.path == Path::new("/")
}

/// The mode of the topmost directory.
fn mode(directory: &Directory) -> u32 {
    let machine = directory.machine.iter();
    let machine = machine.filter_map(|of_machine| of_machine.tree.as_ref());
    let topmost = directory.layers.iter().chain(machine).next();
    let topmost = topmost.and_then(|path| fs::metadata(path).ok());
    topmost.map_or(0o755, |directory| directory.mode() & 0o7777)
}

/// Makes a directory with entries on which those of the machine can be mounted.
fn make_stubs(stubs: &Path, mode: u32, entries: &Entries) -> io::Result<()> {
    let make = |path: &Path, mode| fs::DirBuilder::new().mode(mode).create(path);
    // Entries can be made in it whatever its mode is: this process has all capabilities.
    make(stubs, mode)?;
    for (name, _) in &entries.files {
        let mut options = fs::File::options();
        options.write(true).create_new(true).mode(0o644);
        options.open(stubs.join(name))?;
    }
    for (name, link) in &entries.links {
        // A link that was removed meanwhile is absent.
        if let Ok(target) = fs::read_link(link) {
            symlink(target, stubs.join(name))?;
        }
    }
    for directory in &entries.directories {
        if directory.layers.is_empty()
            && let Some(name) = directory.path.file_name()
        {
            make(&stubs.join(name), 0o755)?;
        }
    }
    Ok(())
}

/// Copies a file with its mode and times.
fn copy(file: &Path, stub: &Path) -> io::Result<()> {
    let metadata = fs::metadata(file)?;
    let times = fs::FileTimes::new().set_modified(metadata.modified()?);
    fs::copy(file, stub)?;
    fs::File::options().write(true).open(stub)?.set_times(times)
}

/// The path in the launcher's root of a path in the job.
fn in_root(path: &Path) -> PathBuf {
    let below = path.strip_prefix("/").unwrap_or(path);
    Path::new(ROOT).join(below)
}
