//! Copying the outputs of a job to the source tree and to other places.

use super::budget::{OverLimit, SizeBudget};
use super::destination::{OutputDirectory, Placed};
use super::merge::{self, Merging};
use super::{JobOutputs, OutputPlaces, SavedOutputs};
use crate::container::{WrittenContent, WrittenFile, WrittenKind};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Cursor, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::MutexGuard;

/// Directories of version control, whose files control what other programs execute.
const VERSION_CONTROL: [&str; 4] = [".git", ".hg", ".jj", ".svn"];

/// The largest file that is combined with the changes of other jobs, in bytes.
const LARGEST_COMBINED: u64 = 1 << 20;

/// The total size of the contents that are kept to combine changes with, in bytes.
const MOST_KEPT: usize = 64 << 20;

/// The files of the source tree that jobs of a run wrote or removed.
#[derive(Debug, Default)]
pub struct SourceWrites {
    files: HashMap<PathBuf, SourceWrite>,
    /// The total size of the bases, in bytes.
    kept: usize,
}

#[derive(Debug)]
struct SourceWrite {
    /// The last job that wrote or removed the file.
    job: String,
    /// Whether that job removed it.
    is_removed: bool,
    /// The content before the first job wrote it, which each job had. `None`: unknown.
    base: Option<Vec<u8>>,
}

impl SourceWrites {
    /// Records that a job wrote or removed a file. `base`: its content before that, if it is known
    /// and no job wrote the file before. Returns the job before that, and whether that removed it.
    fn insert(
        &mut self,
        place: PathBuf,
        job: &str,
        is_removed: bool,
        base: Option<Vec<u8>>,
    ) -> Option<(String, bool)> {
        let job = job.to_owned();
        if let Some(write) = self.files.get_mut(&place) {
            let was_removed = std::mem::replace(&mut write.is_removed, is_removed);
            return Some((std::mem::replace(&mut write.job, job), was_removed));
        }
        let base = base.filter(|base| self.kept + base.len() <= MOST_KEPT);
        self.kept += base.as_ref().map_or(0, Vec::len);
        let write = SourceWrite {
            job,
            is_removed,
            base,
        };
        self.files.insert(place, write);
        None
    }
}

/// The copying of the outputs of one job.
pub struct Saving<'a> {
    places: &'a OutputPlaces,
    outputs: &'a JobOutputs,
    job: &'a str,
    others: &'a Path,
    source_writes: MutexGuard<'a, SourceWrites>,
    /// Opened when the first file is copied to it, as the next one is.
    source_directory: Option<OutputDirectory>,
    other_directory: Option<OutputDirectory>,
    budget: SizeBudget,
    pub saved: SavedOutputs,
}

/// A file that was placed in the source tree.
struct PlacedSource {
    placed: Placed,
    /// The content that each job had, if it is known and this job is the first that wrote the file.
    base: Option<Vec<u8>>,
    /// Whether it has the changes of earlier jobs, too.
    is_combined: bool,
}

pub enum CopyError {
    Limit(OverLimit),
    Io(io::Error),
}

impl From<OverLimit> for CopyError {
    fn from(over: OverLimit) -> Self {
        Self::Limit(over)
    }
}

impl From<io::Error> for CopyError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl<'a> Saving<'a> {
    /// Other jobs wait while `source_writes` is locked, so the files of a job are complete if two
    /// jobs write the same.
    pub fn new(
        places: &'a OutputPlaces,
        outputs: &'a JobOutputs,
        job: &'a str,
        others: &'a Path,
        source_writes: MutexGuard<'a, SourceWrites>,
    ) -> Self {
        Self {
            places,
            outputs,
            job,
            others,
            source_writes,
            source_directory: None,
            other_directory: None,
            budget: SizeBudget::new(places.limit, u64::MAX),
            saved: SavedOutputs {
                problems: outputs.problems.clone(),
                ..SavedOutputs::default()
            },
        }
    }

    pub fn copy_to_source(&mut self, root: &Path, file: &WrittenFile) -> Result<(), CopyError> {
        let relative = file.path.strip_prefix(root).unwrap_or(&file.path);
        if is_version_control(relative) {
            let problem = "files of version control are not written back";
            return Err(io::Error::other(problem).into());
        }
        let directory = match self.source_directory.take() {
            Some(opened) => opened,
            None => OutputDirectory::open(root)?,
        };
        let copied = self.copy_source(file, &directory, root, relative);
        self.source_directory = Some(directory);
        copied
    }

    fn copy_source(
        &mut self,
        file: &WrittenFile,
        directory: &OutputDirectory,
        root: &Path,
        relative: &Path,
    ) -> Result<(), CopyError> {
        let place = root.join(relative);
        self.places.written.add(&place);
        if file.kind == WrittenKind::Removed {
            return Ok(self.remove_source(directory, relative, place)?);
        }
        let PlacedSource {
            placed,
            base,
            is_combined,
        } = match self.outputs.open(file)? {
            WrittenContent::File {
                file: opened,
                size,
                executable,
            } if size <= LARGEST_COMBINED && Merging::of(relative) != Merging::Replace => {
                self.budget.take(&file.path, size)?;
                let mut content = Vec::new();
                opened.take(size).read_to_end(&mut content)?;
                self.combine(content, executable, directory, relative, &place)?
            }
            content => PlacedSource {
                placed: self.place(file, content, directory, relative)?,
                base: None,
                is_combined: false,
            },
        };
        if placed == Placed::Unchanged {
            return Ok(());
        }
        let before = (self.source_writes).insert(place.clone(), self.job, false, base);
        if let Some((before, was_removed)) = before
            && before != self.job
            && !is_combined
        {
            let (job, place) = (self.job, place.display());
            self.saved.problems.push(if was_removed {
                format!("{before} removed {place} and {job} wrote it; the latter's file was kept")
            } else {
                format!("{before} and {job} both wrote {place}; the latter's file was kept")
            });
        }
        self.saved.source_files.push(place);
        Ok(())
    }

    /// Removes a file of the source tree that the job removed.
    fn remove_source(
        &mut self,
        directory: &OutputDirectory,
        relative: &Path,
        place: PathBuf,
    ) -> io::Result<()> {
        let is_base_wanted = Merging::of(relative) != Merging::Replace
            && !self.source_writes.files.contains_key(&place);
        let base = if is_base_wanted {
            directory.read(relative, LARGEST_COMBINED)?
        } else {
            None
        };
        if directory.remove(relative)? == Placed::Unchanged {
            return Ok(());
        }
        let before = (self.source_writes).insert(place.clone(), self.job, true, base);
        if let Some((before, false)) = before
            && before != self.job
        {
            let (job, place) = (self.job, place.display());
            self.saved.problems.push(format!(
                "{before} wrote {place} and {job} removed it; it was removed"
            ));
        }
        self.saved.removed_files.push(place);
        Ok(())
    }

    /// Writes a file with the changes of this job and of earlier ones, if they can be combined.
    fn combine(
        &self,
        mut content: Vec<u8>,
        executable: bool,
        directory: &OutputDirectory,
        relative: &Path,
        place: &Path,
    ) -> io::Result<PlacedSource> {
        let present = directory.read(relative, LARGEST_COMBINED)?;
        let before = self.source_writes.files.get(place);
        let base = match before {
            Some(before) => before.base.as_deref(),
            None => present.as_deref(),
        };
        let mut is_combined = false;
        if let Some(base) = base {
            if let Some(run) = &self.places.run {
                content = merge::with_run(relative, base, content, run);
            }
            let changed = before.filter(|before| !before.is_removed);
            let present = changed.and(present.as_deref());
            let combined =
                present.and_then(|present| Merging::of(relative).combine(base, present, &content));
            if let Some(combined) = combined {
                content = combined;
                is_combined = true;
            }
        }
        let size = content.len() as u64;
        let placed = directory.place_file(relative, Cursor::new(content), size, executable)?;
        Ok(PlacedSource {
            placed,
            base: present.filter(|_| before.is_none()),
            is_combined,
        })
    }

    pub fn copy_to_others(&mut self, file: &WrittenFile) -> Result<(), CopyError> {
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
        let content = self.outputs.open(file);
        let copied = content.map_err(CopyError::Io);
        let copied = copied.and_then(|content| self.place(file, content, &directory, relative));
        self.other_directory = Some(directory);
        copied?;
        self.saved.other_files.push(self.others.join(relative));
        Ok(())
    }

    /// Appends whole lines to a file of the client, all at once, so that the lines of programs that
    /// append at the same time are not mixed.
    pub fn append(&mut self, file: &WrittenFile, to: &Path) -> Result<(), CopyError> {
        let WrittenContent::File {
            file: opened, size, ..
        } = self.outputs.open(file)?
        else {
            return Err(io::Error::other("it is not a regular file").into());
        };
        self.budget.take(&file.path, size)?;
        let mut lines = Vec::new();
        opened.take(size).read_to_end(&mut lines)?;
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

    fn place(
        &mut self,
        file: &WrittenFile,
        content: WrittenContent,
        directory: &OutputDirectory,
        path: &Path,
    ) -> Result<Placed, CopyError> {
        match content {
            WrittenContent::Symlink { target } => Ok(directory.place_symlink(path, &target)?),
            WrittenContent::Removed => Ok(directory.remove(path)?),
            WrittenContent::File {
                file: opened,
                size,
                executable,
            } => {
                self.budget.take(&file.path, size)?;
                Ok(directory.place_file(path, opened, size, executable)?)
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
