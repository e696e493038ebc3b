//! What can go wrong while looking for libraries and programs.

use super::Conflict;
use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum LibraryError {
    #[error("failed to read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "failed to find the libraries of {}, as it is a damaged ELF file: {reason}; build or install it again",
        path.display()
    )]
    Damaged { path: PathBuf, reason: String },
    #[error(transparent)]
    MissingLibraries(#[from] MissingLibraries),
    #[error(transparent)]
    MissingPrograms(#[from] MissingPrograms),
    #[error("failed to put libraries into one layer: {0}")]
    Conflict(#[from] Conflict),
}

/// Every library that was looked for and not found; never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct MissingLibraries(pub Vec<MissingLibrary>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingLibrary {
    /// As the file that needs it names it.
    pub name: PathBuf,
    pub needed_by: PathBuf,
    /// In the order of the search.
    pub looked_in: Vec<SearchedIn>,
    /// Files of that name which could not be taken, and why.
    pub passed_over: Vec<(PathBuf, String)>,
}

/// A place where a library was looked for, and what brought the search there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchedIn {
    pub place: PathBuf,
    pub because: String,
}

impl std::error::Error for MissingLibraries {}

impl fmt::Display for MissingLibraries {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [_] => writeln!(f, "cannot find a shared library:")?,
            all => writeln!(f, "cannot find {} shared libraries:", all.len())?,
        }
        for library in &self.0 {
            write!(f, "{library}")?;
        }
        write!(
            f,
            "install what is missing, or put its directory into LD_LIBRARY_PATH; if it is not \
             needed from here, set `include_shared_libraries = false` and bring the libraries in \
             by a layer or an image"
        )
    }
}

impl fmt::Display for MissingLibrary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  {}", self.name.display())?;
        writeln!(f, "    needed by {}", self.needed_by.display())?;
        for searched in &self.looked_in {
            let (place, because) = (searched.place.display(), &searched.because);
            writeln!(f, "    looked in {place} ({because})")?;
        }
        for (path, reason) in &self.passed_over {
            writeln!(f, "    passed over {}: {reason}", path.display())?;
        }
        Ok(())
    }
}

/// Every program that was looked for and not found; never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct MissingPrograms {
    pub programs: Vec<MissingProgram>,
    /// The `PATH` searched.
    pub path: Vec<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingProgram {
    pub name: PathBuf,
    /// The script whose `#!` line names it.
    pub script: Option<PathBuf>,
    /// A file of that name that cannot be run.
    pub not_executable: Option<PathBuf>,
}

impl std::error::Error for MissingPrograms {}

impl fmt::Display for MissingPrograms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.programs.as_slice() {
            [_] => writeln!(f, "cannot find a program:")?,
            all => writeln!(f, "cannot find {} programs:", all.len())?,
        }
        for program in &self.programs {
            write!(f, "  {}", program.name.display())?;
            if let Some(script) = &program.script {
                write!(f, ", which runs the script {}", script.display())?;
            }
            if let Some(path) = &program.not_executable {
                write!(f, " ({} is not executable)", path.display())?;
            }
            writeln!(f)?;
        }
        write!(f, "looked in PATH:")?;
        for (index, directory) in self.path.iter().enumerate() {
            let separator = if index == 0 { " " } else { ":" };
            write!(f, "{separator}{}", directory.display())?;
        }
        write!(
            f,
            "\ninstall what is missing, put its directory into PATH, or name it by its path"
        )
    }
}
