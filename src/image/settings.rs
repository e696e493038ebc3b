//! How images are had.

use std::ffi::OsString;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::time::Duration;

/// How images are had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSettings {
    /// The directory that keeps what was downloaded; shared by all programs of a user.
    pub depot: PathBuf,
    /// Whether registries are talked to whose certificates nobody vouches for.
    pub accept_invalid_certificates: bool,
    /// Files with credentials, in the format of Docker's `config.json`; the first one that
    /// has some for a registry counts.
    pub credentials: Vec<PathBuf>,
    /// Directories that have one with certificates (`*.crt`) for each `HOST[:PORT]`.
    pub certificates: Vec<PathBuf>,
    pub proxies: Proxies,
    pub patience: Patience,
}

/// The proxies that registries are reached through. Those of this machine never are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies {
    pub http: Option<String>,
    pub https: Option<String>,
    /// Hosts, domains and networks that need none, separated by commas.
    pub none: Option<String>,
}

/// How long registries are waited for, and how often they are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// How often something is tried that may well work the next time. What goes on where
    /// it ended does not count as tried.
    pub tries: u32,
    /// Before the second try; twice that before the third, and so on.
    pub first_pause: Duration,
    pub longest_pause: Duration,
    /// For a connection.
    pub connect: Duration,
    /// For more to come.
    pub read: Duration,
}

impl ImageSettings {
    /// What is usual on this machine, in the environment with these variables.
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
            patience: Patience::default(),
        }
    }
}

impl Proxies {
    /// Those that variables such as `https_proxy` name; ones in lower case come first.
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

impl Patience {
    /// What to wait after so many tries, of which none worked; `None`: give up. Somewhat
    /// at random, so that programs that failed together do not try together again.
    pub fn pause(&self, tries: u32) -> Option<Duration> {
        if tries >= self.tries {
            return None;
        }
        let doubled = 1 << tries.saturating_sub(1).min(16);
        let pause = (self.first_pause * doubled).min(self.longest_pause);
        let random = f64::from(RandomState::new().hash_one(tries) as u32) / f64::from(u32::MAX);
        Some(pause.mul_f64(0.75 + random / 2.0))
    }
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            tries: 5,
            first_pause: Duration::from_millis(200),
            longest_pause: Duration::from_secs(3),
            connect: Duration::from_secs(30),
            read: Duration::from_secs(60),
        }
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
    fn credentials_and_certificates_are_where_container_tools_have_them() {
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
    fn proxies_are_what_the_usual_variables_say() {
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
    fn pauses_grow_up_to_the_longest_and_then_end() {
        let patience = Patience {
            tries: 5,
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(3),
            ..Patience::default()
        };
        for (tries, usual) in [(1, 1000), (2, 2000), (3, 3000), (4, 3000)] {
            let pause = patience.pause(tries).unwrap().as_millis();
            assert!((usual * 3 / 4..=usual * 5 / 4).contains(&pause), "{pause}");
        }
        assert_eq!(patience.pause(5), None);
    }
}
