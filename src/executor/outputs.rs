//! The outputs of a job: files that it wrote and that are copied out of its container.

mod destination;
mod globs;
mod listing;

pub use globs::{OutputGlobs, directories};
pub use listing::{ListedKind, ListedOutput, OutputListing, PackLimits};

use self::destination::{OutputDirectory, Placed};
use crate::container::{WrittenContent, WrittenFile, WrittenFiles, WrittenKind};
use crate::store::WorkDirectory;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The number of files of a job that are copied.
pub const MOST_FILES: usize = 100_000;

/// Directories of version control, whose files control what other programs execute.
const VERSION_CONTROL: [&str; 4] = [".git", ".hg", ".jj", ".svn"];

/// The files of a job that match its container's globs. They exist as long as this value.
#[derive(Debug)]
pub struct JobOutputs {
    /// `None`: there are only problems.
    files: Option<WrittenFiles>,
    matching: Vec<WrittenFile>,
    problems: Vec<String>,
    /// The directory of `files`, if they were downloaded.
    _downloads: Option<WorkDirectory>,
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
    /// Files that are appended to files of the client, by their paths in the job.
    appended: BTreeMap<PathBuf, PathBuf>,
    /// The jobs by the files of the source tree that they wrote.
    writers: Mutex<HashMap<PathBuf, String>>,
}

/// What became of the outputs of a job.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SavedOutputs {
    /// The files of the source tree that were changed.
    pub source_files: Vec<PathBuf>,
    /// The files of the source tree that were removed.
    pub removed_files: Vec<PathBuf>,
    /// The copies of other files.
    pub other_files: Vec<PathBuf>,
    /// The reasons why files were not copied, and other warnings.
    pub problems: Vec<String>,
}

impl JobOutputs {
    /// The files that match absolute globs. `None`: there are none. Blocks.
    pub(super) fn find(files: WrittenFiles, globs: &[String]) -> Option<Self> {
        let globs = OutputGlobs::new(globs);
        let found = files.find(MOST_FILES, |path| globs.wants(path));
        let mut problems: Vec<String> = (found.unreadable.into_iter())
            .map(|(path, error)| {
                format!("failed to read the directory {}: {error}", path.display())
            })
            .collect();
        if found.more > 0 {
            problems.push(format!(
                "there are {} outputs, of which {MOST_FILES} are copied; make `outputs` match \
                 fewer files",
                found.files.len() + found.more
            ));
        }
        (!found.files.is_empty() || !problems.is_empty()).then_some(Self {
            files: Some(files),
            matching: found.files,
            problems,
            _downloads: None,
        })
    }

    /// The files of a job that ran elsewhere. Each is in the directory `downloads`, with the name
    /// that `files` has with it. Blocks.
    pub(super) fn of_downloads(
        downloads: WorkDirectory,
        files: Vec<(ListedOutput, String)>,
        problems: Vec<String>,
    ) -> io::Result<Self> {
        let mut matching = Vec::new();
        for (output, name) in files {
            let kind = match &output.kind {
                ListedKind::File { .. } => WrittenKind::File,
                ListedKind::Removed => WrittenKind::Removed,
                ListedKind::Symlink { target } => {
                    std::os::unix::fs::symlink(target, downloads.path().join(&name))?;
                    WrittenKind::Symlink
                }
            };
            matching.push(WrittenFile {
                path: output.path,
                scratch: name.into(),
                kind,
            });
        }
        let directory: OwnedFd = File::open(downloads.path())?.into();
        Ok(Self {
            files: Some(WrittenFiles::new(directory, Vec::new())),
            matching,
            problems,
            _downloads: Some(downloads),
        })
    }

    /// No files, for these reasons.
    pub(super) fn without_files(problems: Vec<String>) -> Self {
        Self {
            files: None,
            matching: Vec::new(),
            problems,
            _downloads: None,
        }
    }

    fn open(&self, file: &WrittenFile) -> io::Result<WrittenContent> {
        let files = self.files.as_ref().ok_or(io::ErrorKind::NotFound)?;
        files.open(file)
    }
}

impl OutputPlaces {
    pub fn new(
        source: Option<PathBuf>,
        not_source: Vec<PathBuf>,
        replaces: bool,
        limit: u64,
    ) -> Self {
        Self {
            source,
            not_source,
            replaces,
            limit,
            appended: BTreeMap::new(),
            writers: Mutex::default(),
        }
    }

    /// Appends files of jobs to files of the client instead of copying them. `files`: the paths
    /// in a job, with those of the client.
    #[must_use]
    pub fn appending(mut self, files: impl IntoIterator<Item = (PathBuf, PathBuf)>) -> Self {
        self.appended.extend(files);
        self
    }

    /// Copies the outputs of `job` that are not of the source tree to `others`, under their whole
    /// paths. Copies the others to their own places. Blocks.
    pub fn save(&self, outputs: &JobOutputs, job: &str, others: &Path) -> SavedOutputs {
        let mut saving = Saving {
            places: self,
            outputs,
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
            let copied = if let Some(to) = self.appended.get(&file.path) {
                saving.append(file, to)
            } else if let Some(root) = source {
                saving.copy_to_source(root, file)
            } else {
                saving.copy_to_others(file)
            };
            match copied {
                Ok(()) => {}
                Err(CopyError::Limit) => {
                    saving
                        .saved
                        .problems
                        .push(over_limit(&file.path, self.limit));
                    break;
                }
                Err(CopyError::Io(error)) => {
                    let problem = format!("failed to copy {}: {error}", file.path.display());
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
    outputs: &'a JobOutputs,
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
        if file.kind == WrittenKind::Removed {
            self.saved.removed_files.push(root.join(relative));
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
        if file.kind == WrittenKind::Removed {
            // The directory is only for what the job wrote.
            return Ok(());
        }
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

    /// Appends whole lines to a file of the client, all at once, so that the lines of programs that
    /// append at the same time are not mixed.
    fn append(&mut self, file: &WrittenFile, to: &Path) -> Result<(), CopyError> {
        let WrittenContent::File { file, size, .. } = self.outputs.open(file)? else {
            return Err(io::Error::other("it is not a regular file").into());
        };
        self.left = self.left.checked_sub(size).ok_or(CopyError::Limit)?;
        let mut lines = Vec::new();
        file.take(size).read_to_end(&mut lines)?;
        if lines.last().is_some_and(|&byte| byte != b'\n') {
            lines.push(b'\n');
        }
        let mut options = File::options();
        let opened = options.append(true).create(true).open(to);
        let appended = opened.and_then(|mut opened| opened.write_all(&lines));
        appended.map_err(|error| {
            let message = format!("failed to append to {}: {error}", to.display());
            io::Error::new(error.kind(), message)
        })?;
        Ok(())
    }

    fn copy(
        &mut self,
        file: &WrittenFile,
        directory: &OutputDirectory,
        path: &Path,
    ) -> Result<Placed, CopyError> {
        match self.outputs.open(file)? {
            WrittenContent::Symlink { target } => Ok(directory.place_symlink(path, &target)?),
            WrittenContent::Removed => Ok(directory.remove(path)?),
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

/// The message about a file that exceeds the limit of a job's outputs, in bytes.
pub(super) fn over_limit(path: &Path, limit: u64) -> String {
    format!(
        "{} and later outputs were not copied: together they exceed the limit of {limit} bytes; \
         raise `outputs-limit`",
        path.display()
    )
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
