//! The outputs of a job: files that it wrote and that are copied out of its container.

mod destination;

use self::destination::{OutputDirectory, Placed};
use crate::container::{WrittenContent, WrittenFile, WrittenFiles};
use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

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
    pub source: Option<PathBuf>,
    /// Directories below `source` that do not belong to the source tree.
    pub not_source: Vec<PathBuf>,
    /// Whether the directory for other files of a job is emptied first.
    pub replaces: bool,
    /// The size of a job's outputs that are copied, in bytes.
    pub limit: u64,
    /// The name of the setting for `limit`.
    pub limit_name: &'static str,
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
            let excluded = glob.strip_prefix('!');
            let pattern = excluded.unwrap_or(glob);
            let built = GlobBuilder::new(pattern).literal_separator(true).build();
            if let Ok(built) = built {
                set.add(built);
                excludes.push(excluded.is_some());
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
                "the test has {} outputs, of which the first {MOST_FILES} are copied; make \
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
        // One job at a time, so that the files of a job are complete if two write the same.
        let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut saved = SavedOutputs {
            problems: outputs.problems.clone(),
            ..SavedOutputs::default()
        };
        let mut left = self.limit;
        let mut source_directory = None;
        let mut other_directory = None;
        for file in &outputs.matching {
            let source = self
                .source
                .as_deref()
                .filter(|_| self.is_source(&file.path));
            let (root, directory, relative) = match source {
                Some(root) => {
                    let relative = file.path.strip_prefix(root).unwrap_or(&file.path);
                    (root, &mut source_directory, relative)
                }
                None => {
                    let relative = file.path.strip_prefix("/").unwrap_or(&file.path);
                    (others, &mut other_directory, relative)
                }
            };
            if source.is_some() && is_version_control(relative) {
                let path = file.path.display();
                let problem = "files of version control are not written back";
                saved
                    .problems
                    .push(format!("{path} was not copied: {problem}"));
                continue;
            }
            let opened = match directory {
                Some(opened) => opened,
                None => {
                    let opening = if source.is_some() {
                        OutputDirectory::open(root)
                    } else {
                        make(root, self.replaces).and_then(|()| OutputDirectory::open(root))
                    };
                    match opening {
                        Ok(opened) => directory.insert(opened),
                        Err(error) => {
                            let root = root.display();
                            let problem =
                                format!("failed to prepare the directory {root}: {error}");
                            saved.problems.push(problem);
                            break;
                        }
                    }
                }
            };
            let place = root.join(relative);
            match copy(&outputs.files, file, opened, relative, &mut left) {
                Ok(Placed::Unchanged) if source.is_some() => {}
                Ok(_) if source.is_none() => saved.other_files.push(place),
                Ok(_) => {
                    let before = writers.insert(place.clone(), job.to_owned());
                    if let Some(before) = before.filter(|before| before != job) {
                        saved.problems.push(format!(
                            "{before} and {job} both wrote {}; the latter's file was kept",
                            place.display()
                        ));
                    }
                    saved.source_files.push(place);
                }
                Err(CopyError::Limit) => {
                    saved.problems.push(format!(
                        "{} and later outputs were not copied: together they exceed the limit of \
                         {} bytes; raise `{}`",
                        file.path.display(),
                        self.limit,
                        self.limit_name
                    ));
                    break;
                }
                Err(CopyError::Io(error)) => {
                    let path = file.path.display();
                    saved
                        .problems
                        .push(format!("failed to copy {path}: {error}"));
                }
            }
        }
        saved
    }

    fn is_source(&self, path: &Path) -> bool {
        let is_in = |directory: &PathBuf| path.starts_with(directory);
        self.source.as_ref().is_some_and(is_in) && !self.not_source.iter().any(is_in)
    }
}

/// Whether a file belongs to a directory of version control, or is one.
fn is_version_control(path: &Path) -> bool {
    let mut names = path.iter();
    names.any(|name| {
        VERSION_CONTROL
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known))
    })
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

/// Copies a file. `left`: the bytes that may still be copied.
fn copy(
    files: &WrittenFiles,
    file: &WrittenFile,
    directory: &OutputDirectory,
    path: &Path,
    left: &mut u64,
) -> Result<Placed, CopyError> {
    match files.open(file)? {
        WrittenContent::Symlink { target } => Ok(directory.place_symlink(path, &target)?),
        WrittenContent::File {
            file,
            size,
            executable,
        } => {
            *left = left.checked_sub(size).ok_or(CopyError::Limit)?;
            Ok(directory.place_file(path, file, size, executable)?)
        }
    }
}

#[cfg(test)]
mod tests;
