//! Configuration values about images, which several programs share.

use super::arguments::value;
use super::options::{given, switch};
use crate::config::{ConfigError, Directory, Surroundings, Values};
use crate::image::ImageSettings;
use std::ffi::OsStr;
use std::path::PathBuf;

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
    pub(super) fn decide(
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
            Directory(user_cache(surroundings).join("containers")),
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

/// `maelstrom` in the directory for caches, by the XDG base directory specification.
pub(super) fn user_cache(surroundings: &Surroundings) -> PathBuf {
    let cache = match surroundings.variable("XDG_CACHE_HOME").map(PathBuf::from) {
        Some(directory) if directory.is_absolute() => directory,
        _ => match surroundings.variable("HOME") {
            Some(home) => PathBuf::from(home).join(".cache"),
            None => std::env::temp_dir(),
        },
    };
    cache.join("maelstrom")
}
