//! How the program ends.

/// What the exit code of `cargo maelstrom` says, and what a script would do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitCode {
    /// Every test that ran passed; or what was asked for (a list, help) was printed. Carry on.
    Success = 0,
    /// No test was selected (see `--no-tests`). Most likely a filter is wrong: look at the command
    /// before the code.
    NoTests = 4,
    /// The command line, a configuration file or the machine is not as it must be; nothing was
    /// tested. Fix that; running again does not help.
    SetUp = 96,
    /// Tests failed, timed out, or could not be started. Look at the tests.
    TestsFailed = 100,
    /// The build failed. Look at the compiler's messages; tests may have run before.
    BuildFailed = 101,
    /// Interrupted by Ctrl-C or SIGTERM. The results so far say nothing about the rest: run again.
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
    fn the_numbers_are_those_of_the_documentation() {
        let code = |code: ExitCode| std::process::ExitCode::from(code);
        for (variant, number) in [
            (ExitCode::Success, 0),
            (ExitCode::NoTests, 4),
            (ExitCode::SetUp, 96),
            (ExitCode::TestsFailed, 100),
            (ExitCode::BuildFailed, 101),
            (ExitCode::Interrupted, 130),
        ] {
            assert_eq!(code(variant), std::process::ExitCode::from(number));
        }
    }
}
