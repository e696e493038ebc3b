//! The settings of `cargo maelstrom`.

use super::after_dashes::AfterDashes;
use super::arguments::TestArguments;
use super::default_filter::DefaultFilter;
use crate::config::command_line::{given, switch};
use crate::config::{
    BatchTarget, ByteSize, CacheResults, Color, CommandLineError, ConfigValue as _, CountsAs,
    DEFAULT_PROFILE, FilePath, FinalStatusLevel, LeakTimeout, List, LogLevel, NoTests, OutputTime,
    Period, ProcessEnvironment, ProfileName, Profiles, ProgramNames, Setting, SlotCount,
    SlowTimeout, StatusLevel, StopAfter, SuccessOutput, TestRetries, Timeout, Ui, VariablePattern,
};
use crate::executor::remote::RemoteSettings;
use crate::image::ImageSettings;
use crate::test_job::PASSED_BY_DEFAULT;

const PROGRAM: ProgramNames = ProgramNames {
    name: "cargo-maelstrom",
    directory: "cargo-maelstrom",
    prefix: "CARGO_MAELSTROM_",
    other_names: &[
        ("max-fail", "stop-after"),
        ("fail-fast", "stop-after"),
        ("show-output", "success-output"),
    ],
    foreign_variables: &[
        ("NEXTEST_PROFILE", "test-profile"),
        ("NEXTEST_SUCCESS_OUTPUT", "success-output"),
        ("NEXTEST_FAILURE_OUTPUT", "failure-output"),
        ("NEXTEST_STATUS_LEVEL", "status-level"),
        ("NEXTEST_FINAL_STATUS_LEVEL", "final-status-level"),
        ("NEXTEST_HIDE_PROGRESS_BAR", "hide-progress-bar"),
    ],
};

/// All settings, with their sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The profile whose settings are in force. `None`: `default`.
    pub test_profile: Option<Setting<ProfileName>>,
    /// The tests that are selected by default. `None`: all.
    pub default_filter: Option<Setting<DefaultFilter>>,
    /// The number of jobs that run at once.
    pub slots: Setting<SlotCount>,
    /// Replaces the timeout of every test. `None`: each test has its own.
    pub timeout: Option<Setting<Timeout>>,
    /// The retries of failed tests.
    pub retries: Setting<TestRetries>,
    /// The result of tests that pass when they are retried.
    pub flaky_result: Setting<CountsAs>,
    /// When a running test is slow, and when it is stopped.
    pub slow_timeout: Setting<SlowTimeout>,
    /// How long processes may live after their test.
    pub leak_timeout: Setting<LeakTimeout>,
    /// The time limit of all tests together. `None`: there is none.
    pub global_timeout: Option<Setting<Period>>,
    pub stop_after: Setting<StopAfter>,
    pub no_tests: Setting<NoTests>,
    /// When the output of tests that pass is shown.
    pub success_output: Setting<SuccessOutput>,
    /// When the output of tests that fail is shown.
    pub failure_output: Setting<OutputTime>,
    /// The tests that get a line when they end. `None`: this depends on `ui`.
    pub status_level: Option<Setting<StatusLevel>>,
    /// The tests that get a line in the summary.
    pub final_status_level: Setting<FinalStatusLevel>,
    /// Whether no progress is drawn.
    pub hide_progress_bar: Setting<bool>,
    /// The file of the JUnit report. `None`: there is no such report.
    pub junit: Option<Setting<FilePath>>,
    /// Whether the JUnit report has the output of tests that pass. `None`: if it is shown.
    pub junit_store_success_output: Option<Setting<bool>>,
    /// Whether the JUnit report has the output of tests that fail. `None`: yes.
    pub junit_store_failure_output: Option<Setting<bool>>,
    /// The engine that runs the tests. `None`: they run on this machine.
    pub remote: Option<RemoteSettings>,
    /// The duration that the tests of a batch should have together.
    pub batch_target: Setting<BatchTarget>,
    /// The size of a test's output that is kept, per stream.
    pub inline_limit: Setting<ByteSize>,
    /// The size limit of the store.
    pub cache_size: Setting<ByteSize>,
    /// Whether results of earlier runs are reused and kept.
    pub cache_results: Setting<CacheResults>,
    /// The variables of the client that every test gets.
    pub pass_environment: Setting<List<VariablePattern>>,
    /// Whether every file of the source tree that a test changes is copied out of its container.
    pub write_back: Setting<bool>,
    /// The size of the outputs of a test that are copied out of its container.
    pub outputs_limit: Setting<ByteSize>,
    /// Whether tests get their containers only, and nothing that they were found to need.
    pub hermetic: Setting<bool>,
    pub images: ImageSettings,
    pub ui: Setting<Ui>,
    pub color: Setting<Color>,
    pub log_level: Setting<LogLevel>,
}

impl Settings {
    /// The name of the profile whose settings are in force.
    pub fn profile(&self) -> &str {
        let chosen = self.test_profile.as_ref();
        chosen.map_or(DEFAULT_PROFILE, |chosen| &chosen.value.0)
    }

    /// Resolves all settings. Also returns them and their sources as a TOML document. Words after
    /// `--` win: they are written for this run, while the options before `--` may come from an alias
    /// or a script. `profiles` reads the profiles of the workspace, of which one may be chosen.
    pub(super) fn decide(
        arguments: &TestArguments,
        after: &AfterDashes,
        environment: &ProcessEnvironment,
        profiles: impl FnOnce(Option<&Setting<ProfileName>>) -> Result<Profiles, CommandLineError>,
    ) -> Result<(Self, String), CommandLineError> {
        let TestArguments {
            selecting,
            running,
            distributing,
            showing,
            configuring,
            ..
        } = arguments;
        let mut values = configuring.shared.read_config(&PROGRAM, environment)?;
        let chosen = given("--test-profile", configuring.test_profile.clone());
        let test_profile = values.take_optional("test-profile", chosen)?;
        values.use_profiles(profiles(test_profile.as_ref())?);
        let default_filter = values.take_optional("default-filter", None)?;
        let given_slots = given("--test-threads", after.slots)
            .or(given("--slots", running.slots))
            .or(switch("--nocapture", after.no_capture, SlotCount::ONE));
        let slots = values.take("slots", given_slots, SlotCount(environment.cpus))?;
        let never = switch("--no-fail-fast", running.no_fail_fast, StopAfter::NEVER);
        let stop_after = given("--stop-after", running.stop_after)
            .or(switch(
                "--fail-fast",
                running.fail_fast,
                StopAfter::FIRST_FAILURE,
            ))
            .or(never);
        let retries = running.retries.map(TestRetries::of_count);
        let stop_after_default = if running.as_nextest {
            StopAfter::FIRST_FAILURE
        } else {
            StopAfter::NEVER
        };
        let pass_environment = List::given(running.pass_environment.clone());
        let show_output = showing.show_output || after.show_output;
        let success_output = showing.success_output.map(SuccessOutput);
        let success_output = switch("--show-output", show_output, SuccessOutput::IMMEDIATE)
            .or(given("--success-output", success_output));
        let failure_output = showing.failure_output;
        let status_level = given("--status-level", showing.status_level);
        let final_status_level = showing.final_status_level;
        let hide_bar = switch("--hide-progress-bar", showing.hide_progress_bar, true);
        let junit = given("--junit", showing.junit.clone());
        let write_back = switch("--write-back", running.write_back, true);
        let hermetic = switch("--hermetic", running.hermetic, true);
        let quiet = switch("--quiet", showing.quiet || after.quiet, Ui::Quiet);
        let color = after.color.or(showing.color);
        let settings = Self {
            test_profile,
            default_filter,
            timeout: values.take_optional("timeout", given("--timeout", running.timeout))?,
            retries: values.take_argument("retries", retries, TestRetries::default())?,
            flaky_result: values.take_argument(
                "flaky-result",
                running.flaky_result,
                CountsAs::Pass,
            )?,
            slow_timeout: values.take_argument(
                "slow-timeout",
                running.slow_timeout,
                SlowTimeout::default(),
            )?,
            leak_timeout: values.take_argument(
                "leak-timeout",
                running.leak_timeout,
                LeakTimeout::default(),
            )?,
            global_timeout: values.take_optional(
                "global-timeout",
                given("--global-timeout", running.global_timeout),
            )?,
            stop_after: values.take("stop-after", stop_after, stop_after_default)?,
            no_tests: values.take_argument("no-tests", selecting.no_tests, NoTests::Fail)?,
            success_output: values.take("success-output", success_output, SuccessOutput::NEVER)?,
            failure_output: values.take_argument(
                "failure-output",
                failure_output,
                OutputTime::Immediate,
            )?,
            status_level: values.take_optional("status-level", status_level)?,
            final_status_level: values.take_argument(
                "final-status-level",
                final_status_level,
                FinalStatusLevel::Flaky,
            )?,
            hide_progress_bar: values.take("hide-progress-bar", hide_bar, false)?,
            junit: values.take_optional("junit", junit)?,
            junit_store_success_output: values.take_optional("junit-store-success-output", None)?,
            junit_store_failure_output: values.take_optional("junit-store-failure-output", None)?,
            inline_limit: values.take_argument(
                "inline-limit",
                showing.inline_limit,
                ByteSize(1 << 20),
            )?,
            cache_size: values.take_argument(
                "cache-size",
                configuring.cache_size,
                ByteSize(10 << 30),
            )?,
            cache_results: values.take_argument(
                "cache-results",
                running.cache_results,
                CacheResults::Off,
            )?,
            pass_environment: values.take_argument(
                "pass-environment",
                pass_environment,
                passed_by_default(),
            )?,
            write_back: values.take("write-back", write_back, false)?,
            outputs_limit: values.take_argument(
                "outputs-limit",
                running.outputs_limit,
                ByteSize(1 << 30),
            )?,
            hermetic: values.take("hermetic", hermetic, running.as_nextest)?,
            images: configuring
                .images
                .clone()
                .decide(&mut values, environment)?,
            remote: distributing.cluster.clone().decide(&mut values, &slots)?,
            batch_target: values.take_argument(
                "batch-target",
                distributing.batch_target,
                BatchTarget::SECOND,
            )?,
            ui: values.take("ui", quiet.or(given("--ui", showing.ui)), Ui::Auto)?,
            color: values.take_argument("color", color, Color::Auto)?,
            log_level: values.take_argument(
                "log-level",
                configuring.shared.log_level,
                LogLevel::Warn,
            )?,
            slots,
        };
        Ok((settings, values.finish()?))
    }
}

fn passed_by_default() -> List<VariablePattern> {
    let patterns = PASSED_BY_DEFAULT.iter();
    List(
        patterns
            .filter_map(|name| VariablePattern::from_text(name))
            .collect(),
    )
}
