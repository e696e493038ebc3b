//! From the facts of an observed run to what the test may need.
//!
//! The test ran over a view of the machine. A file that is on the machine and not in the container
//! is a candidate. Most of them follow from others: the libraries of a program are added with the
//! program, and the files of a toolchain with the toolchain.

mod grouping;

pub use grouping::DATA_DIRECTORIES;

use super::{Need, Needs};
use crate::libraries::{Libraries, SearchContext};
use crate::observe::{Facts, FileFact, Found, Uses};
use camino::{Utf8Path, Utf8PathBuf};
use grouping::Grouping;
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The programs of a toolchain for which rustup has proxies.
pub const TOOLCHAIN_PROGRAMS: [&str; 12] = [
    "cargo",
    "cargo-clippy",
    "cargo-fmt",
    "cargo-miri",
    "clippy-driver",
    "rls",
    "rust-analyzer",
    "rust-gdb",
    "rust-lldb",
    "rustc",
    "rustdoc",
    "rustfmt",
];

/// The programs with which a toolchain links, and compiles C code of build scripts. It brings them
/// if the machine has them.
pub const LINKERS: [&str; 14] = [
    "ar", "as", "c++", "cc", "clang", "g++", "gcc", "ld", "ld.lld", "lld", "mold", "nm", "ranlib",
    "strip",
];

/// The programs that need most files of a toolchain.
const COMPILERS: [&str; 8] = ["c++", "cc", "cc1", "clang", "collect2", "g++", "gcc", "ld"];

/// Where the files of a C compiler are, which a toolchain brings.
const LINKER_DIRECTORIES: [&str; 3] = ["/usr/lib/gcc", "/usr/libexec/gcc", "/usr/include"];

/// Files below these directories are those of the container, also in the view of the machine.
pub const OF_CONTAINER: [&str; 7] = [
    "/dev", "/proc", "/run", "/sys", "/tmp", "/var/run", "/var/tmp",
];

/// Names of files that hold credentials.
const CREDENTIALS: [&str; 8] = [
    ".git-credentials",
    ".netrc",
    ".npmrc",
    ".pgpass",
    ".pypirc",
    "credentials",
    "credentials.toml",
    "shadow",
];

/// The most bytes of a file, or of a directory that is added whole.
const MOST_BYTES: u64 = 512 << 20;

/// The properties of this machine that needs depend on.
#[derive(Debug)]
pub struct ClientMachine {
    pub libraries: Libraries,
    /// The client's `PATH`.
    pub search_path: Option<OsString>,
    /// The directories of the toolchain: its own, rustup's home, and those of downloaded crates.
    pub toolchain: Vec<Utf8PathBuf>,
    /// The user's home directory and Cargo's home. Of their files, tests get those of the workspace,
    /// the toolchain and the programs of Cargo's home.
    pub private: Vec<Utf8PathBuf>,
    /// The directory of programs in Cargo's home.
    pub installed_programs: Utf8PathBuf,
    /// The directories whose files are the container's own, as [`OF_CONTAINER`].
    pub of_container: Vec<Utf8PathBuf>,
    /// The directories whose entries are data, as [`DATA_DIRECTORIES`].
    pub data: Vec<Utf8PathBuf>,
    /// The directories of the workspace.
    pub workspace: Vec<Utf8PathBuf>,
    /// Where Cargo builds the workspace.
    pub target_directory: Utf8PathBuf,
}

/// What a test may need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Candidates {
    /// Programs that it executed, files that it read, and directories that it listed.
    pub used: Needs,
    /// Programs and files of target directories that it used, if it uses the toolchain too. It
    /// probably builds them itself.
    pub built: Needs,
    /// Files of which it only read the attributes, and programs that it only searched.
    pub looked_at: Needs,
    /// Files that it read, and that a test gets only if a directive says so, as they may be secret.
    pub withheld: Vec<Utf8PathBuf>,
}

/// Finds what a test may need, in whose container the `PATH` has these directories. Examines files
/// of this machine; blocks.
pub fn derive(facts: &Facts, machine: &ClientMachine, container_path: &[PathBuf]) -> Candidates {
    let mut candidates = Candidates::default();
    let missing: Vec<&FileFact> = facts
        .files
        .iter()
        .filter(|f| machine.is_offered(f))
        .collect();
    let uses_toolchain = missing.iter().any(|fact| machine.is_of_toolchain(fact));
    if uses_toolchain {
        candidates.used.0.insert(Need::Toolchain);
    }
    let left: Vec<&FileFact> = (missing.into_iter())
        .filter(|fact| {
            !(machine.is_in_toolchain(&fact.path) || uses_toolchain && comes_with_toolchain(fact))
        })
        .collect();
    let programs: Vec<Program> = (left.iter())
        .filter(|fact| fact.uses.executed)
        .filter_map(|fact| machine.program(&fact.path, container_path))
        .collect();
    let closure = machine.closure(&programs);
    let mut used = Grouping::new(&programs, &machine.data);
    let mut built = Grouping::new(&[], &machine.data);
    let mut looked_at = Grouping::new(&programs, &machine.data);
    for fact in left {
        let Some(path) = Utf8Path::from_path(&fact.path) else {
            continue;
        };
        if fact.uses.executed || closure.contains(&real_path(&fact.path)) {
            continue;
        }
        let Ok(metadata) = fs::metadata(path) else {
            continue;
        };
        if !reads(fact.uses)
            && let Some(program) = machine.searched_program(path, &metadata, container_path)
        {
            candidates.looked_at.0.insert(program);
            continue;
        }
        let is_built = uses_toolchain && machine.is_in_target_directory(path);
        let group = match (reads(fact.uses), is_built) {
            (true, false) => &mut used,
            (true, true) => &mut built,
            (false, _) => &mut looked_at,
        };
        if is_secret(path) || !(metadata.is_dir() || all_may_read(&metadata)) {
            if reads(fact.uses) {
                candidates.withheld.push(path.to_owned());
            }
            continue;
        }
        if metadata.is_dir() {
            if fact.uses.listed {
                group.add_directory(path);
            } else {
                group.add_file(path);
            }
        } else if metadata.is_file() && metadata.len() <= MOST_BYTES {
            group.add_file(path);
        }
    }
    for program in machine.needed_programs(&programs, &mut used, facts) {
        let path = Utf8Path::from_path(&program.path);
        let is_built = uses_toolchain && path.is_some_and(|p| machine.is_in_target_directory(p));
        let needs = if is_built {
            &mut candidates.built
        } else {
            &mut candidates.used
        };
        needs.0.insert(Need::Program(program.name.clone()));
    }
    candidates.used.0.extend(used.finish());
    candidates.built.0.extend(built.finish());
    candidates.looked_at.0.extend(looked_at.finish());
    (candidates.looked_at.0)
        .retain(|need| !covers(&candidates.used, need) && !covers(&candidates.built, need));
    candidates
}

/// Whether the file, or the entries of the directory, were read.
fn reads(uses: Uses) -> bool {
    uses.executed || uses.opened || uses.listed
}

/// Whether a file comes with a toolchain, which a test uses.
fn comes_with_toolchain(fact: &FileFact) -> bool {
    let name = fact.path.file_name().unwrap_or_default();
    let mut programs = LINKERS.iter().chain(&COMPILERS).chain(&TOOLCHAIN_PROGRAMS);
    let extension = fact.path.extension().unwrap_or_default();
    (fact.uses.executed && programs.any(|program| name == *program))
        || extension == "a"
        || extension == "o"
        || is_linker_script(&fact.path)
        || (LINKER_DIRECTORIES.iter()).any(|directory| fact.path.starts_with(directory))
}

/// Whether the linker reads a library under this name, as `libc.so`. Programs that run use names
/// with versions.
fn is_linker_script(path: &Path) -> bool {
    let name = path
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    name.starts_with("lib") && path.extension().is_some_and(|extension| extension == "so")
}

/// Whether a need is part of others.
fn covers(needs: &Needs, need: &Need) -> bool {
    let (Need::File(path) | Need::Directory(path)) = need else {
        return needs.0.contains(need);
    };
    needs.0.contains(need)
        || (needs.0.iter())
            .any(|other| matches!(other, Need::Directory(directory) if path.starts_with(directory)))
}

/// Whether a file holds credentials, by its name.
fn is_secret(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    CREDENTIALS.contains(&name)
        || name.starts_with(".env")
        || path.components().any(|part| part.as_str() == ".ssh")
}

/// Files that not everybody may read are nobody's need: they may hold secrets.
fn all_may_read(metadata: &Metadata) -> bool {
    metadata.mode() & 0o004 != 0
}

fn real_path(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

/// A program that was executed.
#[derive(Debug)]
struct Program {
    /// As in [`Need::Program`].
    name: String,
    path: PathBuf,
}

impl ClientMachine {
    /// Whether a file is on this machine, not in the container, and may be given to a test.
    fn is_offered(&self, fact: &FileFact) -> bool {
        let path = &fact.path;
        let is_below = |directories: &[Utf8PathBuf]| {
            directories
                .iter()
                .any(|directory| path.starts_with(directory))
        };
        let is_program = (fact.uses.executed || fact.uses.looked_at)
            && path.starts_with(&self.installed_programs);
        let is_hidden = is_below(&self.of_container) || is_below(&self.private) && !is_program;
        fact.found == Found::Machine
            && !fact.is_common
            && (!is_hidden || is_below(&self.workspace) || is_below(&self.toolchain))
            && (reads(fact.uses) || fact.uses.looked_at)
    }

    /// Whether a file is below a directory in which Cargo builds: that of the workspace, or another
    /// one in the workspace, which Cargo has marked as a cache.
    fn is_in_target_directory(&self, path: &Utf8Path) -> bool {
        let is_in_workspace =
            |directory: &Utf8Path| (self.workspace.iter()).any(|root| directory.starts_with(root));
        path.starts_with(&self.target_directory)
            || (path.ancestors().skip(1))
                .take_while(|directory| is_in_workspace(directory))
                .any(|directory| directory.join("CACHEDIR.TAG").is_file())
    }

    fn is_in_toolchain(&self, path: &Path) -> bool {
        (self.toolchain.iter()).any(|directory| path.starts_with(directory))
    }

    /// Whether a file shows that the test uses the toolchain.
    fn is_of_toolchain(&self, fact: &FileFact) -> bool {
        let name = fact.path.file_name().unwrap_or_default();
        let mut programs = TOOLCHAIN_PROGRAMS.iter().chain(&COMPILERS);
        let is_program = programs.any(|program| name == *program);
        (fact.uses.executed && is_program) || (reads(fact.uses) && self.is_in_toolchain(&fact.path))
    }

    /// A program that a test has searched in the client's `PATH`.
    fn searched_program(
        &self,
        path: &Utf8Path,
        metadata: &Metadata,
        container_path: &[PathBuf],
    ) -> Option<Need> {
        let search_path = self.search_path.as_deref()?;
        let directory = path.parent()?;
        let is_in_path = std::env::split_paths(search_path).any(|other| other == directory);
        if !is_in_path || !metadata.is_file() || metadata.mode() & 0o111 == 0 {
            return None;
        }
        if TOOLCHAIN_PROGRAMS.contains(&path.file_name()?) {
            return Some(Need::Toolchain);
        }
        let program = self.program(path.as_std_path(), container_path)?;
        Some(Need::Program(program.name))
    }

    /// The name of a program if it is in the container's `PATH` under this name, or its path.
    fn program(&self, path: &Path, container_path: &[PathBuf]) -> Option<Program> {
        let directory = path.parent()?;
        let name = path.file_name()?;
        let is_in_path = container_path.iter().any(|other| other == directory);
        // The layer searches the name in the client's `PATH`.
        let searched = self.search_path.as_deref().and_then(|search_path| {
            let mut candidates = std::env::split_paths(search_path).map(|d| d.join(name));
            candidates.find(|candidate| candidate.is_file())
        });
        let is_same = searched.is_some_and(|found| real_path(&found) == real_path(path));
        let name = if is_in_path && is_same {
            name
        } else {
            path.as_os_str()
        };
        Some(Program {
            name: name.to_str()?.to_owned(),
            path: path.to_owned(),
        })
    }

    /// The programs that are needed by themselves. Others come with the data of a program, which are
    /// added to `used`, as those of `/usr/lib/git-core` do.
    fn needed_programs<'a>(
        &self,
        programs: &'a [Program],
        used: &mut Grouping<'_>,
        facts: &Facts,
    ) -> Vec<&'a Program> {
        let (mut among_data, mut needed) = (Vec::new(), Vec::new());
        for program in programs {
            match used.directory_of_another(program) {
                Some(directory) => {
                    used.add_whole(directory.clone());
                    among_data.push((program, directory));
                }
                None => needed.push(program),
            }
        }
        if among_data.is_empty() {
            return needed;
        }
        let of_container = facts.files.iter().filter(|f| f.found == Found::Container);
        let mut present = self.closure(needed.iter().copied());
        present.extend(of_container.map(|fact| real_path(&fact.path)));
        for (program, directory) in among_data {
            let directory = real_path(directory.as_std_path());
            let comes_with_data =
                |file: &PathBuf| present.contains(file) || file.starts_with(&directory);
            if !self.closure([program]).iter().all(comes_with_data) {
                needed.push(program);
            }
        }
        needed
    }

    /// The real paths of the files that come with programs.
    fn closure<'a>(&self, programs: impl IntoIterator<Item = &'a Program>) -> HashSet<PathBuf> {
        let mut files = HashSet::new();
        for program in programs {
            let name = [program.path.to_string_lossy().into_owned()];
            let search_path = self.search_path.as_deref();
            let context = SearchContext::default();
            let Ok(closure) = self.libraries.programs(&name, search_path, &context) else {
                continue;
            };
            files.extend(
                closure
                    .iter()
                    .filter_map(|(_, entry)| Some(real_path(entry.file()?))),
            );
        }
        files
    }
}

#[cfg(test)]
mod tests;
