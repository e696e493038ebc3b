//! The program that Cargo calls as rustdoc: it saves how it was called.

use super::line_file;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// The variable with the directory in which calls are saved.
const DIRECTORY: &str = "MAELSTROM_DOCTEST_RECORDER";

/// The variable with the path of the real rustdoc.
const RUSTDOC: &str = "MAELSTROM_DOCTEST_RUSTDOC";

/// The file with the calls, one in each line.
const CALLS: &str = "calls";

/// Variables that concern the recording, or Cargo and not the library.
const NOT_RECORDED: [&str; 6] = [
    DIRECTORY,
    RUSTDOC,
    "RUSTDOC",
    // The job server of the Cargo that has ended.
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "MFLAGS",
];

/// A call of rustdoc.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recording {
    /// The arguments after the name of the program.
    pub arguments: Vec<String>,
    pub directory: PathBuf,
    /// The variables that this process has with another value or not at all.
    pub environment: BTreeMap<String, String>,
}

/// Records how Cargo calls rustdoc.
#[derive(Debug)]
pub struct Recorder {
    directory: tempfile::TempDir,
    rustdoc: PathBuf,
}

impl Recorder {
    /// `rustdoc`: the program that Cargo would call.
    pub fn new(rustdoc: PathBuf) -> io::Result<Self> {
        Ok(Self {
            directory: tempfile::Builder::new().prefix("maelstrom-").tempdir()?,
            rustdoc,
        })
    }

    /// The variables that make Cargo call this program in the place of rustdoc.
    pub fn environment(&self) -> io::Result<Vec<(&'static str, OsString)>> {
        Ok(vec![
            ("RUSTDOC", env::current_exe()?.into()),
            (DIRECTORY, self.directory.path().into()),
            (RUSTDOC, self.rustdoc.clone().into()),
        ])
    }

    pub fn rustdoc(&self) -> &Path {
        &self.rustdoc
    }

    /// The calls in their order, when Cargo has ended.
    pub fn recordings(&self) -> io::Result<Vec<Recording>> {
        let read = |line: String| {
            let mut recording: Recording = serde_json::from_str(&line)?;
            (recording.environment)
                .retain(|name, value| env::var_os(name).as_deref() != Some(OsStr::new(value)));
            Ok(recording)
        };
        let lines = line_file::read(&self.directory.path().join(CALLS))?;
        lines.into_iter().map(read).collect()
    }
}

/// Acts as rustdoc, and never returns, if Cargo has started this process as rustdoc.
pub fn run_if_recorder() {
    let (Some(directory), Some(rustdoc)) = (env::var_os(DIRECTORY), env::var_os(RUSTDOC)) else {
        return;
    };
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    // A build script inherits the variables, and may start `cargo maelstrom`.
    let is_subcommand = arguments.first().is_some_and(|first| first == "maelstrom");
    if is_subcommand || env::var_os("RUSTDOC") != env::current_exe().ok().map(Into::into) {
        return;
    }
    // Cargo or a build script may ask for the version.
    if !arguments.iter().any(|argument| argument == "--test") {
        let error = Command::new(&rustdoc).args(arguments).exec();
        eprintln!(
            "error: cannot run {}: {error}",
            Path::new(&rustdoc).display()
        );
        exit(1)
    }
    match record(Path::new(&directory), arguments) {
        Ok(()) => exit(0),
        Err(error) => {
            eprintln!("error: cannot record a call of rustdoc: {error}");
            exit(1)
        }
    }
}

fn record(directory: &Path, arguments: Vec<OsString>) -> io::Result<()> {
    let text = |word: OsString| {
        word.into_string().map_err(|word| {
            io::Error::other(format!("the argument {} is not UTF-8", word.display()))
        })
    };
    let recording = Recording {
        arguments: arguments.into_iter().map(text).collect::<io::Result<_>>()?,
        directory: env::current_dir()?,
        // Variables that are not UTF-8 are those of the client, from which rustdoc inherits them.
        environment: env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .filter(|(name, _)| !NOT_RECORDED.contains(&name.as_str()))
            .collect(),
    };
    line_file::add(&directory.join(CALLS), &serde_json::to_string(&recording)?)
}

/// The arguments of a call of rustdoc, by what they are about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RustdocCall {
    /// The arguments about the code.
    pub arguments: Vec<String>,
    /// The program with which Cargo has executables run, and its arguments.
    pub runner: Option<Vec<String>>,
    /// The file of the library: of `--extern`, that with the name of the crate.
    pub library: Option<String>,
}

impl Recording {
    /// Divides the arguments. Those for the test harness are left out.
    pub fn call(&self) -> RustdocCall {
        let mut call = RustdocCall::default();
        let mut crate_name = String::new();
        let mut files = BTreeMap::new();
        let mut runner = None;
        let mut runner_arguments = Vec::new();
        let mut words = self.arguments.iter();
        while let Some(word) = words.next() {
            let mut value_of = |option: &str| {
                if word == option {
                    return Some(words.next().cloned().unwrap_or_default());
                }
                let value = word.strip_prefix(option)?.strip_prefix('=')?;
                Some(value.to_owned())
            };
            if value_of("--test-args").is_some() || value_of("--color").is_some() {
                continue;
            }
            if let Some(value) = value_of("--test-runtool") {
                runner = Some(value);
            } else if let Some(value) = value_of("--test-runtool-arg") {
                runner_arguments.push(value);
            } else if let Some(value) = value_of("--extern") {
                // Options such as `priv:` stand before the name.
                if let Some((name, path)) = value.split_once('=') {
                    let name = name.rsplit(':').next().unwrap_or(name);
                    files.insert(name.to_owned(), path.to_owned());
                }
                call.arguments.extend(["--extern".to_owned(), value]);
            } else if let Some(value) = value_of("--crate-name") {
                call.arguments
                    .extend(["--crate-name".to_owned(), value.clone()]);
                crate_name = value;
            } else if word != "--nocapture" && word != "--no-capture" {
                call.arguments.push(word.clone());
            }
        }
        call.library = files.remove(&crate_name);
        call.runner = runner.map(|program| {
            let mut words = vec![program];
            words.extend(runner_arguments);
            words
        });
        call
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(words: &[&str]) -> RustdocCall {
        Recording {
            arguments: words.iter().map(ToString::to_string).collect(),
            directory: "/".into(),
            environment: BTreeMap::new(),
        }
        .call()
    }

    #[test]
    fn what_concerns_the_code_is_kept_in_order() {
        let call = call(&[
            "--edition=2021",
            "--test",
            "src/lib.rs",
            "--color",
            "auto",
            "--crate-name",
            "k",
            "--extern=priv:dep=/t/libdep.rlib",
            "--extern",
            "k=/t/libk.rlib",
            "--test-args",
            "--quiet x",
            "--test-args=y",
            "-C",
            "embed-bitcode=no",
        ]);
        assert_eq!(
            call.arguments.join(" "),
            "--edition=2021 --test src/lib.rs --crate-name k --extern priv:dep=/t/libdep.rlib \
             --extern k=/t/libk.rlib -C embed-bitcode=no"
        );
        assert_eq!(call.library.unwrap(), "/t/libk.rlib");
        assert_eq!(call.runner, None);
    }

    #[test]
    fn the_runner_has_its_arguments() {
        let call = call(&[
            "--test-runtool",
            "qemu",
            "--test",
            "--test-runtool-arg",
            "-L",
            "--test-runtool-arg=/lib",
        ]);
        assert_eq!(call.arguments, ["--test"]);
        let runner = call.runner.unwrap();
        assert_eq!(runner, ["qemu", "-L", "/lib"]);
    }
}
