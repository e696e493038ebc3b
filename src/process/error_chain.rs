//! An error with its causes as text.

use std::error::Error;

/// The messages of an error and of its causes, outermost first, joined by `: `. A cause whose
/// text its predecessor already includes is left out.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
