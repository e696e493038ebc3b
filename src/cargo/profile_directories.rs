//! The directories in which Cargo puts build outputs.

use super::metadata::directory_of;
use camino::{Utf8Path, Utf8PathBuf};

/// The directories of one profile and target.
#[derive(Debug)]
pub(super) struct ProfileDirectories {
    /// The artifact directory, for final artifacts.
    pub(super) artifacts: Utf8PathBuf,
    /// The directory for intermediate files; different only if `build.build-dir` is configured.
    pub(super) intermediate: Utf8PathBuf,
    /// The target triple, if the directory is that of an explicit `--target`.
    pub(super) triple: Option<String>,
}

impl ProfileDirectories {
    /// The directories to which a file belongs that Cargo built.
    pub(super) fn of(file: &Utf8Path, target: &Utf8Path, build: Option<&Utf8Path>) -> Self {
        let build = build.unwrap_or(target);
        let longest_first = if build.starts_with(target) {
            [build, target]
        } else {
            [target, build]
        };
        let directory = directory_of(file);
        let within = longest_first
            .iter()
            .find_map(|root| directory.strip_prefix(root).ok());
        let Some(within) = within else {
            return Self::unknown(directory);
        };
        // `[TRIPLE/]PROFILE`, without the directories that Cargo makes below it.
        let parts: Vec<&str> = within
            .components()
            .map(|part| part.as_str())
            .take_while(|part| !matches!(*part, "deps" | "examples" | "build"))
            .collect();
        let within: Utf8PathBuf = parts.iter().collect();
        Self {
            artifacts: target.join(&within),
            intermediate: build.join(&within),
            triple: match parts.as_slice() {
                [triple, _, ..] => Some((*triple).to_owned()),
                _ => None,
            },
        }
    }

    fn unknown(directory: Utf8PathBuf) -> Self {
        let inner = ["deps", "examples"]
            .iter()
            .any(|name| directory.ends_with(name));
        let outer = if inner {
            directory_of(&directory)
        } else {
            directory
        };
        Self {
            artifacts: outer.clone(),
            intermediate: outer,
            triple: None,
        }
    }

    pub(super) fn holds(&self, path: &Utf8Path) -> bool {
        path.starts_with(&self.artifacts) || path.starts_with(&self.intermediate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directories_and_the_triple_follow_from_any_file() {
        for (file, artifacts, triple) in [
            ("/ws/target/debug/deps/it-1", "/ws/target/debug", None),
            (
                "/ws/target/t-r-i/ci/examples/ex-1",
                "/ws/target/t-r-i/ci",
                Some("t-r-i"),
            ),
            (
                "/ws/target/t-r-i/debug/my-app",
                "/ws/target/t-r-i/debug",
                Some("t-r-i"),
            ),
            (
                "/ws/target/debug/build/it/0a1b/out/it",
                "/ws/target/debug",
                None,
            ),
            ("/elsewhere/debug/deps/it-1", "/elsewhere/debug", None),
        ] {
            let directories =
                ProfileDirectories::of(Utf8Path::new(file), Utf8Path::new("/ws/target"), None);
            assert_eq!(directories.artifacts, artifacts);
            assert_eq!(directories.intermediate, artifacts);
            assert_eq!(directories.triple.as_deref(), triple, "{file}");
        }
    }

    #[test]
    fn a_separate_build_directory_is_distinguished_from_the_target_directory() {
        let target = Utf8Path::new("/ws/target");
        for build in ["/build", "/ws/target/build", "/ws"] {
            let build = Utf8Path::new(build);
            let directories =
                ProfileDirectories::of(&build.join("debug/deps/it-1"), target, Some(build));
            assert_eq!(directories.artifacts, "/ws/target/debug");
            assert_eq!(directories.intermediate, build.join("debug"));
            let directories =
                ProfileDirectories::of(&target.join("debug/my-app"), target, Some(build));
            assert_eq!(directories.artifacts, "/ws/target/debug");
        }
    }
}
