//! The outputs of a job that ran on a worker, on their way to its client: their contents are files
//! with numbers for names, and a listing has everything else.
//!
//! So no path of a job, and no symbolic link, becomes a path in the output of an action. The
//! worker and the engine handle plain files only, and neither side trusts a path of the other.

use super::budget::{OverLimit, SizeBudget, is_appended};
use super::{JobOutputs, MOST_FILES};
use crate::container::{WrittenContent, WrittenFile};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The outputs of a job, and the reasons why some are missing. The content of the file with the
/// index `n` is the file called `n`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OutputListing {
    pub outputs: Vec<ListedOutput>,
    pub problems: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedOutput {
    /// Its path in the job.
    pub path: PathBuf,
    pub kind: ListedKind,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListedKind {
    File {
        executable: bool,
    },
    Symlink {
        target: PathBuf,
    },
    /// The job removed what had this path.
    Removed,
}

/// The limits of what a worker sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackLimits {
    /// The size of a job's outputs, in bytes.
    pub size: u64,
    /// The size that is left for all jobs of the batch, in bytes.
    pub batch: u64,
    /// The size of the largest blob that the engine accepts, in bytes.
    pub blob: Option<u64>,
    /// The number of files.
    pub files: usize,
}

impl JobOutputs {
    /// Copies the contents to files in `directory`, which is made if there is a file. Also returns
    /// the size that is left for the batch, in bytes. Blocks.
    pub fn pack(&self, directory: &Path, limits: PackLimits) -> (OutputListing, u64) {
        let mut listing = OutputListing {
            outputs: Vec::new(),
            problems: self.problems.clone(),
        };
        let mut budget = SizeBudget::new(limits.size, limits.batch);
        for file in &self.matching {
            let path = file.path.display();
            if listing.outputs.len() >= limits.files && !is_appended(&file.path) {
                listing.problems.push(format!(
                    "{path} and later outputs were not copied: the jobs of one batch wrote too \
                     many; make `outputs` match fewer files"
                ));
                break;
            }
            let number = listing.outputs.len();
            let to = directory.join(number.to_string());
            match self.pack_file(file, &to, &mut budget, limits.blob) {
                Ok(kind) => listing.outputs.push(ListedOutput {
                    path: file.path.clone(),
                    kind,
                }),
                Err(PackError::Limit(over)) => {
                    listing.problems.push(over.message);
                    if over.is_end {
                        break;
                    }
                }
                Err(PackError::Blob { size, limit }) => listing.problems.push(format!(
                    "{path} was not copied: it has {size} bytes, and the engine accepts at most \
                     {limit} in one file"
                )),
                Err(PackError::Io(error)) => {
                    let problem = format!("failed to copy {path} on the worker: {error}");
                    listing.problems.push(problem);
                }
            }
        }
        (listing, budget.left_of_batch())
    }

    /// `largest`: the size of the largest blob that the engine accepts, in bytes.
    fn pack_file(
        &self,
        file: &WrittenFile,
        to: &Path,
        budget: &mut SizeBudget,
        largest: Option<u64>,
    ) -> Result<ListedKind, PackError> {
        match self.open(file)? {
            WrittenContent::Removed => Ok(ListedKind::Removed),
            WrittenContent::Symlink { target } => Ok(ListedKind::Symlink {
                target: target.into(),
            }),
            WrittenContent::File {
                file: opened,
                size,
                executable,
            } => {
                let mut after = *budget;
                after.take(&file.path, size).map_err(PackError::Limit)?;
                if let Some(limit) = largest.filter(|limit| size > *limit) {
                    return Err(PackError::Blob { size, limit });
                }
                if let Err(error) = write_content(opened, size, to) {
                    let _ = fs::remove_file(to);
                    return Err(error.into());
                }
                *budget = after;
                Ok(ListedKind::File { executable })
            }
        }
    }
}

enum PackError {
    Limit(OverLimit),
    /// The engine does not accept a blob of this size.
    Blob {
        size: u64,
        limit: u64,
    },
    Io(io::Error),
}

impl From<io::Error> for PackError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

fn write_content(content: File, size: u64, to: &Path) -> io::Result<()> {
    if let Some(directory) = to.parent() {
        fs::create_dir_all(directory)?;
    }
    let mut options = File::options();
    // An earlier runner of the same action may have left a file.
    let mut file = options.write(true).create(true).truncate(true).open(to)?;
    io::copy(&mut content.take(size), &mut file).map(drop)
}

impl OutputListing {
    pub fn is_empty(&self) -> bool {
        self.outputs.is_empty() && self.problems.is_empty()
    }

    /// The outputs as bytes. Each is a letter for its kind, its path and a NUL, which no path
    /// contains; for a symbolic link, its target and a NUL follow.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut add = |parts: &[&[u8]]| {
            bytes.extend(parts.concat());
            bytes.push(0);
        };
        for ListedOutput { path, kind } in &self.outputs {
            let letter = match kind {
                ListedKind::File { executable: false } => b"f",
                ListedKind::File { executable: true } => b"x",
                ListedKind::Symlink { .. } => b"l",
                ListedKind::Removed => b"r",
            };
            add(&[letter, path.as_os_str().as_bytes()]);
            if let ListedKind::Symlink { target } = kind {
                add(&[target.as_os_str().as_bytes()]);
            }
        }
        bytes
    }

    /// Reads outputs that a worker encoded. Those that no runner encodes are problems.
    pub fn decode(bytes: &[u8], problems: Vec<String>) -> Self {
        let mut listing = Self {
            outputs: Vec::new(),
            problems,
        };
        let mut parts = bytes.split(|&byte| byte == 0);
        let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
        while let Some(part) = parts.next() {
            let Some((letter, name)) = part.split_first() else {
                // The end.
                break;
            };
            if listing.outputs.len() >= MOST_FILES {
                listing.problems.push(format!(
                    "the worker sent more than {MOST_FILES} outputs; the others were not copied"
                ));
                break;
            }
            let kind = match letter {
                b'f' => Some(ListedKind::File { executable: false }),
                b'x' => Some(ListedKind::File { executable: true }),
                b'r' => Some(ListedKind::Removed),
                b'l' => parts.next().map(|target| ListedKind::Symlink {
                    target: path(target),
                }),
                _ => None,
            };
            let Some(kind) = kind else {
                let problem = "the worker sent a damaged list of outputs; see the worker's log";
                listing.problems.push(problem.to_owned());
                break;
            };
            listing.outputs.push(ListedOutput {
                path: path(name),
                kind,
            });
        }
        listing
    }
}
