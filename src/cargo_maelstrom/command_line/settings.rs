//! The configuration values of `cargo maelstrom`.

use crate::config::{
    BatchTarget, ByteSize, CacheResults, Color, ConfigError, ConfigFile, LogLevel, NoTests,
    ProcessEnvironment, ProgramNames, Setting, SlotCount, StopAfter, Timeout, Ui, Values,
};
use crate::executor::remote::{ClusterArguments, RemoteSettings};
use crate::image::{ImageArguments, ImageSettings};

const PROGRAM: ProgramNames = ProgramNames {
    name: "cargo-maelstrom",
    directory: "cargo-maelstrom",
    prefix: "CARGO_MAELSTROM_",
};

/// Every configuration value, and where it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// How many jobs run at once.
    pub slots: Setting<SlotCount>,
    /// Overrides the timeout of every test. `None`: each test has its own.
    pub timeout: Option<Setting<Timeout>>,
    pub stop_after: Setting<StopAfter>,
    pub no_tests: Setting<NoTests>,
    /// Whether the output of tests that pass is shown.
    pub show_output: Setting<bool>,
    /// The engine that tests are run on. `None`: they are run here.
    pub remote: Option<RemoteSettings>,
    /// How long the tests should take together that a worker is given at a time.
    pub batch_target: Setting<BatchTarget>,
    /// How much of a test's output is kept, per stream.
    pub inline_limit: Setting<ByteSize>,
    /// How large the store may get.
    pub cache_size: Setting<ByteSize>,
    /// What becomes of results that tests had before.
    pub cache_results: Setting<CacheResults>,
    pub images: ImageSettings,
    pub ui: Setting<Ui>,
    pub color: Setting<Color>,
    pub log_level: Setting<LogLevel>,
}

/// The values that the command line gave.
#[derive(Debug, Default)]
pub(super) struct Given {
    pub slots: Option<Setting<SlotCount>>,
    pub timeout: Option<Setting<Timeout>>,
    pub stop_after: Option<Setting<StopAfter>>,
    pub no_tests: Option<Setting<NoTests>>,
    pub show_output: Option<Setting<bool>>,
    pub inline_limit: Option<Setting<ByteSize>>,
    pub cache_size: Option<Setting<ByteSize>>,
    pub cache_results: Option<Setting<CacheResults>>,
    pub images: ImageArguments,
    pub cluster: ClusterArguments,
    pub batch_target: Option<Setting<BatchTarget>>,
    pub ui: Option<Setting<Ui>>,
    pub color: Option<Setting<Color>>,
    pub log_level: Option<Setting<LogLevel>>,
}

impl Settings {
    /// Decides every value; also says, as a TOML document, what was found where.
    pub(super) fn decide(
        given: Given,
        file: &ConfigFile,
        environment: &ProcessEnvironment,
    ) -> Result<(Self, String), ConfigError> {
        let mut values = Values::read(&PROGRAM, environment, file)?;
        let slots = values.take("slots", given.slots, SlotCount(environment.cpus))?;
        let settings = Self {
            timeout: values.take_optional("timeout", given.timeout)?,
            stop_after: values.take("stop-after", given.stop_after, StopAfter::NEVER)?,
            no_tests: values.take("no-tests", given.no_tests, NoTests::Fail)?,
            show_output: values.take("show-output", given.show_output, false)?,
            inline_limit: values.take("inline-limit", given.inline_limit, ByteSize(1 << 20))?,
            cache_size: values.take("cache-size", given.cache_size, ByteSize(10 << 30))?,
            cache_results: values.take("cache-results", given.cache_results, CacheResults::Off)?,
            images: given.images.decide(&mut values, environment)?,
            remote: given.cluster.decide(&mut values, &slots)?,
            batch_target: values.take("batch-target", given.batch_target, BatchTarget::SECOND)?,
            ui: values.take("ui", given.ui, Ui::Auto)?,
            color: values.take("color", given.color, Color::Auto)?,
            log_level: values.take("log-level", given.log_level, LogLevel::Warn)?,
            slots,
        };
        Ok((settings, values.finish()?))
    }
}
