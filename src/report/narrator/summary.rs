//! The text at the end of a run.

use super::{Narrator, push_line};
use crate::config::FinalStatusLevel;
use crate::report::outcome::{Cancellation, Summary};
use crate::report::shown::title;
use crate::report::terminal::Role;
use crate::report::units::{Count, Elapsed, Thousands};
use std::fmt::Write as _;

impl Narrator {
    pub(super) fn summary(&mut self, summary: &Summary) -> String {
        let tally = summary.tally;
        if summary.cancelled == Some(Cancellation::BuildFailed) && !self.has_begun {
            return "No tests were run: the build failed\n".to_owned();
        }
        if summary.cancelled == Some(Cancellation::Superseded) {
            // The next run has a summary.
            return String::new();
        }
        let mut text = String::new();
        if !self.after_empty_line {
            text.push('\n');
        }
        text.push_str(&self.final_outputs.take_text(summary.cancelled));
        if tally.selected() + summary.not_run > 0 {
            let ran = Count(tally.run(), "test", "tests");
            let line = format!("Ran {ran} in {}", Elapsed(summary.duration));
            push_line(&mut text, self.paint.apply(Role::Strong, line));
            text.push_str(&self.counts(summary));
        } else if summary.cancelled.is_some() {
            text.push_str("No tests were run\n");
        } else {
            text.push_str("No tests to run\n");
        }
        if let Some(reason) = summary.cancelled {
            let label = self.paint.apply(Role::Caution, "Cancelled");
            push_line(&mut text, format_args!("{label}: {reason}"));
        }
        let mut failures = self.failures.take_lines();
        if self.shown.final_status_level < FinalStatusLevel::Fail {
            failures.clear();
        }
        push_list(&mut text, title(FinalStatusLevel::Fail), &failures);
        for (level, mut lines) in std::mem::take(&mut self.others) {
            lines.sort_unstable();
            let lines: Vec<_> = lines.iter().map(ToString::to_string).collect();
            push_list(&mut text, title(level), &lines);
        }
        if !summary.notes.is_empty() {
            text.push('\n');
        }
        for note in &summary.notes {
            text.push_str(&self.paragraph(Role::Strong, "note", note));
        }
        text
    }

    /// The counts that are not zero, a line each.
    fn counts(&self, summary: &Summary) -> String {
        let tally = summary.tally;
        let errors = if tally.errors == 1 { "error" } else { "errors" };
        let counts = [
            (tally.passed, Role::Good, "passed"),
            (tally.failed, Role::Bad, "failed"),
            (tally.timed_out, Role::Bad, "timed out"),
            (tally.errors, Role::Bad, errors),
            (tally.ignored, Role::Caution, "ignored"),
            (summary.not_run, Role::Caution, "not run"),
        ];
        let counts = counts.iter().filter(|(count, ..)| *count > 0);
        let width = |(count, ..): &(u64, Role, &str)| Thousands(*count).to_string().len();
        let width = counts.clone().map(width).max().unwrap_or(0);
        let mut text = String::new();
        for (count, role, word) in counts {
            let number = format!("{:>width$}", Thousands(*count));
            let number = self.paint.apply(*role, number);
            let mut among = String::new();
            if *word == "passed" {
                for (count, word) in tally.among_passed() {
                    let _ = write!(among, ", {} of them {word}", Thousands(count));
                }
            }
            push_line(&mut text, format_args!("    {number} {word}{among}"));
        }
        text
    }
}

/// A list of the summary, if it is not empty.
fn push_list(text: &mut String, title: &str, lines: &[String]) {
    if !lines.is_empty() {
        push_line(text, format_args!("\n{title}:"));
    }
    for line in lines {
        push_line(text, format_args!("    {line}"));
    }
}
