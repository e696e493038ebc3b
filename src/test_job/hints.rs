//! Hints about what a failed test may lack, and which directive adds it.
//!
//! A test that passes outside a container and fails in one usually needs a program or a file of the
//! host. The output of the test and the sources of its package often name it.

use super::toolchain;
use crate::cargo::TestBinary;
use crate::container::{Step, StepError};
use crate::executor::{Outcome, Status};
use crate::layer::base_has;
use crate::spec::{ContainerSpec, LayerSpec, environment};
use camino::Utf8Path;
use nix::libc::ENOENT;
use regex::bytes::Regex;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// How many bytes at the end of each stream are searched.
const SEARCHED_OUTPUT: usize = 64 * 1024;

/// How many bytes of a package's sources are searched.
const SEARCHED_SOURCES: u64 = 8 << 20;

/// Error messages about a missing file or program.
static MISSING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"(?i)no such file or directory|not found|os error 2\b|NotFound|cannot find|could not find|does not exist|No such file",
    )
    .ok()
});

/// `Command::new("git")` and similar calls.
static STARTS_PROGRAM: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"(?:Command::new|cmd!?|Exec::cmd|which|Exec::shell)\s*\(\s*"([A-Za-z0-9_.+-]+)["\s]"#,
    )
    .ok()
});

/// A word that could be a program's name or an absolute path.
static WORD: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"/?[A-Za-z0-9_.+@-][A-Za-z0-9_./+@-]*").ok());

/// The error message of a loader about a C library that is too old.
static LIBRARY_TOO_OLD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?m)^\S+: \S+: version `GLIBC_[0-9.]+' not found \(required by ").ok()
});

/// The error message of a loader about a missing library.
static LIBRARY_MISSING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?m)^\S+: error while loading shared libraries: |^Error loading shared library ")
        .ok()
});

/// Hints for a failed test, a paragraph each. `lacks_sources`: the container lacks sources of the
/// workspace.
pub fn hints(
    outcome: &Outcome,
    binary: &TestBinary,
    container: &ContainerSpec,
    lacks_sources: bool,
) -> Vec<String> {
    let mut hints = Vec::new();
    if outcome.scratch_full {
        hints.push(
            "the test used up the space for the files that it writes: `/tmp`, HOME and all changed \
             files share one tmpfs, of half the machine's memory divided by the number of slots \
             (`-j`)"
                .to_owned(),
        );
    }
    if let Some(hint) = not_loaded(outcome) {
        hints.push(hint);
        return hints;
    }
    if let Status::Exited(1 | 101 | 127) = outcome.status {
        if lacks_sources && names_something_missing(outcome) {
            hints.push(format!(
                "with `--cache-results`, a container has only the sources of the test's package \
                 and of its dependencies; to add the sources of the whole workspace, write in \
                 maelstrom-test.toml:\n\n    [[directives]]\n    filter = \
                 \"package.equals({})\"\n    added_layers = [{{ source = \"<workspace-dir>\" }}]",
                binary.package.name
            ));
        }
        hints.extend(missing(outcome, binary, container).unwrap_or_default());
    }
    hints
}

/// The hint for a test binary that could not be loaded. `None`: the binary was loaded.
pub fn not_loaded(outcome: &Outcome) -> Option<String> {
    const ADD: &str = "`include_shared_libraries = true` in the directive adds the loader and \
                       libraries of this machine";
    match &outcome.status {
        Status::NotStarted(StepError {
            step: Step::Execute { .. },
            errno: ENOENT,
        }) => Some(format!(
            "the container does not contain the test program or its loader; {ADD}"
        )),
        // The exit codes of the loaders of glibc and musl.
        Status::Exited(1 | 127) => {
            let stderr = &outcome.stderr.head;
            let is_older = LIBRARY_TOO_OLD.as_ref().is_some_and(|r| r.is_match(stderr));
            let is_absent = LIBRARY_MISSING.as_ref().is_some_and(|r| r.is_match(stderr));
            if is_older {
                Some(format!(
                    "the C library of the image is older than that which the test was linked with; \
                     use an image that is as new as this machine, or build on an older machine; \
                     {ADD}, but then programs of the image use them too"
                ))
            } else if is_absent {
                Some(format!(
                    "the container does not contain all libraries that the test was linked with; \
                     {ADD}; or use an image that contains them"
                ))
            } else {
                None
            }
        }
        _ => None,
    }
}

fn end_of_output(outcome: &Outcome) -> Vec<u8> {
    [
        &outcome.stdout.head,
        &outcome.stdout.tail,
        &outcome.stderr.head,
        &outcome.stderr.tail,
    ]
    .map(|bytes| &bytes[bytes.len().saturating_sub(SEARCHED_OUTPUT)..])
    .join(&b'\n')
}

fn names_something_missing(outcome: &Outcome) -> bool {
    let output = end_of_output(outcome);
    MISSING.as_ref().is_some_and(|r| r.is_match(&output))
}

fn missing(
    outcome: &Outcome,
    binary: &TestBinary,
    container: &ContainerSpec,
) -> Option<Vec<String>> {
    let output = end_of_output(outcome);
    if !MISSING.as_ref()?.is_match(&output) && outcome.status != Status::Exited(127) {
        return None;
    }
    let (mut programs, mut files) = named(&output);
    if programs.is_empty() && files.is_empty() {
        programs = started_by_sources(binary);
    }
    if let Some(image) = container.image.as_ref().filter(|image| image.layers) {
        // Programs of this machine would bring libraries that replace those of the image.
        return Some(vec![format!(
            "the container has the programs and files of the image `{}`, not those of this machine; \
             to add what the test lacks, install it by a layer `{{ command = … }}`, or use another \
             image",
            image.image
        )]);
    }
    programs.retain(|program| !contains(container, program));
    files.retain(|file| !contains(container, file));
    let mut hints = Vec::new();
    if !programs.is_empty() {
        let list = quoted(&programs);
        let path = path_extension(&programs, container);
        hints.push(format!(
            "a test's container does not contain the programs of this machine; to add those that \
             this test seems to start, write in maelstrom-test.toml:\n\n    [[directives]]\n    filter = \
             \"package.equals({})\"\n    added_layers = [{{ programs = [{list}] }}]{path}",
            binary.package.name
        ));
    }
    if !files.is_empty() {
        let list = quoted(&files);
        hints.push(format!(
            "a test's container does not contain the files of this machine; to add those that this \
             test seems to look for, write in maelstrom-test.toml:\n\n    [[directives]]\n    filter = \
             \"package.equals({})\"\n    added_layers = [{{ paths = [{list}], follow_symlinks = true }}]",
            binary.package.name
        ));
    }
    if hints.is_empty() {
        hints.push(
            "the test may be looking for a program or file of this machine; its container contains \
             only those that maelstrom-test.toml adds, as in:\n\n    [[directives]]\n    \
             added_layers = [{ programs = [\"git\"] }, { paths = [\"/usr/share/dict/words\"] }]"
                .to_owned(),
        );
    }
    Some(hints)
}

/// The programs on the client's `PATH` and the files of the host in the error messages about missing
/// files.
fn named(output: &[u8]) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut programs, mut files) = (BTreeSet::new(), BTreeSet::new());
    let (Some(missing), Some(word)) = (MISSING.as_ref(), WORD.as_ref()) else {
        return (programs, files);
    };
    for line in output.split(|byte| *byte == b'\n') {
        if !missing.is_match(line) {
            continue;
        }
        for found in word.find_iter(line) {
            let Ok(text) = std::str::from_utf8(found.as_bytes()) else {
                continue;
            };
            let text = text.trim_end_matches(['.', ',', ':']);
            if let Some(name) = program_name(text) {
                programs.insert(name.to_owned());
            } else if text.len() > 1 && text.starts_with('/') && Utf8Path::new(text).is_file() {
                files.insert(text.to_owned());
            }
        }
    }
    (programs, files)
}

/// The program that a word of the output names. `None`: the word is not a program of the host, or is
/// common in error messages.
fn program_name(text: &str) -> Option<&str> {
    const WORDS: [&str; 12] = [
        "file",
        "test",
        "at",
        "find",
        "not",
        "no",
        "which",
        "command",
        "unwrap",
        "path",
        "in",
        "directory",
    ];
    if text.contains('/') {
        let path = Utf8Path::new(text);
        let in_bin = path.parent().is_some_and(|parent| parent.ends_with("bin"));
        return (in_bin && path.is_file()).then_some(text);
    }
    (!WORDS.contains(&text) && on_host(text).is_some()).then_some(text)
}

/// The programs that the sources of the test's package start by name.
fn started_by_sources(binary: &TestBinary) -> BTreeSet<String> {
    let mut programs = BTreeSet::new();
    let Some(starts_program) = STARTS_PROGRAM.as_ref() else {
        return programs;
    };
    let mut left = SEARCHED_SOURCES;
    let directory = &binary.package.directory;
    let files = ignore::WalkBuilder::new(directory)
        .filter_entry(|entry| entry.file_name() != "target")
        .build()
        .filter_map(Result::ok)
        .filter(|entry| entry.path().extension().is_some_and(|e| e == "rs"));
    for entry in files {
        let size = entry.metadata().map_or(0, |metadata| metadata.len());
        if size > left {
            break;
        }
        left -= size;
        let text = std::fs::read(entry.path()).unwrap_or_default();
        for found in starts_program.captures_iter(&text) {
            let name = String::from_utf8_lossy(&found[1]).into_owned();
            if on_host(&name).is_some() {
                programs.insert(name);
            }
        }
    }
    programs
}

fn on_host(program: &str) -> Option<PathBuf> {
    use std::os::unix::fs::PermissionsExt as _;
    std::env::split_paths(&std::env::var_os("PATH")?)
        .map(|directory| directory.join(program))
        .find(|path| {
            path.metadata()
                .is_ok_and(|m| m.is_file() && m.permissions().mode() & 0o111 != 0)
        })
}

/// The line of a directive that adds the directories of these programs to the container's `PATH`.
/// Empty if all of them are in it.
fn path_extension(programs: &BTreeSet<String>, container: &ContainerSpec) -> String {
    let in_path = |directory: &Path| {
        let variables = container.environment.iter();
        let mut paths = variables.filter_map(|element| element.vars.get("PATH"));
        paths.any(|path| std::env::split_paths(path).any(|other| other == directory))
    };
    let added: BTreeSet<String> = programs
        .iter()
        // The programs of a toolchain are added to `PATH` with it.
        .filter(|name| !name.contains('/') && !toolchain::is_program(name))
        .filter_map(|name| Some(on_host(name)?.parent()?.to_owned()))
        .filter(|directory| !in_path(directory))
        .filter_map(|directory| Some(environment::escape(directory.to_str()?)))
        .collect();
    if added.is_empty() {
        return String::new();
    }
    let added = Vec::from_iter(added).join(":");
    format!(
        "\n    added_environment = {{ PATH = {:?} }}",
        format!("{added}:$prev{{PATH}}")
    )
}

/// Whether a layer of the container contains the program or file with this name.
fn contains(container: &ContainerSpec, name: &str) -> bool {
    container.layers.iter().any(|layer| match layer {
        LayerSpec::Programs { programs } => programs.iter().any(|program| program == name),
        LayerSpec::Paths { paths, .. } => paths.iter().any(|path| path == name),
        LayerSpec::Base { base } => base.iter().any(|&part| base_has(part, name)),
        _ => false,
    })
}

fn quoted(words: &BTreeSet<String>) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:?}")).collect();
    words.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::Captured;

    fn hint(code: i32, stderr: &str) -> Option<String> {
        let outcome = Outcome {
            status: Status::Exited(code),
            stderr: Captured {
                head: stderr.as_bytes().to_vec(),
                ..Captured::default()
            },
            ..Outcome::error(String::new())
        };
        not_loaded(&outcome)
    }

    #[test]
    fn errors_of_loaders_and_of_tests_are_distinguished() {
        for (code, stderr, expected) in [
            (
                1,
                "/t/a: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.39' not found (required \
                 by /t/a)\n/t/a: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found \
                 (required by /t/a)\n",
                Some("the C library of the image is older"),
            ),
            (
                127,
                "/t/a: error while loading shared libraries: libz.so.1: cannot open shared object \
                 file: No such file or directory\n",
                Some("does not contain all libraries"),
            ),
            (
                127,
                "Error loading shared library libgcc_s.so.1: No such file or directory (needed by \
                 /t/a)\n",
                Some("does not contain all libraries"),
            ),
            (101, "git: error while loading shared libraries: x\n", None),
            (1, "version `GLIBC_2.39' not found\n", None),
        ] {
            let hint = hint(code, stderr);
            let as_expected = match expected {
                Some(text) => hint.as_ref().is_some_and(|hint| hint.contains(text)),
                None => hint.is_none(),
            };
            assert!(as_expected, "{stderr}: {hint:?}");
        }
    }
}
