//! Filters on test names, as libtest has them.

/// Words that a test's name must and must not contain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameFilter {
    /// One of these must match. An empty list matches every name.
    pub filters: Vec<String>,
    /// None of these may match.
    pub skips: Vec<String>,
    /// Filters and skips are whole names, not parts of names.
    pub exact: bool,
}

impl NameFilter {
    /// Whether the test case called `name` is selected.
    pub fn matches(&self, name: &str) -> bool {
        self.has_filter(name) && !self.is_skipped(name)
    }

    /// Whether a filter matches the name, or there are no filters.
    pub fn has_filter(&self, name: &str) -> bool {
        self.filters.is_empty() || self.filters.iter().any(|word| self.fits(word, name))
    }

    pub fn is_skipped(&self, name: &str) -> bool {
        self.skips.iter().any(|word| self.fits(word, name))
    }

    fn fits(&self, word: &str, name: &str) -> bool {
        if self.exact {
            name == word
        } else {
            name.contains(word)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(filters: &[&str], skips: &[&str], exact: bool) -> NameFilter {
        let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
        NameFilter {
            filters: owned(filters),
            skips: owned(skips),
            exact,
        }
    }

    #[test]
    fn no_filter_selects_every_test() {
        assert!(NameFilter::default().matches("a::b"));
    }

    #[test]
    fn a_test_needs_to_match_one_of_the_filters_only() {
        let filter = filter(&["alpha", "beta"], &[], false);
        assert!(filter.matches("tests::alphabet"));
        assert!(filter.matches("beta"));
        assert!(!filter.matches("tests::gamma"));
    }

    #[test]
    fn a_skip_wins_over_a_filter() {
        let filter = filter(&["alpha"], &["slow", "net"], false);
        assert!(filter.matches("alpha"));
        assert!(!filter.matches("alpha_slow"));
        assert!(!filter.matches("net::alpha"));
    }

    #[test]
    fn skips_alone_select_the_rest() {
        let filter = filter(&[], &["slow"], false);
        assert!(filter.matches("alpha"));
        assert!(!filter.matches("slow"));
    }

    #[test]
    fn exact_applies_to_filters_and_skips() {
        let filter = filter(&["a", "ab"], &["ab"], true);
        assert!(filter.matches("a"));
        assert!(!filter.matches("aa"));
        assert!(!filter.matches("ab"));

        let skips_only = self::filter(&[], &["a"], true);
        assert!(skips_only.matches("ab"));
        assert!(!skips_only.matches("a"));
    }
}
