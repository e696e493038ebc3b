//! The exit code of a run, and what is said about a run without tests.

use super::command_line::{TestAction, TestOptions};
use super::test_run::RunEnd;
use super::unselected::Remark;
use super::{coverage, paint};
use crate::config::{NoTests, SettingSource};
use crate::process::{ExitCode, to_stderr};
use crate::report::{self, Cancellation};

/// The exit code of a run that has ended.
pub fn exit_code(options: &TestOptions, ending: &RunEnd) -> ExitCode {
    let tally = &ending.summary.tally;
    match ending.summary.cancelled {
        Some(
            Cancellation::Interrupted
            | Cancellation::Terminated
            | Cancellation::Superseded
            | Cancellation::Quit,
        ) => ExitCode::Interrupted,
        Some(Cancellation::BuildFailed) => ExitCode::BuildFailed,
        Some(Cancellation::TimedOut(_)) => ExitCode::TestsFailed,
        _ if tally.failures() > 0 => ExitCode::TestsFailed,
        _ if options.action == TestAction::PrintSpec && ending.listed.is_empty() => {
            let what = "no test matches the pattern of `--print-spec`";
            no_tests(options, what, &ending.remarks)
        }
        _ if matches!(options.action, TestAction::Archive { .. }) && ending.listed.is_empty() => {
            no_tests(options, "no tests were archived", &ending.remarks)
        }
        _ if matches!(options.action, TestAction::Observe { .. }) && ending.observed.is_none() => {
            no_tests(options, "no test was observed", &ending.remarks)
        }
        _ if matches!(options.action, TestAction::Foreground { .. }) => match ending.foreground {
            Some(code) => ExitCode::OfProgram(code),
            None => no_tests(options, "no test was selected", &ending.remarks),
        },
        _ if ending.considered.has_none_that_failed() => none_failed(options, ending),
        _ if coverage::has_too_few_lines(options, ending) => ExitCode::TooFewLines,
        _ if !options.action.runs_selected() => {
            print_remarks(options, &ending.remarks);
            ExitCode::Success
        }
        _ if tally.selected() == 0 => no_tests(options, "no tests were run", &ending.remarks),
        _ => ExitCode::Success,
    }
}

/// The exit code of a run with `--failed` in which no test had failed before. This is a success, unless
/// `--no-tests` was set.
fn none_failed(options: &TestOptions, ending: &RunEnd) -> ExitCode {
    let is_default = options.settings.no_tests.source == SettingSource::Default;
    if is_default || !options.action.runs_selected() {
        print_remarks(options, &ending.remarks);
        return ExitCode::Success;
    }
    no_tests(options, "no tests were run", &ending.remarks)
}

/// The exit code of a run without tests, as `--no-tests` sets it.
pub fn no_tests(options: &TestOptions, what: &str, remarks: &[Remark]) -> ExitCode {
    let paint = paint(&options.settings);
    print_remarks(options, remarks);
    match options.settings.no_tests.value {
        NoTests::Pass => ExitCode::Success,
        NoTests::Warn => {
            let label = paint.apply(report::Role::Caution, "warning:");
            to_stderr(format_args!("{label} {what}"));
            ExitCode::Success
        }
        NoTests::Fail => {
            let label = paint.apply(report::Role::Bad, "error:");
            to_stderr(format_args!(
                "{label} {what}; use `--no-tests pass` to make this a success"
            ));
            ExitCode::NoTests
        }
    }
}

/// Prints why no test was selected, unless `--no-tests` is `pass`.
fn print_remarks(options: &TestOptions, remarks: &[Remark]) {
    if options.settings.no_tests.value == NoTests::Pass {
        return;
    }
    let paint = paint(&options.settings);
    for remark in remarks {
        let (role, label, text) = match remark {
            Remark::Note(text) => (report::Role::Strong, "note:", text),
            Remark::Hint(text) => (report::Role::Activity, "hint:", text),
        };
        to_stderr(format_args!("{} {text}", paint.apply(role, label)));
    }
}
