//! The variables that a test finds besides those of Cargo and of its container.

use super::case::test_binary_name;
use crate::cargo::{TestBinary, Workspace};
use crate::directive::TestSpec;
use crate::executor::JobVariable;
use crate::report::TestAttempt;
use crate::spec::{BasePart, LayerSpec};
use globset::{Glob, GlobSet, GlobSetBuilder};
use std::collections::BTreeMap;
use std::fmt::Write;

/// The variables of the client that tests get unless `pass-environment` says otherwise: those
/// by which people control Rust's runtime, test libraries and colours.
pub const PASSED_BY_DEFAULT: [&str; 18] = [
    "BLESS",
    "CARGO_LLVM_COV*",
    "CI",
    "CLICOLOR*",
    "COLUMNS",
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "INSTA_*",
    "LLVM_PROFILE_FILE",
    "NO_COLOR",
    "PROPTEST_*",
    "QUICKCHECK_*",
    "RUSTFLAGS",
    "RUST_*",
    "SNAPSHOTS",
    "TERM",
    "TRY{BUILD,CMD}",
    "UPDATE_EXPECT",
];

/// The variables that name the certificates of a `base` layer.
const CERTIFICATE_VARIABLES: [&str; 2] = ["SSL_CERT_DIR", "SSL_CERT_FILE"];

/// Which variables of the client tests get: patterns of names, which are globs.
#[derive(Clone, Debug)]
pub struct PassedVariables {
    names: GlobSet,
}

impl PassedVariables {
    /// Settings and directives refuse patterns that are not globs, so none is expected here.
    pub fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Self {
        let mut names = GlobSetBuilder::new();
        for glob in patterns.into_iter().filter_map(|name| Glob::new(name).ok()) {
            names.add(glob);
        }
        Self {
            names: names.build().unwrap_or_default(),
        }
    }

    /// The client's variables whose names match. Those that are not UTF-8 are left out.
    pub fn of_client(&self) -> BTreeMap<String, String> {
        self.of(std::env::vars_os().filter_map(|(name, value)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        }))
    }

    fn of(&self, variables: impl Iterator<Item = (String, String)>) -> BTreeMap<String, String> {
        variables
            .filter(|(name, _)| self.names.is_match(name))
            .collect()
    }
}

/// The variables of the client that a test gets because of its settings: those that its directives
/// name, and those that name the certificates of its `base` layer.
pub fn passed_by_settings(spec: &TestSpec) -> BTreeMap<String, String> {
    let mut variables = BTreeMap::new();
    if !spec.pass_environment.is_empty() {
        let patterns = spec.pass_environment.iter().map(String::as_str);
        variables = PassedVariables::new(patterns).of_client();
    }
    let has_certificates = spec.container.layers.iter().any(
        |layer| matches!(layer, LayerSpec::Base { base } if base.contains(&BasePart::Certificates)),
    );
    if has_certificates {
        let variable = |name: &str| Some((name.to_owned(), std::env::var(name).ok()?));
        variables.extend(CERTIFICATE_VARIABLES.into_iter().filter_map(variable));
    }
    variables
}

/// The variables that tell tests of a binary about the workspace and the test runner, which runs them
/// with the settings of `profile`.
///
/// insta would start `cargo metadata` to find the workspace without `INSTA_WORKSPACE_ROOT` and
/// `CARGO_WORKSPACE_DIR`. The others are those of cargo-nextest, under which tests run in a process each as well, see
/// <https://nexte.st/docs/configuration/env-vars/>.
pub fn runner_variables(
    workspace: &Workspace,
    spec: &TestSpec,
    binary: &TestBinary,
    profile: &str,
) -> BTreeMap<String, String> {
    let group = spec.group.as_ref();
    let group = group.map_or("@global", |group| group.name.as_str());
    let root = workspace.root.as_str();
    let binary_id = test_binary_name(binary).nextest_id();
    let mut variables: BTreeMap<String, String> = [
        ("CARGO_WORKSPACE_DIR", root),
        ("NEXTEST", "1"),
        ("NEXTEST_EXECUTION_MODE", "process-per-test"),
        ("NEXTEST_RUN_MODE", "test"),
        ("NEXTEST_WORKSPACE_ROOT", root),
        ("NEXTEST_PROFILE", profile),
        ("NEXTEST_TEST_GROUP", group),
        ("NEXTEST_TEST_PHASE", "run"),
        ("NEXTEST_BINARY_ID", &binary_id),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    if gets_insta_root(&binary.package.name) {
        variables.insert("INSTA_WORKSPACE_ROOT".to_owned(), root.to_owned());
    }
    for (program, path) in &binary.programs {
        for name in [program.clone(), program.replace('-', "_")] {
            variables.insert(format!("NEXTEST_BIN_EXE_{name}"), path.to_string());
        }
    }
    variables
}

/// Whether tests of a package are told where insta finds the workspace. The tests of insta itself
/// verify how it finds the workspace without that.
fn gets_insta_root(package: &str) -> bool {
    package != "insta"
}

/// The variable with a number that no other running test has.
pub fn slot_variable() -> JobVariable {
    JobVariable::Slot {
        name: "MAELSTROM_SLOT".to_owned(),
    }
}

/// The variables of a single test, besides those of its binary: the slot, and those of
/// cargo-nextest.
pub fn test_variables(binary: &TestBinary, name: &str, attempt: TestAttempt) -> Vec<JobVariable> {
    let mut test_id = format!("{}${name}", test_binary_name(binary).nextest_id());
    if attempt.number > 1 {
        let _ = write!(test_id, "#{}", attempt.number);
    }
    let text = |name: &str, value: &str| JobVariable::Text {
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let of_run = |name: &str, suffix: &str| JobVariable::RunId {
        name: name.to_owned(),
        suffix: suffix.to_owned(),
    };
    vec![
        slot_variable(),
        JobVariable::Slot {
            name: "NEXTEST_TEST_GLOBAL_SLOT".to_owned(),
        },
        JobVariable::GroupSlot {
            name: "NEXTEST_TEST_GROUP_SLOT".to_owned(),
        },
        text("NEXTEST_TEST_NAME", name),
        text("NEXTEST_ATTEMPT", &attempt.number.to_string()),
        text("NEXTEST_TOTAL_ATTEMPTS", &attempt.of.to_string()),
        of_run("NEXTEST_RUN_ID", ""),
        of_run("NEXTEST_ATTEMPT_ID", &format!(":{test_id}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_that_control_test_libraries_are_passed_and_no_others() {
        let variables = [
            "INSTA_UPDATE",
            "TRYBUILD",
            "TRYCMD",
            "RUST_LOG",
            "RUSTFLAGS",
            "CARGO_LLVM_COV_TARGET_DIR",
            "NO_COLOR",
            "CARGO_REGISTRY_TOKEN",
            "AWS_SECRET_ACCESS_KEY",
            "CIRCLE_TOKEN",
            "RUSTC",
            "term",
        ];
        let variables = variables
            .iter()
            .map(|&name| (name.to_owned(), "1".to_owned()));
        let passed = PassedVariables::new(PASSED_BY_DEFAULT).of(variables);
        let names: Vec<&str> = passed.keys().map(String::as_str).collect();
        let expected = [
            "CARGO_LLVM_COV_TARGET_DIR",
            "INSTA_UPDATE",
            "NO_COLOR",
            "RUSTFLAGS",
            "RUST_LOG",
            "TRYBUILD",
            "TRYCMD",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn tests_of_insta_itself_find_the_workspace() {
        assert!(!gets_insta_root("insta"));
        assert!(gets_insta_root("insta-cmd"));
    }
}
