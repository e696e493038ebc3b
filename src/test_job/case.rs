//! A listed test case with its specification.

use super::variables::test_variables;
use crate::cargo::TestBinary;
use crate::directive::TestSpec;
use crate::doctest::{self, Doctest, DoctestEnd};
use crate::executor::JobVariable;
use crate::filter::{TestBinaryName, TestCaseName};
use crate::listing::ListedTest;
use crate::needs::Needs;
use crate::report::TestAttempt;
use crate::schedule::CaseId;
use camino::Utf8Path;
use std::rc::Rc;
use std::sync::Arc;

#[derive(Clone)]
pub struct TestCase {
    pub binary: Arc<TestBinary>,
    pub listed: Rc<ListedTest>,
    /// The whole test binary is the test case, as it has no libtest harness.
    pub whole: bool,
    /// With the needs.
    pub spec: Arc<TestSpec>,
    /// What earlier second looks have proven that the test needs of this machine.
    pub needs: Rc<Needs>,
    /// The place of its container in the archive that the test is from.
    pub archived: Option<usize>,
    /// `None`: it is no documentation test.
    pub doctest: Option<Rc<Doctest>>,
}

impl TestCase {
    /// The name of the test case.
    pub fn name(&self) -> TestCaseName<'_> {
        test_case_name(&self.binary, &self.listed.name)
    }

    pub fn id(&self) -> CaseId {
        case_id(&self.binary, &self.listed.name)
    }

    /// The executable that runs this test case.
    pub fn program(&self) -> &Utf8Path {
        match self.doctest.as_ref().map(|doctest| &doctest.end) {
            Some(DoctestEnd::Executable { path, .. }) => path,
            _ => &self.binary.path,
        }
    }

    /// Whether a program runs for this test case. Rustdoc has only compiled some documentation tests.
    pub fn has_program(&self) -> bool {
        let doctest = self.doctest.as_ref();
        doctest.is_none_or(|doctest| doctest.end.has_program())
    }

    /// Whether the program is to fail.
    pub fn should_panic(&self) -> bool {
        self.doctest.as_ref().is_some_and(|doctest| {
            matches!(
                doctest.end,
                DoctestEnd::Executable {
                    should_panic: true,
                    ..
                }
            )
        })
    }

    /// The variables with which the program runs only this test case.
    pub fn variables(&self, attempt: TestAttempt) -> Vec<JobVariable> {
        let mut variables = test_variables(&self.binary, &self.listed.name, attempt);
        if let Some(doctest) = &self.doctest
            && let DoctestEnd::Executable {
                number: Some(number),
                ..
            } = doctest.end
        {
            variables.push(JobVariable::Text {
                name: doctest::NUMBER.to_owned(),
                value: number.to_string(),
            });
        }
        variables
    }

    /// The arguments with which the program runs only this test case.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if !self.whole && self.doctest.is_none() {
            arguments.extend([
                self.listed.name.clone(),
                "--exact".to_owned(),
                "--nocapture".to_owned(),
            ]);
            if self.listed.ignored {
                arguments.push("--ignored".to_owned());
            }
        }
        arguments
    }
}

/// The identity of a test case of a binary.
pub fn case_id(binary: &TestBinary, name: &str) -> CaseId {
    let package = &binary.package.name;
    CaseId::new(package, binary.kind.into_str(), &binary.target, name)
}

/// The name of a test case of a binary.
pub fn test_case_name<'a>(binary: &'a TestBinary, name: &'a str) -> TestCaseName<'a> {
    TestCaseName {
        package: &binary.package.name,
        kind: binary.kind,
        target: &binary.target,
        name,
    }
}

/// The name of a test binary.
pub fn test_binary_name(binary: &TestBinary) -> TestBinaryName<'_> {
    TestBinaryName {
        package: &binary.package.name,
        kind: binary.kind,
        target: &binary.target,
    }
}
