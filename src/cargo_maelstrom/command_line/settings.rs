//! The settings of `cargo maelstrom`.

use crate::config::{
    BatchTarget, ByteSize, CacheResults, Color, ConfigError, ConfigValue as _, List, LogLevel,
    NoTests, ProcessEnvironment, ProgramNames, Setting, SharedArguments, SlotCount, StopAfter,
    Timeout, Ui, VariablePattern,
};
use crate::executor::remote::{ClusterArguments, RemoteSettings};
use crate::image::{ImageArguments, ImageSettings};
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
    pub images: ImageSettings,
    pub ui: Setting<Ui>,
    pub color: Setting<Color>,
    pub log_level: Setting<LogLevel>,
}

/// The settings on the command line.
#[derive(Debug, Default)]
pub(super) struct GivenSettings {
    pub slots: Option<Setting<SlotCount>>,
    pub timeout: Option<Setting<Timeout>>,
    pub stop_after: Option<Setting<StopAfter>>,
    pub no_tests: Option<Setting<NoTests>>,
    pub show_output: Option<Setting<bool>>,
    pub inline_limit: Option<Setting<ByteSize>>,
    pub cache_size: Option<Setting<ByteSize>>,
    pub cache_results: Option<Setting<CacheResults>>,
    pub pass_environment: Option<Setting<List<VariablePattern>>>,
    pub write_back: Option<Setting<bool>>,
    pub outputs_limit: Option<Setting<ByteSize>>,
    pub images: ImageArguments,
    pub cluster: ClusterArguments,
    pub batch_target: Option<Setting<BatchTarget>>,
    pub ui: Option<Setting<Ui>>,
    pub color: Option<Setting<Color>>,
}

impl Settings {
    /// Resolves all settings. Also returns them and their sources as a TOML document.
    pub(super) fn decide(
        given: GivenSettings,
        shared: &SharedArguments,
        environment: &ProcessEnvironment,
    ) -> Result<(Self, String), ConfigError> {
        let mut values = shared.read_config(&PROGRAM, environment)?;
        let slots = values.take("slots", given.slots, SlotCount(environment.cpus))?;
        let settings = Self {
            timeout: values.take_optional("timeout", given.timeout)?,
            stop_after: values.take("stop-after", given.stop_after, StopAfter::NEVER)?,
            no_tests: values.take("no-tests", given.no_tests, NoTests::Fail)?,
            show_output: values.take("show-output", given.show_output, false)?,
            inline_limit: values.take("inline-limit", given.inline_limit, ByteSize(1 << 20))?,
            cache_size: values.take("cache-size", given.cache_size, ByteSize(10 << 30))?,
            cache_results: values.take("cache-results", given.cache_results, CacheResults::Off)?,
            pass_environment: values.take(
                "pass-environment",
                given.pass_environment,
                passed_by_default(),
            )?,
            write_back: values.take("write-back", given.write_back, false)?,
            outputs_limit: values.take("outputs-limit", given.outputs_limit, ByteSize(1 << 30))?,
            images: given.images.decide(&mut values, environment)?,
            remote: given.cluster.decide(&mut values, &slots)?,
            batch_target: values.take("batch-target", given.batch_target, BatchTarget::SECOND)?,
            ui: values.take("ui", given.ui, Ui::Auto)?,
            color: values.take("color", given.color, Color::Auto)?,
            log_level: values.take_argument("log-level", shared.log_level, LogLevel::Warn)?,
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
