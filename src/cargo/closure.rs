//! The members of the workspace that a member is built from, and the source files of a member.
//!
//! All dependencies in manifests count, for whatever platform and features, so that the result may
//! contain too many members but never too few. Dev-dependencies count only for the tests of the
//! member itself.

use super::{Package, Workspace};
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A dependency in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct Dependency {
    /// The name of the package.
    pub name: String,
    kind: Option<String>,
}

impl Dependency {
    /// A dependency; `only_for_tests`: a dev-dependency.
    pub fn new(name: &str, only_for_tests: bool) -> Self {
        Self {
            name: name.to_owned(),
            kind: only_for_tests.then(|| "dev".to_owned()),
        }
    }

    fn is_only_for_tests(&self) -> bool {
        self.kind.as_deref() == Some("dev")
    }
}

impl Workspace {
    /// The ids of the members that the tests of a member are built from, including its own id.
    /// `None`: the package is not a member.
    pub fn closure(&self, package: &Package) -> Option<BTreeSet<&str>> {
        let member = self.package(&package.id)?;
        let mut found = BTreeSet::from([member.id.as_str()]);
        let mut open: Vec<&Dependency> = member.dependencies.iter().collect();
        while let Some(dependency) = open.pop() {
            // Members are compared by name, because a patch can replace any package by a member.
            for member in self.packages.iter().filter(|p| p.name == dependency.name) {
                if found.insert(&member.id) {
                    let needed = member.dependencies.iter();
                    open.extend(needed.filter(|d| !d.is_only_for_tests()));
                }
            }
        }
        Some(found)
    }

    /// The files and directories that belong to a member. That is the directory of the member. The
    /// root of the workspace also contains files that belong to no member, so for a member in the
    /// root it is the files and directories in the root that contain the member's targets.
    pub fn sources_of(&self, member: &Package) -> BTreeSet<Utf8PathBuf> {
        if member.directory != self.root {
            return BTreeSet::from([member.directory.clone()]);
        }
        let sources = member
            .targets
            .iter()
            .map(|target| target.src_path.as_path());
        sources
            .filter_map(|source| first_below(&self.root, source))
            .collect()
    }
}

/// The entry of a directory that contains a file or is the file.
fn first_below(directory: &Utf8Path, file: &Utf8Path) -> Option<Utf8PathBuf> {
    let below = file.strip_prefix(directory).ok()?;
    Some(directory.join(below.components().next()?))
}

#[cfg(test)]
mod tests {
    use super::super::tests::{package, workspace};
    use super::*;
    use crate::cargo::TargetInfo;
    use crate::filter::TargetKind;

    fn member(name: &str, dependencies: &[Dependency]) -> Package {
        Package {
            dependencies: dependencies.to_vec(),
            ..package(name, "1.0.0")
        }
    }

    fn names(workspace: &Workspace, name: &str) -> Vec<String> {
        let member = workspace.packages.iter().find(|p| p.name == name).unwrap();
        let closure = workspace.closure(member).unwrap();
        let members = workspace.packages.iter();
        members
            .filter(|member| closure.contains(member.id.as_str()))
            .map(|member| member.name.clone())
            .collect()
    }

    #[test]
    fn a_member_is_built_from_its_dependencies_and_tested_with_dev_dependencies() {
        let needs = |name| Dependency::new(name, false);
        let tested_with = |name| Dependency::new(name, true);
        let workspace = workspace(vec![
            member("a", &[needs("b"), needs("serde"), tested_with("t")]),
            member("b", &[needs("c"), tested_with("u")]),
            member("c", &[]),
            member("t", &[needs("a")]),
            member("u", &[]),
        ]);
        assert_eq!(names(&workspace, "a"), ["a", "b", "c", "t"]);
        assert_eq!(names(&workspace, "b"), ["b", "c", "u"]);
        assert_eq!(names(&workspace, "c"), ["c"]);
        assert_eq!(names(&workspace, "t"), ["a", "b", "c", "t"]);
        assert_eq!(workspace.closure(&package("stranger", "1.0.0")), None);
    }

    #[test]
    fn a_member_in_the_root_has_the_entries_with_its_targets() {
        let target = |path: &str| TargetInfo {
            kind: TargetKind::Test,
            name: "t".to_owned(),
            src_path: path.into(),
            harness: true,
            doctest: false,
            test: true,
            bench: false,
            required_features: Vec::new(),
        };
        let root = Package {
            directory: "/ws".into(),
            targets: vec![
                target("/ws/src/lib.rs"),
                target("/ws/src/bin/x.rs"),
                target("/ws/one.rs"),
                target("/elsewhere/two.rs"),
            ],
            ..package("root", "1.0.0")
        };
        let workspace = workspace(vec![root, package("other", "1.0.0")]);
        let sources_of = |member: usize| {
            let sources_of = workspace.sources_of(&workspace.packages[member]);
            Vec::from_iter(sources_of)
        };
        assert_eq!(sources_of(0), ["/ws/one.rs", "/ws/src"]);
        assert_eq!(sources_of(1), ["/ws/other"]);
    }
}
