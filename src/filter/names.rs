//! The words of the language, and their abbreviations.

use super::matcher::MatcherKind;
use super::target::TargetGroup;

/// A selector that stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Simple {
    Constant(bool),
    Target(TargetGroup),
}

/// A selector that takes a matcher.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compound {
    Name,
    Package,
    Target(TargetGroup),
}

/// Words that compete with one another where they stand.
pub(super) struct Table<T: 'static>(&'static [(&'static str, T)]);

/// Why a word is in no table.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Miss {
    Unknown,
    /// It abbreviates all of these.
    Ambiguous(Vec<&'static str>),
}

pub(super) const SIMPLE: Table<Simple> = Table(&[
    ("all", Simple::Constant(true)),
    ("any", Simple::Constant(true)),
    ("true", Simple::Constant(true)),
    ("none", Simple::Constant(false)),
    ("false", Simple::Constant(false)),
    ("library", Simple::Target(TargetGroup::Library)),
    ("binary", Simple::Target(TargetGroup::Binary)),
    ("test", Simple::Target(TargetGroup::Test)),
    ("example", Simple::Target(TargetGroup::Example)),
    ("benchmark", Simple::Target(TargetGroup::Benchmark)),
]);

pub(super) const COMPOUND: Table<Compound> = Table(&[
    ("name", Compound::Name),
    ("package", Compound::Package),
    ("binary", Compound::Target(TargetGroup::Binary)),
    ("test", Compound::Target(TargetGroup::Test)),
    ("example", Compound::Target(TargetGroup::Example)),
    ("benchmark", Compound::Target(TargetGroup::Benchmark)),
]);

pub(super) const MATCHERS: Table<MatcherKind> = Table(&[
    ("equals", MatcherKind::Equals),
    ("contains", MatcherKind::Contains),
    ("starts_with", MatcherKind::StartsWith),
    ("ends_with", MatcherKind::EndsWith),
    ("matches", MatcherKind::Matches),
    ("globs", MatcherKind::Globs),
]);

/// Spellings of the operators. A symbol comes before the symbols it starts with.
pub(super) const OR: &[&str] = &["||", "|", "or"];
pub(super) const AND: &[&str] = &["&&", "&", "and"];
pub(super) const MINUS: &[&str] = &["\\", "-", "minus"];
pub(super) const NOT: &[&str] = &["!", "~", "not"];

/// Whether a word is an operator and so can never be a selector.
pub(super) fn is_operator(word: &str) -> bool {
    [OR, AND, MINUS, NOT]
        .iter()
        .any(|spellings| spellings.contains(&word))
}

impl<T: Copy> Table<T> {
    /// The full word and the meaning of a word or an abbreviation of one. A full
    /// word is never taken for an abbreviation of a longer one.
    pub fn find(&self, written: &str) -> Result<(&'static str, T), Miss> {
        if let Some(exact) = self.0.iter().find(|(word, _)| *word == written) {
            return Ok(*exact);
        }
        let candidates: Vec<_> = self
            .0
            .iter()
            .filter(|(word, _)| word.starts_with(written))
            .collect();
        match candidates.as_slice() {
            [] => Err(Miss::Unknown),
            [only] => Ok(**only),
            several => Err(Miss::Ambiguous(
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
    fn a_full_word_wins_over_being_an_abbreviation() {
        let table = Table(&[("start", 1), ("starting", 2), ("starts", 3)]);
        assert_eq!(table.find("start"), Ok(("start", 1)));
        assert_eq!(table.find("starti"), Ok(("starting", 2)));
        assert_eq!(
            table.find("star"),
            Err(Miss::Ambiguous(vec!["start", "starting", "starts"]))
        );
        assert_eq!(table.find("stop"), Err(Miss::Unknown));
    }

    #[test]
    fn no_operator_is_a_selector_or_an_abbreviation_of_one() {
        for word in [OR, AND, MINUS, NOT].concat() {
            assert!(is_operator(word));
            assert_eq!(SIMPLE.find(word), Err(Miss::Unknown), "{word}");
            assert_eq!(COMPOUND.find(word), Err(Miss::Unknown), "{word}");
        }
    }
}
