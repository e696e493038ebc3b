//! The directories that are watched for a workspace, and the files in them that are not.

use super::super::command_line::{TestOptions, TimingsFile};
use super::super::{SetUpError, junit_path, preparation};
use crate::cargo::{self, CargoError, Invocation};
use camino::Utf8PathBuf;
use std::path::PathBuf;

/// The directories with the sources of a workspace.
pub struct SourcePlaces {
    /// The root of the workspace, and packages outside of it that it is built from.
    pub directories: Vec<PathBuf>,
    /// Files and directories that Cargo and this program write.
    pub excluded: Vec<PathBuf>,
}

impl SourcePlaces {
    pub async fn find(options: &TestOptions) -> Result<Self, SetUpError> {
        let invocation = preparation::invocation(options)?;
        let written = [
            junit_path(options),
            options.coverage.as_ref().and_then(|it| it.output.clone()),
            match &options.timings {
                Some(TimingsFile::Named(file)) => Some(file.clone()),
                _ => None,
            },
        ];
        let written = written.into_iter().flatten();
        let mut excluded: Vec<_> = written
            .filter_map(|path| std::path::absolute(path).ok())
            .collect();
        let workspace = match cargo::metadata(&invocation).await {
            Ok(workspace) => workspace,
            // A change may repair the manifest.
            Err(error @ CargoError::Cargo { .. }) => {
                let directory = nearest_manifest(&invocation).ok_or(error)?;
                return Ok(Self {
                    directories: vec![directory.into()],
                    excluded,
                });
            }
            Err(error) => return Err(error.into()),
        };
        let targets = std::iter::once(&workspace.target_directory)
            .chain(&workspace.build_directory)
            .map(PathBuf::from);
        excluded.extend(targets);
        let mut directories = vec![PathBuf::from(&workspace.root)];
        // The build says what is wrong with dependencies.
        let packages = cargo::local_packages(&invocation).await.unwrap_or_default();
        let members = (workspace.packages.iter()).map(|member| member.directory.clone());
        directories.extend(packages.into_iter().chain(members).map(PathBuf::from));
        Ok(Self {
            directories,
            excluded,
        })
    }
}

/// The nearest directory with a manifest.
fn nearest_manifest(invocation: &Invocation) -> Option<Utf8PathBuf> {
    let directories = cargo::directories(invocation);
    directories
        .into_iter()
        .find(|directory| directory.join("Cargo.toml").is_file())
}
