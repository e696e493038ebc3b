//! The installation of the compiler: tests may need its shared libraries.
//!
//! A call of rustc takes 12 ms, or 20 ms through rustup, so rustc is called only if the file system
//! does not give the answer.

use super::{CargoError, Invocation};
use camino::{Utf8Path, Utf8PathBuf};
use std::{
    env, fs,
    io::Read as _,
    path::{Path, PathBuf},
    process::Stdio,
};
use tokio::process::Command;

/// The toolchain that builds the tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The root of the installation.
    pub sysroot: Utf8PathBuf,
    /// The target triple of this machine.
    pub host: String,
    /// The value of `CARGO` for tests.
    pub cargo: Utf8PathBuf,
    /// The compiler.
    pub rustc: PathBuf,
}

impl Toolchain {
    /// Finds the toolchain that Cargo uses. `configured` is the value of `build.rustc`.
    pub async fn find(
        invocation: &Invocation,
        configured: Option<&Path>,
    ) -> Result<Self, CargoError> {
        let cargo = absolute(&invocation.cargo, &invocation.directory);
        // Empty counts as unset, as for Cargo.
        let chosen = env::var_os("RUSTC")
            .filter(|rustc| !rustc.is_empty())
            .map(PathBuf::from)
            .or_else(|| configured.map(Path::to_owned));
        // Cargo gives its subcommands the path of the real Cargo of the toolchain. By default the
        // compiler is the rustc in the same directory.
        let beside = cargo
            .as_deref()
            .filter(|_| chosen.is_none())
            .and_then(sysroot_of);
        let rustc = match (&chosen, &beside) {
            (Some(rustc), _) => rustc.clone(),
            (None, Some(sysroot)) => sysroot.join("bin/rustc").into(),
            (None, None) => PathBuf::from("rustc"),
        };
        let sysroot = match beside {
            Some(sysroot) => sysroot,
            None => run_rustc(&rustc, &["--print", "sysroot"], invocation)
                .await?
                .trim()
                .into(),
        };
        let host = if let Some(host) = host_of(&sysroot) {
            host
        } else {
            let version = run_rustc(&rustc, &["-vV"], invocation).await?;
            let host = version.lines().find_map(|line| line.strip_prefix("host: "));
            host.map(str::to_owned).ok_or_else(|| CargoError::Rustc {
                program: format!("{} -vV", rustc.display()),
                message: "its output has no line `host: …`".to_owned(),
            })?
        };
        Ok(Self {
            cargo: real_cargo(cargo, &sysroot),
            sysroot,
            host,
            rustc,
        })
    }

    /// Asks the compiler for its version.
    pub async fn version(&self, invocation: &Invocation) -> Result<CompilerVersion, CargoError> {
        let text = run_rustc(&self.rustc, &["-vV"], invocation).await?;
        Ok(CompilerVersion::parse(&text))
    }

    /// The directories with shared libraries of the toolchain, in the order in which tests get them
    /// from rustup's Cargo.
    pub fn library_directories(&self, triple: &str) -> [Utf8PathBuf; 2] {
        [
            self.sysroot.join("lib/rustlib").join(triple).join("lib"),
            self.sysroot.join("lib"),
        ]
    }
}

/// What a compiler says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CompilerVersion {
    /// Whether unstable features can be used.
    pub is_nightly: bool,
    /// The major version of its LLVM.
    pub llvm: Option<u32>,
}

impl CompilerVersion {
    fn parse(text: &str) -> Self {
        let value = |label: &str| text.lines().find_map(|line| line.strip_prefix(label));
        let release = value("release: ").unwrap_or_default();
        let llvm = value("LLVM version: ").and_then(|version| version.split('.').next());
        Self {
            is_nightly: release.ends_with("-nightly") || release.ends_with("-dev"),
            llvm: llvm.and_then(|major| major.parse().ok()),
        }
    }
}

/// The path of a program, which is looked up on PATH if it is a plain name.
pub(super) fn absolute(program: &Path, directory: &Path) -> Option<PathBuf> {
    if program.components().count() > 1 {
        return Some(directory.join(program));
    }
    env::split_paths(&env::var_os("PATH")?)
        .map(|entry| entry.join(program))
        .find(|path| path.is_file())
}

/// The root of the toolchain that contains this Cargo and a rustc. `None` for rustup's proxy.
fn sysroot_of(cargo: &Path) -> Option<Utf8PathBuf> {
    let cargo = Utf8PathBuf::from_path_buf(fs::canonicalize(cargo).ok()?).ok()?;
    let bin = cargo.parent()?;
    let sysroot = bin.parent()?;
    let complete =
        bin.ends_with("bin") && bin.join("rustc").is_file() && sysroot.join("lib/rustlib").is_dir();
    complete.then(|| sysroot.to_owned())
}

/// The triple of the host: from the list of installed components, or else from the directory of
/// libraries, if there is only one.
fn host_of(sysroot: &Utf8Path) -> Option<String> {
    let rustlib = sysroot.join("lib/rustlib");
    if let Ok(components) = fs::read_to_string(rustlib.join("components")) {
        let host = components
            .lines()
            .find_map(|line| line.strip_prefix("cargo-"));
        if let Some(host) = host {
            return Some(host.to_owned());
        }
    }
    let mut triples = rustlib
        .read_dir_utf8()
        .ok()?
        .flatten()
        .filter(|entry| entry.path().join("lib").is_dir())
        .map(|entry| entry.file_name().to_owned());
    match (triples.next(), triples.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// The path of Cargo that Cargo itself sets in `CARGO`: the path without symlinks, or the path by
/// which Cargo was found if the program has another name than `cargo`. A proxy is replaced by the
/// Cargo of the toolchain.
fn real_cargo(found: Option<PathBuf>, sysroot: &Utf8Path) -> Utf8PathBuf {
    let real = |path: &Path| {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Utf8PathBuf::from_path_buf(path).ok()
    };
    let of_toolchain = sysroot.join("bin/cargo");
    let of_toolchain = real(of_toolchain.as_std_path()).unwrap_or(of_toolchain);
    let Some(found) = found.and_then(|path| Utf8PathBuf::from_path_buf(path).ok()) else {
        return of_toolchain;
    };
    match real(found.as_std_path()) {
        Some(real) if is_proxy(&real) && of_toolchain.is_file() => of_toolchain,
        Some(real) if real.file_stem() == Some("cargo") => real,
        _ => found,
    }
}

/// Whether this program is not Cargo but a proxy that starts it: rustup, or a script.
fn is_proxy(program: &Utf8Path) -> bool {
    let is_rustup =
        || program.file_name() == Some("rustup") || program.with_file_name("rustup").is_file();
    let is_script = || {
        let mut head = [0; 2];
        let read = fs::File::open(program).and_then(|mut file| file.read_exact(&mut head));
        read.is_ok() && head == *b"#!"
    };
    sysroot_of(program.as_std_path()).is_none() && (is_rustup() || is_script())
}

async fn run_rustc(
    rustc: &Path,
    arguments: &[&str],
    invocation: &Invocation,
) -> Result<String, CargoError> {
    let output = Command::new(rustc)
        .args(arguments)
        .current_dir(&invocation.directory)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|source| CargoError::Start {
            program: rustc.to_owned(),
            source,
        })?;
    output_text(rustc, arguments, &output)
}

/// Runs rustc and blocks until it has ended. For rare cases during the build.
pub(super) fn run_rustc_blocking(rustc: &Path, arguments: &[&str]) -> Result<String, CargoError> {
    let output = std::process::Command::new(rustc)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| CargoError::Start {
            program: rustc.to_owned(),
            source,
        })?;
    output_text(rustc, arguments, &output)
}

fn output_text(
    rustc: &Path,
    arguments: &[&str],
    output: &std::process::Output,
) -> Result<String, CargoError> {
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(CargoError::Rustc {
        program: format!("{} {}", rustc.display(), arguments.join(" ")),
        message: String::from_utf8_lossy(&output.stderr)
            .trim_end()
            .to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    fn toolchain(root: &Utf8Path) {
        for directory in ["bin", "lib/rustlib/a-b-c/lib", "lib/rustlib/etc"] {
            fs::create_dir_all(root.join(directory)).unwrap();
        }
        fs::write(root.join("bin/cargo"), "").unwrap();
        fs::write(root.join("bin/rustc"), "").unwrap();
    }

    fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(fs::canonicalize(directory.path()).unwrap()).unwrap();
        (directory, path)
    }

    #[test]
    fn a_compiler_says_which_llvm_it_has_and_whether_it_is_a_nightly() {
        let version = |release: &str, llvm: &str| {
            let text = format!("rustc\nhost: a-b-c\nrelease: {release}\nLLVM version: {llvm}\n");
            CompilerVersion::parse(&text)
        };
        let stable = CompilerVersion {
            is_nightly: false,
            llvm: Some(22),
        };
        assert_eq!(version("1.95.0", "22.1.2"), stable);
        assert!(version("1.97.0-nightly", "22.1.2").is_nightly);
        assert_eq!(version("1.95.0", "of its own").llvm, None);
    }

    #[test]
    fn the_sysroot_contains_a_cargo_and_a_rustc() {
        let (_keep, root) = directory();
        toolchain(&root);
        assert_eq!(
            sysroot_of(root.join("bin/cargo").as_std_path()),
            Some(root.clone())
        );
        fs::remove_file(root.join("bin/rustc")).unwrap();
        assert_eq!(sysroot_of(root.join("bin/cargo").as_std_path()), None);
    }

    #[test]
    fn the_host_is_the_triple_that_cargo_was_installed_for() {
        let (_keep, root) = directory();
        toolchain(&root);
        assert_eq!(host_of(&root).as_deref(), Some("a-b-c"));
        fs::create_dir_all(root.join("lib/rustlib/d-e-f/lib")).unwrap();
        assert_eq!(host_of(&root), None, "the host is ambiguous");
        let components = "rust-std-a-b-c\ncargo-d-e-f\nrustc-d-e-f\n";
        fs::write(root.join("lib/rustlib/components"), components).unwrap();
        assert_eq!(host_of(&root).as_deref(), Some("d-e-f"));
    }

    #[test]
    fn behind_a_proxy_the_cargo_of_the_toolchain_is_named() {
        let (_keep, root) = directory();
        let real = root.join("toolchain/bin/cargo");
        toolchain(&root.join("toolchain"));
        symlink(root.join("toolchain"), root.join("by-symlink")).unwrap();
        let home = root.join("home/bin");
        fs::create_dir_all(&home).unwrap();
        fs::write(home.join("rustup"), "").unwrap();
        // Newer versions of rustup make the former, older ones the latter.
        symlink("rustup", home.join("symlink")).unwrap();
        fs::hard_link(home.join("rustup"), home.join("cargo")).unwrap();
        fs::write(
            root.join("script"),
            "#!/bin/sh\nexec cargo-of-ours \"$@\"\n",
        )
        .unwrap();
        for proxy in ["home/bin/symlink", "home/bin/cargo", "script"] {
            let proxy = root.join(proxy).into_std_path_buf();
            for sysroot in ["toolchain", "by-symlink"] {
                assert_eq!(real_cargo(Some(proxy.clone()), &root.join(sysroot)), real);
            }
        }
        assert_eq!(real_cargo(None, &root.join("by-symlink")), real);
    }

    #[test]
    fn cargo_is_named_without_symlinks_unless_it_has_another_name() {
        let (_keep, root) = directory();
        toolchain(&root.join("toolchain"));
        fs::write(root.join("toolchain/bin/cargo-9.9"), "").unwrap();
        fs::create_dir_all(root.join("built")).unwrap();
        fs::write(root.join("built/cargo"), "").unwrap();
        symlink("toolchain", root.join("directory")).unwrap();
        symlink("toolchain/bin/cargo", root.join("symlink")).unwrap();
        symlink("toolchain/bin/cargo-9.9", root.join("cargo")).unwrap();
        for (found, named) in [
            ("toolchain/bin/cargo", "toolchain/bin/cargo"),
            ("directory/bin/cargo", "toolchain/bin/cargo"),
            ("symlink", "toolchain/bin/cargo"),
            // Not that of the toolchain, although its compiler is used.
            ("built/cargo", "built/cargo"),
            ("cargo", "cargo"),
            ("directory/bin/cargo-9.9", "directory/bin/cargo-9.9"),
        ] {
            let found = root.join(found).into_std_path_buf();
            let toolchain = root.join("toolchain");
            assert_eq!(real_cargo(Some(found), &toolchain), root.join(named));
        }
    }
}
