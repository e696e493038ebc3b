//! Finds programs by name, and follows their symlinks and `#!` lines.

use super::{
    Closure, Libraries, LibraryError, MissingProgram, MissingPrograms, SearchContext, search,
};
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

const DEFAULT_PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// The directories that are the same on systems with a merged `/usr`.
const MERGED_DIRECTORIES: [&str; 4] = ["/bin", "/usr/bin", "/sbin", "/usr/sbin"];

/// The bytes of a script that the kernel reads to find its interpreter (`BINPRM_BUF_SIZE`), and
/// the number of symlinks that it follows.
const MAX_SCRIPT_HEAD: u64 = 256;
const MAX_SYMLINKS: usize = 40;

pub(super) fn programs(
    libraries: &Libraries,
    names: &[String],
    path: Option<&OsStr>,
    context: &SearchContext,
) -> Result<Closure, LibraryError> {
    let working_directory = context.working_directory.as_ref();
    let path = path.unwrap_or(OsStr::new(DEFAULT_PATH));
    let mut programs = Programs {
        working_directory: working_directory.map(|path| path.as_std_path()),
        path: std::env::split_paths(path).collect(),
        closure: Closure::default(),
        binaries: BTreeSet::new(),
        missing: Vec::new(),
        seen: BTreeSet::new(),
    };
    for name in names {
        programs.add(Path::new(name), None)?;
        if name == "sh" {
            programs.add_shell()?;
        }
    }
    if !programs.missing.is_empty() {
        Err(MissingPrograms {
            programs: programs.missing,
            path: programs.path,
        })?;
    }
    let binaries = programs.binaries.iter().map(PathBuf::as_path);
    let mut closure = search::closure(libraries, binaries, context)?;
    closure.merge(programs.closure)?;
    Ok(closure)
}

struct Programs<'a> {
    working_directory: Option<&'a Path>,
    path: Vec<PathBuf>,
    closure: Closure,
    /// The resolved paths of files that may need libraries.
    binaries: BTreeSet<PathBuf>,
    missing: Vec<MissingProgram>,
    /// The names that were handled.
    seen: BTreeSet<PathBuf>,
}

impl Programs<'_> {
    /// Adds the program that running `name` would run, and the files that it needs.
    fn add(&mut self, name: &Path, script: Option<&Path>) -> Result<(), LibraryError> {
        if !self.seen.insert(name.to_owned()) {
            return Ok(());
        }
        let candidates = self.candidates(name);
        let (found, others): (Vec<_>, Vec<_>) = candidates
            .into_iter()
            .filter(|candidate| candidate.is_file())
            .partition(|candidate| is_executable(candidate));
        let Some(found) = found.into_iter().next() else {
            self.missing.push(MissingProgram {
                name: name.to_owned(),
                script: script.map(Path::to_owned),
                not_executable: others.into_iter().next(),
            });
            return Ok(());
        };
        let file = self.add_with_symlinks(&found)?;
        for other in other_paths(&found, &file) {
            self.add_with_symlinks(&other)?;
        }
        match interpreter(&file)? {
            Some((interpreter, program)) => {
                self.add(&interpreter, Some(&found))?;
                if let Some(program) = program {
                    self.add(&program, Some(&found))?;
                }
            }
            // The search for libraries ignores files that are not ELF.
            None => {
                self.binaries.insert(file);
            }
        }
        Ok(())
    }

    /// Adds `/bin/sh`, the path at which scripts, system(3) and popen(3) run `sh`.
    fn add_shell(&mut self) -> Result<(), LibraryError> {
        let usual = Path::new("/bin/sh");
        if self.closure.get(usual).is_some() {
            Ok(())
        } else if is_executable(usual) {
            self.add(usual, None)
        } else {
            let candidates = self.candidates(Path::new("sh"));
            if let Some(found) = candidates.iter().find(|path| is_executable(path)) {
                let file = resolve(found)?;
                self.closure.add_symlink(usual, found, &file)?;
            }
            Ok(())
        }
    }

    /// The paths at which execvp(3) would search for `name`.
    fn candidates(&self, name: &Path) -> Vec<PathBuf> {
        let absolute = |path: PathBuf| {
            if path.is_absolute() {
                Some(path)
            } else {
                self.working_directory.map(|start| start.join(path))
            }
        };
        if name.as_os_str().as_bytes().contains(&b'/') {
            absolute(name.to_owned()).into_iter().collect()
        } else {
            let all = self.path.iter().map(|directory| directory.join(name));
            all.filter_map(absolute).collect()
        }
    }

    /// Adds the symlinks that lead from `path` to a file, each at its path with directory
    /// symlinks resolved, and the file. Returns the file's path.
    fn add_with_symlinks(&mut self, path: &Path) -> Result<PathBuf, LibraryError> {
        let file = resolve(path)?;
        let mut here = path.to_owned();
        for _ in 0..MAX_SYMLINKS {
            let resolved = in_resolved_directory(&here)?;
            self.closure.add_symlink(&here, &resolved, &file)?;
            let Ok(target) = fs::read_link(&resolved) else {
                break;
            };
            let directory = resolved.parent().unwrap_or(Path::new("/"));
            let next = in_resolved_directory(&directory.join(target))?;
            self.closure.add_symlink(&resolved, &next, &file)?;
            here = next;
        }
        self.closure.add_file(&file, &file)?;
        Ok(file)
    }
}

/// The other paths of `file`, which was found at `found`, in directories that are the same.
fn other_paths(found: &Path, file: &Path) -> Vec<PathBuf> {
    let (Some(directory), Some(name)) = (found.parent(), found.file_name()) else {
        return Vec::new();
    };
    if !MERGED_DIRECTORIES
        .iter()
        .any(|other| directory == Path::new(other))
    {
        return Vec::new();
    }
    let others = MERGED_DIRECTORIES
        .iter()
        .map(|other| Path::new(other).join(name));
    others
        .filter(|other| other != found)
        .filter(|other| fs::canonicalize(other).is_ok_and(|other| other == file))
        .collect()
}

/// `path` with directory symlinks resolved. Its file name is kept.
fn in_resolved_directory(path: &Path) -> Result<PathBuf, LibraryError> {
    match (path.parent(), path.file_name()) {
        (Some(directory), Some(name)) => Ok(resolve(directory)?.join(name)),
        _ => resolve(path),
    }
}

fn resolve(path: &Path) -> Result<PathBuf, LibraryError> {
    fs::canonicalize(path).map_err(|source| LibraryError::Read {
        path: path.to_owned(),
        source,
    })
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

/// The interpreter of a script, and if that is `env`, the program that `env` runs. `None`: the
/// file is not a script.
fn interpreter(file: &Path) -> Result<Option<(PathBuf, Option<PathBuf>)>, LibraryError> {
    let head = read_head(file).map_err(|source| LibraryError::Read {
        path: file.to_owned(),
        source,
    })?;
    Ok(parse_script(&head))
}

fn read_head(file: &Path) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    File::open(file)?
        .take(MAX_SCRIPT_HEAD)
        .read_to_end(&mut head)?;
    Ok(head)
}

/// Parses a `#!` line as the kernel does (see execve(2)): the interpreter, and the rest as one
/// argument. `env -S` splits that argument.
fn parse_script(head: &[u8]) -> Option<(PathBuf, Option<PathBuf>)> {
    let line = head.strip_prefix(b"#!")?;
    let line = line.split(|&byte| byte == b'\n' || byte == 0).next()?;
    let mut words = line
        .split(|byte| matches!(byte, b' ' | b'\t' | b'\r'))
        .filter(|word| !word.is_empty());
    let interpreter = Path::new(OsStr::from_bytes(words.next()?)).to_owned();
    let is_env = interpreter.file_name() == Some(OsStr::new("env"));
    let program = is_env.then(|| program_of_env(words)).flatten();
    Some((interpreter, program))
}

/// The program in the arguments of env(1), after options and variables.
fn program_of_env<'a>(mut words: impl Iterator<Item = &'a [u8]>) -> Option<PathBuf> {
    loop {
        let mut word = words.next()?;
        if let Some(split) = word.strip_prefix(b"-S") {
            if split.is_empty() {
                continue;
            }
            word = split;
        }
        if matches!(word, b"-u" | b"-C" | b"--unset" | b"--chdir") {
            words.next();
        } else if !word.starts_with(b"-") && !word.contains(&b'=') {
            return Some(PathBuf::from(OsStr::from_bytes(word)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(head: &str) -> Option<(String, Option<String>)> {
        let text = |path: PathBuf| path.display().to_string();
        let (interpreter, program) = parse_script(head.as_bytes())?;
        Some((text(interpreter), program.map(text)))
    }

    #[test]
    fn the_interpreter_of_a_script_is_read() {
        let sh = || Some(("/bin/sh".to_owned(), None));
        assert_eq!(parsed("#!/bin/sh\necho"), sh());
        assert_eq!(parsed("#! \t/bin/sh -e -x\n"), sh());
        assert_eq!(parsed("#!/bin/sh"), sh());
        assert_eq!(parsed("#!\n"), None);
        assert_eq!(parsed("echo"), None);
    }

    #[test]
    fn the_program_that_env_runs_is_read() {
        for line in [
            "#!/usr/bin/env bash",
            "#!/usr/bin/env -S bash -e",
            "#!/usr/bin/env -Sbash -e",
            "#!/usr/bin/env -S -i -u HOME A=b bash",
            "#!/usr/bin/env -S --unset=X bash",
        ] {
            let env = "/usr/bin/env".to_owned();
            assert_eq!(parsed(line), Some((env, Some("bash".to_owned()))), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_head_is_read_without_a_panic(head in "(#!)?[ -=/a-uS\n]{0,40}") {
            parsed(&head);
        }
    }
}
