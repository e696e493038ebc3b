//! Messages to people outside of a run: lines on stdout and stderr, and errors as text.

use std::error::Error;
use std::fmt::Arguments;
use std::io::{self, Write};

/// Writes a line to stdout. Unlike `println!`, it does not panic if stdout is closed.
pub fn to_stdout(line: Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Writes a line to stderr. Unlike `eprintln!`, it does not panic if stderr is closed.
pub fn to_stderr(line: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// The messages of an error and of its causes, outermost first, joined by `: `. A cause whose
/// text is already part of the result is left out.
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
