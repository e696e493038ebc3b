//! The command line of cargo-nextest, for the tools that call it: `cargo maelstrom shim` puts this
//! program on their `PATH` with the name `cargo-nextest`.
//!
//! The words are translated to those of `cargo maelstrom`. Options with the same name and meaning are
//! left as they are, and so are unknown ones, which are then explained as usual.

use crate::config::CommandLineError;
use clap::error::ErrorKind;
use std::ffi::{OsStr, OsString};
use std::path::Path;

/// The name of the program.
pub const NEXTEST_PROGRAM: &str = "cargo-nextest";

/// The version whose command line is understood, for tools that ask for it.
const VERSION: &str = concat!(
    "0.9.143 (cargo-maelstrom ",
    env!("CARGO_PKG_VERSION"),
    ")\nrelease: 0.9.143"
);

/// Options about the progress, pager, keyboard and versions of cargo-nextest, which have no effect
/// on tests and their results; and whether each has a value.
const WITHOUT_EFFECT: [(&str, bool); 8] = [
    ("--show-progress", true),
    ("--max-progress-running", true),
    ("--no-pager", false),
    ("--no-input-handler", false),
    ("--no-output-indent", false),
    ("--override-version-check", false),
    ("--message-format-version", true),
    ("--user-config-file", true),
];

/// Whether this program was called as cargo-nextest. The name of the program is the first word.
pub fn is_called(words: &[OsString]) -> bool {
    let program = words.first().map(Path::new).and_then(Path::file_name);
    program == Some(OsStr::new(NEXTEST_PROGRAM))
}

/// The same command line for `cargo maelstrom`.
pub fn translated(words: Vec<OsString>) -> Result<Vec<OsString>, CommandLineError> {
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    let mut rest: Vec<OsString> = words.collect();
    if rest.first().is_some_and(|word| word == "nextest") {
        // Cargo calls `cargo-nextest nextest …`.
        rest.remove(0);
    }
    let command = match rest.first().and_then(|word| word.to_str()) {
        Some("run" | "r") => &[][..],
        Some("list") => &["--list"],
        Some("--version" | "-V") => return Err(version()),
        Some(other) if !other.starts_with('-') => {
            return Err(mistake(format!(
                "cargo maelstrom stands for cargo-nextest here, and has no command '{other}'; it has \
                 'run' and 'list'"
            )));
        }
        _ => {
            return Err(mistake(
                "cargo maelstrom stands for cargo-nextest here; its commands are 'run' and 'list'"
                    .to_owned(),
            ));
        }
    };
    let mut translation = vec![program, "--as-nextest".into()];
    translation.extend(command.iter().map(Into::into));
    translate_options(&rest[1..], !command.is_empty(), &mut translation)?;
    Ok(translation)
}

fn translate_options(
    words: &[OsString],
    is_list: bool,
    translation: &mut Vec<OsString>,
) -> Result<(), CommandLineError> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(text) = word.to_str() else {
            translation.push(word.clone());
            continue;
        };
        if text == "--" {
            translation.push(word.clone());
            translation.extend(words.cloned());
            return Ok(());
        }
        let (name, attached) = split(text);
        let without_effect = WITHOUT_EFFECT.iter().find(|(option, _)| *option == name);
        if let Some((_, has_value)) = without_effect {
            if *has_value && attached.is_none() {
                words.next();
            }
            continue;
        }
        if name == "--timings" {
            // Those of the build.
            translation.push("--cargo-timings".into());
            continue;
        }
        let is_format = is_list && ["--message-format", "-T"].contains(&name);
        let renamed = match name {
            "--profile" | "-P" => "--test-profile",
            "--test-threads" | "--jobs" | "-j" => "--test-threads",
            "--no-tests" => "--no-tests",
            "--rerun" | "-R" => "--failed",
            _ if is_format => "--message-format",
            _ => {
                translation.push(word.clone());
                continue;
            }
        };
        let value = attached
            .map(OsString::from)
            .or_else(|| words.next().cloned());
        let Some(value) = value else {
            translation.push(renamed.into());
            continue;
        };
        match (renamed, value.to_str()) {
            // These are the defaults.
            ("--test-threads", Some("num-cpus"))
            | ("--no-tests", Some("auto"))
            | ("--message-format", Some("auto" | "oneline")) => {}
            ("--failed", Some("latest")) => translation.push(renamed.into()),
            ("--failed", value) => {
                return Err(mistake(format!(
                    "cargo maelstrom stands for cargo-nextest here, and keeps no runs such as '{}'; \
                     '--rerun latest' runs the tests that failed in their last run",
                    value.unwrap_or_default()
                )));
            }
            ("--message-format", value) => {
                return Err(mistake(format!(
                    "cargo maelstrom stands for cargo-nextest here, and has no lists of the format \
                     '{}'; `cargo maelstrom --list --message-format json` prints lists as JSON",
                    value.unwrap_or_default()
                )));
            }
            _ => {
                let mut joined = OsString::from(renamed);
                joined.push("=");
                joined.push(value);
                translation.push(joined);
            }
        }
    }
    Ok(())
}

/// The name of an option and the value that is attached to it.
fn split(word: &str) -> (&str, Option<&str>) {
    if word.starts_with("--") {
        return match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
    }
    match word.char_indices().nth(2) {
        Some((end, _)) if word.starts_with('-') => {
            let value = &word[end..];
            (&word[..end], Some(value.strip_prefix('=').unwrap_or(value)))
        }
        _ => (word, None),
    }
}

fn version() -> CommandLineError {
    let command = clap::Command::new(NEXTEST_PROGRAM).version(VERSION);
    match command.try_get_matches_from([NEXTEST_PROGRAM, "--version"]) {
        Err(version) => CommandLineError::Usage(version),
        Ok(_) => mistake("the version cannot be printed".to_owned()),
    }
}

fn mistake(message: String) -> CommandLineError {
    let mut command = clap::Command::new(NEXTEST_PROGRAM);
    CommandLineError::Usage(command.error(ErrorKind::InvalidSubcommand, message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translate(line: &[&str]) -> Result<Vec<String>, String> {
        let words = ["/shim/cargo-nextest"].iter().chain(line);
        let words: Vec<_> = words.map(OsString::from).collect();
        assert!(is_called(&words));
        match translated(words) {
            Ok(words) => {
                let words = words.into_iter().skip(1);
                Ok(words.map(|word| word.into_string().unwrap()).collect())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn only_this_name_is_that_of_nextest() {
        let is_called = |program: &str| is_called(&[program.into(), "nextest".into()]);
        assert!(is_called("cargo-nextest"));
        assert!(is_called("/a/b/cargo-nextest"));
        assert!(!is_called("/cargo-nextest/cargo-maelstrom"));
        assert!(!is_called("cargo-maelstrom"));
    }

    #[test]
    fn the_command_lines_of_tools_are_those_of_a_run() {
        // cargo-insta
        assert_eq!(
            translate(&[
                "run",
                "--all",
                "--no-fail-fast",
                "--color",
                "auto",
                "--",
                "word"
            ])
            .unwrap(),
            [
                "--as-nextest",
                "--all",
                "--no-fail-fast",
                "--color",
                "auto",
                "--",
                "word"
            ]
        );
        // cargo-mutants
        assert_eq!(
            translate(&[
                "nextest",
                "run",
                "--no-run",
                "--cargo-profile=mutants",
                "--verbose",
                "--workspace",
            ])
            .unwrap(),
            [
                "--as-nextest",
                "--no-run",
                "--cargo-profile=mutants",
                "--verbose",
                "--workspace"
            ]
        );
    }

    #[test]
    fn a_profile_is_one_of_tests() {
        for profile in [
            &["--profile", "ci"][..],
            &["--profile=ci"],
            &["-P", "ci"],
            &["-Pci"],
        ] {
            let words = [&["nextest", "run"], profile].concat();
            assert_eq!(
                translate(&words).unwrap(),
                ["--as-nextest", "--test-profile=ci"]
            );
        }
    }

    #[test]
    fn options_without_a_meaning_here_and_default_values_are_left_out() {
        let words = [
            "run",
            "--show-progress",
            "none",
            "--show-progress=bar",
            "--hide-progress-bar",
            "--no-pager",
            "-j",
            "num-cpus",
            "--no-tests=auto",
            "--no-tests=pass",
            "-j4",
            "-p",
            "a",
        ];
        assert_eq!(
            translate(&words).unwrap(),
            [
                "--as-nextest",
                "--hide-progress-bar",
                "--no-tests=pass",
                "--test-threads=4",
                "-p",
                "a"
            ]
        );
    }

    #[test]
    fn a_list_has_one_format() {
        for words in [
            &["list", "-T", "oneline"][..],
            &["list", "--message-format=auto"],
            &["list"],
        ] {
            assert_eq!(translate(words).unwrap(), ["--as-nextest", "--list"]);
        }
        let error = translate(&["list", "--message-format", "json"]).unwrap_err();
        assert!(error.contains("no lists of the format 'json'"), "{error}");
        // This one is of the events of a run.
        assert_eq!(
            translate(&["run", "--message-format", "json"]).unwrap(),
            ["--as-nextest", "--message-format", "json"]
        );
    }

    #[test]
    fn failed_tests_of_the_latest_run_are_those_that_failed() {
        for words in [
            &["run", "-R", "latest"][..],
            &["run", "-Rlatest"],
            &["run", "--rerun=latest"],
        ] {
            assert_eq!(translate(words).unwrap(), ["--as-nextest", "--failed"]);
        }
        let error = translate(&["run", "-R", "b0b38ba7"]).unwrap_err();
        assert!(
            error.contains("keeps no runs such as 'b0b38ba7'"),
            "{error}"
        );
    }

    #[test]
    fn other_commands_are_refused() {
        let error = translate(&["nextest", "archive"]).unwrap_err();
        assert!(error.contains("has no command 'archive'"), "{error}");
        let error = translate(&["nextest"]).unwrap_err();
        assert!(
            error.contains("its commands are 'run' and 'list'"),
            "{error}"
        );
    }

    #[test]
    fn the_version_is_that_of_a_nextest() {
        let version = translate(&["nextest", "--version"]).unwrap_err();
        assert!(version.starts_with("cargo-nextest 0.9."), "{version}");
        assert!(version.contains("\nrelease: 0.9."), "{version}");
    }
}
