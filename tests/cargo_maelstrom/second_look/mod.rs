//! The second look at a failed test: the test runs again over the files of this machine, and passes
//! if it only lacked some of them.

mod exempt;
mod failing;
mod identity;
mod kept;
mod proven;
mod secrets;

use crate::fixture::{Project, Run};
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The option that selects the test binary of [`Looked`].
const BINARY: &str = "--test=looked";

/// The beginning of every test binary. `run` counts the runs of a test, in a directory of the
/// client. It is 0 if the test does not have the directory.
const START: &str = r#"
#![allow(dead_code, unused_imports)]

use std::{env, fs, io::Write as _, path::Path, process::Command};

fn run(name: &str) -> u64 {
    let mut counter = fs::OpenOptions::new();
    let path = format!("/runs/{name}");
    let Ok(mut file) = counter.append(true).create(true).open(&path) else {
        return 0;
    };
    file.write_all(b".").unwrap();
    file.metadata().unwrap().len()
}

fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    assert!(output.status.success(), "{program}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}
"#;

/// Directives that give every test the directory of the counters.
const DIRECTIVE: &str = "
[[directives]]
added_layers = [{ stubs = ['/runs/'] }]
added_mounts = [{ type = 'bind', mount_point = '/runs', local_path = '<runs>' }]
";

/// A project with one test binary, whose tests count their runs.
struct Looked {
    project: Project,
    runs: PathBuf,
}

impl Looked {
    fn new(tests: &str) -> Self {
        let looked = Self::without_directives(tests);
        looked.directives("");
        looked
    }

    fn without_directives(tests: &str) -> Self {
        let project = Project::own("outcomes");
        let runs = project.temporary().join("runs");
        fs::create_dir(&runs).unwrap();
        // Tests have another user's id.
        fs::set_permissions(&runs, fs::Permissions::from_mode(0o777)).unwrap();
        let looked = Self { project, runs };
        looked.tests(tests);
        looked
    }

    /// Writes the test binary.
    fn tests(&self, tests: &str) {
        self.project
            .write("tests/looked.rs", &format!("{START}{tests}"));
    }

    /// Writes directives, after the one for the counters.
    fn directives(&self, more: &str) {
        let counters = DIRECTIVE.replace("<runs>", self.runs.to_str().unwrap());
        self.project.directives(&format!("{counters}{more}"));
    }

    /// A run with JSON on stdout, and text for people on stderr.
    fn run(&self, options: &[&str]) -> Run {
        self.run_with::<&str>(options, &[])
    }

    fn run_with<V: AsRef<OsStr>>(&self, options: &[&str], variables: &[(&str, V)]) -> Run {
        let all = [&[BINARY, "--message-format=json"], options].concat();
        let mut command = self.project.command(&all);
        Run::of(
            command.envs(variables.iter().map(|(name, value)| (name, value))),
            &self.project,
        )
    }

    /// The number of runs of a test.
    fn runs(&self, name: &str) -> u64 {
        let metadata = fs::metadata(self.runs.join(name));
        metadata.map_or(0, |metadata| metadata.len())
    }
}

/// The variables of a user with this home directory, who has the toolchain of this one.
fn of_home(home: &Path) -> Vec<(&'static str, String)> {
    let mut variables = vec![("HOME", home.to_str().unwrap().to_owned())];
    let rustup = std::env::home_dir().unwrap().join(".rustup");
    if rustup.exists() && std::env::var_os("RUSTUP_HOME").is_none() {
        variables.push(("RUSTUP_HOME", rustup.to_str().unwrap().to_owned()));
    }
    variables
}

/// The needs of a test in its `finished` event.
#[track_caller]
fn needs(run: &Run, name: &str) -> BTreeSet<String> {
    names(&run.finished(name), "needs")
}

fn names(event: &Value, key: &str) -> BTreeSet<String> {
    let list = event[key].as_array().into_iter().flatten();
    list.map(|name| name.as_str().unwrap().to_owned()).collect()
}
