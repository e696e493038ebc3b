//! The options of a run, from the command line, the environment and the configuration files.

use super::usage;
use super::{
    after_dashes::AfterDashes,
    arguments::{CacheArguments, MessageFormat, RunIgnored, TestArguments},
    cargo_arguments::{self, CargoArguments},
    name_filter::NameFilter,
    patterns::{Exclusion, RawPattern},
    settings::Settings,
};
use crate::cargo::CargoOptions;
use crate::config::{CommandLineError, ProcessEnvironment};
use camino::Utf8PathBuf;
use clap::{ArgMatches, FromArgMatches, Parser};
use std::num::NonZeroU32;

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
    pub repeat: NonZeroU32,
    /// Whether output is shown as it is written.
    pub no_capture: bool,
    /// Further arguments for each test binary.
    pub test_arguments: Vec<String>,
    pub message_format: MessageFormat,
    /// The file of the JUnit report. `None`: there is no such report.
    pub junit: Option<Utf8PathBuf>,
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
    /// Run the tests, write what they need to `maelstrom-test.toml`, and run them again.
    Learn,
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

/// The selection among the test cases of the selected packages and targets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// One of these must match. An empty list matches every test.
    pub includes: Vec<RawPattern>,
    /// None of these may match. [`divide`](super::divide) separates patterns from packages.
    pub exclusions: Vec<Exclusion>,
    pub names: NameFilter,
    pub ignored: RunIgnored,
}

/// The options of `cargo maelstrom doctor` and `cargo maelstrom clean`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheOptions {
    pub manifest_path: Option<Utf8PathBuf>,
    pub target_dir: Option<Utf8PathBuf>,
    pub settings: Settings,
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
        let (settings, _) =
            Settings::decide(&test_arguments, &AfterDashes::default(), environment)?;
        Ok(Self {
            manifest_path: arguments.manifest_path,
            target_dir: arguments.target_dir,
            settings,
        })
    }
}

impl TestOptions {
    pub(super) fn new(
        matches: &ArgMatches,
        environment: &ProcessEnvironment,
    ) -> Result<Self, CommandLineError> {
        let arguments =
            TestArguments::from_arg_matches(matches).map_err(CommandLineError::Usage)?;
        let after = merge_after_dashes(&arguments)?;
        let (settings, printed) = Settings::decide(&arguments, &after, environment)?;
        let action = action(&arguments, &after, printed)?;
        let has_results = action.reports_tests() || matches!(action, TestAction::PrintConfig(_));
        if arguments.showing.junit.is_some() && !has_results {
            return Err(usage(
                "'--junit' writes the results of tests, but no test runs in a container with the \
                 other options; leave it out",
            ));
        }
        Ok(Self {
            action,
            doc: arguments.running.doc,
            selection: Selection {
                includes: includes(&arguments),
                exclusions: exclusions(matches),
                ignored: run_ignored(&arguments, &after)?,
                names: NameFilter {
                    filters: after.filters,
                    skips: after.skips,
                    exact: after.exact,
                },
            },
            cargo_options: cargo_arguments::options(matches),
            repeat: arguments.running.repeat.unwrap_or(NonZeroU32::MIN),
            no_capture: after.no_capture,
            test_arguments: after.test_arguments,
            message_format: arguments.showing.message_format.unwrap_or_default(),
            junit: arguments.showing.junit,
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
    if let Some(name) = &arguments.selecting.observe {
        if !after.filters.is_empty() {
            return Err(usage(
                "'--observe' runs one test, whose name it takes; give no other filter word",
            ));
        }
        after.filters.push(name.clone());
    }
    Ok(after)
}

fn action(
    arguments: &TestArguments,
    after: &AfterDashes,
    printed: String,
) -> Result<TestAction, CommandLineError> {
    let TestArguments {
        selecting,
        running,
        configuring,
        ..
    } = arguments;
    let action = if configuring.print_config {
        TestAction::PrintConfig(printed)
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
