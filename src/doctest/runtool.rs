//! The program that rustdoc calls to run an executable: it keeps the executable.

use super::line_file;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::exit;

/// The first argument, by which this program recognizes that rustdoc has called it.
const NAME: &str = "maelstrom-doctest-runtool";

/// The start of a token in the output.
pub const TOKEN: &str = "maelstrom-doctest-executable:";

/// The file with the names of the kept executables in the order of the calls.
const ORDER: &str = "order";

/// The exit code with which the tool pretends that the test has failed: that of a panic.
pub const FAILED: i32 = 101;

/// The options that make rustdoc call this program to run executables. This program keeps them in
/// the directory, each in a directory with the name that is in its token, and ends with the exit code.
pub fn options(directory: &Path, exit_code: i32) -> io::Result<Vec<OsString>> {
    let program = env::current_exe()?;
    let mut options = vec![OsString::from("--test-runtool"), program.into()];
    let code = exit_code.to_string();
    for argument in [NAME.into(), directory.as_os_str().to_owned(), code.into()] {
        options.extend([OsString::from("--test-runtool-arg"), argument]);
    }
    Ok(options)
}

/// The names of the kept executables in the order of the calls. The name of one that was called twice
/// occurs twice.
pub fn order(directory: &Path) -> io::Result<Vec<String>> {
    line_file::read(&directory.join(ORDER))
}

/// Keeps an executable, and never returns, if rustdoc has started this process to run one.
pub fn run_if_runtool() {
    let mut arguments = env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != NAME) {
        return;
    }
    let directory = arguments.next().map(PathBuf::from);
    let code = arguments
        .next()
        .and_then(|code| code.into_string().ok()?.parse().ok());
    let executable = arguments.next().map(PathBuf::from);
    let (Some(directory), Some(code), Some(executable)) = (directory, code, executable) else {
        eprintln!("error: rustdoc has called its tool without an executable");
        exit(FAILED)
    };
    match keep(&directory, &executable) {
        Ok(name) => {
            println!("{TOKEN}{name}");
            exit(code)
        }
        Err(error) => {
            eprintln!("error: cannot keep {}: {error}", executable.display());
            exit(FAILED)
        }
    }
}

/// Moves the executable and its sources to a directory with the name of their present one, which is
/// unique as rustdoc has made it, and returns this name.
fn keep(directory: &Path, executable: &Path) -> io::Result<String> {
    let invalid = || io::Error::other("its path has no name");
    let from = executable.parent().ok_or_else(invalid)?;
    let name = from.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(invalid)?;
    let to = directory.join(name);
    fs::create_dir_all(&to)?;
    transfer(executable, &to)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            transfer(&path, &to)?;
        }
    }
    line_file::add(&directory.join(ORDER), name)?;
    Ok(name.to_owned())
}

fn transfer(file: &Path, directory: &Path) -> io::Result<()> {
    let Some(name) = file.file_name() else {
        return Ok(());
    };
    let to = directory.join(name);
    if fs::rename(file, &to).is_err() {
        fs::copy(file, &to)?;
    }
    Ok(())
}
