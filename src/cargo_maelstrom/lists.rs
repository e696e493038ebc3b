//! `--list`, `--list-binaries`, `--list-packages` and `--print-spec`: lists on stdout.
//! `--list-binaries` and `--list-packages` build nothing.

use super::command_line::{MessageFormat, TestOptions};
use super::test_run::RunSettings;
use super::{SetUpError, preparation};
use crate::layer::ContainerError;
use crate::process::{ExitCode, Interrupts};
use crate::test_job::TestCase;
use crate::test_job::TestContainerBuilder;
use serde_json::json;
use std::io::{self, Write};
use std::sync::Arc;

/// Prints the selected test cases.
pub fn print_tests(options: &TestOptions, listed: &[TestCase]) {
    let lines = listed.iter().map(|case| {
        let (binary, name) = (&case.binary, &case.listed.name);
        let (package, kind, target) =
            (&binary.package.name, binary.kind.into_str(), &binary.target);
        match options.message_format {
            MessageFormat::Human if options.as_nextest => {
                format!("{} {name}", case.name().binary().nextest_id())
            }
            MessageFormat::Human => format!("{package} {kind}/{target} {name}"),
            MessageFormat::Json => json!({
                "type": "test",
                "event": "listed",
                "package": package,
                "target": { "kind": kind, "name": target },
                "name": name,
            })
            .to_string(),
        }
    });
    print(lines);
}

/// Prints the job of each selected test case. `complain` reports a test case without a job. Returns
/// the number of these, or `None` if the run was interrupted.
pub async fn print_specs(
    listed: &[TestCase],
    running: &RunSettings,
    containers: &Arc<TestContainerBuilder>,
    complain: impl Fn(&TestCase, &ContainerError),
) -> io::Result<Option<usize>> {
    let mut interrupts = Interrupts::watch()?;
    let mut failed = 0;
    for case in listed {
        let (spec, binary) = (case.spec.clone(), case.binary.clone());
        let builder = containers.clone();
        let building = tokio::task::spawn_blocking(move || builder.container(&spec, &binary));
        let container = tokio::select! {
            biased;
            _ = interrupts.next() => {
                containers.builder.layers.cancel();
                return Ok(None);
            }
            container = building => container?,
        };
        let job = container.and_then(|container| {
            let job = running.job(case, Arc::new(container));
            containers.job(&case.spec, &case.binary, &job)
        });
        match job {
            Ok(job) => print([format!("{:#}", job.to_json())].into_iter()),
            Err(error) => {
                complain(case, &error);
                failed += 1;
            }
        }
    }
    Ok(Some(failed))
}

pub async fn binaries(options: &TestOptions) -> Result<ExitCode, SetUpError> {
    let (workspace, invocation, selector) = preparation::selection(options).await?;
    let targets = workspace.selected_targets(&invocation.options)?;
    let lines = targets
        .iter()
        .filter(|target| {
            selector.may_select_target(
                &target.package.name,
                target.target.kind,
                &target.target.name,
            )
        })
        .map(|target| {
            let (package, kind, name) = (
                &target.package.name,
                target.target.kind.into_str(),
                &target.target.name,
            );
            match options.message_format {
                MessageFormat::Human => format!("{package} {kind}/{name}"),
                MessageFormat::Json => json!({
                    "type": "binary",
                    "event": "listed",
                    "package": package,
                    "target": { "kind": kind, "name": name },
                })
                .to_string(),
            }
        });
    print(lines);
    Ok(ExitCode::Success)
}

pub async fn packages(options: &TestOptions) -> Result<ExitCode, SetUpError> {
    let (workspace, invocation, selector) = preparation::selection(options).await?;
    let packages = workspace.selected(&invocation.options)?;
    let lines = packages
        .iter()
        .filter(|package| selector.may_select_package(&package.name))
        .map(|package| match options.message_format {
            MessageFormat::Human => package.name.clone(),
            MessageFormat::Json => json!({
                "type": "package",
                "event": "listed",
                "package": package.name,
                "version": package.version.to_string(),
            })
            .to_string(),
        });
    print(lines);
    Ok(ExitCode::Success)
}

/// Prints lines to stdout, as long as it has a reader.
fn print(lines: impl Iterator<Item = String>) {
    let mut stdout = io::stdout().lock();
    for line in lines {
        if writeln!(stdout, "{line}").is_err() {
            return;
        }
    }
}
