//! Exit codes.

/// The exit codes of `cargo maelstrom`, and what a script should do about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Every test that ran passed, or the requested list or help was printed.
    Success = 0,
    /// No test was selected (see `--no-tests`). Most likely a filter is wrong: check the command line.
    NoTests = 4,
    /// The command line, a configuration file or the set-up of the machine is wrong; no test was run.
    /// Correct the mistake.
    SetUp = 96,
    /// Every test passed, but they cover too few lines (see `--fail-under-lines`). Write tests.
    TooFewLines = 99,
    /// Tests failed, timed out, or could not be started. Check the tests.
    TestsFailed = 100,
    /// The build failed; tests may have run before. Check the messages of the compiler.
    BuildFailed = 101,
    /// Interrupted by Ctrl-C or SIGTERM. Run the tests again.
    Interrupted = 130,
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_match_the_documentation() {
        let code = |code: ExitCode| std::process::ExitCode::from(code);
        for (variant, number) in [
            (ExitCode::Success, 0),
            (ExitCode::NoTests, 4),
            (ExitCode::SetUp, 96),
            (ExitCode::TooFewLines, 99),
            (ExitCode::TestsFailed, 100),
            (ExitCode::BuildFailed, 101),
            (ExitCode::Interrupted, 130),
        ] {
            assert_eq!(code(variant), std::process::ExitCode::from(number));
        }
    }
}
