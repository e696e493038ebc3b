//! The words of the language, and their abbreviations.

use super::dependencies::PackageRelation;
use super::matcher::MatcherKind;
use super::target::TargetGroup;

/// A selector without a matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SimpleSelector {
    Constant(bool),
    Target(TargetGroup),
}

/// A selector that takes a matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CompoundSelector {
    Name,
    Package,
    Target(TargetGroup),
    AnyTarget,
    Kind,
    BinaryId,
}

/// The words that can occur at one place of a pattern, with their meanings.
pub(super) struct WordTable<T: 'static>(&'static [(&'static str, T)]);

/// The error of a word that a table does not have.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum WordError {
    Unknown,
    /// It is an abbreviation of all these words.
    Ambiguous(Vec<&'static str>),
}

pub(super) const SIMPLE: WordTable<SimpleSelector> = WordTable(&[
    ("all", SimpleSelector::Constant(true)),
    ("any", SimpleSelector::Constant(true)),
    ("true", SimpleSelector::Constant(true)),
    ("none", SimpleSelector::Constant(false)),
    ("false", SimpleSelector::Constant(false)),
    ("library", SimpleSelector::Target(TargetGroup::Library)),
    ("binary", SimpleSelector::Target(TargetGroup::Binary)),
    ("test", SimpleSelector::Target(TargetGroup::Test)),
    ("example", SimpleSelector::Target(TargetGroup::Example)),
    ("benchmark", SimpleSelector::Target(TargetGroup::Benchmark)),
    ("doctest", SimpleSelector::Target(TargetGroup::Doctest)),
]);

pub(super) const COMPOUND: WordTable<CompoundSelector> = WordTable(&[
    ("name", CompoundSelector::Name),
    ("package", CompoundSelector::Package),
    ("binary", CompoundSelector::Target(TargetGroup::Binary)),
    ("test", CompoundSelector::Target(TargetGroup::Test)),
    ("example", CompoundSelector::Target(TargetGroup::Example)),
    (
        "benchmark",
        CompoundSelector::Target(TargetGroup::Benchmark),
    ),
    ("doctest", CompoundSelector::Target(TargetGroup::Doctest)),
    ("kind", CompoundSelector::Kind),
    ("target", CompoundSelector::AnyTarget),
    ("binary_id", CompoundSelector::BinaryId),
]);

/// The selectors that have no abbreviations, so that abbreviations of older ones stay unambiguous.
const WITHOUT_ABBREVIATIONS: [&str; 3] = ["kind", "target", "binary_id"];

/// The words that can take the place of a matcher after `package`.
pub(super) const RELATIONS: WordTable<PackageRelation> = WordTable(&[
    ("depends_on", PackageRelation::DependsOn),
    ("is_dependency_of", PackageRelation::IsDependencyOf),
]);

pub(super) const MATCHERS: WordTable<MatcherKind> = WordTable(&[
    matcher(MatcherKind::Equals),
    matcher(MatcherKind::Contains),
    matcher(MatcherKind::StartsWith),
    matcher(MatcherKind::EndsWith),
    matcher(MatcherKind::Matches),
    matcher(MatcherKind::Globs),
]);

const fn matcher(kind: MatcherKind) -> (&'static str, MatcherKind) {
    (kind.word(), kind)
}

/// Spellings of the operators. A symbol comes before its own prefixes.
pub(super) const OR: &[&str] = &["||", "|", "or"];
pub(super) const AND: &[&str] = &["&&", "&", "and"];
pub(super) const MINUS: &[&str] = &["\\", "-", "minus"];
pub(super) const NOT: &[&str] = &["!", "~", "not"];

/// Whether a word is an operator, which cannot be a selector.
pub(super) fn is_operator(word: &str) -> bool {
    [OR, AND, MINUS, NOT]
        .iter()
        .any(|spellings| spellings.contains(&word))
}

impl<T: Copy> WordTable<T> {
    /// The full word, and the meaning, of a word or an abbreviation. A full word is not an
    /// abbreviation of a longer one.
    pub fn find(&self, word_or_prefix: &str) -> Result<(&'static str, T), WordError> {
        if let Some(exact) = self.0.iter().find(|(word, _)| *word == word_or_prefix) {
            return Ok(*exact);
        }
        let candidates: Vec<_> = self
            .0
            .iter()
            .filter(|(word, _)| {
                word.starts_with(word_or_prefix) && !WITHOUT_ABBREVIATIONS.contains(word)
            })
            .collect();
        match candidates.as_slice() {
            [] => Err(WordError::Unknown),
            [only] => Ok(**only),
            several => Err(WordError::Ambiguous(
                several.iter().map(|(word, _)| *word).collect(),
            )),
        }
    }

    pub fn words(&self) -> Vec<&'static str> {
        self.0.iter().map(|(word, _)| *word).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_word_is_no_abbreviation_of_a_longer_one() {
        let table = WordTable(&[("start", 1), ("starting", 2), ("starts", 3)]);
        assert_eq!(table.find("start"), Ok(("start", 1)));
        assert_eq!(table.find("starti"), Ok(("starting", 2)));
        assert_eq!(
            table.find("star"),
            Err(WordError::Ambiguous(vec!["start", "starting", "starts"]))
        );
        assert_eq!(table.find("stop"), Err(WordError::Unknown));
    }

    #[test]
    fn no_operator_is_a_selector_or_an_abbreviation_of_one() {
        for word in [OR, AND, MINUS, NOT].concat() {
            assert!(is_operator(word));
            assert_eq!(SIMPLE.find(word), Err(WordError::Unknown), "{word}");
            assert_eq!(COMPOUND.find(word), Err(WordError::Unknown), "{word}");
        }
    }
}
