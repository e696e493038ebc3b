//! The profiles of `maelstrom-test.toml`. They are read before the settings are known, and so before
//! anything else of the workspace.

use super::command_line::ProfileSource;
use crate::archive::ArchiveReader;
use crate::cargo::{self, CargoOptions, Invocation};
use crate::config::{CommandLineError, ConfigError, Profiles};
use crate::directive::{Directives, FILE_NAME};
use camino::{Utf8Path, Utf8PathBuf};
use std::error::Error;
use std::fs;
use std::io::ErrorKind;

/// Reads the profiles of a workspace or archive. `is_required`: a profile was chosen, so that the
/// file is read even if it is unlikely to have profiles.
pub fn profiles(
    source: ProfileSource<'_>,
    is_required: bool,
) -> Result<Profiles, CommandLineError> {
    match source {
        ProfileSource::Workspace(options) => of_workspace(options, is_required),
        ProfileSource::Archive(archive) => of_archive(archive),
    }
}

/// The profiles in the text of an archive. Their paths are relative to the working directory, since
/// the directory of the file may not exist on this machine.
fn of_archive(archive: &Utf8Path) -> Result<Profiles, CommandLineError> {
    let index = ArchiveReader::index(archive).map_err(in_workspace)?;
    let directory = std::env::current_dir().map_err(in_workspace)?;
    let path = directory.join(FILE_NAME);
    let Some(text) = index.workspace.directives else {
        return Ok(Profiles::none_in(path));
    };
    Profiles::parse(&path, &text).map_err(in_workspace)
}

fn of_workspace(options: &CargoOptions, is_required: bool) -> Result<Profiles, CommandLineError> {
    let invocation = Invocation::new(options.clone()).map_err(in_workspace)?;
    if !is_required && !may_have_profiles(&invocation) {
        return Ok(Profiles::default());
    }
    let root = match cargo::workspace_root(&invocation) {
        Ok(root) => root,
        Err(error) if is_required => return Err(in_workspace(error)),
        // The same error follows when the packages of the workspace are read.
        Err(_) => return Ok(Profiles::default()),
    };
    read(&root.join(FILE_NAME))
}

/// Whether the file of the workspace may have profiles, as far as is known without asking Cargo,
/// which takes longer.
fn may_have_profiles(invocation: &Invocation) -> bool {
    let mentions_profiles = |directory: &Utf8PathBuf| {
        match fs::read(directory.join(FILE_NAME)) {
            Ok(text) => String::from_utf8_lossy(&text)
                .lines()
                .any(|line| !line.trim_start().starts_with('#') && line.contains("profile")),
            // A file that cannot be read may have some.
            Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        }
    };
    let mut directories = cargo::directories(invocation).into_iter();
    directories
        .any(|directory| mentions_profiles(&directory) || cargo::names_its_workspace(&directory))
}

fn read(path: &Utf8Path) -> Result<Profiles, CommandLineError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            return Ok(Profiles::none_in(path.into()));
        }
        Err(error) => return Err(unreadable(path, error)),
    };
    let text = text.trim_start_matches('\u{feff}');
    Profiles::parse(path.as_std_path(), text).map_err(|error| match error {
        ConfigError::Syntax { .. } => unreadable(path, error),
        error => error.into(),
    })
}

/// The error of a file that cannot be read. That of the directives shows the line.
fn unreadable(path: &Utf8Path, error: impl Error + Send + Sync + 'static) -> CommandLineError {
    match Directives::load(path) {
        Err(explained) => in_workspace(explained),
        Ok(_) => in_workspace(error),
    }
}

fn in_workspace(error: impl Error + Send + Sync + 'static) -> CommandLineError {
    CommandLineError::Workspace(Box::new(error))
}

/// The names of the profiles of a workspace, for completing a command line.
pub fn profile_names(root: &Utf8Path) -> Vec<String> {
    let profiles = read(&root.join(FILE_NAME)).unwrap_or_default();
    profiles.names().into_iter().map(str::to_owned).collect()
}
