//! The preparation of a run, before the first test binary is built.
//!
//! The build starts at the same time as `cargo metadata`, so that neither waits for the other. It
//! starts later if the packages to build depend on the metadata, or if a `maelstrom-test.toml` may
//! have a mistake, which is reported before anything is built.

use super::SetUpError;
use super::command_line::{RawPattern, RunIgnored, TestAction, TestOptions, divide};
use super::selector::Selector;
use super::suggestions::PackageOrTarget;
use super::test_run::{DoctestRun, DoctestSettings};
use super::unselected::{self, Offer};
use crate::cargo::{
    self, Build, DoctestBuild, Invocation, Narrowed, Package, StartedBuild, Stderr, Workspace,
};
use crate::config::{Choice, VariablePattern};
use crate::directive::{self, Directives};
use crate::doctest::{Compiler, IgnoredTests, Purpose, Recorder};
use crate::filter::Pattern;
use crate::image::Images;
use crate::layer::LayerBuilder;
use crate::needs::{KnownNeeds, Places, client_search_path};
use crate::schedule::History;
use crate::store::Store;
use crate::test_job::{AppendedFiles, PassedVariables, TestContainerBuilder, WriteBack};
use camino::{Utf8Path, Utf8PathBuf};
use std::rc::Rc;
use std::sync::Arc;

pub struct Preparation {
    pub build: Build,
    pub workspace: Arc<Workspace>,
    pub packages: Vec<Arc<Package>>,
    pub selector: Selector,
    pub directives: Arc<Directives>,
    pub containers: Arc<TestContainerBuilder>,
    pub appended: AppendedFiles,
    pub store: Store,
    pub history: History,
    /// `None`: tests get nothing of this machine besides their containers.
    pub known_needs: Option<KnownNeeds>,
    pub warnings: Vec<String>,
    /// `None`: no documentation tests are selected.
    pub doctests: Option<DoctestRun>,
}

impl Preparation {
    pub async fn new(options: &TestOptions, stderr: Stderr) -> Result<Self, SetUpError> {
        let mut invocation = invocation(options)?;
        let includes = patterns(&options.selection.includes)?;
        let early = can_build_early(options, &invocation)
            .then(|| cargo::start_build(&invocation, stderr))
            .transpose()?;
        let workspace = Arc::new(cargo::metadata(&invocation).await?);
        tracing::debug!("the workspace is {}", workspace.root);
        let directives = load_directives(&workspace)?;
        let exclusions = divide(&options.selection.exclusions, |text| {
            workspace.names_member(text)
        });
        let excludes = patterns(&exclusions.patterns)?;
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
            includes,
            excludes,
        )
    }

    fn with_build(
        options: &TestOptions,
        invocation: &Invocation,
        workspace: Arc<Workspace>,
        (build, doctests): (StartedBuild, Option<DoctestRun>),
        directives: Directives,
        includes: Vec<Pattern>,
        excludes: Vec<Pattern>,
    ) -> Result<Self, SetUpError> {
        let mut warnings = directives.warnings().to_vec();
        let store = Store::open(
            cache_directory(&workspace).as_std_path(),
            options.settings.cache_size.value.bytes(),
        )?;
        warnings.extend(store.discarded().map(ToOwned::to_owned));
        let history = workspace.target_directory.join("maelstrom/history");
        let history = History::load(history.as_std_path())?;
        warnings.extend(history.note().map(ToString::to_string));
        let known_needs = workspace.target_directory.join("maelstrom/needs.json");
        let known_needs = (!options.settings.hermetic.value)
            .then(|| KnownNeeds::load(known_needs.as_std_path()))
            .transpose()?;
        let appended = AppendedFiles::of_client();
        let passed = &options.settings.pass_environment.value.items();
        Ok(Self {
            packages: workspace.selected(&invocation.options).unwrap_or_default(),
            selector: Selector {
                includes,
                excludes,
                names: options.selection.names.clone(),
                ignored: options.selection.ignored,
            },
            directives: Arc::new(directives),
            containers: Arc::new(TestContainerBuilder::new(
                workspace.clone(),
                LayerBuilder::new(store.clone(), Images::new(options.settings.images.clone())),
                options.settings.cache_results.value.reads(),
                &PassedVariables::new(passed.iter().map(VariablePattern::as_str)),
                WriteBack::decide(options.settings.write_back.value, |name| {
                    std::env::var(name).ok()
                }),
                appended.clone(),
            )),
            appended,
            store,
            history,
            known_needs,
            warnings,
            doctests,
            build: build.stream(workspace.clone()),
            workspace,
        })
    }
}

/// What the run needs for documentation tests. `None`: Cargo would run none.
fn doctest_settings(
    options: &TestOptions,
    invocation: &Invocation,
    workspace: &Arc<Workspace>,
    stderr: Stderr,
) -> Result<Option<DoctestSettings>, SetUpError> {
    const TARGETS: [&str; 10] = [
        "lib",
        "bins",
        "bin",
        "tests",
        "test",
        "examples",
        "example",
        "benches",
        "bench",
        "all-targets",
    ];
    let has_doctests = |package: &Arc<Package>| package.targets.iter().any(|target| target.doctest);
    let is_usual = !TARGETS.iter().any(|name| invocation.options.is_set(name));
    let are_selected = match workspace.selected(&invocation.options) {
        Ok(packages) => packages.iter().any(has_doctests),
        // A dependency may be meant, which is a library.
        Err(_) => true,
    };
    let runs_tests = !matches!(
        options.action,
        TestAction::Build
            | TestAction::ListBinaries
            | TestAction::ListPackages
            | TestAction::Init
            | TestAction::PrintConfig(_)
    );
    // With `--doc`, Cargo says why there are none.
    if !runs_tests || !(options.doc || is_usual && are_selected) {
        return Ok(None);
    }
    let mut invocation = invocation.clone();
    if !options.doc {
        // With `--doc`, Cargo would build libraries whose documentation tests are switched off.
        let has_some = |name: &str| {
            let mut packages = workspace.packages.iter();
            let named = packages.find(|package| package.name == name);
            named.map(has_doctests)
        };
        if let Ok(Narrowed::To(narrower)) = workspace.narrow(&invocation.options, has_some) {
            invocation.options = narrower;
        }
    }
    let recorder = Recorder::new(workspace.rustdoc()).map_err(SetUpError::Start)?;
    invocation.doctests = Some(DoctestBuild {
        environment: recorder.environment().map_err(SetUpError::Start)?,
        // Cargo refuses to be told twice, or to be quiet and verbose.
        quiet: !options.doc
            && !invocation.options.is_set("quiet")
            && !invocation.options.is_set("verbose"),
    });
    let ignored = match options.selection.ignored {
        RunIgnored::Default => IgnoredTests::LeftOut,
        RunIgnored::Only => IgnoredTests::Only,
        RunIgnored::All => IgnoredTests::Included,
    };
    let slots = options.settings.slots.value.get();
    let names = &options.selection.names;
    Ok(Some(DoctestSettings {
        compiler: Compiler::new(
            invocation.clone(),
            recorder.rustdoc().into(),
            slots,
            ignored,
        ),
        recorder,
        workspace: workspace.clone(),
        invocation,
        stderr,
        purpose: if options.action == TestAction::ListTests {
            Purpose::List
        } else {
            Purpose::Run
        },
        cache_results: options.settings.cache_results.value,
        packed: options.settings.remote.is_some() && options.action.runs_selected(),
        runs: options.action.runs_selected(),
        leaves_executables: options.action == TestAction::PrintSpec,
        filters: if names.exact {
            Vec::new()
        } else {
            names.filters.clone()
        },
    }))
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
    let workspace = cargo::metadata(&invocation).await?;
    load_directives(&workspace)?;
    let excluded = divide(&options.selection.exclusions, |text| {
        workspace.names_member(text)
    });
    for package in &excluded.packages {
        invocation.options.push("exclude", Some(package));
    }
    let includes = patterns(&options.selection.includes)?;
    narrow(&mut invocation, &workspace, &includes)?;
    let selector = Selector {
        includes,
        excludes: patterns(&excluded.patterns)?,
        names: options.selection.names.clone(),
        ignored: options.selection.ignored,
    };
    Ok((workspace, invocation, selector))
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

/// Whether the build may start before the metadata is known: the metadata cannot change what is
/// built, and no directive file has a mistake.
fn can_build_early(options: &TestOptions, invocation: &Invocation) -> bool {
    let selection = &options.selection;
    // The call of rustdoc depends on the configuration that is read with the metadata.
    !options.doc
        && selection.includes.is_empty()
        && selection.exclusions.is_empty()
        && !nearby_directives_are_wrong(invocation)
}

/// Whether a `maelstrom-test.toml` that may belong to the workspace has a mistake. The root of the
/// workspace is not known yet, so the files of all parent directories are read.
fn nearby_directives_are_wrong(invocation: &Invocation) -> bool {
    let manifest = invocation.options.value("manifest-path");
    let start = match manifest {
        Some(path) => invocation.directory.join(path),
        None => invocation.directory.join("Cargo.toml"),
    };
    start
        .ancestors()
        .skip(1)
        .filter_map(Utf8Path::from_path)
        .map(|directory| directory.join(directive::FILE_NAME))
        .filter(|file| file.exists())
        .any(|file: Utf8PathBuf| Directives::load(&file).is_err())
}

pub fn load_directives(workspace: &Workspace) -> Result<Directives, SetUpError> {
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
