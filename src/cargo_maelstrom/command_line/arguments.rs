//! The command line as clap parses it. `options` has its meaning.

use super::cargo_arguments::CargoArguments;
use super::coverage_arguments::CoverageArguments;
use super::debuggers::{CommandWords, command_words, debugger};
use crate::config::command_line::{text_value, value};
use crate::config::{
    AboutArguments, BatchTarget, ByteSize, CacheResults, Choice, Color, CountsAs, FilePath,
    FinalStatusLevel, LeakTimeout, NoTests, OutputTime, Period, ProfileName, SharedArguments,
    SlotCount, SlowTimeout, StatusLevel, StopAfter, Timeout, Ui, VariablePattern,
};
use crate::executor::remote::ClusterArguments;
use crate::image::ImageArguments;
use crate::schedule::TestPartition;
use camino::Utf8PathBuf;
use clap::{ArgAction, Parser};
use std::num::NonZeroU32;
use strum::{IntoStaticStr, VariantArray};

/// Run tests, each in its own container
#[derive(Debug, Parser)]
#[command(
    name = "cargo-maelstrom",
    bin_name = "cargo maelstrom",
    version,
    override_usage = "cargo maelstrom [OPTIONS] [FILTER]... [-- [ARGUMENT]...]\n       cargo maelstrom archive|doctor|clean|shim",
    after_help = EXAMPLES,
    max_term_width = 110,
)]
pub struct TestArguments {
    /// Run the tests whose name contains one of these words (default: all)
    #[arg(value_name = "FILTER")]
    pub filters: Vec<String>,

    /// As after `cargo test --`: filters, --skip WORD, --exact, --ignored, --include-ignored,
    /// --nocapture, --show-output, --quiet, --color WHEN, --test-threads N, --list; other options
    /// are for the test binaries
    #[arg(value_name = "ARGUMENT", last = true)]
    pub after_dashes: Vec<String>,

    #[command(flatten)]
    pub selecting: Selecting,
    #[command(flatten)]
    pub cargo: CargoArguments,
    #[command(flatten)]
    pub running: RunningArguments,

    #[command(flatten)]
    pub coverage: CoverageArguments,
    #[command(flatten)]
    pub distributing: Distributing,
    #[command(flatten)]
    pub showing: Showing,
    #[command(flatten)]
    pub configuring: Configuring,
    #[command(flatten)]
    pub about: AboutArguments,
}

const EXAMPLES: &str = "\
Examples:
  cargo maelstrom                                 Test what `cargo test` would
  cargo maelstrom --workspace parser              Tests with `parser` in their name, in all packages
  cargo maelstrom -i 'package.equals(a) && test'  The integration tests of package `a`
  cargo maelstrom -x 'name.starts_with(slow)'     All but some
  cargo maelstrom -- --skip slow --include-ignored
  cargo maelstrom doctor                          Can this machine run containers?

Exit codes: 0 success, 100 tests failed, 101 build failed, 4 no tests selected,
            96 wrong command line, configuration or machine, 99 too few lines covered,
            130 interrupted";

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Selecting tests")]
pub struct Selecting {
    /// Run the tests that match this pattern (or another --include)
    #[arg(short, long, value_name = "PATTERN", action = ArgAction::Append)]
    pub include: Vec<String>,

    /// Run the tests in this filterset of cargo-nextest (or another, or that match an --include)
    #[arg(short = 'E', long, alias = "filter-expr", value_name = "FILTERSET", action = ArgAction::Append, hide_short_help = true)]
    pub filterset: Vec<String>,

    /// Do not run the tests that match this pattern
    #[arg(short = 'x', value_name = "PATTERN", action = ArgAction::Append)]
    pub exclude_pattern: Vec<String>,

    /// Do not test this package (as Cargo), or the tests that match this pattern
    #[arg(long, value_name = "SPEC|PATTERN", action = ArgAction::Append)]
    pub exclude: Vec<String>,

    /// Select the tests outside of the default filter of maelstrom-test.toml too
    #[arg(long, hide_short_help = true)]
    pub ignore_default_filter: bool,

    /// Run only ignored tests
    #[arg(long, group = "ignored_tests")]
    pub ignored: bool,

    /// Run ignored tests too
    #[arg(long, group = "ignored_tests")]
    pub include_ignored: bool,

    /// Run these tests: those not ignored (default), only ignored ones, or all
    #[arg(long, group = "ignored_tests", value_name = "WHICH", value_parser = text_value::<RunIgnored>(), hide_short_help = true)]
    pub run_ignored: Option<RunIgnored>,

    /// Run the tests that failed in their last run, or were to run since and did not
    #[arg(
        short = 'R',
        long,
        conflicts_with_all = ["list_binaries", "list_packages", "no_run", "init"]
    )]
    pub failed: bool,

    /// Fail, warn or pass if no test is selected
    #[arg(long, value_name = "ACTION", value_parser = text_value::<NoTests>())]
    pub no_tests: Option<NoTests>,

    /// Run one part of the tests: hash:K/N, slice:K/N or time:K/N, the part K of N
    ///
    /// hash: a test is in the same part whatever other tests there are; slice: the parts have
    /// equally many tests; time: the parts take equally long, by the durations in --history or in
    /// an archive. The parts together are all tests that are selected.
    #[arg(long, value_name = "PARTITION", hide_short_help = true)]
    pub partition: Option<TestPartition>,

    /// Divide tests by the durations in this file, for `--partition time:K/N`
    ///
    /// `cargo maelstrom history merge` writes it.
    #[arg(long, value_name = "FILE", hide_short_help = true)]
    pub history: Option<Utf8PathBuf>,

    /// Run the tests in this archive: there is no build, and no sources or Cargo are needed
    ///
    /// `cargo maelstrom archive -o FILE` makes it.
    #[arg(
        long,
        visible_alias = "archive-file",
        value_name = "FILE",
        hide_short_help = true
    )]
    pub archive: Option<Utf8PathBuf>,

    /// Write this archive
    #[arg(short = 'o', value_name = "FILE", hide = true)]
    pub archive_output: Option<Utf8PathBuf>,

    /// List the tests that would run
    #[arg(short, long, visible_alias = "list-tests", group = "action")]
    pub list: bool,

    /// Print the specification of each test that matches this pattern, as a job for
    /// `maelstrom-run`, and run none
    #[arg(
        long,
        value_name = "PATTERN",
        group = "action",
        conflicts_with_all = ["include", "filterset"]
    )]
    pub print_spec: Option<String>,

    /// Run this one test, and print the files and programs that it asks for
    ///
    /// The word must be in the name of one test only, or be the whole name of one test.
    #[arg(long, value_name = "TEST", group = "action", conflicts_with = "repeat")]
    pub observe: Option<String>,

    /// Open a shell in the container of this one test, and print the command that runs the test
    ///
    /// The word must be in the name of one test only, or be the whole name of one test. If stdin is
    /// not a terminal, the shell reads its commands from there.
    #[arg(long, value_name = "TEST", group = "action", conflicts_with = "repeat")]
    pub shell: Option<String>,

    /// Run the one test that is selected under this debugger, such as 'gdb --args'
    ///
    /// The command of the test is appended. The debugger is at the terminal, in the container of
    /// the test, to which the files of this machine are added, read-only. There are no time limits.
    #[arg(
        long,
        value_name = "COMMAND",
        group = "action",
        conflicts_with = "repeat",
        value_parser = debugger
    )]
    pub debugger: Option<CommandWords>,

    /// Run the one test that is selected under this program, such as 'strace -f', without a terminal
    ///
    /// As --debugger, but stdin is /dev/null, as for the test itself.
    #[arg(
        long,
        value_name = "COMMAND",
        group = "action",
        conflicts_with = "repeat",
        value_parser = command_words,
        hide_short_help = true
    )]
    pub tracer: Option<CommandWords>,

    /// Write what tests need of this machine to maelstrom-test.toml
    ///
    /// The tests run to find it out, and again, with --hermetic, to prove that nothing is missing.
    #[arg(long, group = "action", conflicts_with_all = ["repeat", "hermetic"])]
    pub learn: bool,

    /// List the test binaries that would be built, building nothing
    #[arg(long, group = "action", hide_short_help = true)]
    pub list_binaries: bool,

    /// List the packages that would be tested, building nothing
    #[arg(long, group = "action", hide_short_help = true)]
    pub list_packages: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Running")]
pub struct RunningArguments {
    /// How many tests run at once (default: the number of CPUs)
    #[arg(short = 'j', long, visible_aliases = ["jobs", "test-threads"], value_name = "N", value_parser = value::<SlotCount>)]
    pub slots: Option<SlotCount>,

    /// Stop each test after this time; 0: never
    #[arg(short, long, value_name = "SECONDS", value_parser = value::<Timeout>)]
    pub timeout: Option<Timeout>,

    /// Report tests that run for this time as slow (default: 60s)
    #[arg(long, value_name = "TIME", value_parser = value::<SlowTimeout>, hide_short_help = true)]
    pub slow_timeout: Option<SlowTimeout>,

    /// Report tests whose processes outlive them by this time (default: 200ms)
    #[arg(long, value_name = "TIME", value_parser = value::<LeakTimeout>, hide_short_help = true)]
    pub leak_timeout: Option<LeakTimeout>,

    /// Stop all tests when this time has passed since the first one started
    #[arg(long, value_name = "TIME", value_parser = value::<Period>, hide_short_help = true)]
    pub global_timeout: Option<Period>,

    /// Run a test that fails again, up to N times
    #[arg(long, value_name = "N", value_parser = retries)]
    pub retries: Option<u32>,

    /// Report tests that fail, and pass when they are run again, with this result
    #[arg(long, value_name = "RESULT", value_parser = text_value::<CountsAs>(), hide_short_help = true)]
    pub flaky_result: Option<CountsAs>,

    /// Start no more tests after N failures; 0: run all
    ///
    /// `all` means 0. With `N:immediate`, the build and the tests that run then are killed, and with
    /// `N:wait`, as with `N`, they come to their end.
    #[arg(short, long, visible_alias = "max-fail", group = "stopping", value_name = "N", value_parser = value::<StopAfter>)]
    pub stop_after: Option<StopAfter>,

    /// Start no more tests after the first failure
    #[arg(long, alias = "ff", group = "stopping")]
    pub fail_fast: bool,

    /// Run all tests, even after failures (default)
    #[arg(long, alias = "nff", group = "stopping")]
    pub no_fail_fast: bool,

    /// Run each test N times
    #[arg(long, visible_alias = "loop", value_name = "N", value_parser = repeat)]
    pub repeat: Option<NonZeroU32>,

    /// Reuse results of tests that passed
    ///
    /// off (the default): run all tests; read: do not run a test that passed before if nothing that
    /// it depends on has changed; auto: as read, and keep the results of this run for the next.
    #[arg(long, value_name = "WHEN", value_parser = text_value::<CacheResults>(), hide_short_help = true)]
    pub cache_results: Option<CacheResults>,

    /// Give tests the variables of this shell whose names match, instead of those of the default
    /// list
    ///
    /// A pattern may have `*`, `?` and `{a,b}`. Give the option once for each. See the chapter on
    /// the default container for the default list.
    #[arg(long, value_name = "PATTERN", value_parser = value::<VariablePattern>, hide_short_help = true)]
    pub pass_environment: Vec<VariablePattern>,

    /// Copy files of the source tree that tests change back to it
    ///
    /// Without this option, only files that match the `outputs` of a test's container are copied
    /// back. If a variable such as `UPDATE_EXPECT` or `INSTA_UPDATE=always` is set, all changed
    /// files of tests in the default container are.
    #[arg(long, hide_short_help = true)]
    pub write_back: bool,

    /// How much of a test's outputs is copied out of its container (default: 1 GiB)
    #[arg(long, value_name = "SIZE", value_parser = value::<ByteSize>, hide_short_help = true)]
    pub outputs_limit: Option<ByteSize>,

    /// Give each test its container and nothing more: a test that lacks something fails
    ///
    /// Without this option, a test that fails in its container runs again with the files of this
    /// machine in view, and gets those that it was found to need.
    #[arg(long, hide_short_help = true)]
    pub hermetic: bool,

    /// Run the tests again that a change can affect, whenever a file changes
    ///
    /// Keys run all tests or those that failed, or set a filter; `h` lists them. Results are reused as
    /// with `--cache-results auto`.
    #[arg(short, long, conflicts_with_all = ["action", "archive"])]
    pub watch: bool,

    /// Build only
    #[arg(long, group = "action")]
    pub no_run: bool,

    /// Behave as cargo-nextest where defaults differ
    ///
    /// The run stops after the first failure, gives tests only their containers, and leaves out
    /// documentation tests.
    #[arg(long, hide = true)]
    pub as_nextest: bool,

    /// Run documentation tests only
    #[arg(long, conflicts_with = "no_run")]
    pub doc: bool,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Running")]
pub struct Distributing {
    #[command(flatten)]
    pub cluster: ClusterArguments,

    /// Put tests with this estimated total duration into one batch for a worker (default: 1)
    #[arg(long, value_name = "SECONDS", value_parser = value::<BatchTarget>, hide_short_help = true)]
    pub batch_target: Option<BatchTarget>,
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Output")]
pub struct Showing {
    /// Show the output of tests that pass too
    #[arg(long)]
    pub show_output: bool,

    /// When to show the output of tests that pass (default: never)
    #[arg(long, value_name = "WHEN", conflicts_with = "show_output", hide_short_help = true, value_parser = text_value::<OutputTime>())]
    pub success_output: Option<OutputTime>,

    /// When to show the output of tests that fail (default: immediate)
    #[arg(long, value_name = "WHEN", hide_short_help = true, value_parser = text_value::<OutputTime>())]
    pub failure_output: Option<OutputTime>,

    /// Which tests get a line when they end; each level includes those before it
    ///
    /// The default depends on --ui: all for lines, leak below a progress bar, fail for --quiet.
    #[arg(long, value_name = "LEVEL", hide_short_help = true, value_parser = text_value::<StatusLevel>())]
    pub status_level: Option<StatusLevel>,

    /// Which tests get a line in the summary; each level includes those before it (default: flaky)
    #[arg(long, value_name = "LEVEL", hide_short_help = true, value_parser = text_value::<FinalStatusLevel>())]
    pub final_status_level: Option<FinalStatusLevel>,

    /// Draw no progress on a terminal: write lines instead
    #[arg(long, hide_short_help = true)]
    pub hide_progress_bar: bool,

    /// Show output as it is written; one test at a time unless -j is given
    #[arg(long = "nocapture", visible_alias = "no-capture")]
    pub no_capture: bool,

    /// How much of a test's output is kept, per stream (default: 1 MiB)
    #[arg(long, value_name = "SIZE", hide_short_help = true, value_parser = value::<ByteSize>)]
    pub inline_limit: Option<ByteSize>,

    /// Show progress in this way
    #[arg(long, value_parser = text_value::<Ui>())]
    pub ui: Option<Ui>,

    /// --ui quiet, and Cargo's --quiet
    #[arg(short, long, conflicts_with = "ui")]
    pub quiet: bool,

    /// Name every test that passes on a terminal too, and Cargo's --verbose
    #[arg(short, long, action = ArgAction::Count)]
    pub verbose: u8,

    /// Color the output of this program and of Cargo
    #[arg(long, value_name = "WHEN", value_parser = text_value::<Color>())]
    pub color: Option<Color>,

    /// Print lists on stdout, or a JSON object per event
    #[arg(long, value_name = "FORMAT", value_parser = text_value::<MessageFormat>())]
    pub message_format: Option<MessageFormat>,

    /// Write the results of the tests to this file too, as a JUnit report
    #[arg(long, value_name = "FILE", hide_short_help = true, value_parser = value::<FilePath>)]
    pub junit: Option<FilePath>,

    /// Write a page that shows when each test ran, and what bounds the run
    ///
    /// Without FILE, it is maelstrom/timings.html in the target directory.
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, default_missing_value = "", hide_short_help = true)]
    pub timings: Option<TimingsFile>,
}

/// The file that `--timings` writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimingsFile {
    /// The one in the target directory.
    Default,
    Named(Utf8PathBuf),
}

impl From<String> for TimingsFile {
    /// No text: no file was named.
    fn from(text: String) -> Self {
        match text.as_str() {
            "" => Self::Default,
            _ => Self::Named(text.into()),
        }
    }
}

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Configuration")]
pub struct Configuring {
    /// Write a commented maelstrom-test.toml to start from
    ///
    /// If there is a .config/nextest.toml, it contains what that file means.
    #[arg(long, group = "action")]
    pub init: bool,

    /// How large the cache below the target directory may get (default: 10 GiB)
    #[arg(long, value_name = "SIZE", hide_short_help = true, value_parser = value::<ByteSize>)]
    pub cache_size: Option<ByteSize>,

    #[command(flatten)]
    pub images: ImageArguments,

    /// Use the settings of this profile of maelstrom-test.toml (default: `default`)
    #[arg(long, value_name = "NAME", value_parser = value::<ProfileName>)]
    pub test_profile: Option<ProfileName>,

    /// Print each configuration value and its source
    #[arg(short = 'P', long, group = "action")]
    pub print_config: bool,

    #[command(flatten)]
    pub shared: SharedArguments,
}

/// The tests to run, with respect to `#[ignore]`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum RunIgnored {
    /// Tests that are not ignored.
    #[default]
    Default,
    /// Ignored tests only.
    Only,
    /// All tests.
    All,
}

/// The format of stdout.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum MessageFormat {
    /// Text.
    #[default]
    Human,
    /// One JSON object per line.
    Json,
}

impl Choice for RunIgnored {}
impl Choice for MessageFormat {}

fn retries(text: &str) -> Result<u32, String> {
    text.parse()
        .map_err(|_| "expected a number of retries, 0 for none".to_owned())
}

fn repeat(text: &str) -> Result<NonZeroU32, String> {
    text.parse()
        .map_err(|_| "expected a number of times, at least 1".to_owned())
}
