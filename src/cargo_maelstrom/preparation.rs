//! The preparation of a run, before the first test binary is built.
//!
//! The build starts at the same time as `cargo metadata`, so that neither waits for the other. It
//! starts later if the packages to build depend on the metadata, or if a `maelstrom-test.toml` may
//! have a mistake, which is reported before anything is built.

mod archived;
mod doctests;

use super::SetUpError;
use super::command_line::{RawPattern, TestAction, TestOptions, divide};
use super::filtersets;
use super::selector::Selector;
use super::suggestions::PackageOrTarget;
use super::test_run::{ArchivedTests, DoctestRun};
use super::unselected::{self, Offer};
use crate::archive;
use crate::cargo::{self, Build, Invocation, Narrowed, Package, StartedBuild, Stderr, Workspace};
use crate::config::{Choice, VariablePattern};
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
use std::path::PathBuf;
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
        let mut includes = patterns(&options.selection.includes)?;
        let filtersets = filtersets::parse(&options.selection.filtersets)?;
        if let Some(archive) = &options.archive {
            return Self::of_archive(options, archive, includes, &filtersets).await;
        }
        // A file that cannot be read is an error before anything is built.
        recorded(options)?;
        if let TestAction::Archive { file } = &options.action {
            archive::remove_old(file)?;
        }
        let mut invocation = invocation(options)?;
        check_profile(options, &invocation)?;
        let early = can_build_early(options, &invocation)
            .then(|| cargo::start_build(&invocation, stderr))
            .transpose()?;
        let workspace = Arc::new(cargo::metadata(&invocation).await?);
        tracing::debug!("the workspace is {}", workspace.root);
        let mut directives = load_directives(&workspace)?;
        let mut by_default = default_filter(options);
        includes.extend(filtersets::patterns(
            &filtersets,
            &workspace,
            options,
            &directives,
        )?);
        let exclusions = divide(&options.selection.exclusions, |text| {
            workspace.names_member(text)
        });
        let mut excludes = patterns(&exclusions.patterns)?;
        if let TestAction::Archive { .. } = options.action {
            check_without_cargo(directives.filters_mut())?;
        }
        let all = (includes.iter_mut().chain(&mut excludes))
            .chain(&mut by_default)
            .chain(directives.filters_mut());
        relate(all, &invocation, &workspace).await?;
        for package in &exclusions.packages {
            invocation.options.push("exclude", Some(package));
        }
        if early.is_none() {
            narrow(&mut invocation, &workspace, &includes)?;
        }
        let doctests = doctest_settings(options, &invocation, &workspace, stderr)?.map(Rc::new);
        let (build, doctests) = match (early, doctests) {
            (None, Some(settings)) if options.doc => {
                let build = cargo::start_build(&settings.invocation, stderr)?;
                let is_first = true;
                (build, Some(DoctestRun::Present { settings, is_first }))
            }
            (early, settings) => {
                let build = match early {
                    Some(build) => build,
                    None => cargo::start_build(&invocation, stderr)?,
                };
                (build, settings.map(DoctestRun::Second))
            }
        };
        Self::with_build(
            options,
            &invocation,
            workspace,
            (build, doctests),
            directives,
            selector(options, includes, excludes, by_default),
        )
    }

    fn with_build(
        options: &TestOptions,
        invocation: &Invocation,
        workspace: Arc<Workspace>,
        (build, doctests): (StartedBuild, Option<DoctestRun>),
        directives: Directives,
        selector: Selector,
    ) -> Result<Self, SetUpError> {
        let mut warnings = directives.warnings().to_vec();
        let store = Store::open(
            cache_directory(&workspace).as_std_path(),
            options.settings.cache_size.value.bytes(),
        )?;
        warnings.extend(store.discarded().map(ToOwned::to_owned));
        let history = workspace.target_directory.join("maelstrom/history");
        let recorded = recorded(options)?;
        let history = History::load(history.as_std_path())?.with_others(recorded.clone());
        warnings.extend(history.note().map(ToString::to_string));
        let known_needs = workspace.target_directory.join("maelstrom/needs.json");
        let known_needs = (!options.settings.hermetic.value)
            .then(|| KnownNeeds::load(known_needs.as_std_path()))
            .transpose()?;
        // What is archived does not depend on the client's variables.
        let archives = matches!(options.action, TestAction::Archive { .. });
        let appended = if archives {
            AppendedFiles::default()
        } else {
            AppendedFiles::of_client()
        };
        let passed = &options.settings.pass_environment.value.items();
        Ok(Self {
            packages: workspace.selected(&invocation.options).unwrap_or_default(),
            selector,
            directives: Arc::new(directives),
            containers: Arc::new(
                TestContainerBuilder::new(
                    workspace.clone(),
                    LayerBuilder::new(store.clone(), Images::new(options.settings.images.clone())),
                    options.settings.cache_results.value.reads(),
                    &PassedVariables::new(passed.iter().map(VariablePattern::as_str)),
                    WriteBack::decide(options.settings.write_back.value, |name| {
                        std::env::var(name).ok().filter(|_| !archives)
                    }),
                    appended.clone(),
                )
                .of_profile(options.settings.profile()),
            ),
            appended,
            store,
            history,
            recorded,
            known_needs,
            warnings,
            build: Some(build.stream(workspace.clone())),
            archived: None,
            outputs_directory: None,
            doctests,
            workspace,
        })
    }
}

/// The durations in the file of `--history`.
fn recorded(options: &TestOptions) -> Result<RecordedHistory, SetUpError> {
    let file = options.history.as_ref();
    let recorded = file.map(|file| RecordedHistory::load(file.as_std_path()));
    Ok(recorded.transpose()?.unwrap_or_default())
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

/// The workspace, for commands that need nothing else.
pub async fn workspace(options: &TestOptions) -> Result<Workspace, SetUpError> {
    Ok(cargo::metadata(&invocation(options)?).await?)
}

/// The workspace, the options of Cargo and the patterns, for commands that build nothing.
pub async fn selection(
    options: &TestOptions,
) -> Result<(Workspace, Invocation, Selector), SetUpError> {
    let mut invocation = invocation(options)?;
    let mut includes = patterns(&options.selection.includes)?;
    let filtersets = filtersets::parse(&options.selection.filtersets)?;
    let workspace = cargo::metadata(&invocation).await?;
    let directives = load_directives(&workspace)?;
    includes.extend(filtersets::patterns(
        &filtersets,
        &workspace,
        options,
        &directives,
    )?);
    let exclusions = divide(&options.selection.exclusions, |text| {
        workspace.names_member(text)
    });
    for package in &exclusions.packages {
        invocation.options.push("exclude", Some(package));
    }
    let mut excludes = patterns(&exclusions.patterns)?;
    let mut by_default = default_filter(options);
    let all = (includes.iter_mut().chain(&mut excludes)).chain(&mut by_default);
    relate(all, &invocation, &workspace).await?;
    narrow(&mut invocation, &workspace, &includes)?;
    let selector = selector(options, includes, excludes, by_default);
    Ok((workspace, invocation, selector))
}

/// The pattern of the tests that are selected by default. `None`: it does not limit the selection.
fn default_filter(options: &TestOptions) -> Option<Pattern> {
    // The other actions are about tests that the command line names.
    let by_default = matches!(
        options.action,
        TestAction::Run
            | TestAction::Learn
            | TestAction::ListTests
            | TestAction::ListBinaries
            | TestAction::Archive { .. }
    );
    let filter = options.settings.default_filter.as_ref();
    let filter = filter.filter(|_| by_default && !options.ignores_default_filter);
    filter.map(|filter| filter.value.0.clone())
}

fn selector(
    options: &TestOptions,
    includes: Vec<Pattern>,
    excludes: Vec<Pattern>,
    default_filter: Option<Pattern>,
) -> Selector {
    Selector {
        includes,
        excludes,
        names: options.selection.names.clone(),
        ignored: options.selection.ignored,
        default_filter,
    }
}

/// Fails if the profile that Cargo shall use is one of `maelstrom-test.toml` instead.
pub fn check_profile(options: &TestOptions, invocation: &Invocation) -> Result<(), SetUpError> {
    match &options.cargo.profile {
        Some(name)
            if options.profile_names.contains(name) && !cargo::has_profile(invocation, name)? =>
        {
            let name = name.clone();
            Err(SetUpError::NotAProfileOfCargo { name })
        }
        _ => Ok(()),
    }
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

fn patterns(raw: &[RawPattern]) -> Result<Vec<Pattern>, SetUpError> {
    raw.iter()
        .map(|raw| {
            raw.text.parse().map_err(|source| SetUpError::Pattern {
                option: raw.option,
                source,
            })
        })
        .collect()
}

/// Tells patterns which packages depend on which, if one of them asks.
pub async fn relate(
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
