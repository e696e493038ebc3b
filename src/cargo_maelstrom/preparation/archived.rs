//! Preparing a run of the tests of an archive.

use super::selection::{ParsedSelection, patterns};
use super::{Preparation, SetUpError, containers, open_store, warnings};
use crate::archive::{ArchiveReader, ArchivedWorkspace};
use crate::cargo::{Configuration, Package, Toolchain, Workspace};
use crate::cargo_maelstrom::command_line::{RawPattern, TestOptions};
use crate::cargo_maelstrom::coverage::RunProfiles;
use crate::cargo_maelstrom::test_run::ArchivedTests;
use crate::directive::{Directives, FILE_NAME};
use crate::filter::Pattern;
use crate::schedule::{History, RecordedHistory};
use crate::test_job::{AppendedFiles, WriteBack};
use camino::Utf8Path;
use std::sync::Arc;

impl Preparation {
    /// The preparation of a run of the tests of an archive. Its layers are unpacked into a cache in
    /// the user's cache directory, as the target directory of the workspace may not exist.
    pub(super) async fn of_archive(
        options: &TestOptions,
        selection: ParsedSelection,
        recorded: Option<RecordedHistory>,
        archive: &Utf8Path,
    ) -> Result<Self, SetUpError> {
        let cache = options.archive_cache.clone();
        let store = open_store(options, &cache.join("cache"))?;
        let (path, unpacked_into) = (archive.to_owned(), store.clone());
        let unpacking =
            tokio::task::spawn_blocking(move || ArchiveReader::unpack(&path, &unpacked_into));
        let unpacked = unpacking
            .await
            .map_err(|error| SetUpError::Start(error.into()))??;
        let index = &unpacked.index;
        let (members, binaries) = index.restore().map_err(|reason| unpacked.damaged(reason))?;
        let archived = ArchivedTests::new(binaries, index.containers.clone());
        let workspace = Arc::new(without_cargo(&index.workspace, members));
        let mut directives = match &index.workspace.directives {
            Some(text) => Directives::parse(workspace.root.join(FILE_NAME).as_str(), text)?,
            None => Directives::built_in(),
        };
        let (mut selector, excluded) = selection.selector(options, &workspace, &directives)?;
        selector
            .excludes
            .extend(of_packages(&excluded, &workspace)?);
        check_without_cargo(selector.patterns_mut().chain(directives.filters_mut()))?;
        let recorded = recorded.unwrap_or(unpacked.history);
        let history = History::load(&cache.join("history"))?.with_others(recorded.clone());
        let profiles = RunProfiles::of(options, None, None, &workspace, &store).await?;
        let (write_back, appended) = (WriteBack::Outputs, AppendedFiles::default());
        Ok(Self {
            build: None,
            archived: Some(archived),
            doctests: None,
            outputs_directory: Some(cache.join("outputs")),
            packages: workspace.packages.clone(),
            selector,
            warnings: warnings(&directives, &store, &history),
            directives: Arc::new(directives),
            containers: containers(
                options,
                &workspace,
                &store,
                false,
                write_back,
                &appended,
                profiles.as_ref(),
            ),
            profiles,
            appended,
            store,
            history,
            recorded,
            known_needs: None,
            workspace,
        })
    }
}

/// The workspace of an archive, which has no toolchain.
fn without_cargo(archived: &ArchivedWorkspace, members: Vec<Arc<Package>>) -> Workspace {
    Workspace {
        root: archived.root.clone(),
        target_directory: archived.target_directory.clone(),
        separate_target: None,
        build_directory: None,
        default_members: members.iter().map(|member| member.id.clone()).collect(),
        packages: members,
        toolchain: Toolchain {
            sysroot: "/nonexistent".into(),
            host: String::new(),
            cargo: "/nonexistent/cargo".into(),
            rustc: "/nonexistent/rustc".into(),
        },
        configuration: Configuration::default(),
    }
}

/// Patterns of the packages that these values of `--exclude` name.
fn of_packages(excluded: &[String], workspace: &Workspace) -> Result<Vec<Pattern>, SetUpError> {
    let packages = excluded
        .iter()
        .flat_map(|text| workspace.members_named(text));
    let raw = packages.map(|package| RawPattern {
        option: "--exclude",
        text: format!("package.equals({})", package.name),
    });
    patterns(&raw.collect::<Vec<_>>())
}

/// Refuses patterns that ask for dependencies of packages, which only Cargo knows.
pub fn check_without_cargo<'a>(
    mut patterns: impl Iterator<Item = &'a mut Pattern>,
) -> Result<(), SetUpError> {
    match patterns.find(|pattern| pattern.needs_dependencies()) {
        Some(pattern) => Err(SetUpError::DependenciesOfArchive(pattern.to_string())),
        None => Ok(()),
    }
}
