//! What the command line, the environment and the configuration files together ask for.

use super::usage;
use super::{
    after_dashes::AfterDashes,
    arguments::{Arguments, DoctorArguments, MessageFormat, RunIgnored},
    cargo_arguments::{self, CargoArguments},
    name_filter::NameFilter,
    patterns::{Exclusion, RawPattern},
    settings::{Given, Settings},
};
use crate::config::command_line::{given, switch};
use crate::config::{
    Color, CommandLineError, ConfigFile, LogLevel, ProcessEnvironment, SlotCount, StopAfter, Ui,
};
use camino::Utf8PathBuf;
use clap::{ArgMatches, FromArgMatches};
use std::{ffi::OsString, num::NonZeroU32};

/// What `cargo maelstrom` is to do, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    pub action: Action,
    pub selection: Selection,
    /// Cargo's options, one by one.
    pub cargo: CargoArguments,
    /// Cargo's options as words to hand on: in their order, long, `--option=value`. Not among them
    /// are `--exclude` (see [`Selection::exclusions`]) and `--message-format` (see
    /// [`CargoArguments::cargo_message_format`]).
    pub cargo_options: Vec<OsString>,
    pub repeat: NonZeroU32,
    /// Whether tests write straight to where the output goes.
    pub no_capture: bool,
    /// What each test binary gets besides what runs the test.
    pub test_arguments: Vec<String>,
    pub message_format: MessageFormat,
    /// How many times `-v` was given.
    pub verbose: u8,
    pub settings: Settings,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Build, list, run.
    Run,
    /// Build only.
    Build,
    ListTests,
    /// Print the job of each test that is selected.
    PrintSpec,
    ListBinaries,
    ListPackages,
    /// Run `cargo test --doc` with Cargo's options and these after `--`.
    Doctests {
        arguments: Vec<String>,
    },
    /// Write a starter `maelstrom-test.toml`.
    Init,
    /// Print this text.
    PrintConfig(String),
}

/// Which of the test cases of the selected packages and targets are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// One of them must match; none: every test does.
    pub includes: Vec<RawPattern>,
    /// None of them may match. [`divide`](super::divide) tells which are patterns.
    pub exclusions: Vec<Exclusion>,
    pub names: NameFilter,
    pub ignored: RunIgnored,
}

/// What `cargo maelstrom doctor` is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctorOptions {
    pub manifest_path: Option<Utf8PathBuf>,
    pub target_dir: Option<Utf8PathBuf>,
    pub settings: Settings,
}

impl DoctorOptions {
    pub(super) fn new(
        arguments: DoctorArguments,
        environment: &ProcessEnvironment,
    ) -> Result<Self, CommandLineError> {
        let given = Given {
            color: given("--color", arguments.color),
            log_level: given("--log-level", arguments.shared.log_level),
            ..Given::default()
        };
        let file = ConfigFile::from_option(arguments.shared.config_file);
        let (settings, _) = Settings::decide(given, &file, environment)?;
        Ok(Self {
            manifest_path: arguments.manifest_path,
            target_dir: arguments.target_dir,
            settings,
        })
    }
}

impl Options {
    pub(super) fn new(
        matches: &ArgMatches,
        environment: &ProcessEnvironment,
    ) -> Result<Self, CommandLineError> {
        let arguments = Arguments::from_arg_matches(matches).map_err(CommandLineError::Usage)?;
        let after = merge_after_dashes(&arguments)?;

        let file = ConfigFile::from_option(arguments.configuring.shared.config_file.clone());
        let (settings, printed) =
            Settings::decide(given_values(&arguments, &after), &file, environment)?;
        Ok(Self {
            action: action(&arguments, &after, printed)?,
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
            cargo_options: cargo_arguments::words(matches),
            repeat: arguments.running.repeat.unwrap_or(NonZeroU32::MIN),
            no_capture: after.no_capture,
            test_arguments: after.test_arguments,
            message_format: arguments.showing.message_format.unwrap_or_default(),
            verbose: arguments.showing.verbose,
            settings,
            cargo: arguments.cargo,
        })
    }
}

/// The words after `--`, together with those before it that mean the same.
fn merge_after_dashes(arguments: &Arguments) -> Result<AfterDashes, CommandLineError> {
    let mut after = AfterDashes::parse(arguments.after_dashes.clone()).map_err(usage)?;
    after
        .filters
        .splice(0..0, arguments.filters.iter().cloned());
    after.no_capture |= arguments.showing.no_capture;
    Ok(after)
}

fn action(
    arguments: &Arguments,
    after: &AfterDashes,
    printed: String,
) -> Result<Action, CommandLineError> {
    let Arguments {
        selecting,
        running,
        configuring,
        ..
    } = arguments;
    let action = if running.doc {
        Action::Doctests {
            arguments: doctest_arguments(arguments, after)?,
        }
    } else if configuring.print_config {
        Action::PrintConfig(printed)
    } else if configuring.init {
        Action::Init
    } else if running.no_run {
        Action::Build
    } else if selecting.list_packages {
        Action::ListPackages
    } else if selecting.list_binaries {
        Action::ListBinaries
    } else if selecting.print_spec.is_some() {
        Action::PrintSpec
    } else if selecting.list || after.list {
        Action::ListTests
    } else {
        Action::Run
    };
    let listed_otherwise = !matches!(action, Action::ListTests | Action::Doctests { .. });
    if after.list && listed_otherwise {
        return Err(usage(
            "'--list' after '--' asks for a list of tests, but something else is asked for before it",
        ));
    }
    Ok(action)
}

/// What documentation tests get after `--`: what was written there, and what was written before it
/// in our own way.
fn doctest_arguments(
    arguments: &Arguments,
    after: &AfterDashes,
) -> Result<Vec<String>, CommandLineError> {
    let ignored = run_ignored(arguments, after)?;
    let merged = AfterDashes {
        ignored: ignored == RunIgnored::Only,
        include_ignored: ignored == RunIgnored::All,
        show_output: after.show_output || arguments.showing.show_output,
        slots: after.slots.or(arguments.running.slots),
        ..after.clone()
    };
    Ok(merged.words())
}

fn run_ignored(arguments: &Arguments, after: &AfterDashes) -> Result<RunIgnored, CommandLineError> {
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

fn includes(arguments: &Arguments) -> Vec<RawPattern> {
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

/// Those of both options, in the order of the command line.
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

/// The configuration values on the command line. What stands after `--` wins: it is written for
/// this run, while the options before it may come from an alias or a script.
fn given_values(arguments: &Arguments, after: &AfterDashes) -> Given {
    let Arguments {
        selecting,
        running,
        distributing,
        showing,
        configuring,
        ..
    } = arguments;
    let show_output = showing.show_output || after.show_output;
    Given {
        slots: given("--test-threads", after.slots)
            .or(given("--slots", running.slots))
            .or(switch("--nocapture", after.no_capture, SlotCount::ONE)),
        timeout: given("--timeout", running.timeout),
        stop_after: given("--stop-after", running.stop_after)
            .or(switch(
                "--fail-fast",
                running.fail_fast,
                StopAfter::FIRST_FAILURE,
            ))
            .or(switch(
                "--no-fail-fast",
                running.no_fail_fast,
                StopAfter::NEVER,
            )),
        no_tests: given("--no-tests", selecting.no_tests),
        show_output: switch("--show-output", show_output, true),
        inline_limit: given("--inline-limit", showing.inline_limit),
        cache_size: given("--cache-size", configuring.cache_size),
        cache_results: given("--cache-results", running.cache_results),
        images: configuring.images.clone(),
        cluster: distributing.cluster.clone(),
        batch_target: given("--batch-target", distributing.batch_target),
        ui: switch("--quiet", showing.quiet || after.quiet, Ui::Quiet)
            .or(given("--ui", showing.ui)),
        color: given::<Color>("--color", after.color.or(showing.color)),
        log_level: given::<LogLevel>("--log-level", configuring.shared.log_level),
    }
}

#[cfg(test)]
mod tests;
