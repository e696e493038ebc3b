//! Exit codes.

/// The exit codes of `cargo maelstrom`, and what a script should do about each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitCode {
    /// Every test that ran passed, or the requested list or help was printed.
    Success,
    /// No test was selected (see `--no-tests`). Most likely a filter is wrong: check the command line.
    NoTests,
    /// The command line, a configuration file or the set-up of the machine is wrong; no test was run.
    /// Correct the mistake.
    SetUp,
    /// Every test passed, but they cover too few lines (see `--fail-under-lines`). Write tests.
    TooFewLines,
    /// Tests failed, timed out, or could not be started. Check the tests.
    TestsFailed,
    /// The build failed; tests may have run before. Check the messages of the compiler.
    BuildFailed,
    /// Interrupted by Ctrl-C or SIGTERM. Run the tests again.
    Interrupted,
    /// That of a program in the foreground (see `--shell` and `--debugger`).
    OfProgram(u8),
}

impl ExitCode {
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Success => 0,
            Self::NoTests => 4,
            Self::SetUp => 96,
            Self::TooFewLines => 99,
            Self::TestsFailed => 100,
            Self::BuildFailed => 101,
            Self::Interrupted => 130,
            Self::OfProgram(code) => code,
        }
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.number())
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
            (ExitCode::OfProgram(7), 7),
        ] {
            assert_eq!(code(variant), std::process::ExitCode::from(number));
        }
    }
}
