//! The options of a run, from the command line, the environment and the configuration files.

use super::usage;
use super::{ProfileReader, ProfileSource};
use super::{
    after_dashes::AfterDashes,
    archiving,
    arguments::{MessageFormat, RunIgnored, Selecting, TestArguments, TimingsFile},
    cargo_arguments::{self, CargoArguments},
    commands::CacheArguments,
    coverage_arguments::{self, CoverageOptions},
    debuggers::CommandWords,
    name_filter::NameFilter,
    patterns::{Exclusion, RawPattern},
    settings::Settings,
};
use crate::cargo::CargoOptions;
use crate::config::{
    CommandLineError, DEFAULT_PROFILE, ProcessEnvironment, ProfileName, Profiles, Setting,
};
use crate::schedule::{PartitionMethod, TestPartition};
use camino::Utf8PathBuf;
use clap::{ArgMatches, FromArgMatches, Parser};
use std::ffi::OsString;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// The options of `cargo maelstrom`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestOptions {
    pub action: TestAction,
    /// Whether there are only documentation tests.
    pub doc: bool,
    pub selection: Selection,
    /// Cargo's options, one by one.
    pub cargo: CargoArguments,
    /// Cargo's options in their order, without `--exclude` (see [`Selection::exclusions`]) and
    /// `--message-format` (see [`CargoArguments::cargo_message_format`]).
    pub cargo_options: CargoOptions,
    /// The names of the profiles of `maelstrom-test.toml`.
    pub profile_names: Vec<String>,
    /// Whether only the tests are selected that failed in their last run, or did not run since.
    pub failed_only: bool,
    /// Whether tests outside of the default filter are selected too.
    pub ignores_default_filter: bool,
    pub repeat: NonZeroU32,
    /// Whether the tests run again when files change.
    pub watch: bool,
    /// Whether the program was called as cargo-nextest.
    pub as_nextest: bool,
    /// Whether output is shown as it is written.
    pub no_capture: bool,
    /// Further arguments for each test binary.
    pub test_arguments: Vec<String>,
    pub message_format: MessageFormat,
    /// The part of the tests that runs. `None`: all tests.
    pub partition: Option<TestPartition>,
    /// The file with durations of tests on all machines.
    pub history: Option<Utf8PathBuf>,
    /// The archive whose tests run. `None`: the tests are those of the workspace.
    pub archive: Option<Utf8PathBuf>,
    /// The directory for what is unpacked from archives.
    pub archive_cache: PathBuf,
    /// `None`: no report of coverage.
    pub coverage: Option<CoverageOptions>,
    /// The file of the timings. `None`: no timings are written.
    pub timings: Option<TimingsFile>,
    /// The number of `-v`.
    pub verbose: u8,
    pub settings: Settings,
}

/// The action of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TestAction {
    /// Build, list and run the tests.
    Run,
    /// Build only.
    Build,
    ListTests,
    /// Print the job of each test that is selected.
    PrintSpec,
    /// Run the one test that is selected, and show what it asks for.
    Observe {
        name: String,
    },
    /// Run a program in the container of the one test that is selected.
    Foreground {
        program: ForegroundProgram,
        /// The word in the name of the test. `None`: other options select it.
        name: Option<String>,
    },
    /// Run the tests, write what they need to `maelstrom-test.toml`, and run them again.
    Learn,
    /// Pack the selected tests into this file.
    Archive {
        file: Utf8PathBuf,
    },
    ListBinaries,
    ListPackages,
    /// Write a starter `maelstrom-test.toml`.
    Init,
    /// Print this text.
    PrintConfig(String),
}

impl TestAction {
    /// Whether tests run and their results are reported.
    pub fn reports_tests(&self) -> bool {
        self.runs_selected() || matches!(self, Self::Observe { .. })
    }

    /// Whether all selected tests run.
    pub fn runs_selected(&self) -> bool {
        matches!(self, Self::Run | Self::Learn)
    }
}

/// The program that runs in the container of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForegroundProgram {
    Shell,
    /// The first words of a command, to which that of the test is appended.
    Debugger(Vec<String>),
    /// As [`Self::Debugger`], without a terminal and input.
    Tracer(Vec<String>),
}

impl ForegroundProgram {
    /// The option that asks for it.
    pub fn option(&self) -> &'static str {
        match self {
            Self::Shell => "--shell",
            Self::Debugger(_) => "--debugger",
            Self::Tracer(_) => "--tracer",
        }
    }
}

/// The selection among the test cases of the selected packages and targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// One of these must match. An empty list matches every test.
    pub includes: Vec<RawPattern>,
    /// Filtersets of cargo-nextest. They are include patterns too.
    pub filtersets: Vec<String>,
    /// None of these may match. [`divide`](super::divide) separates patterns from packages.
    pub exclusions: Vec<Exclusion>,
    pub names: NameFilter,
    pub ignored: RunIgnored,
}

/// The options of `cargo maelstrom shim`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShimOptions {
    pub program: OsString,
    pub arguments: Vec<OsString>,
}

/// The options of `cargo maelstrom doctor` and `cargo maelstrom clean`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    pub manifest_path: Option<Utf8PathBuf>,
    pub target_dir: Option<Utf8PathBuf>,
    pub settings: Settings,
}

/// The options of `cargo maelstrom clean`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanOptions {
    pub cache: CacheOptions,
    /// Images that were not used for this number of days are removed.
    pub unused_days: u32,
}

impl CacheOptions {
    pub(super) fn new(
        arguments: CacheArguments,
        environment: &ProcessEnvironment,
    ) -> Result<Self, CommandLineError> {
        let mut test_arguments =
            TestArguments::try_parse_from([""]).map_err(CommandLineError::Usage)?;
        test_arguments.showing.color = arguments.color;
        test_arguments.configuring.shared = arguments.shared;
        let (settings, _) = Settings::decide(
            &test_arguments,
            &AfterDashes::default(),
            environment,
            |_| Ok(Profiles::default()),
        )?;
        Ok(Self {
            manifest_path: arguments.manifest_path,
            target_dir: arguments.target_dir,
            settings,
        })
    }
}

impl TestOptions {
    /// `archives`: for the command `archive`.
    pub(super) fn new(
        matches: &ArgMatches,
        environment: &ProcessEnvironment,
        profiles: ProfileReader<'_>,
        archives: bool,
    ) -> Result<Self, CommandLineError> {
        let mut arguments =
            TestArguments::from_arg_matches(matches).map_err(CommandLineError::Usage)?;
        let archive_file = archiving::file(&mut arguments.selecting, archives)?;
        let after = merge_after_dashes(&arguments)?;
        let cargo_options = cargo_arguments::options(matches);
        let mut profile_names = Vec::new();
        let read_profiles = |chosen: Option<&Setting<ProfileName>>| {
            // `--init` is for workspaces without a file, or with one that is not to be read.
            if arguments.configuring.init {
                return Ok(Profiles::default());
            }
            let is_required = chosen.is_some_and(|chosen| chosen.value.0 != DEFAULT_PROFILE);
            let source = match &arguments.selecting.archive {
                Some(archive) => ProfileSource::Archive(archive),
                None => ProfileSource::Workspace(&cargo_options),
            };
            let mut profiles = profiles(source, is_required)?;
            profiles.choose(chosen)?;
            profile_names = profiles.names().into_iter().map(str::to_owned).collect();
            Ok(profiles)
        };
        let mut action = action(&arguments, &after)?;
        if let Some(file) = archive_file {
            action = archiving::action(file, action)?;
        }
        if arguments.running.watch && action != TestAction::Run {
            return Err(usage(
                "'--watch' runs tests whenever a file changes; leave out the other action",
            ));
        }
        // Before the archive is read.
        archiving::check(&arguments, &action, &cargo_options)?;
        let coverage = coverage_arguments::options(&arguments, &action)?;
        let (settings, printed) = Settings::decide(&arguments, &after, environment, read_profiles)?;
        if let TestAction::PrintConfig(text) = &mut action {
            *text = printed;
        }
        let has_results = action.reports_tests() || matches!(action, TestAction::PrintConfig(_));
        let asks_for_junit = arguments.showing.junit.is_some();
        if asks_for_junit && !has_results {
            return Err(usage(
                "'--junit' writes the results of tests, but no test runs in a container with the \
                 other options; leave it out",
            ));
        }
        let timings = arguments.showing.timings.clone();
        let runs = action.runs_selected() || matches!(action, TestAction::PrintConfig(_));
        if timings.is_some() && !runs {
            return Err(usage(
                "'--timings' shows when tests ran, but no tests run with the other options; leave it \
                 out (for the timings of a build, use `--cargo-timings`)",
            ));
        }
        if let Some(partition) = &arguments.selecting.partition
            && partition.method == PartitionMethod::Time
            && arguments.selecting.history.is_none()
            && arguments.selecting.archive.is_none()
        {
            return Err(usage(format!(
                "'--partition {partition}' needs durations that are the same for every part; give \
                 them with '--history FILE' (see `cargo maelstrom history merge --help`), or run the \
                 tests of an archive, which has them"
            )));
        }
        Ok(Self {
            action,
            doc: arguments.running.doc,
            selection: Selection {
                includes: includes(&arguments),
                filtersets: arguments.selecting.filterset.clone(),
                exclusions: exclusions(matches),
                ignored: run_ignored(&arguments, &after)?,
                names: NameFilter {
                    filters: after.filters,
                    skips: after.skips,
                    exact: after.exact,
                },
            },
            cargo_options,
            profile_names,
            failed_only: arguments.selecting.failed,
            ignores_default_filter: arguments.selecting.ignore_default_filter,
            as_nextest: arguments.running.as_nextest,
            repeat: arguments.running.repeat.unwrap_or(NonZeroU32::MIN),
            watch: arguments.running.watch,
            no_capture: after.no_capture,
            test_arguments: after.test_arguments,
            message_format: arguments.showing.message_format.unwrap_or_default(),
            partition: arguments.selecting.partition,
            history: arguments.selecting.history,
            archive: arguments.selecting.archive,
            archive_cache: environment.user_cache().join("archives"),
            coverage,
            timings,
            verbose: arguments.showing.verbose,
            settings,
            cargo: arguments.cargo,
        })
    }
}

/// The words after `--`, merged with the options before it that have the same meaning.
fn merge_after_dashes(arguments: &TestArguments) -> Result<AfterDashes, CommandLineError> {
    let mut after = AfterDashes::parse(arguments.after_dashes.clone()).map_err(usage)?;
    after
        .filters
        .splice(0..0, arguments.filters.iter().cloned());
    after.no_capture |= arguments.showing.no_capture;
    let Selecting { observe, shell, .. } = &arguments.selecting;
    for (option, name) in [("--observe", observe), ("--shell", shell)] {
        let Some(name) = name else { continue };
        if !after.filters.is_empty() {
            return Err(usage(format!(
                "'{option}' is for one test, whose name it takes; give no other filter word"
            )));
        }
        after.filters.push(name.clone());
    }
    Ok(after)
}

/// The action that the options ask for. The text to print is not known yet.
fn action(arguments: &TestArguments, after: &AfterDashes) -> Result<TestAction, CommandLineError> {
    let TestArguments {
        selecting,
        running,
        configuring,
        ..
    } = arguments;
    let action = if configuring.print_config {
        TestAction::PrintConfig(String::new())
    } else if configuring.init {
        TestAction::Init
    } else if running.no_run {
        TestAction::Build
    } else if selecting.list_packages {
        TestAction::ListPackages
    } else if selecting.list_binaries {
        TestAction::ListBinaries
    } else if selecting.print_spec.is_some() {
        TestAction::PrintSpec
    } else if let Some(name) = &selecting.observe {
        let name = name.clone();
        TestAction::Observe { name }
    } else if let Some(program) = foreground_program(selecting) {
        let name = match &after.filters[..] {
            [only] => Some(only.clone()),
            _ => None,
        };
        TestAction::Foreground { program, name }
    } else if selecting.learn {
        TestAction::Learn
    } else if selecting.list || after.list {
        TestAction::ListTests
    } else {
        TestAction::Run
    };
    if after.list && action != TestAction::ListTests {
        return Err(usage(
            "'--list' after '--' contradicts another action before it; give one of them",
        ));
    }
    Ok(action)
}

fn foreground_program(selecting: &Selecting) -> Option<ForegroundProgram> {
    let words = |command: &Option<CommandWords>| command.as_ref().map(|words| words.0.clone());
    let shell = selecting.shell.as_ref().map(|_| ForegroundProgram::Shell);
    let debugger = words(&selecting.debugger).map(ForegroundProgram::Debugger);
    let tracer = words(&selecting.tracer).map(ForegroundProgram::Tracer);
    shell.or(debugger).or(tracer)
}

fn run_ignored(
    arguments: &TestArguments,
    after: &AfterDashes,
) -> Result<RunIgnored, CommandLineError> {
    let selecting = &arguments.selecting;
    let before = selecting
        .run_ignored
        .or(selecting.ignored.then_some(RunIgnored::Only))
        .or(selecting.include_ignored.then_some(RunIgnored::All));
    let wanted = [
        before,
        after.ignored.then_some(RunIgnored::Only),
        after.include_ignored.then_some(RunIgnored::All),
    ];
    let mut wanted = wanted.into_iter().flatten();
    let first = wanted.next();
    if wanted.any(|other| Some(other) != first) {
        return Err(usage(
            "'--ignored', '--include-ignored' and '--run-ignored' contradict each other; give one of them",
        ));
    }
    Ok(first.unwrap_or_default())
}

fn includes(arguments: &TestArguments) -> Vec<RawPattern> {
    let selecting = &arguments.selecting;
    let include = selecting.include.iter().map(|text| ("--include", text));
    let print_spec = selecting
        .print_spec
        .iter()
        .map(|text| ("--print-spec", text));
    include
        .chain(print_spec)
        .map(|(option, text)| RawPattern {
            option,
            text: text.clone(),
        })
        .collect()
}

/// The values of `-x` and `--exclude`, in the order of the command line.
fn exclusions(matches: &ArgMatches) -> Vec<Exclusion> {
    let of = |id, exclusion: fn(String) -> Exclusion| {
        let indices = matches.indices_of(id).into_iter().flatten();
        let texts = matches.get_many::<String>(id).into_iter().flatten();
        indices.zip(texts.cloned().map(exclusion))
    };
    let mut exclusions: Vec<_> = of("exclude_pattern", Exclusion::Pattern)
        .chain(of("exclude", Exclusion::PackageOrPattern))
        .collect();
    exclusions.sort_by_key(|(index, _)| *index);
    exclusions
        .into_iter()
        .map(|(_, exclusion)| exclusion)
        .collect()
}

#[cfg(test)]
mod tests;
