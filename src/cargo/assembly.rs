//! Putting test binaries together from Cargo's messages.
//!
//! Cargo announces each thing it made as soon as it is made: before a test binary come
//! the build scripts that ran for it, so what was said earlier is remembered. The
//! programs that an integration test runs come before or after it, for linking it takes
//! none of them: it is kept back until all are there.

use super::{
    CargoError, Invocation, Package, Workspace, environment,
    environment::Sources,
    lockfile::{Identity, Lockfile, belongs, identity},
    metadata::{directory_of, kind_of, package_outside},
    place::Place,
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

/// An executable with test cases in it, and all that running it takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestBinary {
    pub package: Arc<Package>,
    pub kind: TargetKind,
    /// The target's name.
    pub target: String,
    pub path: Utf8PathBuf,
    /// Whether libtest's harness is linked in.
    pub harness: bool,
    /// What the package's build script wrote.
    pub out_dir: Option<Utf8PathBuf>,
    /// The package's programs by name, for integration tests and benchmarks.
    pub programs: BTreeMap<String, Utf8PathBuf>,
    /// What Cargo sets for it at run time, but `LD_LIBRARY_PATH`.
    pub environment: BTreeMap<String, String>,
    /// `LD_LIBRARY_PATH`, in order.
    pub library_path: Vec<Utf8PathBuf>,
    /// The profile's artifact directory, the target triple included.
    pub build_dir: Utf8PathBuf,
    /// Directories of its package, of members and of path dependencies that lie
    /// outside the workspace's root.
    pub outside_sources: Vec<Utf8PathBuf>,
    /// The command that Cargo would put before the binary's path.
    pub runner: Option<Vec<String>>,
}

/// What a message of Cargo says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// A target is built, or was so already; and the test binaries that are complete
    /// with it.
    Built {
        package: String,
        target: String,
        fresh: bool,
        binaries: Vec<TestBinary>,
    },
    /// The build has ended, well or not; and the test binaries that waited in vain for
    /// something that Cargo turned out not to build.
    Ended { binaries: Vec<TestBinary> },
    /// Something that needs no action.
    Nothing,
    /// No message of Cargo's own, or one meant for people.
    Other,
}

/// Remembers what Cargo said, and makes test binaries of it.
pub(super) struct Assembler {
    invocation: Invocation,
    workspace: Arc<Workspace>,
    /// Our own `LD_LIBRARY_PATH`, which Cargo passes on.
    inherited_library_path: Vec<Utf8PathBuf>,
    lockfile: Option<Lockfile>,
    closures: HashMap<String, Option<BTreeSet<Identity>>>,
    scripts: Vec<BuildScript>,
    /// By the id of the package and the artifact directory.
    programs: HashMap<(String, Utf8PathBuf), BTreeMap<String, Utf8PathBuf>>,
    /// Packages outside the workspace's root that are built from a path.
    outside: BTreeMap<Utf8PathBuf, Option<Identity>>,
    /// Packages with test binaries that are not members.
    strangers: HashMap<String, Arc<Package>>,
    announced: HashSet<Utf8PathBuf>,
    /// Test binaries whose programs are not all there.
    waiting: Vec<Announced>,
    runners: HashMap<String, Option<Vec<String>>>,
}

/// A test binary that exists.
struct Announced {
    artifact: Artifact,
    kind: TargetKind,
    path: Utf8PathBuf,
    package: Arc<Package>,
    place: Place,
}

#[derive(Deserialize)]
struct Head<'a> {
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
            strangers: HashMap::new(),
            announced: HashSet::new(),
            waiting: Vec::new(),
            runners: HashMap::new(),
        }
    }

    /// Takes one line of Cargo's standard output.
    pub(super) fn hear(&mut self, line: &str) -> Result<Said, CargoError> {
        let Ok(head) = serde_json::from_str::<Head<'_>>(line) else {
            return Ok(Said::Other);
        };
        match head.reason.as_ref() {
            "compiler-artifact" => self.artifact(message(line)?),
            "build-script-executed" => {
                self.scripts.push(message(line)?);
                Ok(Said::Nothing)
            }
            "build-finished" => self.end(&message(line)?),
            _ => Ok(Said::Other),
        }
    }

    fn artifact(&mut self, artifact: Artifact) -> Result<Said, CargoError> {
        self.remember_outside(&artifact);
        let id = &artifact.package_id.repr;
        let package = identity(id).map_or_else(|| id.clone(), |(name, _)| name);
        let target = artifact.target.name.clone();
        let fresh = artifact.fresh;
        if let (Some(kind), Some(path)) = (kind_of(&artifact.target), artifact.executable.clone()) {
            let place = self.place(&path);
            if artifact.profile.test {
                if self.announced.insert(path.clone()) {
                    let package = self.package(&artifact)?;
                    self.waiting.push(Announced {
                        artifact,
                        kind,
                        path,
                        package,
                        place,
                    });
                }
            } else if kind == TargetKind::Binary {
                self.programs
                    .entry((id.clone(), place.artifacts))
                    .or_default()
                    .insert(target.clone(), path);
            }
        }
        Ok(Said::Built {
            package,
            target,
            fresh,
            binaries: self.complete()?,
        })
    }

    fn end(&mut self, finished: &BuildFinished) -> Result<Said, CargoError> {
        let waiting = std::mem::take(&mut self.waiting);
        let binaries = if finished.success {
            let binaries = waiting.iter().map(|announced| self.binary(announced));
            binaries.collect::<Result<_, _>>()?
        } else {
            Vec::new()
        };
        Ok(Said::Ended { binaries })
    }

    /// The binaries that waited and need not any more.
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

    fn has_its_programs(&self, announced: &Announced) -> bool {
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

    fn programs_of(&self, announced: &Announced) -> Option<&BTreeMap<String, Utf8PathBuf>> {
        let id = announced.artifact.package_id.repr.clone();
        self.programs.get(&(id, announced.place.artifacts.clone()))
    }

    fn binary(&mut self, announced: &Announced) -> Result<TestBinary, CargoError> {
        let Announced {
            artifact,
            kind,
            path,
            package,
            place,
        } = announced;
        let triple = place
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
        let script = self.script(&package.id, path, place);
        let out_dir = script
            .map(|script| script.out_dir.clone())
            .filter(|out_dir| !out_dir.as_str().is_empty());
        Ok(TestBinary {
            environment: environment::of_binary(&Sources {
                configured: &self.workspace.configuration.environment,
                script: script.map_or(&[], |script| &script.env),
                out_dir: out_dir.as_deref(),
                package: &package.environment,
                cargo: &self.workspace.toolchain.cargo,
                programs: &programs,
            }),
            library_path: self.library_path(place, &triple, closure.as_ref()),
            outside_sources: self.outside_sources(package, closure.as_ref()),
            harness: package
                .target(*kind, &artifact.target.name)
                .is_none_or(|target| target.harness),
            kind: *kind,
            target: artifact.target.name.clone(),
            path: path.clone(),
            build_dir: place.artifacts.clone(),
            package: Arc::clone(package),
            out_dir,
            programs,
            runner,
        })
    }

    fn package(&mut self, artifact: &Artifact) -> Result<Arc<Package>, CargoError> {
        let id = &artifact.package_id.repr;
        if let Some(member) = self.workspace.package(id) {
            return Ok(Arc::clone(member));
        }
        if let Some(stranger) = self.strangers.get(id) {
            return Ok(Arc::clone(stranger));
        }
        let package = package_outside(&self.invocation, &artifact.manifest_path, id)?;
        let package = Arc::new(package);
        self.strangers.insert(id.clone(), Arc::clone(&package));
        Ok(package)
    }

    fn place(&self, file: &Utf8Path) -> Place {
        Place::of(
            file,
            &self.workspace.target_directory,
            self.workspace.build_directory.as_deref(),
        )
    }

    /// The run of the package's build script that this binary was compiled after. A
    /// script also runs separately for the host, and for other features.
    fn script(&self, id: &str, path: &Utf8Path, place: &Place) -> Option<&BuildScript> {
        let all = || {
            let scripts = self.scripts.iter().rev();
            scripts.filter(|script| script.package_id.repr == id)
        };
        // The latest first.
        let near: Vec<_> = all()
            .filter(|script| place.holds(&script.out_dir))
            .collect();
        match near.as_slice() {
            [] => all().next(),
            [script] => Some(script),
            [latest, ..] => {
                // Only the compiler's notes tell them apart, if the code reads OUT_DIR.
                let notes = fs::read_to_string(path.with_extension("d")).unwrap_or_default();
                let read = notes
                    .lines()
                    .find_map(|line| line.strip_prefix("# env-dep:OUT_DIR="));
                near.iter()
                    .find(|script| Some(script.out_dir.as_str()) == read)
                    .or(Some(latest))
                    .copied()
            }
        }
    }

    /// The order is Cargo's: what build scripts link to, what was built, the
    /// toolchain, what we were given ourselves.
    fn library_path(
        &self,
        place: &Place,
        triple: &str,
        closure: Option<&BTreeSet<Identity>>,
    ) -> Vec<Utf8PathBuf> {
        // Cargo sorts them with their prefixes.
        let linked: BTreeSet<_> = self
            .scripts
            .iter()
            .filter(|script| belongs(identity(&script.package_id.repr).as_ref(), closure))
            .flat_map(|script| &script.linked_paths)
            .collect();
        let linked = linked
            .into_iter()
            .map(|path| search_directory(path))
            .filter(|path| place.holds(path))
            .map(Utf8Path::to_owned);
        let mut seen = HashSet::new();
        linked
            .chain([place.artifacts.clone(), place.intermediate.join("deps")])
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
                .or_insert_with(|| identity(id));
        }
    }

    fn outside_sources(
        &self,
        package: &Package,
        closure: Option<&BTreeSet<Identity>>,
    ) -> Vec<Utf8PathBuf> {
        let members = self
            .workspace
            .packages
            .iter()
            .map(|member| &member.directory);
        let dependencies = self
            .outside
            .iter()
            .filter(|(_, identity)| belongs(identity.as_ref(), closure))
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

    /// What the package depends on; `None` if that is not known.
    fn closure(&mut self, package: &Package) -> Option<BTreeSet<Identity>> {
        // Only for these is it needed, and large lock files take a while.
        if self.outside.is_empty() && self.scripts.is_empty() {
            return None;
        }
        // Cargo has brought it up to date by now.
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
                    // A target of one's own is given as a file named after it.
                    let target = self
                        .invocation
                        .options
                        .texts("target")
                        .find(|target| Utf8Path::new(target).file_stem() == Some(triple))
                        .unwrap_or(triple);
                    let rustc = &self.workspace.toolchain.rustc;
                    let cfgs = toolchain::ask_now(rustc, &["--print", "cfg", "--target", target])?;
                    Ok(cfgs
                        .lines()
                        .filter_map(|line| Cfg::from_str(line).ok())
                        .collect())
                })?;
        self.runners.insert(triple.to_owned(), runner.clone());
        Ok(runner)
    }
}

fn message<'a, T: Deserialize<'a>>(line: &'a str) -> Result<T, CargoError> {
    serde_json::from_str(line).map_err(|error| CargoError::Output {
        command: "cargo test --no-run".to_owned(),
        message: error.to_string(),
    })
}

/// Whether Cargo builds the package's programs for a target of that kind.
fn runs_programs(kind: TargetKind) -> bool {
    matches!(kind, TargetKind::Test | TargetKind::Benchmark)
}

/// `-L` knows kinds of directories, written before them.
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
