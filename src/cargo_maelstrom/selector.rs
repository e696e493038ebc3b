//! The selection of test cases: patterns, name filters and ignored tests.

use super::command_line::{NameFilter, RunIgnored};
use crate::cargo::TestBinary;
use crate::filter::{Pattern, TargetKind, TestCaseName};

#[derive(Debug, Default)]
pub struct Selector {
    /// One of these must match. An empty list matches every test.
    pub includes: Vec<Pattern>,
    /// None of these may match.
    pub excludes: Vec<Pattern>,
    pub names: NameFilter,
    pub ignored: RunIgnored,
    /// The pattern of the tests that are selected by default. `None`: it does not limit the selection.
    pub default_filter: Option<Pattern>,
}

impl Selector {
    pub fn patterns_mut(&mut self) -> impl Iterator<Item = &mut Pattern> {
        (self.includes.iter_mut().chain(&mut self.excludes)).chain(&mut self.default_filter)
    }

    /// Whether some test case of the binary could be selected.
    pub fn may_select(&self, binary: &TestBinary) -> bool {
        self.may_select_target(&binary.package.name, binary.kind, &binary.target)
    }

    /// Whether some test case of the target could be selected.
    pub fn may_select_target(&self, package: &str, kind: TargetKind, target: &str) -> bool {
        self.may(|pattern| pattern.matches_binary(package, kind, target))
    }

    /// Whether some test case of the package could be selected.
    pub fn may_select_package(&self, package: &str) -> bool {
        self.may(|pattern| pattern.matches_package(package))
    }

    /// Whether only the default filter excludes every test case of the binary.
    pub fn leaves_out_by_default(&self, binary: &TestBinary) -> bool {
        let matches =
            |p: &Pattern| p.matches_binary(&binary.package.name, binary.kind, &binary.target);
        !self.may_by_default(matches) && self.may_otherwise(matches)
    }

    fn may(&self, matches: impl Fn(&Pattern) -> Option<bool>) -> bool {
        self.may_by_default(&matches) && self.may_otherwise(matches)
    }

    fn may_by_default(&self, matches: impl Fn(&Pattern) -> Option<bool>) -> bool {
        let filter = self.default_filter.as_ref();
        filter.is_none_or(|filter| matches(filter) != Some(false))
    }

    fn may_otherwise(&self, matches: impl Fn(&Pattern) -> Option<bool>) -> bool {
        let included =
            self.includes.is_empty() || self.includes.iter().any(|p| matches(p) != Some(false));
        included && !self.excludes.iter().any(|p| matches(p) == Some(true))
    }

    /// Whether a test case is selected: it is run, or reported as ignored.
    pub fn selects(&self, case: &TestCaseName<'_>, ignored: bool) -> bool {
        self.selects_by_default(case) && self.selects_otherwise(case, ignored)
    }

    /// Whether the default filter matches, or there is none.
    pub fn selects_by_default(&self, case: &TestCaseName<'_>) -> bool {
        let filter = self.default_filter.as_ref();
        filter.is_none_or(|filter| filter.matches(case))
    }

    /// Whether a test case is selected, apart from the default filter.
    pub fn selects_otherwise(&self, case: &TestCaseName<'_>, ignored: bool) -> bool {
        self.includes(case)
            && !self.excludes(case)
            && self.names.matches(case.name)
            && (ignored || self.ignored != RunIgnored::Only)
    }

    /// Whether an include pattern matches, or there are none.
    pub fn includes(&self, case: &TestCaseName<'_>) -> bool {
        self.includes.is_empty() || self.includes.iter().any(|p| p.matches(case))
    }

    /// Whether an exclude pattern matches.
    pub fn excludes(&self, case: &TestCaseName<'_>) -> bool {
        self.excludes.iter().any(|p| p.matches(case))
    }

    /// Whether a selected test case is run. `ignored`: its source marks it as ignored.
    pub fn runs(&self, ignored: bool) -> bool {
        match self.ignored {
            RunIgnored::Default => !ignored,
            RunIgnored::Only => ignored,
            RunIgnored::All => true,
        }
    }
}
