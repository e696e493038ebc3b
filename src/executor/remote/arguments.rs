//! The settings for running jobs on an engine, which several programs share.

use super::RemoteSettings;
use crate::config::command_line::{given, value};
use crate::config::{ConfigError, List, Property, Setting, SettingSource, SlotCount, Values};
use crate::engine::RemoteArguments;

/// The number of actions in flight by default. The client does not know the number of workers,
/// and the engine queues actions until a worker is free.
const SLOTS: usize = 64;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct ClusterArguments {
    #[command(flatten)]
    pub remote: RemoteArguments,

    /// Run on workers of the engine that have this property
    #[arg(long, value_name = "KEY=VALUE", value_parser = value::<Property>, hide_short_help = true)]
    pub remote_platform: Vec<Property>,
}

impl ClusterArguments {
    /// Decides these values. `None` if no engine is named. `slots` is the setting of the program.
    pub fn decide(
        self,
        values: &mut Values<'_>,
        slots: &Setting<SlotCount>,
    ) -> Result<Option<RemoteSettings>, ConfigError> {
        let engine = self.remote.decide(values)?;
        let properties = values.take(
            "remote-platform",
            given("--remote-platform", List::given(self.remote_platform)),
            List::default(),
        )?;
        Ok(engine.map(|engine| RemoteSettings {
            engine,
            properties: properties.value.into_items(),
            slots: match slots.source {
                SettingSource::Default => SLOTS,
                _ => slots.value.get(),
            },
        }))
    }
}
