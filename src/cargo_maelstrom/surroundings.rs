//! The directories and variables of this machine that second looks take into account.

use crate::cargo::{Workspace, cargo_home, rustup_home};
use crate::executor::Container;
use crate::libraries::Libraries;
use crate::needs::{self, ClientMachine, NamesInFiles};
use crate::observe::{Facts, FileFact, Found};
use camino::Utf8PathBuf;
use std::path::PathBuf;
use std::sync::OnceLock;

/// The directories of this machine that matter for needs.
#[derive(Debug)]
pub struct Surroundings {
    pub machine: ClientMachine,
    /// The client's variables in executables.
    pub variables: NamesInFiles,
    /// The directory of the toolchain's programs.
    pub toolchain_programs: Utf8PathBuf,
    pub cargo_home: Utf8PathBuf,
    pub rustup_home: Utf8PathBuf,
    own_files: Utf8PathBuf,
    shown: OnceLock<Vec<PathBuf>>,
}

impl Surroundings {
    pub fn of(workspace: &Workspace) -> Self {
        // Cargo, which has read the workspace, does not run without.
        let cargo_home = cargo_home().unwrap_or_else(|| "/nonexistent".into());
        let rustup_home = rustup_home().unwrap_or_else(|| "/nonexistent".into());
        let home = std::env::home_dir().and_then(|home| Utf8PathBuf::from_path_buf(home).ok());
        let mut private = vec![cargo_home.clone()];
        private.extend(home.filter(|home| home.parent().is_some()));
        let sysroot = &workspace.toolchain.sysroot;
        Self {
            machine: ClientMachine {
                libraries: Libraries::new(),
                search_path: std::env::var_os("PATH"),
                toolchain: vec![
                    sysroot.clone(),
                    rustup_home.clone(),
                    cargo_home.join("registry"),
                    cargo_home.join("git"),
                ],
                private,
                installed_programs: cargo_home.join("bin"),
                of_container: needs::OF_CONTAINER.map(Utf8PathBuf::from).to_vec(),
                data: needs::DATA_DIRECTORIES.map(Utf8PathBuf::from).to_vec(),
                workspace: vec![workspace.root.clone(), workspace.target_directory.clone()],
                target_directory: workspace.target_directory.clone(),
            },
            variables: NamesInFiles::new(needs::client_variables(|_| false).into_keys()),
            toolchain_programs: sysroot.join("bin"),
            cargo_home,
            rustup_home,
            own_files: workspace.target_directory.join("maelstrom"),
            shown: OnceLock::new(),
        }
    }

    /// Cargo's credentials, and the files of this program.
    pub fn hidden(&self) -> Vec<PathBuf> {
        let names = ["credentials", "credentials.toml"];
        let mut hidden: Vec<PathBuf> = names.map(|name| self.cargo_home.join(name).into()).into();
        hidden.push(self.own_files.clone().into());
        hidden
    }

    /// Adds the variables with which programs of the machine find what they need over the view of the
    /// machine: the search path of the client, and the directories of its toolchain.
    pub fn add_variables(&self, container: &mut Container) {
        let mut path = container_path(container);
        let of_client = std::env::var_os("PATH").unwrap_or_default();
        let of_client = std::env::split_paths(&of_client).filter(|path| path.is_absolute());
        // The directory of rustup's programs is not in the view of the machine if it is in the
        // user's home directory and not in Cargo's.
        let toolchain = PathBuf::from(&self.toolchain_programs);
        for directory in of_client.chain([toolchain]) {
            if !path.contains(&directory) {
                path.push(directory);
            }
        }
        let environment = &mut container.environment;
        if let Ok(path) = std::env::join_paths(path)
            && let Ok(path) = path.into_string()
        {
            environment.insert("PATH".to_owned(), path);
        }
        for (name, value) in [
            ("CARGO_HOME", self.cargo_home.as_str()),
            ("CARGO_NET_OFFLINE", "true"),
            ("RUSTUP_HOME", self.rustup_home.as_str()),
            // Directories of the view are file systems of their own, at which git would stop its
            // search for the repository of the working directory.
            ("GIT_DISCOVERY_ACROSS_FILESYSTEM", "1"),
        ] {
            (environment.entry(name.to_owned())).or_insert_with(|| value.to_owned());
        }
    }

    /// Whether a run over the view of the machine can differ from the run with these facts, which
    /// saw its container alone.
    pub fn show_more(&self, facts: &Facts) -> bool {
        !facts.incomplete.is_empty() || facts.files.iter().any(|fact| self.has_more(fact))
    }

    /// Whether the view shows more than the container where a test asked for a file.
    fn has_more(&self, fact: &FileFact) -> bool {
        // The interpreter of a script that the test wrote is not known.
        if fact.uses.executed && fact.found == Found::Mount {
            return true;
        }
        let mut hidden = self
            .machine
            .of_container
            .iter()
            .chain(&self.machine.private);
        let is_hidden = hidden.any(|directory| fact.path.starts_with(directory));
        let mut shown = self.shown().iter();
        let is_shown = shown.any(|directory| fact.path.starts_with(directory));
        fact.machine_has_more && !fact.is_common && (is_shown || !is_hidden)
    }

    /// The directories that a test sees over the view of the machine even if they are below the
    /// user's home directory. None is below another.
    pub fn shown(&self) -> &[PathBuf] {
        self.shown.get_or_init(|| {
            let all = (self.machine.workspace.iter())
                .chain(&self.machine.toolchain)
                .chain([&self.cargo_home, &self.rustup_home]);
            let mut all: Vec<_> = all.filter(|directory| directory.is_dir()).collect();
            all.sort();
            all.dedup_by(|inner, outer| inner.starts_with(&**outer));
            all.into_iter()
                .map(|directory| directory.clone().into())
                .collect()
        })
    }
}

/// The directories of a container's `PATH`.
pub fn container_path(container: &Container) -> Vec<PathBuf> {
    let path = container.environment.get("PATH");
    path.map_or_else(Vec::new, |path| std::env::split_paths(path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{Incomplete, Uses};
    use std::path::Path;

    fn surroundings(root: &Path) -> Surroundings {
        let below = |path: &str| Utf8PathBuf::from_path_buf(root.join(path)).unwrap();
        for directory in [
            "home/workspace/target",
            "home/.cargo/registry",
            "home/.rustup",
        ] {
            std::fs::create_dir_all(root.join(directory)).unwrap();
        }
        Surroundings {
            machine: ClientMachine {
                libraries: Libraries::new(),
                search_path: None,
                toolchain: vec![below("home/.rustup")],
                private: vec![below("home"), below("home/.cargo")],
                installed_programs: below("home/.cargo/bin"),
                of_container: needs::OF_CONTAINER.map(Utf8PathBuf::from).to_vec(),
                data: needs::DATA_DIRECTORIES.map(Utf8PathBuf::from).to_vec(),
                workspace: vec![below("home/workspace")],
                target_directory: below("home/workspace/target"),
            },
            variables: NamesInFiles::new([]),
            toolchain_programs: below("home/.rustup/bin"),
            cargo_home: below("home/.cargo"),
            rustup_home: below("home/.rustup"),
            own_files: below("home/workspace/target/maelstrom"),
            shown: OnceLock::new(),
        }
    }

    fn fact(path: impl AsRef<Path>, uses: Uses, found: Found) -> FileFact {
        FileFact {
            path: path.as_ref().to_owned(),
            uses,
            found,
            is_refused: false,
            is_common: false,
            machine_has_more: found == Found::Machine,
        }
    }

    #[test]
    fn the_view_shows_more_where_the_machine_has_more_that_is_not_hidden() {
        let root = tempfile::tempdir().unwrap();
        let surroundings = surroundings(root.path());
        let of_home = |path: &str| {
            fact(
                root.path().join("home").join(path),
                Uses::OPENED,
                Found::Machine,
            )
        };
        let common = FileFact {
            is_common: true,
            ..fact("/etc/localtime", Uses::OPENED, Found::Machine)
        };
        for (fact, expected) in [
            (fact("/usr/bin/git", Uses::EXECUTED, Found::Machine), true),
            (fact("/usr/bin/git", Uses::EXECUTED, Found::Nowhere), false),
            (
                fact("/usr/bin/env", Uses::EXECUTED, Found::Container),
                false,
            ),
            (fact("/tmp/script", Uses::EXECUTED, Found::Mount), true),
            (fact("/tmp/file", Uses::OPENED, Found::Mount), false),
            (fact("/run/lock", Uses::OPENED, Found::Machine), false),
            (of_home("notes"), false),
            (of_home("workspace/ignored"), true),
            (of_home(".cargo/registry/index"), true),
            (common, false),
        ] {
            let facts = Facts {
                files: vec![fact.clone()],
                ..Facts::default()
            };
            assert_eq!(surroundings.show_more(&facts), expected, "{fact:?}");
        }
        let incomplete = Facts {
            incomplete: [Incomplete::IoUring].into(),
            ..Facts::default()
        };
        assert!(surroundings.show_more(&incomplete));
        assert!(!surroundings.show_more(&Facts::default()));
    }
}
