//! The directories in which a test finds programs by their names.

use super::{Need, Needs};
use crate::directive::TestSpec;
use crate::spec::{EnvironmentStep, environment};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::path::PathBuf;

const VARIABLE: &str = "PATH";

/// The `PATH` that a step extends, if there surely is one.
pub const PREVIOUS: &str = "$prev{PATH}";

/// The `PATH` that a step extends, or the default container's.
pub const PREVIOUS_OR_DEFAULT: &str = "$prev{PATH:-/usr/local/bin:/usr/bin:/bin}";

/// The directories of the client's `PATH`.
pub fn of_client() -> Vec<PathBuf> {
    let path = std::env::var_os(VARIABLE).unwrap_or_default();
    std::env::split_paths(&path).collect()
}

/// Whether the environment of a test surely has `PATH`. The variables of an image are not known.
pub fn is_set(test: &TestSpec) -> bool {
    !values(&test.container.environment).is_empty()
}

/// A value of `PATH`, with directories at its end.
pub fn with_directories<'a>(
    value: &str,
    directories: impl IntoIterator<Item = &'a Utf8PathBuf>,
) -> String {
    let directories = directories.into_iter();
    let escaped = directories.map(|directory| environment::escape(directory.as_str()));
    let parts: Vec<_> = [value.to_owned()].into_iter().chain(escaped).collect();
    parts.join(":")
}

/// Whether a value of `PATH` names a directory.
pub fn names(value: &str, directory: &Utf8Path) -> bool {
    let directory = environment::escape(directory.as_str());
    let mut parts = value.split(':');
    parts.any(|part| Utf8Path::new(part) == Utf8Path::new(&directory))
}

/// Whether a value of `PATH` contains the value before it.
pub fn extends(value: &str) -> bool {
    value.contains(PREVIOUS) || value.contains("$prev{PATH:-")
}

/// The values of the steps that the last value of `PATH` is made of.
fn values(environment: &[EnvironmentStep]) -> Vec<&str> {
    let mut values = Vec::new();
    for step in environment.iter().rev() {
        match step.vars.get(VARIABLE) {
            Some(value) => {
                values.push(value.as_str());
                if !extends(value) {
                    break;
                }
            }
            None if step.extend => {}
            None => break,
        }
    }
    values
}

impl Needs {
    /// The directories that a test's `PATH` must have so that the test finds these programs by
    /// their names: those of the client's `PATH` that the environment does not name.
    pub(super) fn search_path(
        &self,
        client_path: &[PathBuf],
        environment: &[EnvironmentStep],
    ) -> BTreeSet<Utf8PathBuf> {
        let values = values(environment);
        let is_known = |directory: &Utf8Path| values.iter().any(|value| names(value, directory));
        directories(&self.0)
            .filter(|directory| client_path.iter().any(|path| path == directory))
            .filter(|directory| !is_known(directory))
            .map(ToOwned::to_owned)
            .collect()
    }
}

/// The directories of the programs that are needed by their paths.
pub fn directories(needs: &BTreeSet<Need>) -> impl Iterator<Item = &Utf8Path> {
    let directories = needs.iter().filter_map(|need| match need {
        Need::Program(program) => Utf8Path::new(program).parent(),
        _ => None,
    });
    directories.filter(|directory| directory.is_absolute())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn needs(programs: &[&str]) -> Needs {
        let programs = programs.iter();
        Needs(
            programs
                .map(|&program| Need::Program(program.to_owned()))
                .collect(),
        )
    }

    fn step(extend: bool, path: &str) -> EnvironmentStep {
        EnvironmentStep {
            vars: BTreeMap::from([(VARIABLE.to_owned(), path.to_owned())]),
            extend,
        }
    }

    #[test]
    fn programs_of_directories_of_the_client_are_found_by_their_names() {
        let needs = needs(&[
            "git",
            "/opt/a/tool",
            "/opt/b/tool",
            "/usr/lib/part",
            "/bin/perl",
        ]);
        let client_path = ["", "/opt/b", "/opt/a", "/bin"].map(PathBuf::from);
        let environment = [
            step(true, "/usr/bin:/bin"),
            step(true, "$prev{PATH}:/opt/a"),
        ];
        let directories = |steps| needs.search_path(&client_path, steps).into_iter().collect();
        let all: Vec<Utf8PathBuf> = directories(&environment[..1]);
        assert_eq!(all, ["/opt/a", "/opt/b"]);
        let all: Vec<Utf8PathBuf> = directories(&environment);
        assert_eq!(all, ["/opt/b"]);
    }

    #[test]
    fn a_value_that_was_replaced_names_no_directory() {
        let needs = needs(&["/opt/$env{a}/tool"]);
        let client_path = [PathBuf::from("/opt/$env{a}")];
        let named = with_directories(
            PREVIOUS_OR_DEFAULT,
            needs.search_path(&client_path, &[]).iter(),
        );
        let bare = EnvironmentStep {
            vars: BTreeMap::new(),
            extend: false,
        };
        let lacks = |steps: &[EnvironmentStep]| !needs.search_path(&client_path, steps).is_empty();
        assert!(!lacks(&[step(true, &named)]));
        assert!(!lacks(&[step(true, &named), step(true, PREVIOUS)]));
        assert!(!lacks(&[
            step(true, &named),
            step(false, PREVIOUS_OR_DEFAULT)
        ]));
        assert!(lacks(&[step(true, &named), step(true, "/bin")]));
        assert!(lacks(&[step(true, &named), bare.clone()]));
        assert!(lacks(&[
            step(true, &named),
            bare,
            step(true, PREVIOUS_OR_DEFAULT)
        ]));
    }
}
