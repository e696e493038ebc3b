//! Lists source files with git.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Variables that select git's repository. A git hook that starts a test run has them set.
const REPOSITORY_VARIABLES: [&str; 12] = [
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

/// The result of listing files with git.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum GitListing {
    /// Paths below the directory: files and symlinks, including missing ones, and the
    /// directories of submodules and nested repositories.
    Files(Vec<PathBuf>),
    /// No git program can be run.
    NotInstalled,
    /// Git failed with this message.
    Refused(String),
}

/// Whether a directory or one of its parents has a `.git`.
pub(super) fn is_in_work_tree(directory: &Path) -> bool {
    directory
        .ancestors()
        .any(|ancestor| ancestor.join(".git").exists())
}

/// The files below `directory` that git tracks or does not ignore. Directories in `excluded` are
/// left out; they are relative to `directory`.
pub(super) fn list(directory: &Path, excluded: &[&Path]) -> GitListing {
    list_with(OsStr::new("git"), directory, excluded)
}

fn list_with(git: &OsStr, directory: &Path, excluded: &[&Path]) -> GitListing {
    let mut command = Command::new(git);
    command
        .arg("-C")
        .arg(directory)
        // The setting would start a hook or a daemon.
        .args(["-c", "core.fsmonitor=false"])
        .args([
            "ls-files",
            "-z",
            "--cached",
            "--others",
            "--exclude-standard",
        ])
        .args(["--", "."])
        .args(excluded.iter().map(|path| {
            let mut exclude = OsString::from(":(exclude,literal)");
            exclude.push(path);
            exclude
        }))
        .env("LC_ALL", "C")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null());
    for variable in REPOSITORY_VARIABLES {
        command.env_remove(variable);
    }
    match command.output() {
        Ok(output) if output.status.success() => GitListing::Files(split(&output.stdout)),
        Ok(output) => GitListing::Refused(complaint(&output.stderr)),
        // `PermissionDenied`: a directory in `PATH` may not be searched.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied
            ) =>
        {
            GitListing::NotInstalled
        }
        Err(error) => GitListing::Refused(error.to_string()),
    }
}

/// The paths, each once: git lists a file with merge conflicts several times.
fn split(output: &[u8]) -> Vec<PathBuf> {
    let mut paths: Vec<&[u8]> = output
        .split(|&byte| byte == 0)
        .map(|path| path.strip_suffix(b"/").unwrap_or(path))
        .filter(|path| !path.is_empty())
        .collect();
    // Bytes are compared, as comparing `Path`s by component is slow.
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
    fn a_missing_git_program_differs_from_one_that_fails() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(
            list_with(OsStr::new("no-such-git-program"), directory.path(), &[]),
            GitListing::NotInstalled
        );
        assert!(matches!(
            list_with(OsStr::new("false"), directory.path(), &[]),
            GitListing::Refused(_)
        ));
    }
}
