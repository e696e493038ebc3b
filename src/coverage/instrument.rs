//! Compiling the members of the workspace with instrumentation.
//!
//! Cargo calls this program as its `RUSTC_WRAPPER`. It adds arguments for members of the workspace and
//! executes the compiler, or the wrapper that Cargo would have called. Dependencies are compiled as
//! they always are. Cargo's own flags (`RUSTFLAGS` and what the configuration has in their place)
//! stay as they are.
//!
//! A compiler that runs a procedural macro of the workspace writes a profile, which counts, too. It is
//! kept as long as the target that was compiled is up to date, so that the report does not depend on
//! what this run had to compile.

use super::job_profiles::VARIABLE;
use crate::cargo::{BuiltTarget, CompilerVersion};
use crate::doctest::Recording;
use crate::process::replace_file;
use crate::store::Digest;
use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, exit};

/// The variable with the path of the file that tells a wrapper what to do.
const ORDERS: &str = "MAELSTROM_COVERAGE";

/// The variable of Cargo with its wrapper.
const WRAPPER: &str = "RUSTC_WRAPPER";

/// The name of the file, and those of the directories beside it.
const ORDERS_FILE: &str = "instrument.json";
const OF_TARGETS: &str = "of-targets";
const OF_OTHERS: &str = "of-build";

/// The files for profiles in a directory.
const FILES: &str = "%4m.profraw";

/// A build with instrumentation.
#[derive(Clone, Debug)]
pub struct Instrumentation {
    directory: Utf8PathBuf,
    flags: Vec<String>,
}

/// What a wrapper does.
#[derive(Debug, Serialize, Deserialize)]
struct Orders {
    /// The directories of the members.
    members: BTreeSet<Utf8PathBuf>,
    /// The arguments of the compiler for members.
    flags: Vec<String>,
    /// The wrapper that Cargo would call.
    wrapper: Option<PathBuf>,
}

impl Instrumentation {
    /// `directory`: for files of the build. `members`: the directories of the members. `configured`:
    /// the wrapper in Cargo's configuration.
    pub fn prepare(
        directory: &Utf8Path,
        members: BTreeSet<Utf8PathBuf>,
        configured: Option<&Path>,
        compiler: CompilerVersion,
    ) -> io::Result<Self> {
        let mut flags = vec![
            "-Cinstrument-coverage".to_owned(),
            "--cfg=coverage".to_owned(),
        ];
        if compiler.is_nightly {
            flags.push("--cfg=coverage_nightly".to_owned());
        }
        // An empty variable switches the wrapper of the configuration off.
        let wrapper = match env::var_os(WRAPPER) {
            Some(given) if given.is_empty() => None,
            Some(given) => Some(PathBuf::from(given)),
            None => configured.map(Path::to_owned),
        };
        let this = env::current_exe()?;
        let orders = Orders {
            members,
            flags: flags.clone(),
            wrapper: wrapper.filter(|wrapper| *wrapper != this),
        };
        fs::create_dir_all(directory)?;
        match fs::remove_dir_all(directory.join(OF_OTHERS)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let orders = serde_json::to_vec(&orders)?;
        replace_file(directory.join(ORDERS_FILE).as_std_path(), &orders)?;
        Ok(Self {
            directory: directory.to_owned(),
            flags,
        })
    }

    /// The variables of Cargo.
    pub fn environment(&self) -> io::Result<Vec<(&'static str, OsString)>> {
        let of_others = self.directory.join(OF_OTHERS).join(FILES);
        Ok(vec![
            (WRAPPER, env::current_exe()?.into()),
            (ORDERS, self.directory.join(ORDERS_FILE).into()),
            // Build scripts that use members would write into the sources.
            (VARIABLE, of_others.into()),
        ])
    }

    /// Makes a recorded call of rustdoc compile with instrumentation. Cargo does not call rustdoc by
    /// a wrapper.
    pub fn add_to(&self, recording: &mut Recording) {
        recording.arguments.extend(self.flags.iter().cloned());
        // Rustdoc starts this program as another tool.
        recording.environment.remove(ORDERS);
    }

    /// The profiles that the build of these targets has written. Blocks.
    pub fn profiles(&self, built: &[BuiltTarget]) -> Vec<PathBuf> {
        let of_targets = self.directory.join(OF_TARGETS);
        let directories = built.iter().map(|target| {
            let key = target_key(target.src_path.as_std_path(), target.is_test);
            of_targets.join(key)
        });
        let directories: BTreeSet<Utf8PathBuf> = directories
            .chain([self.directory.join(OF_OTHERS)])
            .collect();
        let entries = directories.iter().filter_map(|d| fs::read_dir(d).ok());
        let files = entries.flatten().filter_map(Result::ok);
        let is_written = |entry: &fs::DirEntry| entry.metadata().is_ok_and(|file| file.len() > 0);
        files.filter(is_written).map(|entry| entry.path()).collect()
    }
}

/// The name of the directory with the profiles of the compiler of a target.
fn target_key(src_path: &Path, is_test: bool) -> String {
    let digest = Digest::of(format!("{is_test} {}", src_path.display()).as_bytes());
    digest.to_string().chars().take(16).collect()
}

/// Acts as the compiler, and never returns, if Cargo has started this process as its wrapper. A
/// program that is used as one must call this before anything else.
pub fn run_if_compiler() {
    let Some(orders) = env::var_os(ORDERS) else {
        return;
    };
    let arguments: Vec<OsString> = env::args_os().skip(1).collect();
    // The first word is a program. Cargo calls this program as rustdoc, too, with options only. A build
    // script inherits the variables, and may start `cargo maelstrom`.
    let is_compiler = arguments
        .first()
        .is_some_and(|first| first != "maelstrom" && !first.as_encoded_bytes().starts_with(b"-"));
    if !is_compiler || env::var_os(WRAPPER) != env::current_exe().ok().map(Into::into) {
        return;
    }
    let error = match read_orders(Path::new(&orders)) {
        Ok(read) => compiler(&orders, &read, &arguments).exec(),
        Err(error) => error,
    };
    eprintln!("error: cannot run the compiler for `cargo maelstrom --coverage`: {error}");
    exit(1)
}

fn read_orders(path: &Path) -> io::Result<Orders> {
    Ok(serde_json::from_slice(&fs::read(path)?)?)
}

/// The command of the compiler. `arguments`: its program and its arguments.
fn compiler(file: &OsStr, orders: &Orders, arguments: &[OsString]) -> Command {
    let mut words = orders.wrapper.iter().map(|wrapper| wrapper.as_os_str());
    let mut given = arguments.iter().map(OsString::as_os_str);
    let program = words.next().or_else(|| given.next()).unwrap_or_default();
    let mut command = Command::new(program);
    command.args(given);
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let package = package.and_then(|package| Utf8PathBuf::from_path_buf(package).ok());
    if package.is_some_and(|package| orders.members.contains(&package)) {
        command.args(&orders.flags);
        if let (Some(directory), Some(key)) = (Path::new(file).parent(), key_of_call(arguments)) {
            let directory = directory.join(OF_TARGETS).join(key);
            // Only the last time that the target was compiled counts.
            let _ = fs::remove_dir_all(&directory);
            command.env(VARIABLE, directory.join(FILES));
        }
    }
    command
}

/// The key of the target that a call of the compiler compiles.
fn key_of_call(arguments: &[OsString]) -> Option<String> {
    let is_source = |word: &&OsString| Path::new(word).extension() == Some(OsStr::new("rs"));
    let source = std::path::absolute(arguments.iter().find(is_source)?).ok()?;
    // Tests without a harness have the configuration only.
    let is_test = arguments.iter().any(|word| word == "--test")
        || (arguments.windows(2)).any(|words| words[0] == "--cfg" && words[1] == "test");
    Some(target_key(&source, is_test))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn a_call_has_the_key_of_its_target() {
        let call = "rustc --crate-name a --edition=2024 src/lib.rs --crate-type lib -C opt-level=0";
        let source = std::path::absolute("src/lib.rs").unwrap();
        assert_eq!(key_of_call(&words(call)), Some(target_key(&source, false)));
        let test = format!("{call} --test");
        assert_eq!(key_of_call(&words(&test)), Some(target_key(&source, true)));
        let without_harness = format!("{call} --cfg test");
        let key = key_of_call(&words(&without_harness));
        assert_eq!(key, Some(target_key(&source, true)));
        assert_eq!(key_of_call(&words("rustc -vV")), None);
    }

    #[test]
    fn the_wrapper_of_cargo_is_called_in_place_of_the_compiler() {
        let orders = |wrapper: Option<&str>| Orders {
            members: BTreeSet::new(),
            flags: vec!["-Cx".to_owned()],
            wrapper: wrapper.map(PathBuf::from),
        };
        let call = |wrapper| {
            let command = compiler("f".as_ref(), &orders(wrapper), &words("rustc a.rs"));
            let words = std::iter::once(command.get_program()).chain(command.get_args());
            let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
            words.join(" ")
        };
        assert_eq!(call(None), "rustc a.rs");
        assert_eq!(call(Some("sccache")), "sccache rustc a.rs");
    }
}
