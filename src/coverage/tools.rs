//! The programs of LLVM that read profiles. Each version reads its own raw profiles only.

use crate::cargo::{CompilerVersion, Toolchain, rustup_home};
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The programs of LLVM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LlvmTools {
    pub profdata: PathBuf,
    pub cov: PathBuf,
}

/// The programs of LLVM are not installed.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`--coverage` needs `llvm-profdata` and `llvm-cov` of this compiler, and {missing} is not there\
     {reason}; install them with `{remedy}`, or name both with LLVM_PROFDATA and LLVM_COV"
)]
pub struct MissingTools {
    missing: &'static str,
    reason: String,
    remedy: String,
}

/// Where programs are looked for.
struct Search<'a> {
    toolchain: &'a Toolchain,
    /// The major version of the compiler's LLVM. `None`: it is not known.
    wanted: Option<u32>,
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    /// The major version of a program.
    version: &'a dyn Fn(&Path) -> Option<u32>,
    /// Why a program was not taken.
    misfit: Option<String>,
}

impl LlvmTools {
    /// Finds the programs that variables name, those of the toolchain, or those on the `PATH` if
    /// they have the version of the compiler's LLVM. Blocks.
    pub fn find(toolchain: &Toolchain, compiler: CompilerVersion) -> Result<Self, MissingTools> {
        Search::new(
            toolchain,
            compiler.llvm,
            &|name| env::var_os(name),
            &version,
        )
        .both()
    }

    /// Finds only the program that merges profiles. Blocks.
    pub fn find_profdata(toolchain: &Toolchain, compiler: CompilerVersion) -> Option<PathBuf> {
        Search::new(
            toolchain,
            compiler.llvm,
            &|name| env::var_os(name),
            &version,
        )
        .program("LLVM_PROFDATA", "llvm-profdata")
    }
}

impl<'a> Search<'a> {
    fn new(
        toolchain: &'a Toolchain,
        wanted: Option<u32>,
        variable: &'a dyn Fn(&str) -> Option<OsString>,
        version: &'a dyn Fn(&Path) -> Option<u32>,
    ) -> Self {
        Self {
            toolchain,
            wanted,
            variable,
            version,
            misfit: None,
        }
    }

    fn both(mut self) -> Result<LlvmTools, MissingTools> {
        let profdata = self.program("LLVM_PROFDATA", "llvm-profdata");
        let profdata = profdata.ok_or_else(|| self.missing("llvm-profdata"))?;
        let cov = self.program("LLVM_COV", "llvm-cov");
        let cov = cov.ok_or_else(|| self.missing("llvm-cov"))?;
        Ok(LlvmTools { profdata, cov })
    }

    fn program(&mut self, variable: &str, name: &str) -> Option<PathBuf> {
        let given = (self.variable)(variable).filter(|path| !path.is_empty());
        if given.is_some() {
            return given.map(PathBuf::from);
        }
        let Toolchain { sysroot, host, .. } = self.toolchain;
        let of_toolchain = sysroot
            .join("lib/rustlib")
            .join(host)
            .join("bin")
            .join(name);
        if of_toolchain.is_file() {
            return Some(of_toolchain.into());
        }
        let path = (self.variable)("PATH").unwrap_or_default();
        let candidates = env::split_paths(&path).map(|directory| directory.join(name));
        for candidate in candidates.filter(|candidate| candidate.is_file()) {
            match ((self.version)(&candidate), self.wanted) {
                (Some(version), Some(wanted)) if version == wanted => return Some(candidate),
                (Some(version), Some(wanted)) => {
                    self.misfit.get_or_insert_with(|| {
                        format!(
                            " ({} is of LLVM {version}, and the compiler has LLVM {wanted})",
                            candidate.display()
                        )
                    });
                }
                _ => {}
            }
        }
        None
    }

    fn missing(&self, missing: &'static str) -> MissingTools {
        let mut remedy = "rustup component add llvm-tools".to_owned();
        let installed = rustup_home().map(|home| home.join("toolchains"));
        let of_rustup = self.toolchain.sysroot.parent() == installed.as_deref();
        if let Some(name) = self.toolchain.sysroot.file_name().filter(|_| of_rustup) {
            remedy = format!("{remedy} --toolchain {name}");
        }
        MissingTools {
            missing,
            reason: self.misfit.clone().unwrap_or_default(),
            remedy,
        }
    }
}

/// Asks a program for its version.
fn version(program: &Path) -> Option<u32> {
    let mut command = Command::new(program);
    let output = command
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .ok()?;
    parse_version(&String::from_utf8_lossy(&output.stdout))
}

fn parse_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once("LLVM version ")?;
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8PathBuf;
    use std::fs;

    struct Machine {
        directory: tempfile::TempDir,
        toolchain: Toolchain,
    }

    impl Machine {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let sysroot = Utf8PathBuf::from_path_buf(directory.path().join("sysroot")).unwrap();
            let toolchain = Toolchain {
                cargo: sysroot.join("bin/cargo"),
                rustc: sysroot.join("bin/rustc").into(),
                host: "a-b-c".to_owned(),
                sysroot,
            };
            Self {
                directory,
                toolchain,
            }
        }

        fn add(&self, directory: &str) -> [PathBuf; 2] {
            let directory = self.directory.path().join(directory);
            fs::create_dir_all(&directory).unwrap();
            ["llvm-profdata", "llvm-cov"].map(|name| {
                fs::write(directory.join(name), "").unwrap();
                directory.join(name)
            })
        }

        fn find(&self, of_path: u32, given: &[&str]) -> Result<[PathBuf; 2], String> {
            let path = self.directory.path().join("bin");
            let variable = |name: &str| match name {
                "PATH" => Some(path.clone().into()),
                name if given.contains(&name) => Some("given".into()),
                _ => None,
            };
            let version = |_: &Path| Some(of_path);
            let search = Search::new(&self.toolchain, Some(22), &variable, &version);
            let found = search.both().map_err(|error| error.to_string());
            found.map(|tools| [tools.profdata, tools.cov])
        }
    }

    #[test]
    fn variables_come_before_the_toolchain_and_that_before_the_path() {
        let machine = Machine::new();
        let of_path = machine.add("bin");
        assert_eq!(machine.find(22, &[]), Ok(of_path.clone()));
        let of_toolchain = machine.add("sysroot/lib/rustlib/a-b-c/bin");
        assert_eq!(machine.find(22, &[]), Ok(of_toolchain.clone()));
        let mixed = machine.find(22, &["LLVM_COV"]);
        assert_eq!(mixed, Ok([of_toolchain[0].clone(), "given".into()]));
    }

    #[test]
    fn programs_of_another_version_than_the_compiler_are_not_taken() {
        let machine = Machine::new();
        machine.add("bin");
        let error = machine.find(14, &[]).unwrap_err();
        assert!(
            error.contains("is of LLVM 14, and the compiler has LLVM 22"),
            "{error}"
        );
        assert!(
            error.contains("`rustup component add llvm-tools`"),
            "{error}"
        );
    }

    #[test]
    fn the_error_says_which_program_is_not_there() {
        let machine = Machine::new();
        let error = machine.find(22, &["LLVM_PROFDATA"]).unwrap_err();
        assert!(error.contains("and llvm-cov is not there;"), "{error}");
    }

    #[test]
    fn the_version_is_read_whoever_built_the_program() {
        let of_debian = "Debian LLVM version 14.0.6\n  Optimized build.\n";
        assert_eq!(parse_version(of_debian), Some(14));
        let of_rust = "LLVM (http://llvm.org/):\n  LLVM version 22.1.2-rust-1.95.0-stable\n";
        assert_eq!(parse_version(of_rust), Some(22));
        assert_eq!(parse_version("?"), None);
    }
}
