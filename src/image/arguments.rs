//! Configuration values about images, which several programs share.

use super::ImageSettings;
use crate::config::command_line::{given, switch, value};
use crate::config::{ConfigError, Directory, Surroundings, Values};
use std::ffi::OsStr;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct ImageArguments {
    /// Where downloaded container images are kept (default: maelstrom/containers in the user's
    /// cache directory)
    #[arg(long, value_name = "DIR", value_parser = value::<Directory>, hide_short_help = true)]
    pub container_image_depot_root: Option<Directory>,

    /// Download container images also from registries with TLS certificates that nobody
    /// vouches for
    #[arg(long, hide_short_help = true)]
    pub accept_invalid_remote_container_tls_certs: bool,
}

impl ImageArguments {
    /// Decides these values.
    pub fn decide(
        self,
        values: &mut Values<'_>,
        surroundings: &Surroundings,
    ) -> Result<ImageSettings, ConfigError> {
        let depot = values.take(
            "container-image-depot-root",
            given(
                "--container-image-depot-root",
                self.container_image_depot_root,
            ),
            Directory(surroundings.user_cache().join("containers")),
        )?;
        let accept = values.take(
            "accept-invalid-remote-container-tls-certs",
            switch(
                "--accept-invalid-remote-container-tls-certs",
                self.accept_invalid_remote_container_tls_certs,
                true,
            ),
            false,
        )?;
        let variable = |name: &str| surroundings.variable(name).map(OsStr::to_owned);
        Ok(ImageSettings {
            accept_invalid_certificates: accept.value,
            ..ImageSettings::new(depot.value.0, variable)
        })
    }
}
