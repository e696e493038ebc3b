//! The texts about tests that are shown at the end of a run.

use super::failures::FailureLine;
use super::outcome::Cancellation;
use crate::config::OutputTime;

/// The texts about tests that are shown at the end of a run.
#[derive(Debug, Default)]
pub struct FinalOutputs(Vec<FinalOutput>);

#[derive(Debug)]
struct FinalOutput {
    line: FailureLine,
    text: String,
    /// Whether the text was also shown when the test ended.
    was_shown: bool,
}

impl FinalOutputs {
    /// Keeps the text about a test. `shown`: when the output in it is shown.
    pub fn keep(&mut self, line: FailureLine, text: String, shown: OutputTime) {
        self.0.push(FinalOutput {
            line,
            text,
            was_shown: shown.is_immediate(),
        });
    }

    /// The texts by the names of the tests, each followed by an empty line. After Ctrl-C, or if
    /// another run follows, there are none, as in nextest; after SIGTERM, only those that were not shown before.
    pub fn take_text(&mut self, cancelled: Option<Cancellation>) -> String {
        let mut outputs = std::mem::take(&mut self.0);
        match cancelled {
            Some(Cancellation::Interrupted | Cancellation::Superseded | Cancellation::Quit) => {
                outputs.clear();
            }
            Some(Cancellation::Terminated) => outputs.retain(|output| !output.was_shown),
            _ => {}
        }
        outputs.sort_by(|a, b| a.line.cmp(&b.line));
        let mut text = String::new();
        for output in outputs {
            text.push_str(&output.text);
            if !output.text.ends_with("\n\n") {
                text.push('\n');
            }
        }
        text
    }
}
