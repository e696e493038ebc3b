//! Sets of tests that a short filter describes.

use super::Suite;
use crate::filter::{TargetKind, TestCaseName};
use std::collections::{BTreeMap, BTreeSet};

/// The most names in a filter, of tests or of targets.
const MOST_NAMES: usize = 3;

/// The most comparisons in a filter for several packages, unless all of them compare packages.
const MOST_TERMS: usize = 4;

/// The shortest prefix of names that is worth a filter.
const SHORTEST_PREFIX: usize = 3;

/// Tests of one or more packages.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TestScope(pub BTreeMap<String, Part>);

/// Tests of one package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    Package,
    Targets(BTreeSet<Target>),
    /// The tests of a target whose names start with this.
    Prefix(Target, String),
    Names(Target, BTreeSet<String>),
}

/// A target of a package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Target {
    pub kind: TargetKind,
    pub name: String,
}

impl Target {
    pub fn of(test: &TestCaseName<'_>) -> Self {
        Self {
            kind: test.kind,
            name: test.target.to_owned(),
        }
    }

    fn has(&self, test: &TestCaseName<'_>) -> bool {
        self.kind == test.kind && self.name == test.target
    }
}

impl TestScope {
    /// The smallest natural scope of these tests. With `narrow`, several targets are listed instead
    /// of the whole package.
    pub fn of(tests: &[TestCaseName<'_>], suite: &Suite<'_>, narrow: bool) -> Self {
        let mut by_package: BTreeMap<&str, Vec<TestCaseName<'_>>> = BTreeMap::new();
        for test in tests {
            by_package.entry(test.package).or_default().push(*test);
        }
        let parts = by_package.into_iter().map(|(package, tests)| {
            let part = Part::of(&tests, package, suite, narrow);
            (package.to_owned(), part)
        });
        Self(parts.collect()).shortened()
    }

    /// A scope with the tests of both, which a short filter describes too.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let mut parts = self.0.clone();
        for (package, part) in &other.0 {
            let joined = match parts.get(package) {
                Some(own) => own.join(part),
                None => part.clone(),
            };
            parts.insert(package.clone(), joined);
        }
        Self(parts).shortened()
    }

    /// All tests of the packages.
    #[must_use]
    pub fn packages(self) -> Self {
        let packages = self.0.into_keys();
        Self(packages.map(|package| (package, Part::Package)).collect())
    }

    pub fn has(&self, test: &TestCaseName<'_>) -> bool {
        self.0.get(test.package).is_some_and(|part| part.has(test))
    }

    fn shortened(self) -> Self {
        let terms = self.0.values().map(Part::terms).sum::<usize>();
        let is_long = self.0.len() > 1 && terms > MOST_TERMS;
        if is_long { self.packages() } else { self }
    }
}

impl Part {
    /// The smallest natural scope of tests of a package.
    fn of(tests: &[TestCaseName<'_>], package: &str, suite: &Suite<'_>, narrow: bool) -> Self {
        let targets: BTreeSet<_> = tests.iter().map(Target::of).collect();
        let target = match targets.first() {
            Some(only) if targets.len() == 1 => only.clone(),
            _ if narrow && targets.len() <= MOST_NAMES => return Self::Targets(targets),
            _ => return Self::Package,
        };
        let of_package = suite.tests.iter().map(|test| &test.name);
        let of_package = of_package.filter(|test| test.package == package);
        let (of_target, others): (Vec<&TestCaseName<'_>>, Vec<_>) =
            of_package.partition(|test| target.has(test));
        if is_good_part(tests.len(), of_target.len()) {
            let is_only = others.is_empty() && suite.every_target;
            let whole = || Self::Targets([target.clone()].into());
            return if is_only { Self::Package } else { whole() };
        }
        let names: BTreeSet<&str> = tests.iter().map(|test| test.name).collect();
        let prefix: &str = common_prefix(&names);
        let starting = of_target
            .iter()
            .filter(|test: &&&TestCaseName<'_>| test.name.starts_with(prefix));
        let starting = starting.count();
        if names.len() > 1 && !prefix.is_empty() && is_good_part(tests.len(), starting) {
            return Self::Prefix(target, prefix.to_owned());
        }
        if names.len() <= MOST_NAMES {
            let names = names.into_iter().map(ToOwned::to_owned).collect();
            return Self::Names(target, names);
        }
        if !prefix.is_empty() && starting * 2 < of_target.len() {
            return Self::Prefix(target, prefix.to_owned());
        }
        Self::Targets([target].into())
    }

    fn join(&self, other: &Self) -> Self {
        if self == other {
            return self.clone();
        }
        if let (Self::Names(target, names), Self::Names(other, others)) = (self, other)
            && target == other
        {
            let names: BTreeSet<_> = names.union(others).cloned().collect();
            if names.len() <= MOST_NAMES {
                return Self::Names(target.clone(), names);
            }
        }
        let targets = self.targets().zip(other.targets());
        let targets: Option<BTreeSet<_>> =
            targets.map(|(own, others)| own.union(&others).cloned().collect());
        match targets {
            Some(targets) if targets.len() <= MOST_NAMES => Self::Targets(targets),
            _ => Self::Package,
        }
    }

    /// `None`: all targets.
    fn targets(&self) -> Option<BTreeSet<Target>> {
        match self {
            Self::Package => None,
            Self::Targets(targets) => Some(targets.clone()),
            Self::Prefix(target, _) | Self::Names(target, _) => Some([target.clone()].into()),
        }
    }

    fn has(&self, test: &TestCaseName<'_>) -> bool {
        match self {
            Self::Package => true,
            Self::Targets(targets) => targets.iter().any(|target| target.has(test)),
            Self::Prefix(target, prefix) => target.has(test) && test.name.starts_with(prefix),
            Self::Names(target, names) => target.has(test) && names.contains(test.name),
        }
    }

    /// About how many comparisons a filter has.
    fn terms(&self) -> usize {
        match self {
            // Comparisons of packages are counted by the filter.
            Self::Package => 1,
            Self::Targets(targets) => 1 + targets.len(),
            Self::Prefix(..) => 2,
            Self::Names(_, names) => 1 + names.len(),
        }
    }
}

/// Whether so many of so many tests are nearly all, for a person who writes a filter.
fn is_good_part(some: usize, all: usize) -> bool {
    some == all || some > 1 && some * 2 >= all
}

/// The longest common prefix that ends with a separator of modules or words. Empty if it is short.
fn common_prefix<'a>(names: &BTreeSet<&'a str>) -> &'a str {
    let (Some(first), Some(last)) = (names.first(), names.last()) else {
        return "";
    };
    // In the order of the names, the first and the last differ most.
    let pairs = first.char_indices().zip(last.chars());
    let same = pairs.take_while(|((_, one), other)| one == other);
    let length = same.map(|((at, one), _)| at + one.len_utf8()).last();
    let common = &first[..length.unwrap_or_default()];
    let ends = [
        common.rfind("::").map(|at| at + 2),
        common.rfind('_').map(|at| at + 1),
    ];
    let prefix = &common[..ends.into_iter().flatten().max().unwrap_or_default()];
    if prefix.len() < SHORTEST_PREFIX {
        ""
    } else {
        prefix
    }
}

/// The numbers of known tests.
pub struct Sizes<'a> {
    suite: &'a Suite<'a>,
    packages: BTreeMap<&'a str, usize>,
}

impl<'a> Sizes<'a> {
    pub fn new(suite: &'a Suite<'a>) -> Self {
        let mut packages = BTreeMap::new();
        for test in &suite.tests {
            *packages.entry(test.name.package).or_default() += 1;
        }
        Self { suite, packages }
    }

    /// The number of known tests in a scope.
    pub fn of(&self, scope: &TestScope) -> usize {
        let parts = scope.0.iter().map(|(package, part)| match part {
            Part::Package => self.packages.get(package.as_str()).copied().unwrap_or(0),
            part => {
                let tests = self.suite.tests.iter().map(|test| &test.name);
                let tests = tests.filter(|test| test.package == package && part.has(test));
                tests.count()
            }
        });
        parts.sum()
    }
}
