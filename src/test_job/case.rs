//! A test case on its way from its listing to its end.

use crate::cargo::TestBinary;
use crate::directive::TestSpec;
use crate::filter::TestCaseName;
use crate::listing::ListedTest;
use crate::report;
use crate::schedule::CaseId;
use std::rc::Rc;
use std::sync::Arc;

#[derive(Clone)]
pub struct TestCase {
    pub binary: Arc<TestBinary>,
    pub listed: Rc<ListedTest>,
    /// The whole binary is the test.
    pub whole: bool,
    pub spec: Arc<TestSpec>,
}

impl TestCase {
    pub fn view(&self) -> report::Case<'_> {
        report::Case {
            package: &self.binary.package.name,
            kind: self.binary.kind,
            target: &self.binary.target,
            name: &self.listed.name,
        }
    }

    pub fn id(&self) -> CaseId {
        CaseId::new(
            &self.binary.package.name,
            self.binary.kind.as_str(),
            &self.binary.target,
            &self.listed.name,
        )
    }

    /// What its binary is given to run it and nothing else.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        if !self.whole {
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

/// The name of a test case, for patterns.
pub fn test_case_name<'a>(binary: &'a TestBinary, name: &'a str) -> TestCaseName<'a> {
    TestCaseName {
        package: &binary.package.name,
        kind: binary.kind,
        target: &binary.target,
        name,
    }
}

/// What reports see of a test binary.
pub fn view(binary: &TestBinary) -> report::Binary<'_> {
    report::Binary {
        package: &binary.package.name,
        kind: binary.kind,
        target: &binary.target,
    }
}
