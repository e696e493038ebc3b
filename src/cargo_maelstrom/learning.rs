//! `--learn`: what tests need of this machine, written to `maelstrom-test.toml` and proven.
//!
//! The tests run, and the second looks find out what they need. The needs become directives, which
//! are added to the file. Then the tests run again, with nothing but their containers.

use super::command_line::{MessageFormat, TestAction, TestOptions};
use super::test_run::RunEnd;
use super::{EndedRun, RunControl, SetUpError, paint, preparation, resolve_paint, run_to_end};
use crate::directive;
use crate::needs::{KnownNeeds, Learned, Suite, SuiteTest, has_search_path, learn, merge};
use crate::process::{ExitCode, replace_file, to_stderr, to_stdout};
use crate::report::{Cancellation, Count, Role, unified_diff};
use camino::{Utf8Path, Utf8PathBuf};
use std::fs;
use std::io::{self, ErrorKind};

/// The tests that a message names.
const SHOWN: usize = 5;

pub async fn run(options: &TestOptions) -> Result<ExitCode, SetUpError> {
    let mut first = options.clone();
    first.settings.hermetic.value = false;
    let (code, ended) = run_to_end(&first, RunControl::default()).await?;
    let Some(ended) = ended.filter(|ended| has_run(&ended.ending)) else {
        return Ok(code);
    };
    let file = ended.workspace.root.join(directive::FILE_NAME);
    let mut known = KnownNeeds::load(preparation::needs_file(&ended.workspace).as_std_path())?;
    let learned = learned(options, &ended, &known);
    let old = read(&file)?;
    let new = merge(old.as_deref(), &learned)?;
    if new == old.as_deref().unwrap_or_default() {
        to_stderr(format_args!(
            "nothing to learn: no test was found to need anything that its container does not have"
        ));
        return Ok(code);
    }
    show_diff(options, old.as_deref().unwrap_or_default(), &new);
    replace_file(&file, &new).map_err(|source| SetUpError::WriteLearned {
        path: file.clone(),
        source,
        text: learned.text(),
    })?;
    for case in &ended.ending.learning.ran {
        known.remove(case.id());
    }
    known.save()?;
    to_stderr(format_args!(
        "wrote {file}; the tests run again, with --hermetic"
    ));
    let failed_before = ended.ending.failed;
    // The future is as large as a run.
    Box::pin(prove(options, &file, &failed_before)).await
}

/// Whether tests ran, and the run was not cancelled for another reason than failures.
fn has_run(ending: &RunEnd) -> bool {
    let cancelled = ending.summary.cancelled;
    matches!(cancelled, None | Some(Cancellation::Failures(_))) && !ending.learning.ran.is_empty()
}

/// Runs the tests with nothing but their containers. Names those that fail and did not fail before.
async fn prove(
    options: &TestOptions,
    file: &Utf8Path,
    failed_before: &[String],
) -> Result<ExitCode, SetUpError> {
    let mut proof = options.clone();
    proof.action = TestAction::Run;
    proof.settings.hermetic.value = true;
    let (code, ended) = run_to_end(&proof, RunControl::default()).await?;
    if let Some(EndedRun { ending, .. }) = ended {
        let mut failed = ending.failed;
        failed.retain(|name| !failed_before.contains(name));
        if !failed.is_empty() {
            let label = paint(&options.settings).apply(Role::Bad, "error:");
            to_stderr(format_args!("{label} {}", unproven(file, &failed)));
        }
    }
    Ok(code)
}

fn unproven(file: &Utf8Path, failed: &[String]) -> String {
    let mut lines: Vec<_> = failed.iter().take(SHOWN).cloned().collect();
    if failed.len() > SHOWN {
        lines.push(format!("and {} more", failed.len() - SHOWN));
    }
    let tests = Count(failed.len() as u64, "test", "tests");
    format!(
        "{tests} passed before, but not with {file}, which was written; `--observe` shows what one \
         test asks for:\n  {}",
        lines.join("\n  ")
    )
}

/// What the file lacks for the tests that ran.
fn learned(options: &TestOptions, ended: &EndedRun, known: &KnownNeeds) -> Learned {
    const TARGETS: [&str; 8] = [
        "lib", "bins", "bin", "tests", "test", "examples", "example", "bench",
    ];
    let EndedRun {
        ending,
        workspace,
        packages,
        directives,
    } = ended;
    let places = preparation::places(workspace);
    let ran = ending.learning.ran.iter().map(|case| {
        let (name, record) = (case.name(), known.get(&case.id()));
        let needs = record.map(|record| record.needs.clone());
        let spec = directives.resolve(&name);
        let mut test = SuiteTest::lacking(name, &needs.unwrap_or_default(), &spec, &places);
        let addresses = ending.learning.addresses.get(&case.id()).cloned();
        test.addresses = addresses.unwrap_or_default();
        test
    });
    let others = ending.learning.others.iter();
    let others = others.map(|case| SuiteTest::without_needs(case.name()));
    let tests: Vec<_> = ran.chain(others).collect();
    let selection = &options.selection;
    let all_by_default =
        options.settings.default_filter.is_none() || options.ignores_default_filter;
    let selects_targets = TARGETS
        .iter()
        .any(|name| options.cargo_options.is_set(name));
    let suite = Suite {
        every_path: (tests.iter()).all(|test| has_search_path(&directives.resolve(&test.name))),
        tests,
        every_package: packages.len() == workspace.packages.len(),
        every_target: !selects_targets
            && all_by_default
            && selection.includes.is_empty()
            && selection.filtersets.is_empty()
            && selection.exclusions.is_empty(),
    };
    learn(&suite, &places)
}

/// Shows the change on stdout, or on stderr if stdout has JSON.
fn show_diff(options: &TestOptions, old: &str, new: &str) {
    let diff = |paint| unified_diff(directive::FILE_NAME, old, new, paint);
    match options.message_format {
        MessageFormat::Human => {
            let paint = resolve_paint(options.settings.color.value, &io::stdout());
            to_stdout(format_args!("{}", diff(paint).trim_end()));
        }
        MessageFormat::Json => {
            let diff = diff(paint(&options.settings));
            to_stderr(format_args!("{}", diff.trim_end()));
        }
    }
}

/// The text of the file. `None`: there is none.
fn read(path: &Utf8PathBuf) -> Result<Option<String>, SetUpError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(directive::DirectiveError::Read {
            path: path.clone(),
            source,
        }
        .into()),
    }
}
