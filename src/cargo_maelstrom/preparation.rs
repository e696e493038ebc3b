//! The preparation of a run, before the first test binary is built.
//!
//! The build starts at the same time as `cargo metadata`, so that neither waits for the other. It
//! starts later if the packages to build depend on the metadata, or if a `maelstrom-test.toml` may
//! have a mistake, which is reported before anything is built.

mod archived;
mod doctests;
mod selection;

use super::SetUpError;
use super::command_line::{TestAction, TestOptions};
use super::coverage::{InstrumentedBuild, RunProfiles};
use super::selector::Selector;
use super::suggestions::PackageOrTarget;
use super::test_run::{ArchivedTests, DoctestRun};
use super::unselected::{self, Offer};
use crate::archive;
use crate::cargo::{self, Build, Invocation, Narrowed, Package, Stderr, Workspace};
use crate::config::{CacheResults, Choice, VariablePattern};
use crate::directive::{self, Directives};
use crate::filter::Pattern;
use crate::image::Images;
use crate::layer::LayerBuilder;
use crate::needs::{KnownNeeds, Places, client_search_path};
use crate::schedule::{History, RecordedHistory};
use crate::store::Store;
use crate::test_job::{AppendedFiles, PassedVariables, TestContainerBuilder, WriteBack};
use archived::check_without_cargo;
use camino::Utf8PathBuf;
use doctests::doctest_settings;
use selection::ParsedSelection;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

pub struct Preparation {
    /// `None`: the tests are those of an archive.
    pub build: Option<Build>,
    pub archived: Option<ArchivedTests>,
    /// The directory for all outputs of tests. `None`: those of the source tree are copied there.
    pub outputs_directory: Option<PathBuf>,
    pub workspace: Arc<Workspace>,
    pub packages: Vec<Arc<Package>>,
    pub selector: Selector,
    pub directives: Arc<Directives>,
    pub containers: Arc<TestContainerBuilder>,
    pub appended: AppendedFiles,
    /// `None`: tests write no profiles.
    pub profiles: Option<RunProfiles>,
    pub store: Store,
    pub history: History,
    /// The durations by which tests are divided.
    pub recorded: RecordedHistory,
    /// `None`: tests get nothing of this machine besides their containers.
    pub known_needs: Option<KnownNeeds>,
    pub warnings: Vec<String>,
    /// `None`: no documentation tests are selected.
    pub doctests: Option<DoctestRun>,
}

impl Preparation {
    pub async fn new(options: &TestOptions, stderr: Stderr) -> Result<Self, SetUpError> {
        let selection = ParsedSelection::of(options)?;
        // A file that cannot be read is an error before anything is built.
        let recorded = recorded(options)?;
        match &options.archive {
            Some(archive) => Self::of_archive(options, selection, recorded, archive).await,
            None => Self::of_workspace(options, selection, recorded, stderr).await,
        }
    }

    async fn of_workspace(
        options: &TestOptions,
        selection: ParsedSelection,
        recorded: Option<RecordedHistory>,
        stderr: Stderr,
    ) -> Result<Self, SetUpError> {
        let archives = matches!(options.action, TestAction::Archive { .. });
        if let TestAction::Archive { file } = &options.action {
            archive::remove_old(file)?;
        }
        let mut invocation = invocation(options)?;
        check_profile(options, &invocation)?;
        let early = can_build_early(options, &invocation)
            .then(|| cargo::start_build(&invocation, stderr))
            .transpose()?;
        let mut workspace = cargo::metadata(&invocation).await?;
        let instrumented =
            InstrumentedBuild::prepare(options, &mut invocation, &mut workspace).await?;
        let workspace = Arc::new(workspace);
        tracing::debug!("the workspace is {}", workspace.root);
        let mut directives = load_directives(&workspace)?;
        let (mut selector, excluded) = selection.selector(options, &workspace, &directives)?;
        if archives {
            check_without_cargo(directives.filters_mut())?;
        }
        let patterns = selector.patterns_mut().chain(directives.filters_mut());
        relate(patterns, &invocation, &workspace).await?;
        for package in &excluded {
            invocation.options.push("exclude", Some(package));
        }
        if early.is_none() {
            narrow(&mut invocation, &workspace, &selector.includes)?;
        }
        let mut doctests = doctest_settings(options, &invocation, &workspace, stderr)?;
        if let (Some(settings), Some(build)) = (&mut doctests, &instrumented) {
            settings.instrumentation = Some(build.instrumentation.clone());
            settings.cache_results = CacheResults::Off;
        }
        let doctests = doctests.map(Rc::new);
        let first = match &doctests {
            Some(settings) if options.doc => &settings.invocation,
            _ => &invocation,
        };
        let build = match early {
            Some(build) => build,
            None => cargo::start_build(first, stderr)?,
        };
        let doctests = doctests.map(|settings| {
            if options.doc {
                let is_first = true;
                DoctestRun::Present { settings, is_first }
            } else {
                DoctestRun::Second(settings)
            }
        });
        let store = open_store(options, cache_directory(&workspace).as_std_path())?;
        let profiles =
            RunProfiles::of(options, instrumented, Some(&invocation), &workspace, &store).await?;
        let recorded = recorded.unwrap_or_default();
        let history = workspace.target_directory.join("maelstrom/history");
        let history = History::load(history.as_std_path())?.with_others(recorded.clone());
        let known_needs = (!options.settings.hermetic.value)
            .then(|| KnownNeeds::load(needs_file(&workspace).as_std_path()))
            .transpose()?;
        // What is archived does not depend on the client's variables.
        let appended = if archives {
            AppendedFiles::default()
        } else {
            AppendedFiles::of_client()
        };
        let write_back = WriteBack::decide(options.settings.write_back.value, |name| {
            std::env::var(name).ok().filter(|_| !archives)
        });
        let dependencies_only = options.settings.cache_results.value.reads();
        Ok(Self {
            packages: workspace.selected(&invocation.options).unwrap_or_default(),
            selector,
            warnings: warnings(&directives, &store, &history),
            directives: Arc::new(directives),
            containers: containers(
                options,
                &workspace,
                &store,
                dependencies_only,
                write_back,
                &appended,
                profiles.as_ref(),
            ),
            profiles,
            appended,
            store,
            history,
            recorded,
            known_needs,
            build: Some(build.stream(workspace.clone())),
            archived: None,
            outputs_directory: None,
            doctests,
            workspace,
        })
    }
}

/// The durations in the file of `--history`.
fn recorded(options: &TestOptions) -> Result<Option<RecordedHistory>, SetUpError> {
    let file = options.history.as_ref();
    let recorded = file.map(|file| RecordedHistory::load(file.as_std_path()));
    Ok(recorded.transpose()?)
}

fn open_store(options: &TestOptions, directory: &Path) -> Result<Store, SetUpError> {
    let limit = options.settings.cache_size.value.bytes();
    Ok(Store::open(directory, limit)?)
}

fn containers(
    options: &TestOptions,
    workspace: &Arc<Workspace>,
    store: &Store,
    dependencies_only: bool,
    write_back: WriteBack,
    appended: &AppendedFiles,
    profiles: Option<&RunProfiles>,
) -> Arc<TestContainerBuilder> {
    let passed = &options.settings.pass_environment.value.items();
    let builder = TestContainerBuilder::new(
        workspace.clone(),
        LayerBuilder::new(store.clone(), Images::new(options.settings.images.clone())),
        dependencies_only,
        &PassedVariables::new(passed.iter().map(VariablePattern::as_str)),
        write_back,
        appended.clone(),
    );
    let profiles = profiles.map(|profiles| profiles.of_jobs);
    let builder = builder.with_profiles(profiles.unwrap_or_default());
    Arc::new(builder.of_profile(options.settings.profile()))
}

fn warnings(directives: &Directives, store: &Store, history: &History) -> Vec<String> {
    let mut warnings = directives.warnings().to_vec();
    warnings.extend(store.discarded().map(ToOwned::to_owned));
    warnings.extend(history.note().map(ToString::to_string));
    warnings
}

/// The directory of the workspace's cache.
pub fn cache_directory(workspace: &Workspace) -> Utf8PathBuf {
    workspace.target_directory.join("maelstrom/cache")
}

/// The directory with the executables of documentation tests.
pub fn executables_directory(workspace: &Workspace) -> Utf8PathBuf {
    workspace.target_directory.join("maelstrom/doctests")
}

/// The file with what tests need of this machine.
pub fn needs_file(workspace: &Workspace) -> Utf8PathBuf {
    workspace.target_directory.join("maelstrom/needs.json")
}

/// The directories that directives name by placeholders.
pub fn places(workspace: &Workspace) -> Places {
    Places {
        workspace: workspace.root.clone(),
        target: workspace.target_directory.clone(),
        search_path: client_search_path(),
    }
}

/// Fails if the selection of tests on the command line cannot be read.
pub fn check_selection(options: &TestOptions) -> Result<(), SetUpError> {
    ParsedSelection::of(options).map(drop)
}

/// The workspace, for commands that need nothing else.
pub async fn workspace(options: &TestOptions) -> Result<Workspace, SetUpError> {
    Ok(cargo::metadata(&invocation(options)?).await?)
}

/// The workspace, the options of Cargo and the selector, for commands that build nothing.
pub async fn selection(
    options: &TestOptions,
) -> Result<(Workspace, Invocation, Selector), SetUpError> {
    let mut invocation = invocation(options)?;
    let selection = ParsedSelection::of(options)?;
    let workspace = cargo::metadata(&invocation).await?;
    let directives = load_directives(&workspace)?;
    let (mut selector, excluded) = selection.selector(options, &workspace, &directives)?;
    relate(selector.patterns_mut(), &invocation, &workspace).await?;
    for package in &excluded {
        invocation.options.push("exclude", Some(package));
    }
    narrow(&mut invocation, &workspace, &selector.includes)?;
    Ok((workspace, invocation, selector))
}

/// Fails if the profile that Cargo shall use is one of `maelstrom-test.toml` or cargo-nextest instead.
fn check_profile(options: &TestOptions, invocation: &Invocation) -> Result<(), SetUpError> {
    let Some(name) = &options.cargo.profile else {
        return Ok(());
    };
    let mistaken = if options.profile_names.contains(name) {
        SetUpError::NotAProfileOfCargo { name: name.clone() }
    } else if let Some(file) = nextest_file_with_profile(invocation, name) {
        let name = name.clone();
        SetUpError::ProfileOfNextest { name, file }
    } else {
        return Ok(());
    };
    if cargo::has_profile(invocation, name)? {
        return Ok(());
    }
    Err(mistaken)
}

/// The configuration of cargo-nextest that has a profile with this name.
fn nextest_file_with_profile(invocation: &Invocation, name: &str) -> Option<Utf8PathBuf> {
    let directories = cargo::directories(invocation).into_iter();
    let mut files = directories.map(|directory| directory.join(directive::NEXTEST_FILE));
    files.find(|file| {
        let content = std::fs::read(file).unwrap_or_default();
        directive::is_nextest_profile(content, name)
    })
}

/// The command line of Cargo.
pub fn invocation(options: &TestOptions) -> Result<Invocation, SetUpError> {
    let mut cargo_options = options.cargo_options.clone();
    if let Some(format) = options.cargo.cargo_message_format {
        cargo_options.push("message-format", Some(format.name()));
    }
    let mut invocation = Invocation::new(cargo_options).map_err(SetUpError::Start)?;
    invocation.color = Some(super::paint(&options.settings).is_colored());
    invocation.guard = Some("/proc/self/exe".into());
    Ok(invocation)
}

/// Tells patterns which packages depend on which, if one of them asks.
async fn relate(
    patterns: impl Iterator<Item = &mut Pattern>,
    invocation: &Invocation,
    workspace: &Workspace,
) -> Result<(), SetUpError> {
    let asking: Vec<_> = patterns.filter(|p| p.needs_dependencies()).collect();
    if asking.is_empty() {
        return Ok(());
    }
    let dependencies = cargo::dependencies(invocation, workspace).await?;
    for pattern in asking {
        pattern.relate(&dependencies);
    }
    Ok(())
}

/// Whether the build may start before the metadata is known: the metadata cannot change what is
/// built, and no directive file has a mistake.
fn can_build_early(options: &TestOptions, invocation: &Invocation) -> bool {
    let selection = &options.selection;
    // The call of rustdoc depends on the configuration that is read with the metadata.
    !options.doc
        // The build with instrumentation has a directory in the target directory.
        && options.coverage.is_none()
        && selection.includes.is_empty()
        && selection.filtersets.is_empty()
        && selection.exclusions.is_empty()
        && !nearby_directives_are_wrong(invocation)
}

/// Whether a `maelstrom-test.toml` that may belong to the workspace has a mistake. The root of the
/// workspace is not known yet, so the files of all parent directories are read.
fn nearby_directives_are_wrong(invocation: &Invocation) -> bool {
    cargo::directories(invocation)
        .iter()
        .map(|directory| directory.join(directive::FILE_NAME))
        .filter(|file| file.exists())
        .any(|file: Utf8PathBuf| Directives::load(&file).is_err())
}

fn load_directives(workspace: &Workspace) -> Result<Directives, SetUpError> {
    let file = workspace.root.join(directive::FILE_NAME);
    if file.exists() {
        Ok(Directives::load(&file)?)
    } else {
        Ok(Directives::built_in())
    }
}

/// Limits the build to packages that the include patterns can match.
fn narrow(
    invocation: &mut Invocation,
    workspace: &Workspace,
    includes: &[Pattern],
) -> Result<(), SetUpError> {
    if includes.is_empty() {
        return Ok(());
    }
    let matches = |package: &str| {
        // One matching pattern is enough: yes wins over maybe, maybe over no.
        let matches: Vec<_> = includes
            .iter()
            .map(|p| p.matches_package(package))
            .collect();
        if matches.contains(&Some(true)) {
            Some(true)
        } else if matches.contains(&None) {
            None
        } else {
            Some(false)
        }
    };
    match workspace.narrow(&invocation.options, matches)? {
        Narrowed::Verbatim => {}
        Narrowed::To(options) => invocation.options = options,
        Narrowed::Nothing => {
            let offer = Offer {
                places: PackageOrTarget::all_in(workspace, &[]),
                ..Offer::default()
            };
            let hints = unselected::hints_for_patterns(includes, &offer);
            return Err(SetUpError::NoPackageMatches(hints));
        }
    }
    Ok(())
}
