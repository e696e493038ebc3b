//! The options about coverage.

use super::arguments::{MessageFormat, TestArguments};
use super::options::TestAction;
use super::usage;
use crate::config::CommandLineError;
use crate::config::command_line::text_value;
use crate::coverage::{Counted, CoverageFormat};
use camino::Utf8PathBuf;
use std::fmt;
use std::str::FromStr;

#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Coverage")]
pub struct CoverageArguments {
    /// Report which lines the tests run: a summary (default), lcov, html, json or cobertura
    ///
    /// The members of the workspace are built with instrumentation, in a target directory of their
    /// own. This needs `rustup component add llvm-tools`.
    #[arg(
        long,
        value_name = "FORMAT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "summary",
        value_parser = text_value::<CoverageFormat>()
    )]
    pub coverage: Option<CoverageFormat>,

    /// Write the report of coverage to this file; html: to this directory
    #[arg(
        long,
        value_name = "FILE",
        requires = "coverage",
        hide_short_help = true
    )]
    pub coverage_output: Option<Utf8PathBuf>,

    /// Fail if the tests run less than this share of the lines, in percent
    #[arg(
        long,
        value_name = "PERCENT",
        requires = "coverage",
        hide_short_help = true
    )]
    pub fail_under_lines: Option<LeastShare>,
}

/// The report of coverage that a run makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoverageOptions {
    pub format: CoverageFormat,
    /// The file or directory to write.
    pub output: Option<Utf8PathBuf>,
    /// The share of the lines that tests have to run.
    pub least_lines: Option<LeastShare>,
}

/// The least share of something that has to be covered, in percent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeastShare {
    /// As on the command line.
    text: String,
    /// In millionths of a percent.
    value: u64,
}

const MILLION: u64 = 1_000_000;

impl LeastShare {
    pub fn is_reached(&self, covered: Counted) -> bool {
        let Counted { count, covered } = covered;
        let whole = u128::from(100 * MILLION);
        u128::from(covered) * whole >= u128::from(count) * u128::from(self.value)
    }
}

impl FromStr for LeastShare {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let percent: f64 = text.parse().unwrap_or(f64::NAN);
        if !(0.0..=100.0).contains(&percent) {
            return Err("expected a number of percent, from 0 to 100".to_owned());
        }
        Ok(Self {
            text: text.to_owned(),
            value: (percent * MILLION as f64).round() as u64,
        })
    }
}

impl fmt::Display for LeastShare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The report that the options ask for. Fails if another option has a meaning that contradicts it.
pub fn options(
    arguments: &TestArguments,
    action: &TestAction,
) -> Result<Option<CoverageOptions>, CommandLineError> {
    let CoverageArguments {
        coverage,
        coverage_output,
        fail_under_lines,
    } = &arguments.coverage;
    let Some(format) = *coverage else {
        return Ok(None);
    };
    if arguments.selecting.archive.is_some() {
        return Err(usage(
            "'--coverage' builds the tests, and those of an archive are built; to collect the \
             profiles of an archive whose tests were built with instrumentation, set LLVM_PROFILE_FILE",
        ));
    }
    if !matches!(action, TestAction::Run | TestAction::PrintConfig(_)) {
        return Err(usage(
            "'--coverage' reports which lines the tests run, but the other options ask for another \
             action than running tests; leave it out",
        ));
    }
    let is_json = arguments.showing.message_format == Some(MessageFormat::Json);
    let is_text = !matches!(format, CoverageFormat::Summary | CoverageFormat::Html);
    if is_json && is_text && coverage_output.is_none() {
        return Err(usage(
            "with '--message-format json', stdout has events; name a file for the report of coverage \
             with '--coverage-output FILE'",
        ));
    }
    Ok(Some(CoverageOptions {
        format,
        output: coverage_output.clone(),
        least_lines: fail_under_lines.clone(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_reached_exactly() {
        let share = |text: &str| text.parse::<LeastShare>().unwrap();
        let of = |covered, count| Counted { count, covered };
        assert!(share("50").is_reached(of(1, 2)));
        assert!(share("33.333333").is_reached(of(1, 3)));
        assert!(!share("33.333334").is_reached(of(1, 3)));
        assert!(share("100").is_reached(of(0, 0)));
        assert!(!share("0.000001").is_reached(of(0, 9)));
        for text in ["", "-1", "101", "NaN", "x"] {
            assert!(text.parse::<LeastShare>().is_err(), "{text}");
        }
    }
}
