//! The commands of `--debugger` and `--tracer`, to which the command of a test is appended.

use crate::process::split_command_line;

/// The words of a command. There is at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandWords(pub Vec<String>);

/// Debuggers that take arguments of the program only after a word, and this word.
const BEFORE_PROGRAM: [(&str, &str); 4] = [
    ("gdb", "--args"),
    ("rust-gdb", "--args"),
    ("lldb", "--"),
    ("rust-lldb", "--"),
];

/// Reads the value of `--tracer`.
pub fn command_words(text: &str) -> Result<CommandWords, String> {
    match split_command_line(text) {
        None => Err("a quote is not closed".to_owned()),
        Some(words) if words.first().is_none_or(String::is_empty) => {
            Err("expected the name of a program".to_owned())
        }
        Some(words) => Ok(CommandWords(words)),
    }
}

/// Reads the value of `--debugger`.
pub fn debugger(text: &str) -> Result<CommandWords, String> {
    let command = command_words(text)?;
    let (program, options) = command.0.split_first().ok_or("expected a program")?;
    let name = program.rsplit('/').next().unwrap_or(program);
    let known = BEFORE_PROGRAM
        .iter()
        .find(|(debugger, _)| *debugger == name);
    match known {
        Some((_, word)) if !options.iter().any(|option| option == word) => Err(format!(
            "{name} takes the command of a test after `{word}`; write '{text} {word}'"
        )),
        _ => Ok(command),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_split_into_words() {
        let words = |text| command_words(text).map(|command| command.0);
        assert_eq!(words("strace -e 'a b'").unwrap(), ["strace", "-e", "a b"]);
        for wrong in ["", " ", "'' a", "gdb 'a"] {
            assert!(words(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn debuggers_are_told_where_the_command_of_the_test_begins() {
        for command in [
            "gdb --args",
            "/opt/bin/rust-gdb -q --args",
            "lldb --",
            "rr record",
        ] {
            assert!(debugger(command).is_ok(), "{command}");
        }
        let error = |command| debugger(command).unwrap_err();
        assert_eq!(
            error("/opt/bin/gdb -q"),
            "gdb takes the command of a test after `--args`; write '/opt/bin/gdb -q --args'"
        );
        assert!(error("rust-lldb").ends_with("write 'rust-lldb --'"));
    }
}
