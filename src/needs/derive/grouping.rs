//! Files that are joined to directories.

use super::{MOST_BYTES, Program, all_may_read, is_secret};
use crate::needs::Need;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// The directories whose entries are the data of one program or library each.
pub const DATA_DIRECTORIES: [&str; 7] = [
    "/usr/lib",
    "/usr/lib64",
    "/usr/libexec",
    "/usr/share",
    "/usr/local/lib",
    "/usr/local/libexec",
    "/usr/local/share",
];

/// The most files of a directory that is added whole.
const MOST_FILES: usize = 20_000;

/// If more files of one directory are needed, the whole directory is added.
pub const MOST_SINGLE_FILES: usize = 8;

/// Files that are joined to directories.
#[derive(Debug)]
pub struct Grouping<'a> {
    /// The directories whose entries are data.
    data: &'a [Utf8PathBuf],
    /// The programs whose data directories are added whole.
    programs: Vec<DataOwner>,
    directories: BTreeSet<Utf8PathBuf>,
    files: BTreeSet<Utf8PathBuf>,
}

/// A program that may have data.
#[derive(Debug)]
struct DataOwner {
    /// The program's name without a version.
    stem: String,
    path: PathBuf,
}

impl<'a> Grouping<'a> {
    pub fn new(programs: &[Program], data: &'a [Utf8PathBuf]) -> Self {
        let owner = |program: &Program| {
            let name = program.path.file_name()?.to_str()?;
            let stem = name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
            (stem.len() > 1).then(|| DataOwner {
                stem: stem.to_owned(),
                path: program.path.clone(),
            })
        };
        Self {
            data,
            programs: programs.iter().filter_map(owner).collect(),
            directories: BTreeSet::new(),
            files: BTreeSet::new(),
        }
    }

    pub fn add_directory(&mut self, path: &Utf8Path) {
        if is_empty(path) {
            // A glob matches nothing in it.
            self.files.insert(path.to_owned());
        } else if can_be_whole(path) {
            self.directories.insert(path.to_owned());
        }
    }

    pub fn add_file(&mut self, path: &Utf8Path) {
        let directory = self.data_directory(path);
        if let Some(directory) = directory
            && self.has_or_can_have(&directory)
        {
            self.directories.insert(directory);
        } else {
            self.files.insert(path.to_owned());
        }
    }

    /// Adds a directory that was found by [`Self::directory_of_another`].
    pub fn add_whole(&mut self, directory: Utf8PathBuf) {
        self.directories.insert(directory);
    }

    /// The directory that contains a program and the data of a program elsewhere, if it can be
    /// added.
    pub fn directory_of_another(&self, program: &Program) -> Option<Utf8PathBuf> {
        let directory = self.data_directory(Utf8Path::from_path(&program.path)?)?;
        let name = directory.file_name()?;
        let mut programs = self.programs.iter();
        let is_of_another = programs
            .any(|other| !other.path.starts_with(&directory) && is_data_of(name, &other.stem));
        (is_of_another && self.has_or_can_have(&directory)).then_some(directory)
    }

    fn has_or_can_have(&self, directory: &Utf8PathBuf) -> bool {
        self.directories.contains(directory) || can_be_whole(directory)
    }

    /// The directory of a program's data that contains a path, as `/usr/lib/git-core`.
    fn data_directory(&self, path: &Utf8Path) -> Option<Utf8PathBuf> {
        let parent = (self.data.iter()).find(|parent| path.starts_with(parent))?;
        let mut directory = parent.clone();
        for component in path.strip_prefix(parent).ok()?.components() {
            directory.push(component);
            if directory.as_path() == path {
                return None;
            }
            let name = component.as_str();
            let mut programs = self.programs.iter();
            if programs.any(|program| is_data_of(name, &program.stem)) {
                return Some(directory);
            }
            // Below a directory for one architecture, as `/usr/lib/x86_64-linux-gnu`.
            if !name.contains("-linux-") {
                return None;
            }
        }
        None
    }

    pub fn finish(mut self) -> Vec<Need> {
        let mut by_parent: BTreeMap<Utf8PathBuf, usize> = BTreeMap::new();
        for file in &self.files {
            if let Some(parent) = file.parent() {
                *by_parent.entry(parent.to_owned()).or_default() += 1;
            }
        }
        for (parent, count) in by_parent {
            let is_specific = parent.components().count() > 3;
            if count > MOST_SINGLE_FILES && is_specific && can_be_whole(&parent) {
                self.directories.insert(parent);
            }
        }
        let directories = self.directories.clone();
        let is_inside = |path: &Utf8PathBuf| {
            let mut others = directories.iter().filter(|other| *other != path);
            others.any(|other| path.starts_with(other))
        };
        let files = (self.files.into_iter())
            .filter(|file| !directories.iter().any(|other| file.starts_with(other)))
            .map(Need::File);
        let whole = (self.directories.into_iter())
            .filter(|directory| !is_inside(directory))
            .map(Need::Directory);
        whole.chain(files).collect()
    }
}

/// Whether a directory of data with this name belongs to a program: `git-core` to `git`,
/// `python3.11` to `python`.
pub fn is_data_of(name: &str, program: &str) -> bool {
    name.strip_prefix(program).is_some_and(|rest| {
        let next = rest.chars().next();
        next.is_none_or(|c| c.is_ascii_digit() || matches!(c, '-' | '_' | '.'))
    })
}

fn is_empty(directory: &Utf8Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// Whether a directory can be packed: it is neither large nor has files that cannot be read.
fn can_be_whole(directory: &Utf8Path) -> bool {
    let (mut files, mut bytes) = (0, 0);
    let mut counted = HashSet::new();
    let mut waiting = vec![directory.as_std_path().to_owned()];
    while let Some(directory) = waiting.pop() {
        let Ok(entries) = fs::read_dir(&directory) else {
            return false;
        };
        for entry in entries {
            let Some(metadata) = entry.as_ref().ok().and_then(|entry| entry.metadata().ok()) else {
                return false;
            };
            let path = entry.map(|entry| entry.path()).unwrap_or_default();
            if Utf8Path::from_path(&path).is_none_or(is_secret) {
                return false;
            }
            files += 1;
            if metadata.is_dir() {
                waiting.push(path);
            } else if metadata.is_file() {
                // Hard links share their content, as those of git's programs do.
                if counted.insert((metadata.dev(), metadata.ino())) {
                    bytes += metadata.len();
                }
                if !all_may_read(&metadata) {
                    return false;
                }
            } else if !metadata.is_symlink() {
                return false;
            }
            if files > MOST_FILES || bytes > MOST_BYTES {
                return false;
            }
        }
    }
    true
}
