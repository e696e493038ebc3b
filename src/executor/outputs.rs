//! The outputs of a job: files that it wrote and that are copied out of its container.

mod budget;
mod destination;
mod globs;
mod listing;
mod merge;
mod saving;
mod written;

pub use budget::{APPENDED_DIRECTORY, PROFILE_DIRECTORY, SizeBudget};
pub use globs::{OutputGlobs, directories};
pub use listing::{ListedKind, ListedOutput, OutputListing, PackLimits};
pub use written::WrittenSources;

use self::budget::{is_appended, is_profile};
use self::saving::{CopyError, Saving, SourceWrites};
use crate::container::{WrittenContent, WrittenFile, WrittenFiles, WrittenKind};
use crate::store::WorkDirectory;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The number of files of a job that are copied.
pub const MOST_FILES: usize = 100_000;

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
    /// The identifier of the run, which insta's pending snapshots get. `None`: they keep their own.
    run: Option<String>,
    /// The files of the source tree that jobs wrote.
    source_writes: Mutex<SourceWrites>,
    written: WrittenSources,
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
    /// The files that match absolute globs, at first those that are appended to files of the client,
    /// which no limit of other files concerns, and profiles. `None`: there are none. Blocks.
    pub(super) fn find(mut files: WrittenFiles, globs: &[String]) -> Option<Self> {
        let globs = OutputGlobs::new(globs);
        files.search_first(Path::new(PROFILE_DIRECTORY));
        files.search_first(Path::new(APPENDED_DIRECTORY));
        let mut found = files.find(MOST_FILES, |path| globs.wants(path));
        (found.files).sort_by_key(|file| !is_appended(&file.path) && !is_profile(&file.path));
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
        mut problems: Vec<String>,
    ) -> io::Result<Self> {
        let mut matching = Vec::new();
        for (output, name) in files {
            let kind = match &output.kind {
                ListedKind::File { .. } => WrittenKind::File,
                ListedKind::Removed => WrittenKind::Removed,
                ListedKind::Symlink { target } => {
                    let made = std::os::unix::fs::symlink(target, downloads.path().join(&name));
                    if let Err(error) = made {
                        problems.push(format!(
                            "failed to copy {}: its target cannot be that of a symbolic link: \
                             {error}",
                            output.path.display()
                        ));
                        continue;
                    }
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

    /// Copies the profiles that the programs of the job wrote. `place` returns the path for each.
    /// Returns what kept a profile from being copied. Blocks.
    pub fn copy_profiles(&self, mut place: impl FnMut() -> PathBuf) -> Vec<String> {
        let mut problems = Vec::new();
        for file in (self.matching.iter()).filter(|file| is_profile(&file.path)) {
            let copied = self.open(file).and_then(|content| match content {
                // A program that was killed may leave an empty file.
                WrittenContent::File { file, size, .. } if size > 0 => {
                    copy_new(file, size, &place())
                }
                _ => Ok(()),
            });
            if let Err(error) = copied {
                let path = file.path.display();
                problems.push(format!("failed to copy the profile {path}: {error}"));
            }
        }
        problems
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
            run: None,
            source_writes: Mutex::default(),
            written: WrittenSources::default(),
        }
    }

    /// Appends files of jobs to files of the client instead of copying them. `files`: the paths
    /// in a job, with those of the client.
    #[must_use]
    pub fn appending(mut self, files: impl IntoIterator<Item = (PathBuf, PathBuf)>) -> Self {
        self.appended.extend(files);
        self
    }

    /// Gives insta's pending snapshots this identifier of the run, whichever executor ran their job.
    #[must_use]
    pub fn of_run(mut self, run_id: String) -> Self {
        self.run = Some(run_id);
        self
    }

    /// Records the files of the source tree that are written or removed, before that is done.
    #[must_use]
    pub fn recording(mut self, written: WrittenSources) -> Self {
        self.written = written;
        self
    }

    /// Copies the outputs of `job` that are not of the source tree to `others`, under their whole
    /// paths. Copies the others to their own places. Blocks.
    pub fn save(&self, outputs: &JobOutputs, job: &str, others: &Path) -> SavedOutputs {
        let source_writes = self.source_writes.lock();
        let source_writes = source_writes.unwrap_or_else(PoisonError::into_inner);
        let mut saving = Saving::new(self, outputs, job, others, source_writes);
        for file in (outputs.matching.iter()).filter(|file| !is_profile(&file.path)) {
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
                Err(CopyError::Limit(over)) => {
                    saving.saved.problems.push(over.message);
                    if over.is_end {
                        break;
                    }
                }
                Err(CopyError::Io(error)) => {
                    let verb = match file.kind {
                        WrittenKind::Removed => "remove",
                        WrittenKind::File | WrittenKind::Symlink => "copy",
                    };
                    let problem = format!("failed to {verb} {}: {error}", file.path.display());
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

/// Copies this many bytes to a new file.
fn copy_new(from: File, size: u64, to: &Path) -> io::Result<()> {
    let mut created = File::create_new(to)?;
    io::copy(&mut from.take(size), &mut created).map(drop)
}

#[cfg(test)]
mod tests;
