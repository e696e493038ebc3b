//! Documentation tests: run by Cargo, outside containers.

use super::command_line::TestOptions;
use super::{SetUpError, preparation};
use crate::cargo::{self, Package};
use crate::process::{ExitCode, to_stderr};
use std::sync::Arc;

/// Runs `cargo test --doc`. A line on stderr says so.
pub async fn run(options: &TestOptions, arguments: &[String]) -> Result<ExitCode, SetUpError> {
    let invocation = preparation::invocation(options)?;
    preparation::check_profile(options, &invocation)?;
    to_stderr(format_args!(
        "documentation tests are run by Cargo, outside containers: cargo test --doc"
    ));
    let (mut command, _) = cargo::guard::command(&invocation);
    command
        .current_dir(&invocation.directory)
        .args(["test", "--doc"])
        .args(invocation.options.arguments());
    if options.settings.stop_after.value.failures().is_none() {
        command.arg("--no-fail-fast");
    }
    command.arg("--").args(arguments);
    let mut child = command.spawn().map_err(SetUpError::Start)?;
    let status = child.wait().await.map_err(SetUpError::Start)?;
    Ok(match status.code() {
        Some(0) => ExitCode::Success,
        Some(cargo::guard::NOT_STARTED) => ExitCode::SetUp,
        // Cargo gives failed tests and a failed build the same code.
        Some(_) => ExitCode::TestsFailed,
        None => ExitCode::Interrupted,
    })
}

/// The line of the summary about doctests that were not run.
pub fn note(options: &TestOptions, packages: &[Arc<Package>]) -> Option<String> {
    let selected = &options.cargo;
    let named_targets = selected.lib
        || selected.bins
        || selected.tests
        || selected.examples
        || selected.benches
        || selected.all_targets
        || ![
            &selected.bin,
            &selected.test,
            &selected.example,
            &selected.bench,
        ]
        .iter()
        .all(|names| names.is_empty());
    // Tools that call cargo-nextest run doctests themselves.
    if options.as_nextest || named_targets || !cargo::has_doctests(packages) {
        return None;
    }
    Some("doctests were not run; `cargo maelstrom --doc` runs them".to_owned())
}
