//! Suggestions for a word that selects no test: similar names of tests, packages and targets.

use crate::cargo::{Package, Workspace};
use crate::filter::TargetKind;
use std::sync::Arc;

/// The greatest number of suggested names of tests, and of packages and targets.
const MOST: usize = 3;

/// The shortest word that is compared with parts of names. A shorter word is part of too many names.
const SHORTEST_PART: usize = 3;

/// A package, or a target of a package, which options of Cargo select.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackageOrTarget {
    pub package: String,
    pub target: Option<(TargetKind, String)>,
    /// Whether the package is selected in this run.
    pub is_selected: bool,
}

impl PackageOrTarget {
    pub fn name(&self) -> &str {
        self.target.as_ref().map_or(&self.package, |(_, name)| name)
    }

    /// The packages of a workspace and their targets.
    pub fn all_in(workspace: &Workspace, selected: &[Arc<Package>]) -> Vec<Self> {
        let mut places = Vec::new();
        for package in &workspace.packages {
            let place = |target| Self {
                package: package.name.clone(),
                target,
                is_selected: selected.iter().any(|other| other.id == package.id),
            };
            places.push(place(None));
            let targets = package
                .targets
                .iter()
                // A library with the name of its package is no separate suggestion.
                .filter(|target| {
                    simplified(&target.name) != simplified(&package.name)
                        || !is_library(target.kind)
                })
                .map(|target| place(Some((target.kind, target.name.clone()))));
            places.extend(targets);
        }
        places
    }
}

pub fn is_library(kind: TargetKind) -> bool {
    matches!(kind, TargetKind::Library | TargetKind::ProcMacro)
}

/// The suggestions for a word.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SimilarNames<'a> {
    /// Packages and targets. If the word is a path that starts with the name, also the rest of the
    /// path.
    pub places: Vec<(&'a PackageOrTarget, Option<&'a str>)>,
    /// Names of tests.
    pub tests: Vec<&'a str>,
}

/// Suggests packages, targets and tests for a word.
pub fn suggest<'a>(
    word: &'a str,
    places: &'a [PackageOrTarget],
    tests: &[&'a str],
) -> SimilarNames<'a> {
    // The word may be the path of a source file.
    let file = word.rsplit_once('/').map_or(word, |(_, file)| file);
    let file = file.strip_suffix(".rs").unwrap_or(file);
    let path = word
        .split_once("::")
        .filter(|(_, rest)| tests.iter().any(|test| test.contains(rest)));
    let mut found: Vec<_> = places
        .iter()
        .filter_map(|place| {
            if let Some((first, rest)) = path
                && simplified(first) == simplified(place.name())
            {
                return Some((0, place, Some(rest)));
            }
            distance(file, place.name()).map(|distance| (distance, place, None))
        })
        .collect();
    found.sort_by_key(|(distance, ..)| *distance);
    let is_named = found.first().is_some_and(|(distance, ..)| *distance == 0);
    found.retain(|(distance, ..)| !is_named || *distance == 0);
    found.truncate(MOST);
    SimilarNames {
        places: found
            .into_iter()
            .map(|(_, place, rest)| (place, rest))
            .collect(),
        tests: if is_named {
            Vec::new()
        } else {
            similar(word, tests.iter().copied())
        },
    }
}

/// The names that are most similar to a word.
pub fn similar<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let names = names.into_iter();
    let mut found: Vec<_> = names
        .filter_map(|name| distance(word, name).map(|distance| (distance, name)))
        .collect();
    found.sort_unstable();
    found.dedup();
    found.truncate(MOST);
    found.into_iter().map(|(_, name)| name).collect()
}

/// The distance of a word from a name: 0 if they are the same, 1 if the word is part of the name, and
/// otherwise 1 plus the edit distance to the most similar part of the name with the same number of
/// words. `None`: they are not similar.
fn distance(word: &str, name: &str) -> Option<usize> {
    let (word, name) = (simplified(word), simplified(name));
    if word == name {
        return Some(0);
    }
    if word.chars().count() >= SHORTEST_PART && name.contains(&word) {
        return Some(1);
    }
    parts(&name, tokens(&word).len())
        .chain(name.split("::"))
        .filter_map(|part| {
            let most = part.chars().count() / 3;
            // The difference in length is a lower bound of the edit distance.
            let lengths = part.chars().count().abs_diff(word.chars().count());
            (lengths <= most)
                .then(|| strsim::damerau_levenshtein(&word, part))
                .filter(|wrong| *wrong <= most)
        })
        .min()
        .map(|wrong| 1 + wrong)
}

/// The form of a name for comparisons, without differences in case or between `-` and `_`.
fn simplified(name: &str) -> String {
    name.to_lowercase().replace('-', "_")
}

/// The start and end of each word of a name. `a_b::c` has three words.
fn tokens(name: &str) -> Vec<(usize, usize)> {
    let mut tokens = Vec::new();
    let mut start = None;
    for (index, character) in name.char_indices() {
        if character.is_alphanumeric() {
            start.get_or_insert(index);
        } else if let Some(start) = start.take() {
            tokens.push((start, index));
        }
    }
    tokens.extend(start.map(|start| (start, name.len())));
    tokens
}

/// The parts of a name that consist of `length` words.
fn parts(name: &str, length: usize) -> impl Iterator<Item = &str> {
    let tokens = tokens(name);
    let count = (tokens.len() + 1).saturating_sub(length.max(1));
    (0..count).map(move |first| {
        let (start, _) = tokens[first];
        let (_, end) = tokens[first + length.max(1) - 1];
        &name[start..end]
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn places() -> Vec<PackageOrTarget> {
        let place = |target: Option<(TargetKind, &str)>| PackageOrTarget {
            package: "shop-core".to_owned(),
            target: target.map(|(kind, name)| (kind, name.to_owned())),
            is_selected: true,
        };
        vec![
            place(None),
            place(Some((TargetKind::Test, "integration_tests"))),
            place(Some((TargetKind::Test, "cli"))),
            place(Some((TargetKind::Binary, "shop-till"))),
        ]
    }

    fn names_near(word: &str) -> Vec<String> {
        let (places, tests) = (
            places(),
            ["tests::sums", "takes::damage_of_goods", "takes::damages"],
        );
        let suggestions = suggest(word, &places, &tests);
        let name = |(place, rest): &(&PackageOrTarget, Option<&str>)| match rest {
            Some(rest) => format!("{} {rest}", place.name()),
            None => place.name().to_owned(),
        };
        let tests = suggestions.tests.iter().map(ToString::to_string);
        suggestions.places.iter().map(name).chain(tests).collect()
    }

    #[test]
    fn a_word_can_name_a_package_or_target() {
        assert_eq!(names_near("shop-core"), ["shop-core"]);
        assert_eq!(names_near("Shop_Core"), ["shop-core"]);
        assert_eq!(names_near("cli"), ["cli"]);
        assert_eq!(names_near("tests/cli.rs"), ["cli"]);
        assert_eq!(names_near("cli::sums"), ["cli sums"]);
    }

    #[test]
    fn a_word_can_be_part_of_the_name_of_a_target() {
        assert_eq!(names_near("integration"), ["integration_tests"]);
        assert_eq!(names_near("till"), ["shop-till"]);
    }

    #[test]
    fn a_word_can_be_misspelt() {
        assert_eq!(names_near("integraton"), ["integration_tests"]);
        assert_eq!(names_near("shop_croe"), ["shop-core"]);
        assert_eq!(names_near("sumz"), ["tests::sums"]);
        assert_eq!(names_near("tests::sumz"), ["tests::sums"]);
        assert_eq!(names_near("SUMS"), ["tests::sums"]);
        assert_eq!(names_near("damge_of"), ["takes::damage_of_goods"]);
        assert_eq!(
            names_near("damegs"),
            ["takes::damage_of_goods", "takes::damages"]
        );
    }

    #[test]
    fn a_word_without_similar_names_has_no_suggestions() {
        for word in ["", "q", "ta", "::", "-", "unicode", "{}"] {
            assert_eq!(names_near(word), [""; 0], "{word}");
        }
    }

    proptest! {
        #[test]
        fn any_word_and_any_name_can_be_compared(word in "\\PC{0,12}", name in "\\PC{0,12}") {
            let _ = distance(&word, &name);
            prop_assert_eq!(distance(&name, &name), Some(0));
        }
    }
}
