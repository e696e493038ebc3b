//! The outputs of a job: files that it wrote and that are copied out of its container.

mod destination;

use self::destination::{OutputDirectory, Placed};
use crate::container::{WrittenContent, WrittenFile, WrittenFiles};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of files of a job that are copied.
const MOST_FILES: usize = 100_000;

/// Directories of version control, whose files control what other programs execute.
const VERSION_CONTROL: [&str; 4] = [".git", ".hg", ".jj", ".svn"];

/// The files of a job that match its container's globs. They exist as long as this value.
#[derive(Debug)]
pub struct JobOutputs {
    files: WrittenFiles,
    matching: Vec<WrittenFile>,
    problems: Vec<String>,
}

/// Where outputs are copied to, for all jobs of a run.
#[derive(Debug)]
pub struct OutputPlaces {
    /// Files below it are copied to their own paths.
    source: Option<PathBuf>,
    /// Directories below `source` that do not belong to the source tree.
    not_source: Vec<PathBuf>,
    /// Whether the directory for other files of a job is emptied first.
    replaces: bool,
    /// The size of a job's outputs that are copied, in bytes.
    limit: u64,
    /// The name of the setting for `limit`.
    limit_name: &'static str,
    /// The jobs by the files of the source tree that they wrote.
    writers: Mutex<HashMap<PathBuf, String>>,
}

/// What became of the outputs of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedOutputs {
    /// The files of the source tree that were changed.
    pub source_files: Vec<PathBuf>,
    /// The copies of other files.
    pub other_files: Vec<PathBuf>,
    /// The reasons why files were not copied, and other warnings.
    pub problems: Vec<String>,
}

/// The directories that contain all files that match absolute globs, without those that are below
/// others. Globs that start with `!` exclude files.
pub fn directories(globs: &[String]) -> Vec<String> {
    let included = globs.iter().filter(|glob| !glob.starts_with('!'));
    let bases: BTreeSet<PathBuf> = included.map(|glob| base(glob)).collect();
    let is_topmost = |base: &&PathBuf| !base.ancestors().skip(1).any(|above| bases.contains(above));
    (bases.iter().filter(is_topmost))
        .map(|base| base.to_string_lossy().into_owned())
        .collect()
}

/// The directory of a glob above its first component with a special character.
fn base(glob: &str) -> PathBuf {
    let mut base = PathBuf::from("/");
    let mut components = glob.split('/').filter(|component| !component.is_empty());
    let mut next = components.next();
    while let Some(component) = next.and_then(literal) {
        next = components.next();
        if next.is_some() {
            base.push(component);
        }
    }
    base
}

/// The name that a component of a glob stands for. `None` if it has special characters.
fn literal(component: &str) -> Option<String> {
    let mut name = String::new();
    let mut characters = component.chars();
    while let Some(character) = characters.next() {
        match character {
            '*' | '?' | '{' | '}' | ']' | '\\' => return None,
            // globset::escape writes a special character as a class of that character.
            '[' => {
                let class = (characters.next()?, characters.next()?);
                if class.1 != ']' || matches!(class.0, '!' | '^') {
                    return None;
                }
                name.push(class.0);
            }
            _ => name.push(character),
        }
    }
    Some(name)
}

/// A list of absolute globs. The last one that matches decides.
struct OutputGlobs {
    set: GlobSet,
    /// Whether each glob excludes files.
    excludes: Vec<bool>,
}

impl OutputGlobs {
    /// The specification refuses what is not a glob, so no error is expected.
    fn new(globs: &[String]) -> Self {
        let mut set = GlobSetBuilder::new();
        let mut excludes = Vec::new();
        for glob in globs {
            let (pattern, excludes_files) = match glob.strip_prefix('!') {
                Some(pattern) => (pattern, true),
                None => (glob.as_str(), false),
            };
            let built = GlobBuilder::new(pattern).literal_separator(true).build();
            if let Ok(built) = built {
                set.add(built);
                excludes.push(excludes_files);
            }
        }
        Self {
            set: set.build().unwrap_or_default(),
            excludes,
        }
    }

    fn wants(&self, path: &Path) -> bool {
        let matching = self.set.matches(path);
        (matching.iter().max()).is_some_and(|&index| !self.excludes[index])
    }
}

impl JobOutputs {
    /// The files that match absolute globs. `None`: there are none. Blocks.
    pub(super) fn find(files: WrittenFiles, globs: &[String]) -> Option<Self> {
        let globs = OutputGlobs::new(globs);
        let (mut matching, unreadable) = files.find(|path| globs.wants(path));
        let mut problems: Vec<String> = unreadable
            .into_iter()
            .map(|(path, error)| {
                format!("failed to read the directory {}: {error}", path.display())
            })
            .collect();
        if matching.len() > MOST_FILES {
            problems.push(format!(
                "there are {} outputs, of which the first {MOST_FILES} are copied; make \
                 `outputs` match fewer files",
                matching.len()
            ));
            matching.truncate(MOST_FILES);
        }
        (!matching.is_empty() || !problems.is_empty()).then_some(Self {
            files,
            matching,
            problems,
        })
    }
}

impl OutputPlaces {
    pub fn new(
        source: Option<PathBuf>,
        not_source: Vec<PathBuf>,
        replaces: bool,
        limit: u64,
        limit_name: &'static str,
    ) -> Self {
        Self {
            source,
            not_source,
            replaces,
            limit,
            limit_name,
            writers: Mutex::default(),
        }
    }

    /// Copies the outputs of `job` that are not of the source tree to `others`, under their whole
    /// paths. Copies the others to their own places. Blocks.
    pub fn save(&self, outputs: &JobOutputs, job: &str, others: &Path) -> SavedOutputs {
        let mut saving = Saving {
            places: self,
            files: &outputs.files,
            job,
            others,
            // One job at a time, so that the files of a job are complete if two write the same.
            writers: self.writers.lock().unwrap_or_else(PoisonError::into_inner),
            source_directory: None,
            other_directory: None,
            left: self.limit,
            saved: SavedOutputs {
                problems: outputs.problems.clone(),
                ..SavedOutputs::default()
            },
        };
        for file in &outputs.matching {
            let source = self
                .source
                .as_deref()
                .filter(|_| self.is_source(&file.path));
            let copied = match source {
                Some(root) => saving.copy_to_source(root, file),
                None => saving.copy_to_others(file),
            };
            let path = file.path.display();
            match copied {
                Ok(()) => {}
                Err(CopyError::Limit) => {
                    saving.saved.problems.push(format!(
                        "{path} and later outputs were not copied: together they exceed the limit \
                         of {} bytes; raise `{}`",
                        self.limit, self.limit_name
                    ));
                    break;
                }
                Err(CopyError::Io(error)) => {
                    let problem = format!("failed to copy {path}: {error}");
                    saving.saved.problems.push(problem);
                }
            }
        }
        saving.saved
    }

    fn is_source(&self, path: &Path) -> bool {
        let is_in = |directory: &PathBuf| path.starts_with(directory);
        self.source.as_ref().is_some_and(is_in) && !self.not_source.iter().any(is_in)
    }
}

/// The copying of the outputs of one job.
struct Saving<'a> {
    places: &'a OutputPlaces,
    files: &'a WrittenFiles,
    job: &'a str,
    others: &'a Path,
    writers: MutexGuard<'a, HashMap<PathBuf, String>>,
    /// Opened when the first file is copied to it, as the next one is.
    source_directory: Option<OutputDirectory>,
    other_directory: Option<OutputDirectory>,
    /// The number of bytes that may still be copied.
    left: u64,
    saved: SavedOutputs,
}

enum CopyError {
    /// The file is larger than what is left of the limit.
    Limit,
    Io(io::Error),
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Saving<'_> {
    fn copy_to_source(&mut self, root: &Path, file: &WrittenFile) -> Result<(), CopyError> {
        let relative = file.path.strip_prefix(root).unwrap_or(&file.path);
        if is_version_control(relative) {
            let problem = "files of version control are not written back";
            return Err(io::Error::other(problem).into());
        }
        let directory = match self.source_directory.take() {
            Some(opened) => opened,
            None => OutputDirectory::open(root)?,
        };
        let copied = self.copy(file, &directory, relative);
        self.source_directory = Some(directory);
        if copied? == Placed::Unchanged {
            return Ok(());
        }
        let (place, job) = (root.join(relative), self.job);
        let before = self.writers.insert(place.clone(), job.to_owned());
        if let Some(before) = before.filter(|before| before != job) {
            self.saved.problems.push(format!(
                "{before} and {job} both wrote {}; the latter's file was kept",
                place.display()
            ));
        }
        self.saved.source_files.push(place);
        Ok(())
    }

    fn copy_to_others(&mut self, file: &WrittenFile) -> Result<(), CopyError> {
        let relative = file.path.strip_prefix("/").unwrap_or(&file.path);
        let directory = if let Some(opened) = self.other_directory.take() {
            opened
        } else {
            make(self.others, self.places.replaces)?;
            OutputDirectory::open(self.others)?
        };
        let copied = self.copy(file, &directory, relative);
        self.other_directory = Some(directory);
        copied?;
        self.saved.other_files.push(self.others.join(relative));
        Ok(())
    }

    fn copy(
        &mut self,
        file: &WrittenFile,
        directory: &OutputDirectory,
        path: &Path,
    ) -> Result<Placed, CopyError> {
        match self.files.open(file)? {
            WrittenContent::Symlink { target } => Ok(directory.place_symlink(path, &target)?),
            WrittenContent::File {
                file,
                size,
                executable,
            } => {
                self.left = self.left.checked_sub(size).ok_or(CopyError::Limit)?;
                Ok(directory.place_file(path, file, size, executable)?)
            }
        }
    }
}

/// Whether a file belongs to a directory of version control, or is one.
fn is_version_control(path: &Path) -> bool {
    let is_name =
        |name: &OsStr| (VERSION_CONTROL.iter()).any(|known| name.eq_ignore_ascii_case(known));
    path.iter().any(is_name)
}

/// Makes a directory. `empty`: removes what is in it.
fn make(directory: &Path, empty: bool) -> io::Result<()> {
    if empty {
        match fs::remove_dir_all(directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    fs::create_dir_all(directory)
}

#[cfg(test)]
mod tests;
