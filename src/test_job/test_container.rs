//! The container of a test, from its binary and its directives in `maelstrom-test.toml`.

use super::appended::AppendedFiles;
use super::outputs::WriteBack;
use super::toolchain::{self, ToolchainAccess};
use super::variables::{PassedVariables, passed_by_settings, runner_variables};
use crate::cargo::{DoctestExecutables, Package, TestBinary, Workspace};
use crate::config::{ByteSize, DEFAULT_PROFILE};
use crate::coverage::JobProfiles;
use crate::directive::{TestSpec, default_container};
use crate::executor::{Container, Job, JobVariable};
use crate::filter::TargetKind;
use crate::layer::{ContainerError, LayerBuilder, LayerContext, LayerError, SourceView};
use crate::session::{ContainerBuilder, PortableContainer};
use crate::spec::{
    BindAccess, ContainerSpec, EnvironmentStep, ImageUse, JobSpec, LayerSpec, Mount, PrefixOptions,
    environment, escaped_path,
};
use crate::store::Digest;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, OnceLock};

/// Every file of the source tree.
const SOURCES: &[&str] = &["<workspace-dir>/**", "!<target-dir>/**"];

/// Makes the containers of tests. Methods block. Threads share a builder.
pub struct TestContainerBuilder {
    pub builder: ContainerBuilder,
    workspace: Arc<Workspace>,
    /// Whether a test sees only the sources of the members that it is built from.
    dependencies_only: bool,
    /// The variables of the client that every test gets.
    passed_variables: BTreeMap<String, String>,
    write_back: WriteBack,
    appended: AppendedFiles,
    /// What tests get so that the profiles of their programs can be collected.
    profiles: JobProfiles,
    /// The profile with whose settings tests run.
    profile: String,
    /// Found when the first test needs it.
    toolchain: OnceLock<ToolchainAccess>,
    warnings: Mutex<Warnings>,
}

/// Warnings about layers. Containers share layers, so each warning is shown once.
#[derive(Default)]
struct Warnings {
    known: HashSet<String>,
    waiting: Vec<String>,
}

impl TestContainerBuilder {
    /// `dependencies_only`: of the workspace's sources, a test sees those of its package, of the
    /// members that its package is built from, and those that belong to no member. So changes of
    /// other members do not change the test.
    pub fn new(
        workspace: Arc<Workspace>,
        layers: LayerBuilder,
        dependencies_only: bool,
        passed: &PassedVariables,
        write_back: WriteBack,
        appended: AppendedFiles,
    ) -> Self {
        let mut builder = ContainerBuilder::new(layers, workspace.root.clone(), None);
        builder.context.build_dir = workspace.target_directory.clone();
        builder.context.target_dir = workspace.target_directory.clone();
        Self {
            builder,
            workspace,
            dependencies_only,
            passed_variables: passed.of_client(),
            write_back,
            appended,
            profiles: JobProfiles::default(),
            profile: DEFAULT_PROFILE.to_owned(),
            toolchain: OnceLock::new(),
            warnings: Mutex::default(),
        }
    }

    /// The same builder, for tests that are told the name of this profile.
    #[must_use]
    pub fn of_profile(self, profile: &str) -> Self {
        let profile = profile.to_owned();
        Self { profile, ..self }
    }

    /// The same builder, for tests whose programs write profiles.
    #[must_use]
    pub fn with_profiles(self, profiles: JobProfiles) -> Self {
        Self { profiles, ..self }
    }

    fn layers(&self) -> &LayerBuilder {
        &self.builder.layers
    }

    /// Builds the layers that most tests share ahead of time: the base and the workspace's sources.
    pub fn pack_shared_layers(&self) {
        for layer in default_container().layers {
            if matches!(layer, LayerSpec::Base { .. } | LayerSpec::TestSource) {
                // The first test that needs the layer reports an error.
                let _ = self.layers().build(&layer, &self.builder.context);
            }
        }
    }

    /// The layers with the sources that the documentation tests of a library are made of.
    pub fn sources(&self, binary: &TestBinary) -> Result<Vec<Digest>, LayerError> {
        self.sources_in(self.layers(), binary)
    }

    /// As [`Self::sources`], but with what the files contain now.
    pub fn present_sources(&self, binary: &TestBinary) -> Result<Vec<Digest>, LayerError> {
        self.sources_in(&self.layers().afresh(), binary)
    }

    fn sources_in(
        &self,
        builder: &LayerBuilder,
        binary: &TestBinary,
    ) -> Result<Vec<Digest>, LayerError> {
        let context = LayerContext {
            package_dir: binary.package.directory.clone(),
            build_dir: binary.build_dir.clone(),
            outside_sources: binary.outside_sources.clone(),
            view: self.view(&binary.package),
            ..self.builder.context.clone()
        };
        let mut layers = vec![LayerSpec::TestSource];
        layers.extend(binary.out_dir.as_ref().map(|out_dir| LayerSpec::Source {
            source: escaped_path(out_dir),
        }));
        let built = layers.iter().map(|layer| builder.build(layer, &context));
        built.map(|layer| Ok(layer?.digest)).collect()
    }

    /// Warnings since the last call.
    pub fn take_warnings(&self) -> Vec<String> {
        self.warnings
            .lock()
            .map(|mut warnings| std::mem::take(&mut warnings.waiting))
            .unwrap_or_default()
    }

    /// Makes the container of tests of `binary` with the specification `spec`.
    pub fn container(
        &self,
        spec: &TestSpec,
        binary: &TestBinary,
    ) -> Result<Container, ContainerError> {
        let portable = self.portable(spec, binary)?;
        let mut container = self.complete(&portable, spec, binary)?;
        container.environment.extend(self.appended.variables());
        container.mounts.extend(self.appended.mount());
        let appended = self.appended.places();
        let appended = appended.map(|(path, _)| path.to_string_lossy().into_owned());
        container.outputs.extend(appended);
        self.add_profiles(&mut container);
        Ok(container)
    }

    /// Adds the directory for profiles, whose mount point is in a layer.
    fn add_profiles(&self, container: &mut Container) {
        container.environment.extend(self.profiles.variables());
        container.mounts.extend(self.profiles.mount());
        container.outputs.extend(self.profiles.outputs());
    }

    /// The container without its variables, which are those of the machine that runs the tests, and
    /// without the files that tests append to.
    pub fn portable(
        &self,
        spec: &TestSpec,
        binary: &TestBinary,
    ) -> Result<PortableContainer, ContainerError> {
        let container = self.container_spec(spec, binary)?;
        let context = self.context(spec, binary);
        let directory = Some(binary.package.directory.as_path());
        let packed = if mounted_executables(binary).is_some() {
            Vec::new()
        } else {
            programs(binary)
        };
        let (mut portable, warnings) =
            (self.builder).portable(&container, &context, &packed, directory)?;
        self.warn(warnings);
        let mounts = &mut portable.spec.mounts;
        mounts.retain(|mount| !self.hides_files(mount, binary));
        if let Some(directory) = self.temporary_directory(binary) {
            mounts.push(Mount::Tmp {
                mount_point: directory,
            });
        }
        Ok(portable)
    }

    /// The container of tests of an archive, whose variables are those of this machine. Fails if this
    /// machine does not have what the container mounts of it.
    pub fn of_archive(
        &self,
        mut portable: PortableContainer,
        spec: &TestSpec,
        binary: &TestBinary,
    ) -> Result<Container, ContainerError> {
        let context = &self.builder.context;
        for mount in &mut portable.spec.mounts {
            *mount = context.mount(mount)?;
        }
        portable.spec.root_overlay = context.root_overlay(&portable.spec.root_overlay)?;
        if let Some(layer) = self.profiles.layer() {
            portable
                .layers
                .push(self.layers().build(&layer, context)?.digest);
        }
        let mut container = self.complete(&portable, spec, binary)?;
        self.add_profiles(&mut container);
        Ok(container)
    }

    /// The container of tests of `binary`, whose variables are those of this machine.
    pub fn complete(
        &self,
        portable: &PortableContainer,
        spec: &TestSpec,
        binary: &TestBinary,
    ) -> Result<Container, ContainerError> {
        let mut variables = self.passed_variables.clone();
        variables.extend(passed_by_settings(spec));
        variables.extend(runner_variables(
            &self.workspace,
            spec,
            binary,
            &self.profile,
        ));
        variables.extend(binary.environment.clone());
        portable.complete(variables, vec![self.workspace.root.clone()])
    }

    /// The job specification with which `maelstrom-run` runs a test in the root of the workspace.
    pub fn job(
        &self,
        spec: &TestSpec,
        binary: &TestBinary,
        job: &Job,
    ) -> Result<JobSpec, ContainerError> {
        let context = self.context(spec, binary);
        let of_test = self.container_spec(spec, binary)?;
        let mut layers = Vec::new();
        for layer in &of_test.layers {
            layers.extend(self.layers().portable_specs(layer, &context)?);
        }
        layers.push(LayerBuilder::portable_binaries(&programs(binary)));
        let container = &job.container;
        let variables = container.environment.iter();
        let mut vars: BTreeMap<_, _> = variables
            .map(|(name, value)| (name.clone(), environment::escape(value)))
            .collect();
        for variable in &job.variables {
            let (name, value) = match variable {
                JobVariable::Text { name, value } => (name, environment::escape(value)),
                JobVariable::Slot { name } => (name, "0".to_owned()),
                JobVariable::GroupSlot { name } => (name, job.group_slot_text()),
                JobVariable::RunId { name, suffix } => {
                    let run = uuid::Uuid::nil();
                    (name, format!("{run}{}", environment::escape(suffix)))
                }
            };
            vars.entry(name.clone()).or_insert(value);
        }
        Ok(JobSpec {
            container: ContainerSpec {
                // Everything else from the image is in the other fields.
                image: (of_test.image.filter(|image| image.layers)).map(|used| ImageUse {
                    layers: true,
                    ..ImageUse::nothing(used.image)
                }),
                environment: vec![EnvironmentStep { vars, extend: true }],
                layers,
                mounts: container
                    .mounts
                    .iter()
                    .cloned()
                    .map(Mount::escaped)
                    .collect(),
                network: container.network,
                root_overlay: container.root_overlay.clone(),
                working_directory: Some(container.working_directory.clone()),
                user: container.user,
                group: container.group,
                init: container.init,
                hostname: container.hostname.clone(),
                // The source tree, to which a test's outputs belong, is not that of the job.
                outputs: Vec::new(),
            },
            program: job.program.to_string(),
            arguments: job.arguments.clone(),
            timeout: job.timeout,
            memory_limit: job.limits.memory.map(ByteSize),
            process_limit: job.limits.processes,
            estimated_duration: None,
            priority: 0,
            slots: spec.slots,
        })
    }

    /// The layer of the test binary and the programs it may start.
    pub fn binary_layer(&self, binary: &TestBinary) -> Result<Digest, LayerError> {
        let built = self.layers().build_binaries(&programs(binary))?;
        Ok(built.digest)
    }

    /// Queues new warnings.
    fn warn(&self, warnings: Vec<String>) {
        if warnings.is_empty() {
            return;
        }
        if let Ok(mut known) = self.warnings.lock() {
            for warning in warnings {
                if known.known.insert(warning.clone()) {
                    known.waiting.push(warning);
                }
            }
        }
    }

    fn context(&self, spec: &TestSpec, binary: &TestBinary) -> LayerContext {
        LayerContext {
            package_dir: binary.package.directory.clone(),
            build_dir: binary.build_dir.clone(),
            outside_sources: binary.outside_sources.clone(),
            // Cargo reads the manifests of all members, so a test with a toolchain sees all sources.
            view: if toolchain::is_wanted(&spec.container) {
                SourceView::default()
            } else {
                self.view(&binary.package)
            },
            library_path: binary.library_path.clone(),
            ..self.builder.context.clone()
        }
    }

    /// The sources of the workspace that the tests of a package see.
    fn view(&self, package: &Package) -> SourceView {
        let mut view = SourceView::default();
        if self.dependencies_only
            && let Some(closure) = self.workspace.closure(package)
        {
            for member in &self.workspace.packages {
                let is_seen = closure.contains(member.id.as_str());
                for path in self.workspace.sources_of(member) {
                    view.add(path, is_seen);
                }
            }
        }
        view
    }

    /// The specification of the test's container, with the toolchain if it asks for that, with the
    /// layers that every test gets, and with the sources as outputs if they are written back.
    fn container_spec(
        &self,
        spec: &TestSpec,
        binary: &TestBinary,
    ) -> Result<ContainerSpec, LayerError> {
        let mut container = spec.container.clone();
        if toolchain::is_wanted(&container) {
            let access = (self.toolchain).get_or_init(|| ToolchainAccess::find(&self.workspace));
            access.add_to(&mut container);
        }
        container.layers.extend(self.own_layers(spec, binary)?);
        if let Some(executables) = mounted_executables(binary) {
            container.mounts.push(Mount::Bind {
                mount_point: escaped_path(&binary.path),
                local_path: escaped_path(&binary.path),
                access: BindAccess::ReadOnly,
                identity: executables.identity.clone(),
            });
        }
        let writes_sources = match self.write_back {
            WriteBack::Outputs => false,
            WriteBack::DefaultContainer => {
                let default = default_container().outputs;
                container.outputs.starts_with(&default)
            }
            WriteBack::All => true,
        };
        if writes_sources {
            // The outputs of the container come later, so their exclusions count.
            let sources = SOURCES.iter().map(|&glob| glob.to_owned());
            container.outputs.splice(..0, sources);
        }
        Ok(container)
    }

    /// The layers that every test gets in addition to those of its specification.
    fn own_layers(
        &self,
        spec: &TestSpec,
        binary: &TestBinary,
    ) -> Result<Vec<LayerSpec>, LayerError> {
        let mut directories = vec![escaped_path(&binary.package.directory)];
        if let Some(directory) = self.temporary_directory(binary) {
            // Cargo makes the directory during the build, but not again after it was removed.
            let _ = std::fs::create_dir_all(&directory);
            directories.push(escaped_path(&directory));
        }
        let mut layers = vec![LayerSpec::Paths {
            paths: directories,
            prefix: PrefixOptions::default(),
        }];
        let image = spec.container.image.as_ref();
        let from_image = image.is_some_and(|image| image.layers);
        if from_image {
            // The default container has the sources in its layers already.
            layers.push(LayerSpec::TestSource);
        }
        if spec.include_shared_libraries {
            layers.push(LayerSpec::SharedLibraryDependencies {
                binaries: programs(binary)
                    .iter()
                    .map(|path| escaped_path(path))
                    .collect(),
                prefix: PrefixOptions::default(),
            });
        } else if from_image {
            // Images do not contain libraries that the build made.
            let built = (self.layers()).built_libraries(&programs(binary), &binary.library_path)?;
            if !built.is_empty() {
                layers.push(LayerSpec::Paths {
                    paths: built.iter().map(|path| escaped_path(path)).collect(),
                    prefix: PrefixOptions {
                        follow_symlinks: true,
                        ..PrefixOptions::default()
                    },
                });
            }
        }
        if let Some(out_dir) = &binary.out_dir {
            layers.push(LayerSpec::Source {
                source: escaped_path(out_dir),
            });
        }
        if mounted_executables(binary).is_some() {
            layers.push(LayerSpec::Stubs {
                stubs: vec![format!("{}/", escaped_path(&binary.path))],
            });
        }
        if let Some(runner) = binary.runner.as_ref().and_then(|words| words.first()) {
            layers.push(LayerSpec::Programs {
                programs: vec![runner.clone()],
            });
        }
        layers.extend(self.appended.layer());
        layers.extend(self.profiles.layer());
        Ok(layers)
    }

    /// Whether this mount would hide files of the test. A workspace or a toolchain below `/tmp` must
    /// stay visible. Without the mount, `/tmp` is part of the root file system.
    fn hides_files(&self, mount: &Mount, binary: &TestBinary) -> bool {
        let Mount::Tmp { mount_point } = mount else {
            return false;
        };
        [&self.workspace.root, &self.workspace.target_directory]
            .into_iter()
            .chain([&binary.path, &binary.package.directory])
            .chain(&binary.outside_sources)
            .chain(&binary.library_path)
            .any(|path| path.starts_with(mount_point))
    }

    /// `CARGO_TARGET_TMPDIR`, which Cargo gives integration tests and benches.
    fn temporary_directory(&self, binary: &TestBinary) -> Option<Utf8PathBuf> {
        matches!(binary.kind, TargetKind::Test | TargetKind::Benchmark)
            .then(|| self.workspace.build_target().join("tmp"))
    }
}

/// The executables of documentation tests, if their directory is mounted.
fn mounted_executables(binary: &TestBinary) -> Option<&DoctestExecutables> {
    binary
        .doctests
        .as_ref()
        .filter(|executables| !executables.packed)
}

/// The test binary and its programs, which it can start by `CARGO_BIN_EXE_*`.
fn programs(binary: &TestBinary) -> Vec<Utf8PathBuf> {
    if let Some(executables) = &binary.doctests {
        return executables.files.clone();
    }
    let mut programs: Vec<&Utf8Path> = vec![&binary.path];
    programs.extend(binary.programs.values().map(Utf8PathBuf::as_path));
    programs.sort_unstable();
    programs.dedup();
    programs.into_iter().map(Utf8Path::to_owned).collect()
}
