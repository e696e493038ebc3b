//! The settings of `cargo maelstrom`.

use super::after_dashes::AfterDashes;
use super::arguments::TestArguments;
use crate::config::command_line::{given, switch};
use crate::config::{
    BatchTarget, ByteSize, CacheResults, Color, ConfigError, ConfigValue as _, List, LogLevel,
    NoTests, ProcessEnvironment, ProgramNames, Setting, SlotCount, StopAfter, Timeout, Ui,
    VariablePattern,
};
use crate::executor::remote::RemoteSettings;
use crate::image::ImageSettings;
use crate::test_job::PASSED_BY_DEFAULT;

const PROGRAM: ProgramNames = ProgramNames {
    name: "cargo-maelstrom",
    directory: "cargo-maelstrom",
    prefix: "CARGO_MAELSTROM_",
};

/// All settings, with their sources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The number of jobs that run at once.
    pub slots: Setting<SlotCount>,
    /// Replaces the timeout of every test. `None`: each test has its own.
    pub timeout: Option<Setting<Timeout>>,
    pub stop_after: Setting<StopAfter>,
    pub no_tests: Setting<NoTests>,
    /// Whether the output of tests that pass is shown.
    pub show_output: Setting<bool>,
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
    /// Resolves all settings. Also returns them and their sources as a TOML document. Words after
    /// `--` win: they are written for this run, while the options before `--` may come from an alias
    /// or a script.
    pub(super) fn decide(
        arguments: &TestArguments,
        after: &AfterDashes,
        environment: &ProcessEnvironment,
    ) -> Result<(Self, String), ConfigError> {
        let TestArguments {
            selecting,
            running,
            distributing,
            showing,
            configuring,
            ..
        } = arguments;
        let mut values = configuring.shared.read_config(&PROGRAM, environment)?;
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
        let stop_after_default = if running.as_nextest {
            StopAfter::FIRST_FAILURE
        } else {
            StopAfter::NEVER
        };
        let pass_environment = List::given(running.pass_environment.clone());
        let show_output = showing.show_output || after.show_output;
        let show_output = switch("--show-output", show_output, true);
        let write_back = switch("--write-back", running.write_back, true);
        let hermetic = switch("--hermetic", running.hermetic, true);
        let quiet = switch("--quiet", showing.quiet || after.quiet, Ui::Quiet);
        let color = after.color.or(showing.color);
        let settings = Self {
            timeout: values.take_optional("timeout", given("--timeout", running.timeout))?,
            stop_after: values.take("stop-after", stop_after, stop_after_default)?,
            no_tests: values.take_argument("no-tests", selecting.no_tests, NoTests::Fail)?,
            show_output: values.take("show-output", show_output, false)?,
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
