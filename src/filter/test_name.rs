//! The names of test binaries and test cases.

use super::TargetKind;
use std::fmt;

/// The full name of a test binary: package and target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestBinaryName<'a> {
    /// The name of the package, without its version.
    pub package: &'a str,
    pub kind: TargetKind,
    /// The name of the target, as Cargo's metadata gives it.
    pub target: &'a str,
}

impl TestBinaryName<'_> {
    /// What cargo-nextest calls the binary, see <https://nexte.st/docs/glossary/#binary-id>.
    pub fn nextest_id(&self) -> String {
        let Self {
            package,
            kind,
            target,
        } = self;
        match kind {
            TargetKind::Library | TargetKind::ProcMacro => (*package).to_owned(),
            TargetKind::Test => format!("{package}::{target}"),
            kind => format!("{package}::{kind}/{target}"),
        }
    }
}

impl fmt::Display for TestBinaryName<'_> {
    /// `package target-kind/name`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.package, self.kind, self.target)
    }
}

/// The full name of a test case: package, target and name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestCaseName<'a> {
    /// The name of the package, without its version.
    pub package: &'a str,
    pub kind: TargetKind,
    /// The name of the target, as Cargo's metadata gives it.
    pub target: &'a str,
    /// The name of the test case, with its module path.
    pub name: &'a str,
}

impl<'a> TestCaseName<'a> {
    /// The test binary that the test case is in.
    pub fn binary(&self) -> TestBinaryName<'a> {
        TestBinaryName {
            package: self.package,
            kind: self.kind,
            target: self.target,
        }
    }
}

impl fmt::Display for TestCaseName<'_> {
    /// `package target-kind/name test::path`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.binary(), self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binaries_have_the_ids_that_nextest_gives_them() {
        let id = |kind, target| {
            let package = "shop-core";
            TestBinaryName {
                package,
                kind,
                target,
            }
            .nextest_id()
        };
        assert_eq!(id(TargetKind::Library, "shop_core"), "shop-core");
        assert_eq!(id(TargetKind::ProcMacro, "shop_core"), "shop-core");
        assert_eq!(id(TargetKind::Test, "prices"), "shop-core::prices");
        assert_eq!(id(TargetKind::Binary, "till"), "shop-core::bin/till");
        assert_eq!(id(TargetKind::Example, "till"), "shop-core::example/till");
        assert_eq!(id(TargetKind::Benchmark, "sums"), "shop-core::bench/sums");
    }
}
