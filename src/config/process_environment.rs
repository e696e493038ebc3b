//! The environment variables and CPU count of the process, as data that tests can replace.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    num::NonZeroU32,
    path::PathBuf,
};

/// Environment variables and the number of CPUs.
#[derive(Clone, Debug)]
pub struct ProcessEnvironment {
    pub variables: BTreeMap<OsString, OsString>,
    /// The number of CPUs that this process may use.
    pub cpus: NonZeroU32,
}

impl ProcessEnvironment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        let cpus = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            variables: std::env::vars_os().collect(),
            cpus: u32::try_from(cpus)
                .ok()
                .and_then(NonZeroU32::new)
                .unwrap_or(NonZeroU32::MIN),
        }
    }

    /// An environment variable. `None`: it is not set, or empty.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value)
    }

    /// `maelstrom` in the user's cache directory, by the XDG Base Directory Specification.
    pub fn user_cache(&self) -> PathBuf {
        let cache = match self.variable("XDG_CACHE_HOME").map(PathBuf::from) {
            Some(directory) if directory.is_absolute() => directory,
            _ => match self.variable("HOME") {
                Some(home) => PathBuf::from(home).join(".cache"),
                None => std::env::temp_dir(),
            },
        };
        cache.join("maelstrom")
    }

    /// The directories for configuration, the user's first, by the XDG Base Directory
    /// Specification. It requires that relative paths are ignored.
    pub fn config_directories(&self) -> Vec<PathBuf> {
        let own = match self.variable("XDG_CONFIG_HOME").map(PathBuf::from) {
            Some(directory) if directory.is_absolute() => Some(directory),
            _ => self
                .variable("HOME")
                .map(|home| PathBuf::from(home).join(".config")),
        };
        let shared = self
            .variable("XDG_CONFIG_DIRS")
            .unwrap_or(OsStr::new("/etc/xdg"));
        own.into_iter()
            .chain(std::env::split_paths(shared))
            .filter(|directory| directory.is_absolute())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directories(variables: &[(&str, &str)]) -> Vec<String> {
        let environment = ProcessEnvironment {
            variables: variables
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            cpus: NonZeroU32::MIN,
        };
        environment
            .config_directories()
            .into_iter()
            .map(|directory| directory.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn the_default_directories_are_below_home_and_etc() {
        assert_eq!(
            directories(&[("HOME", "/home/me")]),
            ["/home/me/.config", "/etc/xdg"]
        );
    }

    #[test]
    fn xdg_variables_replace_the_default_directories() {
        assert_eq!(
            directories(&[
                ("HOME", "/home/me"),
                ("XDG_CONFIG_HOME", "/my/config"),
                ("XDG_CONFIG_DIRS", "/a:/b"),
            ]),
            ["/my/config", "/a", "/b"]
        );
    }

    #[test]
    fn empty_and_relative_xdg_variables_are_ignored() {
        assert_eq!(
            directories(&[
                ("HOME", "/home/me"),
                ("XDG_CONFIG_HOME", "relative"),
                ("XDG_CONFIG_DIRS", "b:/c"),
            ]),
            ["/home/me/.config", "/c"]
        );
        assert_eq!(
            directories(&[("XDG_CONFIG_HOME", ""), ("XDG_CONFIG_DIRS", "")]),
            ["/etc/xdg"]
        );
    }
}
