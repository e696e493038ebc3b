//! Files of the client that tests append lines to.
//!
//! insta appends the path of each snapshot that a test uses to the file that
//! `INSTA_SNAPSHOT_REFERENCES_FILE` names; `cargo insta test --unreferenced=delete` deletes the
//! others. It appends warnings to the file in `INSTA_WARNINGS_FILE`. In a container, these variables
//! name files in a directory of their own, and what the test wrote is appended to the client's files
//! when it has ended.

use crate::executor::APPENDED_DIRECTORY;
use crate::spec::{LayerSpec, Mount};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The variables that name such files.
const VARIABLES: [&str; 2] = ["INSTA_SNAPSHOT_REFERENCES_FILE", "INSTA_WARNINGS_FILE"];

/// The files that the client's variables name.
#[derive(Clone, Debug, Default)]
pub struct AppendedFiles {
    /// The client's paths by the names of the variables.
    files: BTreeMap<&'static str, PathBuf>,
}

impl AppendedFiles {
    pub fn of_client() -> Self {
        Self::of(|name| std::env::var_os(name))
    }

    /// A relative path is relative to the current directory.
    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let file = |name| {
            let path = PathBuf::from(variable(name).filter(|path| !path.is_empty())?);
            Some((name, std::path::absolute(&path).unwrap_or(path)))
        };
        Self {
            files: VARIABLES.into_iter().filter_map(file).collect(),
        }
    }

    /// Whether there are none. Otherwise a test has to run: the result of an earlier run does not
    /// have the lines.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The variables in a container.
    pub fn variables(&self) -> impl Iterator<Item = (String, String)> {
        let names = self.files.keys();
        names.map(|name| ((*name).to_owned(), path_in_container(name)))
    }

    /// The paths in a container, which are outputs of the test, with those of the client.
    pub fn places(&self) -> impl Iterator<Item = (PathBuf, PathBuf)> {
        let files = self.files.iter();
        files.map(|(name, path)| (path_in_container(name).into(), path.clone()))
    }

    /// The mount point of the directory.
    pub fn layer(&self) -> Option<LayerSpec> {
        (!self.is_empty()).then(|| LayerSpec::Stubs {
            stubs: vec![format!("{APPENDED_DIRECTORY}/")],
        })
    }

    /// The directory, which a test can write to in every container.
    pub fn mount(&self) -> Option<Mount> {
        (!self.is_empty()).then(|| Mount::Tmp {
            mount_point: APPENDED_DIRECTORY.into(),
        })
    }
}

/// The files have the names of the variables.
fn path_in_container(variable: &str) -> String {
    format!("{APPENDED_DIRECTORY}/{variable}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_that_name_a_file_have_one_in_the_container() {
        let files = AppendedFiles::of(|name| {
            let value = match name {
                "INSTA_SNAPSHOT_REFERENCES_FILE" => "/tmp/references",
                _ => "",
            };
            Some(value.into())
        });
        let in_container = "/maelstrom-appended/INSTA_SNAPSHOT_REFERENCES_FILE";
        let variables: Vec<_> = files.variables().collect();
        let name = "INSTA_SNAPSHOT_REFERENCES_FILE".to_owned();
        assert_eq!(variables, [(name, in_container.to_owned())]);
        let places: Vec<_> = files.places().collect();
        assert_eq!(places, [(in_container.into(), "/tmp/references".into())]);
        assert!(files.layer().is_some() && files.mount().is_some());
    }

    #[test]
    fn without_the_variables_a_container_is_as_it_was() {
        let none = AppendedFiles::of(|_| None);
        assert!(none.is_empty() && none.layer().is_none() && none.mount().is_none());
        assert_eq!(none.variables().count() + none.places().count(), 0);
    }
}
