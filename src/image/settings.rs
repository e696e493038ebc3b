//! The settings for finding and downloading images.

use crate::config::command_line::{switch, value};
use crate::config::{ConfigError, DirectoryPath, ProcessEnvironment, Values};
use std::ffi::{OsStr, OsString};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

/// The settings for finding and downloading images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSettings {
    /// The directory of downloaded blobs, shared by all processes of a user.
    pub depot: PathBuf,
    /// Whether registries are accepted whose certificates are not trusted.
    pub accept_invalid_certificates: bool,
    /// Files with credentials, in the format of Docker's `config.json`. The first file that has
    /// credentials for a registry counts.
    pub credentials: Vec<PathBuf>,
    /// Directories of certificates: each has a directory `HOST[:PORT]` with `*.crt` for a
    /// registry.
    pub certificates: Vec<PathBuf>,
    pub proxies: Proxies,
    pub retry: RetryPolicy,
}

/// The proxies for registries. Registries of this machine are reached without one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    pub http: Option<String>,
    pub https: Option<String>,
    /// Hosts, domains and networks that need no proxy, separated by commas.
    pub none: Option<String>,
}

/// Timeouts of requests to registries, and how requests are retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a request is attempted that fails transiently. An attempt that made progress
    /// resets the count.
    pub max_attempts: u32,
    /// The pause before the second attempt. It doubles before each further one.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// The time limit for connecting.
    pub connect_timeout: Duration,
    /// The time limit for the next bytes of a response.
    pub read_timeout: Duration,
}

impl ImageSettings {
    /// The settings for an environment with these variables. The files are those of Docker,
    /// Podman and Skopeo: see containers-auth.json(5) and containers-certs.d(5).
    pub fn new(depot: impl Into<PathBuf>, variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let path = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let home = path("HOME");
        let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
        let docker = path("DOCKER_CONFIG").or_else(|| below_home(".docker"));
        let credentials = [
            path("REGISTRY_AUTH_FILE"),
            path("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json")),
            docker.map(|directory| directory.join("config.json")),
        ];
        let configuration = path("XDG_CONFIG_HOME").or_else(|| below_home(".config"));
        let certificates = [
            configuration.map(|directory| directory.join("containers/certs.d")),
            Some("/etc/containers/certs.d".into()),
            Some("/etc/docker/certs.d".into()),
        ];
        Self {
            depot: depot.into(),
            accept_invalid_certificates: false,
            credentials: credentials.into_iter().flatten().collect(),
            certificates: certificates.into_iter().flatten().collect(),
            proxies: Proxies::new(variable),
            retry: RetryPolicy::default(),
        }
    }
}

impl Proxies {
    /// The proxies in variables such as `https_proxy`. A variable in lower case comes before the
    /// same in upper case.
    fn new(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let text = |name: &str| {
            let value = variable(name).or_else(|| variable(&name.to_uppercase()))?;
            value.into_string().ok().filter(|value| !value.is_empty())
        };
        let all = || text("all_proxy");
        Self {
            http: text("http_proxy").or_else(all),
            https: text("https_proxy").or_else(all),
            none: text("no_proxy"),
        }
    }
}

impl RetryPolicy {
    /// The pause after this many failed attempts. `None`: no attempts are left. The pause is
    /// randomized by up to a quarter, so that processes that failed together do not retry
    /// together.
    pub fn pause(&self, attempts: u32) -> Option<Duration> {
        if attempts >= self.max_attempts {
            return None;
        }
        let doubled = 1 << attempts.saturating_sub(1).min(16);
        let pause = (self.first_pause * doubled).min(self.longest_pause);
        let random = f64::from(RandomState::new().hash_one(attempts) as u32) / f64::from(u32::MAX);
        Some(pause.mul_f64(0.75 + random / 2.0))
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            max_attempts: 5,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(3),
            connect_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(60),
        }
    }
}

/// The command-line options for [`ImageSettings`], which several programs share.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct ImageArguments {
    /// Keep downloaded container images in DIR (default: maelstrom/containers in the user's
    /// cache directory)
    #[arg(long, value_name = "DIR", value_parser = value::<DirectoryPath>, hide_short_help = true)]
    pub container_image_depot_root: Option<DirectoryPath>,

    /// Download container images also from registries whose TLS certificates are not trusted
    #[arg(long, hide_short_help = true)]
    pub accept_invalid_remote_container_tls_certs: bool,
}

impl ImageArguments {
    /// Resolves these values from the command line, the environment, the configuration file and
    /// the defaults.
    pub fn decide(
        self,
        values: &mut Values<'_>,
        environment: &ProcessEnvironment,
    ) -> Result<ImageSettings, ConfigError> {
        let depot = values.take_argument(
            "container-image-depot-root",
            self.container_image_depot_root,
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn settings(variables: &[(&str, &str)]) -> ImageSettings {
        ImageSettings::new("/depot", |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        })
    }

    #[test]
    fn credentials_and_certificates_are_looked_for_where_container_tools_look() {
        let usual = settings(&[("HOME", "/home/me"), ("XDG_RUNTIME_DIR", "/run/me")]);
        assert_eq!(
            usual.credentials,
            [
                Path::new("/run/me/containers/auth.json"),
                Path::new("/home/me/.docker/config.json"),
            ]
        );
        assert_eq!(
            usual.certificates,
            [
                Path::new("/home/me/.config/containers/certs.d"),
                Path::new("/etc/containers/certs.d"),
                Path::new("/etc/docker/certs.d"),
            ]
        );
        let moved = settings(&[
            ("HOME", "/home/me"),
            ("DOCKER_CONFIG", "/docker"),
            ("REGISTRY_AUTH_FILE", "/auth.json"),
            ("XDG_RUNTIME_DIR", ""),
            ("XDG_CONFIG_HOME", "/config"),
        ]);
        assert_eq!(
            moved.credentials,
            [Path::new("/auth.json"), Path::new("/docker/config.json")]
        );
        assert_eq!(
            moved.certificates[0],
            Path::new("/config/containers/certs.d")
        );
    }

    #[test]
    fn proxies_come_from_the_usual_variables() {
        let proxies = settings(&[
            ("HTTPS_PROXY", "http://upper"),
            ("https_proxy", "http://lower"),
            ("ALL_PROXY", "http://all"),
            ("NO_PROXY", "a,b"),
        ])
        .proxies;
        assert_eq!(proxies.https.as_deref(), Some("http://lower"));
        assert_eq!(proxies.http.as_deref(), Some("http://all"));
        assert_eq!(proxies.none.as_deref(), Some("a,b"));
    }

    #[test]
    fn pauses_double_up_to_the_longest_until_the_attempts_are_used_up() {
        let retry = RetryPolicy {
            max_attempts: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(3),
            ..RetryPolicy::default()
        };
        for (attempts, usual) in [(1, 1000), (2, 2000), (3, 3000), (4, 3000)] {
            let pause = retry.pause(attempts).unwrap().as_millis();
            assert!((usual * 3 / 4..=usual * 5 / 4).contains(&pause), "{pause}");
        }
        assert_eq!(retry.pause(5), None);
    }
}
