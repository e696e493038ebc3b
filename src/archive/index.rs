//! What an archive says about its tests.

use crate::cargo::{Dependency, Package, TargetInfo, TestBinary};
use crate::doctest::DoctestEnd;
use crate::filter::TargetKind;
use crate::session::PortableContainer;
use crate::spec::{ContainerSpec, JobSpec, Mount};
use crate::store::Digest;
use camino::Utf8PathBuf;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::sync::Arc;

/// The version of the format.
pub const FORMAT: u32 = 1;

/// The first member.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub format: u32,
    pub program_version: String,
    /// Rust's name of the architecture of the machine.
    pub architecture: String,
    pub index: String,
    pub history: String,
}

impl Header {
    /// The header of an archive that this program makes here.
    pub fn new(index: &[u8], history: &[u8]) -> Self {
        Self {
            format: FORMAT,
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
            architecture: std::env::consts::ARCH.to_owned(),
            index: Digest::of(index).to_string(),
            history: Digest::of(history).to_string(),
        }
    }
}

/// The tests of an archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchiveIndex {
    pub workspace: ArchivedWorkspace,
    pub binaries: Vec<ArchivedBinary>,
    /// The containers, to which test cases refer.
    pub containers: Vec<ArchivedContainer>,
}

/// The workspace of archived tests, at its place on the machine that made the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedWorkspace {
    pub root: Utf8PathBuf,
    pub target_directory: Utf8PathBuf,
    /// The text of `maelstrom-test.toml`. `None`: there is no such file.
    pub directives: Option<String>,
    /// The packages of the test binaries and all members.
    pub packages: Vec<ArchivedPackage>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedPackage {
    name: String,
    version: String,
    id: String,
    manifest_path: Utf8PathBuf,
    directory: Utf8PathBuf,
    dependencies: Vec<Dependency>,
    /// Kinds and names.
    targets: Vec<(Kind, String)>,
    is_member: bool,
}

/// A test binary with those of its test cases that the archive has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedBinary {
    /// The id of its package.
    package: String,
    kind: Kind,
    target: String,
    path: Utf8PathBuf,
    harness: bool,
    out_dir: Option<Utf8PathBuf>,
    programs: BTreeMap<String, Utf8PathBuf>,
    environment: BTreeMap<String, String>,
    library_path: Vec<Utf8PathBuf>,
    build_dir: Utf8PathBuf,
    outside_sources: Vec<Utf8PathBuf>,
    runner: Option<Vec<String>>,
    pub cases: Vec<ArchivedCase>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedCase {
    pub name: String,
    pub ignored: bool,
    /// The whole test binary is the test case.
    pub whole: bool,
    /// Its place in the list of containers. `None`: no program runs for the test.
    pub container: Option<usize>,
    /// How a documentation test ends if it is run, also if it is ignored. `None`: it is another test.
    pub doctest: Option<DoctestEnd>,
}

/// A container, whose layers are in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArchivedContainer {
    #[serde(with = "as_text")]
    pub layers: Vec<Digest>,
    /// The specification as that of a job without layers.
    #[serde(serialize_with = "write_spec", deserialize_with = "read_spec")]
    spec: ContainerSpec,
    /// Absolute globs.
    outputs: Vec<String>,
    image_variables: BTreeMap<String, String>,
    library_path: Option<String>,
    /// The names of variables that its tests get from the machine that runs them, as globs.
    pub pass_environment: Vec<String>,
}

impl ArchivedWorkspace {
    pub fn new(
        root: Utf8PathBuf,
        target_directory: Utf8PathBuf,
        directives: Option<String>,
        members: &[Arc<Package>],
    ) -> Self {
        let members = members.iter();
        Self {
            root,
            target_directory,
            directives,
            packages: members
                .map(|member| ArchivedPackage::new(member, true))
                .collect(),
        }
    }

    /// Adds the package of a binary, if it is not a member.
    pub fn add_package(&mut self, package: &Package) {
        if !self.packages.iter().any(|other| other.id == package.id) {
            self.packages.push(ArchivedPackage::new(package, false));
        }
    }

    /// All packages, by their ids. The members come first.
    fn packages(&self) -> Result<Vec<(Arc<Package>, bool)>, String> {
        let packages = self.packages.iter();
        packages
            .map(|package| Ok((Arc::new(package.restore()?), package.is_member)))
            .collect()
    }
}

impl ArchivedPackage {
    fn new(package: &Package, is_member: bool) -> Self {
        let targets = package.targets.iter();
        Self {
            name: package.name.clone(),
            version: package.version.to_string(),
            id: package.id.clone(),
            manifest_path: package.manifest_path.clone(),
            directory: package.directory.clone(),
            dependencies: package.dependencies.clone(),
            targets: targets
                .map(|target| (Kind(target.kind), target.name.clone()))
                .collect(),
            is_member,
        }
    }

    fn restore(&self) -> Result<Package, String> {
        let targets = self.targets.iter();
        Ok(Package {
            name: self.name.clone(),
            version: self
                .version
                .parse()
                .map_err(|_| format!("`{}` is not a version of a package", self.version))?,
            id: self.id.clone(),
            manifest_path: self.manifest_path.clone(),
            directory: self.directory.clone(),
            environment: BTreeMap::new(),
            features: BTreeMap::new(),
            dependencies: self.dependencies.clone(),
            targets: targets
                .map(|(kind, name)| TargetInfo {
                    kind: kind.0,
                    name: name.clone(),
                    src_path: Utf8PathBuf::new(),
                    harness: true,
                    // There are no sources whose documentation could have tests.
                    doctest: false,
                    test: true,
                    bench: true,
                    required_features: Vec::new(),
                })
                .collect(),
        })
    }
}

impl ArchivedBinary {
    /// A binary without test cases.
    pub fn new(binary: &TestBinary) -> Self {
        Self {
            package: binary.package.id.clone(),
            kind: Kind(binary.kind),
            target: binary.target.clone(),
            path: binary.path.clone(),
            harness: binary.harness,
            out_dir: binary.out_dir.clone(),
            programs: binary.programs.clone(),
            environment: binary.environment.clone(),
            library_path: binary.library_path.clone(),
            build_dir: binary.build_dir.clone(),
            outside_sources: binary.outside_sources.clone(),
            runner: binary.runner.clone(),
            cases: Vec::new(),
        }
    }

    fn restore(&self, packages: &[(Arc<Package>, bool)]) -> Result<TestBinary, String> {
        let package = packages
            .iter()
            .find(|(package, _)| package.id == self.package);
        let (package, _) =
            package.ok_or_else(|| format!("it lacks the package `{}`", self.package))?;
        Ok(TestBinary {
            // The executables are in the layers.
            doctests: None,
            package: package.clone(),
            kind: self.kind.0,
            target: self.target.clone(),
            path: self.path.clone(),
            harness: self.harness,
            out_dir: self.out_dir.clone(),
            programs: self.programs.clone(),
            environment: self.environment.clone(),
            library_path: self.library_path.clone(),
            build_dir: self.build_dir.clone(),
            outside_sources: self.outside_sources.clone(),
            runner: self.runner.clone(),
        })
    }
}

impl ArchiveIndex {
    /// The members of the workspace, and the test binaries with their cases. An error is a text.
    #[expect(clippy::type_complexity, reason = "the two lists are used at once")]
    pub fn restore(
        &self,
    ) -> Result<(Vec<Arc<Package>>, Vec<(Arc<TestBinary>, Vec<ArchivedCase>)>), String> {
        let packages = self.workspace.packages()?;
        let mut binaries = Vec::new();
        for binary in &self.binaries {
            let has_container = |case: &&ArchivedCase| match case.container {
                Some(place) => place < self.containers.len(),
                None => (case.doctest.as_ref()).is_some_and(|end| !end.has_program()),
            };
            if let Some(case) = binary.cases.iter().find(|case| !has_container(case)) {
                return Err(format!("the test `{}` has no container", case.name));
            }
            binaries.push((Arc::new(binary.restore(&packages)?), binary.cases.clone()));
        }
        let members = packages.into_iter().filter(|(_, is_member)| *is_member);
        Ok((members.map(|(package, _)| package).collect(), binaries))
    }
}

impl ArchivedContainer {
    pub fn new(portable: &PortableContainer, pass_environment: &[String]) -> Self {
        let mut spec = portable.spec.clone();
        // Bound paths have escapes in the format of specifications.
        spec.mounts = spec.mounts.into_iter().map(Mount::escaped).collect();
        let outputs = std::mem::take(&mut spec.outputs);
        Self {
            layers: portable.layers.clone(),
            spec,
            outputs,
            image_variables: portable.image_variables.clone(),
            library_path: portable.library_path.clone(),
            pass_environment: pass_environment.to_vec(),
        }
    }

    /// The container; the paths of its mounts have escapes.
    pub fn restore(&self) -> PortableContainer {
        PortableContainer {
            layers: self.layers.clone(),
            spec: ContainerSpec {
                outputs: self.outputs.clone(),
                ..self.spec.clone()
            },
            image_variables: self.image_variables.clone(),
            library_path: self.library_path.clone(),
        }
    }
}

/// A kind of target, by Cargo's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind(TargetKind);

impl Serialize for Kind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.into_str())
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const KINDS: [TargetKind; 7] = [
            TargetKind::Library,
            TargetKind::ProcMacro,
            TargetKind::Binary,
            TargetKind::Test,
            TargetKind::Example,
            TargetKind::Benchmark,
            TargetKind::Doctest,
        ];
        let name = String::deserialize(deserializer)?;
        let kind = KINDS.into_iter().find(|kind| kind.into_str() == name);
        kind.map(Self)
            .ok_or_else(|| D::Error::custom(format!("`{name}` is not a kind of target")))
    }
}

fn write_spec<S: Serializer>(spec: &ContainerSpec, serializer: S) -> Result<S::Ok, S::Error> {
    JobSpec::new("program", spec.clone())
        .to_json()
        .serialize(serializer)
}

fn read_spec<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ContainerSpec, D::Error> {
    let json = serde_json::Value::deserialize(deserializer)?;
    let job = JobSpec::from_json(&json.to_string()).map_err(D::Error::custom)?;
    Ok(job.container)
}

/// Digests in their text form.
mod as_text {
    use super::Digest;
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serializer};

    pub fn serialize<S: Serializer>(digests: &[Digest], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(digests.iter().map(ToString::to_string))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Digest>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        let texts = texts.iter();
        texts
            .map(|text| text.parse().map_err(D::Error::custom))
            .collect()
    }
}
