//! One test case.

use crate::filter::TargetKind;
use std::{fmt, sync::Arc};

/// A `#[test]` in a test binary, or a whole binary that has no list of such.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TestCase {
    pub package: Arc<str>,
    pub kind: TargetKind,
    /// The target's name.
    pub target: Arc<str>,
    /// The test's path, such as `module::tests::name`; for a whole binary the target's
    /// name.
    pub name: String,
    /// Whether its author marked it as not to be run by default.
    pub ignored: bool,
    /// Whether the binary is run without arguments, as one test.
    pub whole: bool,
}

impl TestCase {
    /// What names this test case over time, in history, reports and partitions: its
    /// display form.
    pub fn id(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for TestCase {
    /// `package target-kind/name test::path`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {}/{} {}",
            self.package, self.kind, self.target, self.name
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_names_package_target_and_test() {
        let case = TestCase {
            package: "my-app".into(),
            kind: TargetKind::Library,
            target: "my_app".into(),
            name: "a::b".to_owned(),
            ignored: true,
            whole: false,
        };
        assert_eq!(case.id(), "my-app lib/my_app a::b");
    }
}
