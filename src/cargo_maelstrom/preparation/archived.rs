//! Preparing a run of the tests of an archive.

use super::{Preparation, SetUpError, default_filter, patterns, recorded, selector};
use crate::archive::ArchiveReader;
use crate::cargo::{Configuration, Toolchain, Workspace};
use crate::cargo_maelstrom::command_line::{RawPattern, TestOptions, divide};
use crate::cargo_maelstrom::filtersets;
use crate::cargo_maelstrom::test_run::ArchivedTests;
use crate::config::VariablePattern;
use crate::directive::{self, Directives};
use crate::filter::{Filterset, Pattern};
use crate::image::Images;
use crate::layer::LayerBuilder;
use crate::schedule::History;
use crate::store::Store;
use crate::test_job::{AppendedFiles, PassedVariables, TestContainerBuilder, WriteBack};
use camino::Utf8Path;
use std::sync::Arc;

impl Preparation {
    /// The preparation of a run of the tests of an archive. Its layers are unpacked into a cache in
    /// the user's cache directory, as the target directory of the workspace may not exist.
    pub(super) async fn of_archive(
        options: &TestOptions,
        archive: &Utf8Path,
        mut includes: Vec<Pattern>,
        filtersets: &[Filterset],
    ) -> Result<Self, SetUpError> {
        let cache = options.archive_cache.clone();
        let store = Store::open(
            &cache.join("cache"),
            options.settings.cache_size.value.bytes(),
        )?;
        let mut warnings: Vec<String> = store
            .discarded()
            .map(ToOwned::to_owned)
            .into_iter()
            .collect();
        let (path, unpacked_into) = (archive.to_owned(), store.clone());
        let unpacking =
            tokio::task::spawn_blocking(move || ArchiveReader::unpack(&path, &unpacked_into));
        let unpacked = unpacking
            .await
            .map_err(|error| SetUpError::Start(error.into()))??;
        let index = &unpacked.index;
        let (members, binaries) = index.restore().map_err(|reason| unpacked.damaged(reason))?;
        let mut directives = match &index.workspace.directives {
            Some(text) => {
                let name = index.workspace.root.join(directive::FILE_NAME);
                Directives::parse(name.as_str(), text.trim_start_matches('\u{feff}'))?
            }
            None => Directives::built_in(),
        };
        warnings.extend(directives.warnings().to_vec());
        let recorded = match &options.history {
            Some(_) => recorded(options)?,
            None => unpacked.history,
        };
        let history = History::load(&cache.join("history"))?.with_others(recorded.clone());
        warnings.extend(history.note().map(ToString::to_string));
        let exclusions = divide(&options.selection.exclusions, |text| {
            members.iter().any(|member| member.name == text)
        });
        let mut excludes = patterns(&exclusions.patterns)?;
        for package in &exclusions.packages {
            let text = format!("package.equals({package})");
            excludes.extend(patterns(&[RawPattern {
                option: "--exclude",
                text,
            }])?);
        }
        let archived = ArchivedTests::new(binaries, index.containers.clone());
        let workspace = Arc::new(Workspace {
            root: index.workspace.root.clone(),
            target_directory: index.workspace.target_directory.clone(),
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
        });
        includes.extend(filtersets::patterns(
            filtersets,
            &workspace,
            options,
            &directives,
        )?);
        let mut by_default = default_filter(options);
        let all = (includes.iter_mut().chain(&mut excludes))
            .chain(&mut by_default)
            .chain(directives.filters_mut());
        check_without_cargo(all)?;
        let passed = &options.settings.pass_environment.value.items();
        Ok(Self {
            build: None,
            archived: Some(archived),
            doctests: None,
            outputs_directory: Some(cache.join("outputs")),
            packages: workspace.packages.clone(),
            selector: selector(options, includes, excludes, by_default),
            directives: Arc::new(directives),
            containers: Arc::new(
                TestContainerBuilder::new(
                    workspace.clone(),
                    LayerBuilder::new(store.clone(), Images::new(options.settings.images.clone())),
                    false,
                    &PassedVariables::new(passed.iter().map(VariablePattern::as_str)),
                    WriteBack::Outputs,
                    AppendedFiles::default(),
                )
                .of_profile(options.settings.profile()),
            ),
            appended: AppendedFiles::default(),
            store,
            history,
            recorded,
            known_needs: None,
            warnings,
            workspace,
        })
    }
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
