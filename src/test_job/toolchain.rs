//! What a test gets that starts Cargo or the compiler: the toolchain of the workspace, Cargo's
//! home without credentials, a linker, and the target directory.
//!
//! A toolchain is too large to pack, so it is bound into the container, and such a test runs on
//! this machine only.

use super::variables::PassedVariables;
use crate::cargo::{Workspace, cargo_home};
use crate::needs::{LINKERS, TOOLCHAIN_PROGRAMS};
use crate::spec::{
    BindAccess, ContainerSpec, EnvironmentStep, LayerSpec, Mount, PrefixOptions, SymlinkSpec,
    environment, escaped_path,
};
use crate::store::Digest;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

/// Directories of Cargo's home that builds read. Its credentials are in files beside these.
const CARGO_HOME_DIRECTORIES: [&str; 5] = [
    "registry/index",
    "registry/cache",
    "registry/src",
    "git/db",
    "git/checkouts",
];

/// The variables of the client that decide what Cargo builds. With other values, a test would
/// build all dependencies again. None of these variables contains credentials.
const BUILD_VARIABLES: [&str; 5] = [
    "CARGO_BUILD_{INCREMENTAL,RUSTFLAGS,TARGET}",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_INCREMENTAL",
    "CARGO_PROFILE_*",
    "CARGO_TARGET_*_RUSTFLAGS",
];

/// The variables by which the client may have named the target directory.
const TARGET_DIRECTORY_VARIABLES: [&str; 2] = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"];

/// Where the programs of the toolchain are on the container's `PATH`.
const BIN: &str = "/usr/local/bin";

/// What a container gets besides its own layers, mounts and variables.
#[derive(Clone, Debug, Default)]
pub struct ToolchainAccess {
    layers: Vec<LayerSpec>,
    mounts: Vec<Mount>,
    variables: BTreeMap<String, String>,
    /// The output of `rustc -vV` and the digest of `Cargo.lock`. Stands for the content of all
    /// directories that are bound into the container.
    identity: String,
}

/// Whether a container asks for a toolchain, by a layer of `programs` that names one of its
/// programs.
pub fn is_wanted(container: &ContainerSpec) -> bool {
    container.layers.iter().any(|layer| {
        matches!(layer, LayerSpec::Programs { programs } if programs.iter().any(|name| is_program(name)))
    })
}

/// Whether a toolchain has this program.
pub fn is_program(name: &str) -> bool {
    TOOLCHAIN_PROGRAMS.contains(&name)
}

impl ToolchainAccess {
    /// Finds out where the toolchain of the workspace, Cargo's home and the linker are. Starts
    /// the C compiler to ask for its directories.
    pub fn find(workspace: &Workspace) -> Self {
        let lock = std::fs::read(workspace.root.join("Cargo.lock")).unwrap_or_default();
        let compiler = answer(workspace.toolchain.rustc.as_os_str(), "-vV");
        let mut access = Self {
            identity: format!("{compiler}{}", Digest::of(&lock)),
            ..Self::default()
        };
        access.add_toolchain(&workspace.toolchain.sysroot);
        access.add_cargo_home();
        access.add_linker();
        let target = &workspace.target_directory;
        access.add_build_variables(target);
        access.bind(target, target, BindAccess::DiscardChanges);
        // Where trybuild and its like build, once for all runs, as without a container.
        let tests = target.join("tests");
        let _ = std::fs::create_dir_all(&tests);
        access.bind(&tests, &tests, BindAccess::ReadWrite);
        access
    }

    /// Adds the toolchain to a container, in place of the names of its programs.
    pub fn add_to(&self, container: &mut ContainerSpec) {
        for layer in &mut container.layers {
            if let LayerSpec::Programs { programs } = layer {
                programs.retain(|name| !is_program(name));
            }
        }
        container.layers.extend(self.layers.iter().cloned());
        container.mounts.extend(self.mounts.iter().cloned());
        let vars = self.variables.iter();
        let vars = vars.map(|(name, value)| (name.clone(), environment::escape(value)));
        let step = EnvironmentStep {
            vars: vars.collect(),
            extend: true,
        };
        // The container's own variables take precedence.
        container.environment.insert(0, step);
    }

    fn bind(&mut self, directory: &Utf8Path, mount_point: &Utf8Path, access: BindAccess) {
        if !directory.is_dir() {
            return;
        }
        let mount_point = escaped_path(mount_point);
        self.layers.push(LayerSpec::Stubs {
            stubs: vec![format!("{mount_point}/")],
        });
        self.mounts.push(Mount::Bind {
            mount_point,
            local_path: escaped_path(directory),
            access,
            identity: Some(self.identity.clone()),
        });
    }

    fn add_toolchain(&mut self, sysroot: &Utf8Path) {
        let bin = sysroot.join("bin");
        if sysroot == "/usr" {
            // Packages of a distribution have the compiler's own files in this directory.
            let rustlib = sysroot.join("lib/rustlib");
            self.bind(&rustlib, &rustlib, BindAccess::ReadOnly);
            let programs = TOOLCHAIN_PROGRAMS
                .iter()
                .filter(|name| bin.join(name).is_file());
            self.layers.push(LayerSpec::Programs {
                programs: programs.map(|name| bin.join(name).into_string()).collect(),
            });
            return;
        }
        self.bind(sysroot, sysroot, BindAccess::ReadOnly);
        let names = bin.read_dir_utf8().into_iter().flatten().flatten();
        let symlinks = names.map(|entry| SymlinkSpec {
            link: Utf8Path::new(BIN).join(entry.file_name()),
            target: escaped_path(entry.path()),
        });
        self.layers.push(LayerSpec::Symlinks {
            symlinks: symlinks.collect(),
        });
        self.layers.push(LayerSpec::SharedLibraryDependencies {
            binaries: vec![escaped_path(&bin.join("cargo"))],
            prefix: PrefixOptions::default(),
        });
    }

    fn add_cargo_home(&mut self) {
        let Some(home) = cargo_home() else {
            return;
        };
        self.layers.push(LayerSpec::Stubs {
            stubs: vec![format!("{}/", escaped_path(&home))],
        });
        for directory in CARGO_HOME_DIRECTORIES {
            let directory = home.join(directory);
            self.bind(&directory, &directory, BindAccess::ReadOnly);
        }
        for name in ["config.toml", "config"] {
            let path = home.join(name);
            if let Ok(text) = std::fs::read_to_string(&path)
                && let Some(text) = without_credentials(&text)
            {
                self.layers.push(LayerSpec::Files {
                    files: [(escaped_path(&path), text)].into(),
                });
                break;
            }
        }
        self.variables
            .insert("CARGO_HOME".to_owned(), home.into_string());
        self.variables
            .insert("CARGO_NET_OFFLINE".to_owned(), "true".to_owned());
    }

    fn add_build_variables(&mut self, target_directory: &Utf8Path) {
        let variables = PassedVariables::new(BUILD_VARIABLES).of_client();
        self.variables.extend(variables);
        let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if TARGET_DIRECTORY_VARIABLES.into_iter().any(is_set) {
            // The client's value may be relative to its working directory.
            let name = TARGET_DIRECTORY_VARIABLES[0].to_owned();
            self.variables.insert(name, target_directory.to_string());
        }
    }

    fn add_linker(&mut self) {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let directories: Vec<_> = std::env::split_paths(&path).collect();
        let is_there = |name: &&str| {
            let mut candidates = directories.iter().map(|directory| directory.join(name));
            candidates.any(|program| program.is_file())
        };
        let programs: Vec<_> = LINKERS.into_iter().filter(is_there).collect();
        self.layers.push(LayerSpec::Programs {
            programs: programs.iter().map(|&name| name.to_owned()).collect(),
        });
        if !programs.contains(&"cc") {
            return;
        }
        let mut directories = BTreeSet::new();
        for question in [
            "-print-file-name=crt1.o",
            "-print-libgcc-file-name",
            "-print-prog-name=collect2",
            "-print-prog-name=cc1",
        ] {
            if let Some(file) = ask_compiler(question) {
                directories.extend(file.parent().map(Utf8Path::to_owned));
            }
        }
        directories.insert("/usr/include".into());
        for directory in directories {
            self.bind(&directory, &directory, BindAccess::ReadOnly);
            // Linker scripts name libraries in `/lib`, which may be a symlink to `/usr/lib`.
            if let Ok(rest) = directory.strip_prefix("/usr") {
                let other = Utf8Path::new("/").join(rest);
                self.bind(&other, &other, BindAccess::ReadOnly);
            }
        }
    }
}

/// The file that the C compiler names in answer to an option, without symlinks in its path.
fn ask_compiler(question: &str) -> Option<Utf8PathBuf> {
    let answer = answer("cc".as_ref(), question);
    let path = Path::new(answer.trim());
    // For an unknown file, the compiler prints the name without a directory.
    path.is_absolute()
        .then(|| Utf8PathBuf::from_path_buf(path.canonicalize().ok()?).ok())?
}

/// What a program prints if it is given an argument. Empty if the program fails.
fn answer(program: &OsStr, argument: &str) -> String {
    let mut command = Command::new(program);
    let output = command.arg(argument).stdin(Stdio::null()).output();
    let output = output.ok().filter(|output| output.status.success());
    output.map_or_else(String::new, |output| {
        String::from_utf8_lossy(&output.stdout).into_owned()
    })
}

/// Cargo's configuration without tokens and keys of registries. `None`: it is not TOML.
fn without_credentials(text: &str) -> Option<String> {
    let mut document: toml::Table = text.parse().ok()?;
    let remove = |registry: Option<&mut toml::Value>| {
        if let Some(table) = registry.and_then(toml::Value::as_table_mut) {
            table.remove("token");
            table.remove("secret-key");
        }
    };
    remove(document.get_mut("registry"));
    let registries = document.get_mut("registries");
    if let Some(registries) = registries.and_then(toml::Value::as_table_mut) {
        for (_, registry) in registries.iter_mut() {
            remove(Some(registry));
        }
    }
    toml::to_string(&document).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_has_no_credentials() {
        let text = "[registry]\ndefault = \"ours\"\ntoken = \"secret\"\n\
                    [registries.ours]\nindex = \"sparse+https://ours/\"\ntoken = \"secret\"\n\
                    [registries]\ntheirs = { index = \"i\", secret-key = \"secret\" }\n\
                    [build]\nrustflags = [\"--cfg\", \"token\"]\n";
        let text = without_credentials(text).unwrap();
        assert!(!text.contains("secret"), "{text}");
        assert!(text.contains("sparse+https://ours/") && text.contains("\"token\""));
        assert_eq!(without_credentials("[registry"), None);
    }

    #[test]
    fn a_layer_that_names_a_program_of_the_toolchain_asks_for_it() {
        let container = |programs: &[&str]| ContainerSpec {
            layers: vec![LayerSpec::Programs {
                programs: programs.iter().map(|&name| name.to_owned()).collect(),
            }],
            ..ContainerSpec::default()
        };
        assert!(is_wanted(&container(&["git", "rustfmt"])));
        assert!(!is_wanted(&container(&["git", "cargo-nextest"])));
        let mut given = container(&["git", "cargo"]);
        ToolchainAccess::default().add_to(&mut given);
        assert_eq!(given.layers, container(&["git"]).layers);
    }
}
