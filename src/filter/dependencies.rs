//! The selectors for packages that depend on others, or that others depend on.

use super::matcher::Matcher;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// For each package of the workspace, the packages of the workspace that it depends on, directly or
/// through others, including itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackageDependencies(pub BTreeMap<String, BTreeSet<String>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PackageRelation {
    DependsOn,
    IsDependencyOf,
}

/// The packages that have a relation to one of those whose names match, which have it to themselves.
#[derive(Clone, Debug)]
pub(super) struct RelatedPackages {
    pub relation: PackageRelation,
    pub matcher: Matcher,
    /// `None`: the dependencies are not known yet.
    packages: Option<Arc<BTreeSet<String>>>,
}

impl RelatedPackages {
    pub fn new(relation: PackageRelation, matcher: Matcher) -> Self {
        Self {
            relation,
            matcher,
            packages: None,
        }
    }

    pub fn find(&mut self, dependencies: &PackageDependencies) {
        let mut packages = BTreeSet::new();
        for (package, needed) in &dependencies.0 {
            match self.relation {
                PackageRelation::DependsOn => {
                    if needed.iter().any(|name| self.matcher.matches(name)) {
                        packages.insert(package.clone());
                    }
                }
                PackageRelation::IsDependencyOf => {
                    if self.matcher.matches(package) {
                        packages.extend(needed.iter().cloned());
                    }
                }
            }
        }
        self.packages = Some(Arc::new(packages));
    }

    /// Whether a package is among them. `None`: the dependencies are not known yet.
    pub fn includes(&self, package: &str) -> Option<bool> {
        self.packages
            .as_ref()
            .map(|packages| packages.contains(package))
    }
}
