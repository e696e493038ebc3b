//! Lines to people outside of a run. Unlike the standard library's macros these do
//! not panic when nobody reads (any more).

use std::fmt::Arguments;
use std::io::{self, Write};

/// Writes a line to stdout.
pub fn to_stdout(line: Arguments<'_>) {
    let _ = writeln!(io::stdout().lock(), "{line}");
}

/// Writes a line to stderr.
pub fn to_stderr(line: Arguments<'_>) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
