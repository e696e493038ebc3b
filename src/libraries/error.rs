//! Why libraries or programs could not be found.

use super::Conflict;
use std::fmt;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

#[derive(Debug, Error)]
pub enum LibraryError {
    #[error("cannot read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "cannot find the libraries of {}: it is a damaged ELF file: {reason}; build or install it again",
        path.display()
    )]
    Damaged { path: PathBuf, reason: String },
    #[error(transparent)]
    MissingLibraries(#[from] MissingLibraries),
    #[error(transparent)]
    MissingPrograms(#[from] MissingPrograms),
    #[error("cannot put the libraries into one layer: {0}")]
    Conflict(#[from] Conflict),
}

/// All libraries that were not found. Never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct MissingLibraries(pub Vec<MissingLibrary>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingLibrary {
    /// The name in the file that needs it.
    pub name: PathBuf,
    pub needed_by: PathBuf,
    /// The places searched, in order.
    pub looked_in: Vec<SearchedIn>,
    /// Files of that name that cannot be used, and why.
    pub passed_over: Vec<(PathBuf, String)>,
}

/// A directory or file that was searched for a library, and why.
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
            "install the library, or add its directory to LD_LIBRARY_PATH; if the container should not \
                get it from this machine, set `include_shared_libraries = false` and add the libraries by \
                a layer or an image"
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

/// All programs that were not found. Never empty.
#[derive(Debug, PartialEq, Eq)]
pub struct MissingPrograms {
    pub programs: Vec<MissingProgram>,
    /// The directories of `PATH` that were searched.
    pub path: Vec<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MissingProgram {
    pub name: PathBuf,
    /// The script whose `#!` line names the program.
    pub script: Option<PathBuf>,
    /// A file of that name that is not executable.
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
            "\ninstall the program, add its directory to PATH, or name it by its path"
        )
    }
}
