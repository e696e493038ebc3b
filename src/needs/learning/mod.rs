//! From the needs of tests to directives.
//!
//! [`learn`] finds few directives with short filters that give every test at least what it needs.
//! [`merge`](fn@merge) adds them to the text of a `maelstrom-test.toml`.
//!
//! `scope` has sets of tests that a short filter describes, `filter_text` writes these filters,
//! `directive_text` writes directives, and `merge` and `insertion` change the text of a file.

mod directive_text;
mod filter_text;
mod insertion;
mod merge;
mod network;
mod scope;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;

pub use directive_text::{LearnedDirective, Places, absent_needs};
pub use merge::merge;
pub use network::CommentedDirective;

use super::{Need, Needs, search_path};
use crate::directive::TestSpec;
use crate::filter::TestCaseName;
use camino::Utf8PathBuf;
use scope::{Sizes, TestScope};
use std::collections::{BTreeMap, BTreeSet};

/// The most directives.
const MOST: usize = 5;

/// The most groups of needs that are merged pair by pair.
const MOST_PAIRED: usize = 16;

/// The needs of a group count this much more if the toolchain is one of them: tests that have a
/// toolchain run on this machine only.
const TOOLCHAIN_WEIGHT: usize = 50;

/// A test case that is known, whether or not it ran.
#[derive(Clone, Debug)]
pub struct SuiteTest<'a> {
    pub name: TestCaseName<'a>,
    pub needs: Needs,
    /// The directories of needed programs that the test's `PATH` lacks.
    pub search_path: BTreeSet<Utf8PathBuf>,
    /// The addresses beyond loopback that the test tried to reach.
    pub addresses: BTreeSet<String>,
}

impl<'a> SuiteTest<'a> {
    /// A test that lacks nothing.
    pub fn without_needs(name: TestCaseName<'a>) -> Self {
        Self {
            name,
            needs: Needs::default(),
            search_path: BTreeSet::new(),
            addresses: BTreeSet::new(),
        }
    }

    /// What a test lacks of its needs and of their search path.
    pub fn lacking(
        name: TestCaseName<'a>,
        needs: &Needs,
        spec: &TestSpec,
        places: &Places,
    ) -> Self {
        Self {
            needs: absent_needs(needs, spec, places),
            search_path: directive_text::absent_search_path(needs, spec, places),
            ..Self::without_needs(name)
        }
    }
}

/// The known test cases of a workspace.
#[derive(Clone, Debug)]
pub struct Suite<'a> {
    pub tests: Vec<SuiteTest<'a>>,
    /// Whether the tests of every package of the workspace are known.
    pub every_package: bool,
    /// Whether the tests of every target are known, in the packages with known tests.
    pub every_target: bool,
    /// Whether the environment of every known test has `PATH`.
    pub every_path: bool,
}

/// Needs, by the tests that get them.
type Groups = BTreeMap<TestScope, BTreeSet<Need>>;

/// What is to be added to a `maelstrom-test.toml`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Learned {
    pub directives: Vec<LearnedDirective>,
    pub network: Option<CommentedDirective>,
}

impl Learned {
    /// The text of directives and comments that says all of it.
    pub fn text(&self) -> String {
        let directives = self.directives.iter().map(LearnedDirective::table);
        let network = self.network.iter().map(CommentedDirective::text);
        directives.chain(network).collect::<Vec<_>>().join("\n")
    }
}

/// At most [`MOST`] directives that give each test at least what it needs, and a directive in
/// comments if tests want the network, which a person has to decide.
pub fn learn(suite: &Suite<'_>, places: &Places) -> Learned {
    let groups = limited(natural_groups(suite), suite);
    // Different scopes can have one filter.
    let mut by_filter: BTreeMap<Option<String>, BTreeSet<Need>> = BTreeMap::new();
    for (scope, needs) in groups {
        let filter = filter_text::filter(&scope, suite);
        by_filter.entry(filter).or_default().extend(needs);
    }
    let absent: BTreeSet<_> = (suite.tests.iter())
        .flat_map(|test| &test.search_path)
        .collect();
    let directives = by_filter.into_iter().map(|(filter, needs)| {
        let directories = search_path::directories(&needs);
        let directories = directories.filter(|directory| absent.contains(&directory.to_path_buf()));
        let mut directive = LearnedDirective::new(filter, &needs, places);
        directive.search_path = directories.map(ToOwned::to_owned).collect();
        if suite.every_path {
            directive.previous_path = search_path::PREVIOUS;
        }
        directive
    });
    Learned {
        directives: directives.collect(),
        network: network::proposed_network(suite),
    }
}

/// The needs, by the smallest natural scopes of the tests that need them.
fn natural_groups(suite: &Suite<'_>) -> Groups {
    let mut by_need: BTreeMap<&Need, Vec<TestCaseName<'_>>> = BTreeMap::new();
    for test in &suite.tests {
        for need in &test.needs.0 {
            by_need.entry(need).or_default().push(test.name);
        }
    }
    let toolchain = by_need.remove(&Need::Toolchain);
    let mut groups = Groups::new();
    for (need, tests) in by_need {
        let scope = TestScope::of(&tests, suite, false);
        groups.entry(scope).or_default().insert(need.clone());
    }
    if let Some(tests) = toolchain {
        let natural = TestScope::of(&tests, suite, false);
        let scope = if groups.contains_key(&natural) {
            natural
        } else {
            TestScope::of(&tests, suite, true)
        };
        groups.entry(scope).or_default().insert(Need::Toolchain);
    }
    groups
}

/// Widens and merges groups until there are at most [`MOST`].
fn limited(mut groups: Groups, suite: &Suite<'_>) -> Groups {
    let sizes = Sizes::new(suite);
    if groups.len() > MOST_PAIRED {
        groups = regrouped(groups, TestScope::packages);
    }
    if groups.len() > 4 * MOST_PAIRED {
        let all = groups.keys().cloned().reduce(|one, other| one.join(&other));
        groups = regrouped(groups, |scope| all.clone().unwrap_or(scope));
    }
    while groups.len() > MOST {
        groups = with_cheapest_pair_merged(groups, &sizes);
    }
    groups
}

fn regrouped(groups: Groups, widen: impl Fn(TestScope) -> TestScope) -> Groups {
    let mut regrouped = Groups::new();
    for (scope, needs) in groups {
        regrouped.entry(widen(scope)).or_default().extend(needs);
    }
    regrouped
}

/// Merges the two groups whose merging gives tests the fewest things that they do not need.
fn with_cheapest_pair_merged(mut groups: Groups, sizes: &Sizes<'_>) -> Groups {
    let given = |scope: &TestScope, needs: &BTreeSet<Need>| sizes.of(scope) * weight(needs);
    let all: Vec<_> = groups.iter().collect();
    let pairs = (0..all.len()).flat_map(|one| (0..one).map(move |other| (one, other)));
    let cost = |&(one, other): &(usize, usize)| {
        let ((one, its), (other, others)) = (all[one], all[other]);
        let together = its.union(others).cloned().collect();
        let before = given(one, its) + given(other, others);
        given(&one.join(other), &together).saturating_sub(before)
    };
    let Some((one, other)) = pairs.min_by_key(cost) else {
        return groups;
    };
    let (one, other) = (all[one].0.clone(), all[other].0.clone());
    let joined = one.join(&other);
    for scope in [one, other] {
        let needs = groups.remove(&scope).unwrap_or_default();
        groups.entry(joined.clone()).or_default().extend(needs);
    }
    groups
}

fn weight(needs: &BTreeSet<Need>) -> usize {
    let toolchain = usize::from(needs.contains(&Need::Toolchain));
    needs.len() + toolchain * TOOLCHAIN_WEIGHT
}
