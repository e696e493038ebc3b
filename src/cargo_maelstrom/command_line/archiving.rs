//! The options of making an archive, and of running its tests.

use super::arguments::{Selecting, TestArguments};
use super::options::TestAction;
use super::usage;
use crate::cargo::CargoOptions;
use crate::config::CommandLineError;
use camino::Utf8PathBuf;
use clap::{Command, CommandFactory};

/// The command line of `cargo maelstrom archive`.
pub fn command() -> Command {
    TestArguments::command()
        .name("cargo-maelstrom archive")
        .bin_name("cargo maelstrom archive")
        .about("Pack tests with everything that they need, to run on other machines")
        .override_usage("cargo maelstrom archive -o FILE [OPTIONS] [FILTER]...")
        .after_help("`cargo maelstrom --archive FILE` runs the tests.")
        .mut_arg("archive_output", |output| output.hide(false))
        .mut_arg("archive", |archive| archive.hide(true))
}

/// The file to write. `None`: no archive is made. As in cargo-nextest, `--archive-file` is the file to
/// write when an archive is made, and the file to read when its tests run.
pub fn file(
    selecting: &mut Selecting,
    archives: bool,
) -> Result<Option<Utf8PathBuf>, CommandLineError> {
    match (selecting.archive_output.take(), archives) {
        (None, false) => Ok(None),
        (Some(_), false) => Err(usage(
            "'-o' names the file that `cargo maelstrom archive -o FILE` writes; to run the tests of an \
             archive, write '--archive FILE'",
        )),
        (None, true) => match selecting.archive.take() {
            Some(file) => Ok(Some(file)),
            None => Err(usage(
                "`cargo maelstrom archive` packs tests into a file; name it with '-o FILE' (for the \
                 tests with `archive` in their name, write `cargo maelstrom -- archive`)",
            )),
        },
        (Some(_), true) if selecting.archive.is_some() => Err(usage(
            "'-o' and '--archive-file' both name the archive; give one of them",
        )),
        (Some(file), true) => Ok(Some(file)),
    }
}

/// The action of making an archive. `other`: that of the other options.
pub fn action(file: Utf8PathBuf, other: TestAction) -> Result<TestAction, CommandLineError> {
    match other {
        TestAction::Run => Ok(TestAction::Archive { file }),
        TestAction::PrintConfig(_) => Ok(other),
        _ => Err(usage(
            "`cargo maelstrom archive` packs tests and has no other action; leave out the option that \
             asks for one",
        )),
    }
}

/// Refuses options that have no meaning for an archive or its tests.
pub fn check(
    arguments: &TestArguments,
    action: &TestAction,
    cargo: &CargoOptions,
) -> Result<(), CommandLineError> {
    let Some(archive) = &arguments.selecting.archive else {
        return Ok(());
    };
    let may_run = matches!(
        action,
        TestAction::Run | TestAction::ListTests | TestAction::PrintConfig(_)
    );
    if !may_run {
        return Err(usage(
            "with '--archive', tests run or are listed; this action needs the workspace",
        ));
    }
    if arguments.running.doc {
        return Err(usage(
            "'--doc' is for Cargo, which is not used with '--archive'; to run only the documentation \
             tests of the archive, write '-i doctest'",
        ));
    }
    if let Some(option) = cargo.arguments().first() {
        return Err(usage(format!(
            "'{option}' is for Cargo, which is not used with '--archive'; select among the tests of \
             {archive} with words, '-i PATTERN' and '-x PATTERN', for instance `-i \
             'package.equals(NAME)'`"
        )));
    }
    if arguments.running.write_back {
        return Err(usage(
            "'--write-back' changes the source tree, to which tests of an archive do not belong; \
             leave it out",
        ));
    }
    Ok(())
}
