//! What the program takes from the process it runs in, as data, so that tests can make it up.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    num::NonZeroU32,
    path::PathBuf,
};

/// Environment variables and the size of the machine.
#[derive(Clone, Debug)]
pub struct Surroundings {
    pub variables: BTreeMap<OsString, OsString>,
    /// How many CPUs this process may use.
    pub cpus: NonZeroU32,
}

impl Surroundings {
    /// Those of this process.
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

    /// An environment variable; one that is empty counts as not set.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        let value = self.variables.get(OsStr::new(name))?;
        (!value.is_empty()).then_some(value)
    }

    /// `maelstrom` in the user's directory for caches, by the XDG base directory specification.
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

    /// Directories that may hold configuration, nearest first, by the XDG base directory
    /// specification: it wants relative ones ignored.
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
        let surroundings = Surroundings {
            variables: variables
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            cpus: NonZeroU32::MIN,
        };
        surroundings
            .config_directories()
            .into_iter()
            .map(|directory| directory.to_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn configuration_is_looked_for_below_home_and_etc_by_default() {
        assert_eq!(
            directories(&[("HOME", "/home/me")]),
            ["/home/me/.config", "/etc/xdg"]
        );
    }

    #[test]
    fn xdg_variables_move_where_configuration_is_looked_for() {
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
