//! Configuration values about images, which several programs share.

use super::ImageSettings;
use crate::config::command_line::{given, switch, value};
use crate::config::{ConfigError, DirectoryPath, ProcessEnvironment, Values};
use std::ffi::OsStr;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct ImageArguments {
    /// Where downloaded container images are kept (default: maelstrom/containers in the user's
    /// cache directory)
    #[arg(long, value_name = "DIR", value_parser = value::<DirectoryPath>, hide_short_help = true)]
    pub container_image_depot_root: Option<DirectoryPath>,

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
        environment: &ProcessEnvironment,
    ) -> Result<ImageSettings, ConfigError> {
        let depot = values.take(
            "container-image-depot-root",
            given(
                "--container-image-depot-root",
                self.container_image_depot_root,
            ),
            DirectoryPath(environment.user_cache().join("containers")),
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
        let variable = |name: &str| environment.variable(name).map(OsStr::to_owned);
        Ok(ImageSettings {
            accept_invalid_certificates: accept.value,
            ..ImageSettings::new(depot.value.into_path(), variable)
        })
    }
}
