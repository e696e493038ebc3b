//! Asking git which files are source.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variables that tie git to a repository of its caller's choice, as they are set
/// when a test run is started by a git hook.
const TIES: [&str; 12] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_DIR",
    "GIT_GRAFT_FILE",
    "GIT_IMPLICIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_NAMESPACE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_SHALLOW_FILE",
    "GIT_WORK_TREE",
];

/// What came of asking.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Paths below the directory: files and symlinks, also ones that are missing,
    /// and the directories of submodules and other repositories.
    Files(Vec<PathBuf>),
    /// There is no git program to run.
    NotInstalled,
    /// Git refused; what it said.
    Refused(String),
}

/// Whether a directory is in a git work tree, as far as its parents tell.
pub(super) fn is_in_work_tree(directory: &Path) -> bool {
    directory
        .ancestors()
        .any(|ancestor| ancestor.join(".git").exists())
}

/// The files below `directory` that git tracks or does not ignore, but for those
/// below `never`, which are directories relative to it.
pub(super) fn list(directory: &Path, never: &[&Path]) -> Answer {
    list_with(OsStr::new("git"), directory, never)
}

fn list_with(git: &OsStr, directory: &Path, never: &[&Path]) -> Answer {
    let mut command = Command::new(git);
    command
        .arg("-C")
        .arg(directory)
        // A hook or a daemon of the user's would be started by this one.
        .args(["-c", "core.fsmonitor=false"])
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .args(["--", "."])
        .args(never.iter().map(|path| {
            let mut exclude = OsString::from(":(exclude,literal)");
            exclude.push(path);
            exclude
        }))
        .env("LC_ALL", "C")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null());
    for variable in TIES {
        command.env_remove(variable);
    }
    match command.output() {
        Ok(output) if output.status.success() => Answer::Files(split(&output.stdout)),
        Ok(output) => Answer::Refused(complaint(&output.stderr)),
        // Not allowed: `PATH` leads through somebody else's directories.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            Answer::NotInstalled
        }
        Err(error) => Answer::Refused(error.to_string()),
    }
}

/// Paths once each: a file with conflicts is listed in every version.
fn split(output: &[u8]) -> Vec<PathBuf> {
    let mut paths: Vec<&[u8]> = output
        .split(|&byte| byte == 0)
        .map(|path| path.strip_suffix(b"/").unwrap_or(path))
        .filter(|path| !path.is_empty())
        .collect();
    // Paths as such compare by component, which takes its time.
    paths.sort_unstable();
    paths.dedup();
    paths
        .into_iter()
        .map(|path| OsString::from_vec(path.to_vec()).into())
        .collect()
}

fn complaint(stderr: &[u8]) -> String {
    let first = stderr.split(|&byte| byte == b'\n').next();
    let first = OsStr::from_bytes(first.unwrap_or_default());
    let first = first.to_string_lossy();
    first.strip_prefix("fatal: ").unwrap_or(&first).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_split_at_zero_bytes_and_lose_trailing_slashes() {
        assert_eq!(
            split(b"b c\0a\nb\0nested/\0b c\0"),
            ["a\nb", "b c", "nested"].map(PathBuf::from)
        );
    }

    #[test]
    fn a_missing_git_is_told_from_one_that_refuses() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(
            list_with(OsStr::new("no-such-git-program"), directory.path(), &[]),
            Answer::NotInstalled
        );
        assert!(matches!(
            list_with(OsStr::new("false"), directory.path(), &[]),
            Answer::Refused(_)
        ));
    }
}
