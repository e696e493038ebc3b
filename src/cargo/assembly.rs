//! Assembles test binaries from Cargo's messages.
//!
//! Cargo announces each artifact when it is complete. The messages of build scripts come before the
//! test binaries that need them, so these messages are remembered. The programs that an integration
//! test runs are announced before or after the test binary, so the test binary waits until all of
//! its programs are announced.

mod doctests;

pub use doctests::DoctestLibrary;

use super::{
    BuiltTarget, CargoError, Invocation, Package, Workspace, environment,
    environment::EnvironmentSources,
    lockfile::{Lockfile, NameAndVersion, is_in_closure, name_and_version},
    metadata::{directory_of, kind_of, package_outside},
    profile_directories::ProfileDirectories,
    toolchain,
};
use crate::filter::TargetKind;
use camino::{Utf8Path, Utf8PathBuf};
use cargo_metadata::{Artifact, BuildFinished, BuildScript, cargo_platform::Cfg};
use serde::Deserialize;
use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    env, fs,
    str::FromStr as _,
    sync::Arc,
};

/// An executable with test cases, and everything that is needed to run it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestBinary {
    pub package: Arc<Package>,
    pub kind: TargetKind,
    /// The target's name.
    pub target: String,
    pub path: Utf8PathBuf,
    /// Whether the binary has libtest's harness.
    pub harness: bool,
    /// The output directory of the package's build script.
    pub out_dir: Option<Utf8PathBuf>,
    /// The package's programs by name, for integration tests and benchmarks.
    pub programs: BTreeMap<String, Utf8PathBuf>,
    /// The environment that Cargo gives the binary, except `LD_LIBRARY_PATH`.
    pub environment: BTreeMap<String, String>,
    /// The directories of `LD_LIBRARY_PATH`.
    pub library_path: Vec<Utf8PathBuf>,
    /// The artifact directory of the profile and target.
    pub build_dir: Utf8PathBuf,
    /// The directories outside the workspace's root of the package, of members and of path
    /// dependencies.
    pub outside_sources: Vec<Utf8PathBuf>,
    /// The runner: the command that Cargo puts before the path of the binary.
    pub runner: Option<Vec<String>>,
    /// The executables, if this stands for the documentation tests of a library. `path` is then
    /// the directory that has all of them.
    pub doctests: Option<DoctestExecutables>,
}

/// The executables of the documentation tests of a library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoctestExecutables {
    pub files: Vec<Utf8PathBuf>,
    /// Stands for their content in cached results. `None`: results are not cached.
    pub identity: Option<String>,
    /// Whether they are packed into a layer, so that tests can run on an engine. Otherwise the
    /// directory is mounted.
    pub packed: bool,
}

/// The effect of a message of Cargo.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum MessageEffect {
    /// A target was built or is up to date. `binaries` are the test binaries that are complete now.
    Built { binaries: Vec<TestBinary> },
    /// The build has ended. `binaries` are the test binaries that waited for programs that Cargo did
    /// not build.
    Ended { binaries: Vec<TestBinary> },
    /// No event.
    Nothing,
    /// A line that is not a message of Cargo, or is a message for people.
    Other,
}

/// Remembers the messages of Cargo, and assembles test binaries.
pub(super) struct Assembler {
    invocation: Invocation,
    workspace: Arc<Workspace>,
    /// The `LD_LIBRARY_PATH` of this process, which Cargo passes on.
    inherited_library_path: Vec<Utf8PathBuf>,
    lockfile: Option<Lockfile>,
    closures: HashMap<String, Option<BTreeSet<NameAndVersion>>>,
    scripts: Vec<BuildScript>,
    /// Paths of programs by name, by the id of the package and the artifact directory.
    programs: HashMap<(String, Utf8PathBuf), BTreeMap<String, Utf8PathBuf>>,
    /// The path dependencies outside the workspace's root, by directory.
    outside: BTreeMap<Utf8PathBuf, Option<NameAndVersion>>,
    /// The packages with test binaries that are not members.
    non_members: HashMap<String, Arc<Package>>,
    announced: HashSet<Utf8PathBuf>,
    /// The test binaries whose programs are not all built yet.
    waiting: Vec<AnnouncedBinary>,
    runners: HashMap<String, Option<Vec<String>>>,
    /// What was built besides programs and test binaries, if documentation tests are built.
    libraries: Vec<Artifact>,
}

/// A test binary that Cargo has built.
struct AnnouncedBinary {
    artifact: Artifact,
    kind: TargetKind,
    path: Utf8PathBuf,
    package: Arc<Package>,
    directories: ProfileDirectories,
}

#[derive(Deserialize)]
struct MessageHead<'a> {
    #[serde(borrow)]
    reason: Cow<'a, str>,
}

impl Assembler {
    pub(super) fn new(invocation: Invocation, workspace: Arc<Workspace>) -> Self {
        let inherited = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
        Self {
            invocation,
            workspace,
            inherited_library_path: env::split_paths(&inherited)
                .filter_map(|path| Utf8PathBuf::from_path_buf(path).ok())
                .filter(|path| path.is_absolute())
                .collect(),
            lockfile: None,
            closures: HashMap::new(),
            scripts: Vec::new(),
            programs: HashMap::new(),
            outside: BTreeMap::new(),
            non_members: HashMap::new(),
            announced: HashSet::new(),
            waiting: Vec::new(),
            runners: HashMap::new(),
            libraries: Vec::new(),
        }
    }

    /// Processes a line of Cargo's standard output.
    pub(super) fn on_message(&mut self, line: &str) -> Result<MessageEffect, CargoError> {
        let Ok(head) = serde_json::from_str::<MessageHead<'_>>(line) else {
            return Ok(MessageEffect::Other);
        };
        match head.reason.as_ref() {
            "compiler-artifact" => self.artifact(message(line)?),
            "build-script-executed" => {
                self.scripts.push(message(line)?);
                Ok(MessageEffect::Nothing)
            }
            "build-finished" => self.end(&message(line)?),
            _ => Ok(MessageEffect::Other),
        }
    }

    fn artifact(&mut self, artifact: Artifact) -> Result<MessageEffect, CargoError> {
        self.remember_outside(&artifact);
        if let Some(built) = &self.invocation.built {
            built.add(built_target(&artifact));
        }
        let id = &artifact.package_id.repr;
        let target = artifact.target.name.clone();
        if let (Some(kind), Some(path)) = (kind_of(&artifact.target), artifact.executable.clone()) {
            let directories = self.directories_of(&path);
            if artifact.profile.test {
                if self.announced.insert(path.clone()) {
                    let package = self.package(&artifact)?;
                    self.waiting.push(AnnouncedBinary {
                        artifact,
                        kind,
                        path,
                        package,
                        directories,
                    });
                }
            } else if kind == TargetKind::Binary {
                self.programs
                    .entry((id.clone(), directories.artifacts))
                    .or_default()
                    .insert(target.clone(), path);
            }
        } else if self.invocation.doctests.is_some() {
            self.libraries.push(artifact);
        }
        Ok(MessageEffect::Built {
            binaries: self.complete()?,
        })
    }

    fn end(&mut self, finished: &BuildFinished) -> Result<MessageEffect, CargoError> {
        let waiting = std::mem::take(&mut self.waiting);
        let binaries = if finished.success {
            let binaries = waiting.iter().map(|announced| self.binary(announced));
            binaries.collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        Ok(MessageEffect::Ended { binaries })
    }

    /// Removes and returns the waiting test binaries whose programs are built.
    fn complete(&mut self) -> Result<Vec<TestBinary>, CargoError> {
        let (complete, waiting) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|announced| self.has_its_programs(announced));
        self.waiting = waiting;
        complete
            .iter()
            .map(|announced| self.binary(announced))
            .collect()
    }

    fn has_its_programs(&self, announced: &AnnouncedBinary) -> bool {
        if !runs_programs(announced.kind) {
            return true;
        }
        let enabled = &announced.artifact.features;
        let built = self.programs_of(announced);
        announced
            .package
            .targets
            .iter()
            .filter(|target| target.kind == TargetKind::Binary)
            .filter(|target| {
                let required = &target.required_features;
                required.iter().all(|feature| enabled.contains(feature))
            })
            .all(|target| built.is_some_and(|built| built.contains_key(&target.name)))
    }

    fn programs_of(&self, announced: &AnnouncedBinary) -> Option<&BTreeMap<String, Utf8PathBuf>> {
        let id = announced.artifact.package_id.repr.clone();
        self.programs
            .get(&(id, announced.directories.artifacts.clone()))
    }

    fn binary(&mut self, announced: &AnnouncedBinary) -> Result<TestBinary, CargoError> {
        let AnnouncedBinary {
            artifact,
            kind,
            path,
            package,
            directories,
        } = announced;
        let triple = directories
            .triple
            .clone()
            .unwrap_or_else(|| self.workspace.toolchain.host.clone());
        let programs = Some(announced)
            .filter(|announced| runs_programs(announced.kind))
            .and_then(|announced| self.programs_of(announced))
            .cloned()
            .unwrap_or_default();
        let closure = self.closure(package);
        let runner = self.runner(&triple)?;
        let script = self.script(&package.id, path, directories);
        let out_dir = script
            .map(|script| script.out_dir.clone())
            .filter(|out_dir| !out_dir.as_str().is_empty());
        Ok(TestBinary {
            environment: environment::of_binary(&EnvironmentSources {
                configured: &self.workspace.configuration.environment,
                script: script.map_or(&[], |script| &script.env),
                out_dir: out_dir.as_deref(),
                package: &package.environment,
                cargo: &self.workspace.toolchain.cargo,
                programs: &programs,
            }),
            library_path: self.library_path(directories, &triple, closure.as_ref()),
            outside_sources: self.outside_sources(package, closure.as_ref()),
            harness: package
                .target(*kind, &artifact.target.name)
                .is_none_or(|target| target.harness),
            kind: *kind,
            target: artifact.target.name.clone(),
            path: path.clone(),
            build_dir: directories.artifacts.clone(),
            package: Arc::clone(package),
            out_dir,
            programs,
            runner,
            doctests: None,
        })
    }

    fn package(&mut self, artifact: &Artifact) -> Result<Arc<Package>, CargoError> {
        let id = &artifact.package_id.repr;
        if let Some(member) = self.workspace.package(id) {
            return Ok(Arc::clone(member));
        }
        if let Some(non_member) = self.non_members.get(id) {
            return Ok(Arc::clone(non_member));
        }
        let package = package_outside(&self.invocation, &artifact.manifest_path, id)?;
        let package = Arc::new(package);
        self.non_members.insert(id.clone(), Arc::clone(&package));
        Ok(package)
    }

    fn directories_of(&self, file: &Utf8Path) -> ProfileDirectories {
        ProfileDirectories::of(
            file,
            self.workspace.build_target(),
            // A separate target directory holds intermediate files, too.
            (self.workspace.build_directory.as_deref())
                .filter(|_| self.workspace.separate_target.is_none()),
        )
    }

    /// The run of the package's build script that belongs to this binary. A build script can run
    /// several times: for the host, for the target, and for different features.
    fn script(
        &self,
        id: &str,
        path: &Utf8Path,
        directories: &ProfileDirectories,
    ) -> Option<&BuildScript> {
        let all = || {
            let scripts = self.scripts.iter().rev();
            scripts.filter(|script| script.package_id.repr == id)
        };
        // The latest run first.
        let in_profile: Vec<_> = all()
            .filter(|script| directories.holds(&script.out_dir))
            .collect();
        match in_profile.as_slice() {
            [] => all().next(),
            [script] => Some(script),
            [latest, ..] => {
                // Only the dep-info file distinguishes them, if the code reads OUT_DIR.
                let dep_info = fs::read_to_string(path.with_extension("d")).unwrap_or_default();
                let read = dep_info
                    .lines()
                    .find_map(|line| line.strip_prefix("# env-dep:OUT_DIR="));
                in_profile
                    .iter()
                    .find(|script| Some(script.out_dir.as_str()) == read)
                    .or(Some(latest))
                    .copied()
            }
        }
    }

    /// The directories in Cargo's order: those that build scripts link to, those of the profile, those
    /// of the toolchain, and those that this process inherited.
    fn library_path(
        &self,
        directories: &ProfileDirectories,
        triple: &str,
        closure: Option<&BTreeSet<NameAndVersion>>,
    ) -> Vec<Utf8PathBuf> {
        // Cargo sorts the directories including their prefixes.
        let linked: BTreeSet<_> = self
            .scripts
            .iter()
            .filter(|script| {
                is_in_closure(name_and_version(&script.package_id.repr).as_ref(), closure)
            })
            .flat_map(|script| &script.linked_paths)
            .collect();
        let linked = linked
            .into_iter()
            .map(|path| search_directory(path))
            .filter(|path| directories.holds(path))
            .map(Utf8Path::to_owned);
        let mut seen = HashSet::new();
        linked
            .chain([
                directories.artifacts.clone(),
                directories.intermediate.join("deps"),
            ])
            .chain(self.workspace.toolchain.library_directories(triple))
            .chain(self.inherited_library_path.iter().cloned())
            .filter(|path| seen.insert(path.clone()))
            .collect()
    }

    fn remember_outside(&mut self, artifact: &Artifact) {
        let id = &artifact.package_id.repr;
        let directory = directory_of(&artifact.manifest_path);
        if id.contains("path+file://") && !directory.starts_with(&self.workspace.root) {
            self.outside
                .entry(directory)
                .or_insert_with(|| name_and_version(id));
        }
    }

    fn outside_sources(
        &self,
        package: &Package,
        closure: Option<&BTreeSet<NameAndVersion>>,
    ) -> Vec<Utf8PathBuf> {
        let members = self
            .workspace
            .packages
            .iter()
            .map(|member| &member.directory);
        let dependencies = self
            .outside
            .iter()
            .filter(|(_, name_and_version)| is_in_closure(name_and_version.as_ref(), closure))
            .map(|(directory, _)| directory);
        members
            .chain([&package.directory])
            .filter(|directory| !directory.starts_with(&self.workspace.root))
            .chain(dependencies)
            .cloned()
            .collect::<BTreeSet<_>>()
            .into_iter()
            .collect()
    }

    /// The package with its dependencies. `None`: they are not needed or not known.
    fn closure(&mut self, package: &Package) -> Option<BTreeSet<NameAndVersion>> {
        // Parsing a large lock file takes time, and the closure is only used for these.
        if self.outside.is_empty() && self.scripts.is_empty() {
            return None;
        }
        // At this time Cargo has updated the lock file.
        let lockfile = self.lockfile.get_or_insert_with(|| {
            let path = self.workspace.root.join("Cargo.lock");
            Lockfile::parse(&fs::read_to_string(path).unwrap_or_default())
        });
        self.closures
            .entry(package.id.clone())
            .or_insert_with(|| lockfile.closure(&package.name, &package.version.to_string()))
            .clone()
    }

    fn runner(&mut self, triple: &str) -> Result<Option<Vec<String>>, CargoError> {
        if let Some(known) = self.runners.get(triple) {
            return Ok(known.clone());
        }
        let runner =
            self.workspace
                .configuration
                .runner(triple, &self.invocation.directory, || {
                    // A custom target is given as a file with the name of the target.
                    let target = self
                        .invocation
                        .options
                        .values("target")
                        .find(|target| Utf8Path::new(target).file_stem() == Some(triple))
                        .unwrap_or(triple);
                    let rustc = &self.workspace.toolchain.rustc;
                    let cfgs = toolchain::run_rustc_blocking(
                        rustc,
                        &["--print", "cfg", "--target", target],
                    )?;
                    Ok(cfgs
                        .lines()
                        .filter_map(|line| Cfg::from_str(line).ok())
                        .collect())
                })?;
        self.runners.insert(triple.to_owned(), runner.clone());
        Ok(runner)
    }
}

fn built_target(artifact: &Artifact) -> BuiltTarget {
    let is_library = |path: &&Utf8PathBuf| path.extension() == Some("so");
    let libraries = artifact.filenames.iter().filter(is_library);
    BuiltTarget {
        package: directory_of(&artifact.manifest_path),
        src_path: artifact.target.src_path.clone(),
        is_test: artifact.profile.test,
        objects: libraries.chain(&artifact.executable).cloned().collect(),
    }
}

fn message<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T, CargoError> {
    serde_json::from_str(line).map_err(|error| CargoError::Output {
        command: "cargo test --no-run".to_owned(),
        message: error.to_string(),
    })
}

/// Whether Cargo builds the package's programs for targets of this kind.
fn runs_programs(kind: TargetKind) -> bool {
    matches!(kind, TargetKind::Test | TargetKind::Benchmark)
}

/// A directory of `-L` without the prefix for its kind.
fn search_directory(path: &Utf8Path) -> &Utf8Path {
    match path.as_str().split_once('=') {
        Some(("native" | "crate" | "dependency" | "framework" | "all", path)) => {
            Utf8Path::new(path)
        }
        _ => path,
    }
}

#[cfg(test)]
mod tests;
