//! Completing command lines in shells.
//!
//! `--completions SHELL` prints a script for a shell. The script calls the program with the variable
//! [`VARIABLE`] and the words of the command line, and the program prints how the last word may
//! continue. So completions belong to the version of the program that is installed, and can depend on
//! the workspace.

mod bash;
mod engine;
mod scripts;

pub use engine::{CompletedPlace, Completion, CompletionWord, DynamicValues, complete};
pub use scripts::CompletionShell;

use super::Choice;
use crate::process::to_stdout;
use bash::BashLine;
use std::ffi::OsString;

/// The variable with the name of the shell that asks for completions.
pub const VARIABLE: &str = "MAELSTROM_COMPLETE";

/// The command line to complete, without the name of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompletionRequest {
    shell: CompletionShell,
    /// How bash continues the last word.
    bash: BashLine,
    /// The words before the one to complete.
    pub before: Vec<String>,
    /// The word to complete.
    pub current: String,
}

impl CompletionRequest {
    /// The request for which a shell has called this process. `None`: it was called for another
    /// reason.
    pub fn of_process() -> Option<Self> {
        let shell = CompletionShell::named(&std::env::var(VARIABLE).ok()?)?;
        Some(Self::new(shell, std::env::args_os().skip(1)))
    }

    /// `words`: for bash, the command line up to the cursor and the characters between words; for
    /// other shells, `--` and the words, of which the last one is completed.
    fn new(shell: CompletionShell, words: impl Iterator<Item = OsString>) -> Self {
        let mut words = words.map(|word| word.to_string_lossy().into_owned());
        let mut bash = BashLine::default();
        let mut words: Vec<String> = if shell == CompletionShell::Bash {
            let line = words.next().unwrap_or_default();
            bash = BashLine::new(&line, &words.next().unwrap_or_default());
            bash.words.clone()
        } else {
            words.skip(1).collect()
        };
        let mut current = words.pop().unwrap_or_default();
        if shell == CompletionShell::Fish {
            // The words before it are unquoted.
            current = bash::unquoted(&current);
        }
        Self {
            shell,
            bash,
            before: without_program(words),
            current,
        }
    }

    /// Prints how the last word may continue, for a program of which all words are known from its
    /// definition.
    pub fn print(&self, command: &clap::Command) {
        self.print_answer(&complete(command, &self.before, &self.current, &|_, _| {
            None
        }));
    }

    /// Prints the lines for the script.
    pub fn print_answer(&self, completion: &Completion) {
        to_stdout(format_args!("{}", self.answer(completion).join("\n")));
    }

    /// The lines for the script: the kind of completion, and the words.
    fn answer(&self, completion: &Completion) -> Vec<String> {
        let candidates = match completion {
            Completion::Files => return vec!["files".to_owned()],
            Completion::Directories => return vec!["directories".to_owned()],
            Completion::Words(candidates) => candidates,
        };
        let mut lines = vec!["words".to_owned()];
        let one_line = |text: &str| text.replace(['\n', '\t'], " ");
        lines.extend(candidates.iter().map(|candidate| match self.shell {
            CompletionShell::Bash => one_line(&self.bash.insertion(&candidate.word)),
            _ if candidate.description.is_empty() => one_line(&candidate.word),
            _ => format!(
                "{}\t{}",
                one_line(&candidate.word),
                one_line(&candidate.description)
            ),
        }));
        lines
    }
}

/// The words after the name of the program, which may be a subcommand of Cargo.
fn without_program(words: Vec<String>) -> Vec<String> {
    let mut words = words.into_iter().peekable();
    let program = words.next().unwrap_or_default();
    let is_cargo = program.rsplit('/').next() == Some("cargo");
    if is_cargo {
        words.next_if(|word| word.starts_with('+'));
    }
    words.next_if(|word| word == "maelstrom");
    words.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(shell: CompletionShell, words: &[&str]) -> CompletionRequest {
        CompletionRequest::new(shell, words.iter().map(OsString::from))
    }

    #[test]
    fn the_program_is_no_word_of_its_command_line() {
        for words in [
            &["--", "cargo", "maelstrom", "-p", "a"][..],
            &["--", "/usr/bin/cargo", "+nightly", "maelstrom", "-p", "a"],
            &["--", "cargo-maelstrom", "-p", "a"],
            &["--", "maelstrom", "-p", "a"],
        ] {
            let request = request(CompletionShell::Zsh, words);
            assert_eq!(
                (request.before, request.current),
                (vec!["-p".into()], "a".into())
            );
        }
        let line = "cargo +nightly maelstrom -p 'a b' x";
        let request = request(CompletionShell::Bash, &[line, " "]);
        assert_eq!(request.before, ["-p", "a b"]);
        assert_eq!(request.current, "x");
    }

    #[test]
    fn bash_gets_no_descriptions() {
        let candidates = || {
            Completion::Words(vec![CompletionWord {
                word: "a::b".to_owned(),
                description: "one\ntwo".to_owned(),
            }])
        };
        let zsh = request(CompletionShell::Zsh, &["--", "m", "a"]);
        assert_eq!(zsh.answer(&candidates()), ["words", "a::b\tone two"]);
        let bash = request(CompletionShell::Bash, &["m a::", " :"]);
        assert_eq!(bash.answer(&candidates()), ["words", "b"]);
        assert_eq!(bash.answer(&Completion::Files), ["files"]);
    }
}
