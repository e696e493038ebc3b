//! Where Cargo puts what it builds.

use super::metadata::directory_of;
use camino::{Utf8Path, Utf8PathBuf};

/// The directories for one profile and target.
#[derive(Debug)]
pub(super) struct Place {
    /// For what users look at.
    pub(super) artifacts: Utf8PathBuf,
    /// For the rest; the same unless `build.build-dir` is configured.
    pub(super) intermediate: Utf8PathBuf,
    /// The target's triple if the directory is one for a target asked for.
    pub(super) triple: Option<String>,
}

impl Place {
    /// The place that a file which Cargo built is in.
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
        // `[TRIPLE/]PROFILE`, up to what Cargo makes below it.
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
    fn a_place_is_found_from_any_file_and_knows_its_target() {
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
            let place = Place::of(Utf8Path::new(file), Utf8Path::new("/ws/target"), None);
            assert_eq!(place.artifacts, artifacts);
            assert_eq!(place.intermediate, artifacts);
            assert_eq!(place.triple.as_deref(), triple, "{file}");
        }
    }

    #[test]
    fn a_separate_build_directory_is_told_from_the_target_directory() {
        let target = Utf8Path::new("/ws/target");
        for build in ["/build", "/ws/target/build", "/ws"] {
            let build = Utf8Path::new(build);
            let place = Place::of(&build.join("debug/deps/it-1"), target, Some(build));
            assert_eq!(place.artifacts, "/ws/target/debug");
            assert_eq!(place.intermediate, build.join("debug"));
            let place = Place::of(&target.join("debug/my-app"), target, Some(build));
            assert_eq!(place.artifacts, "/ws/target/debug");
        }
    }
}
