//! The container of a test, from its binary and its directives in `maelstrom-test.toml`.

use super::appended::AppendedFiles;
use super::outputs::WriteBack;
use super::toolchain::{self, ToolchainAccess};
use super::variables::{PassedVariables, passed_by_settings, runner_variables};
use crate::cargo::{Package, TestBinary, Workspace};
use crate::directive::{TestSpec, default_container};
use crate::executor::{Container, Job};
use crate::filter::TargetKind;
use crate::image::Download;
use crate::layer::{
    ContainerError, LayerBuilder, LayerContext, LayerError, MountError, SourceView,
};
use crate::spec::environment::{self, EnvironmentError};
use crate::spec::{
    ContainerSpec, EnvironmentElement, ImageUse, JobSpec, LayerSpec, Mount, PlaceholderError,
    PrefixOptions, escape_placeholders,
};
use crate::store::Digest;
use camino::{Utf8Path, Utf8PathBuf};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};

/// Every file of the source tree.
const SOURCES: &[&str] = &["<workspace-dir>/**", "!<target-dir>/**"];

/// Makes the containers of tests. Methods block. Threads share a builder.
pub struct TestContainerBuilder {
    workspace: Arc<Workspace>,
    layers: LayerBuilder,
    /// Whether a test sees only the sources of the members that it is built from.
    dependencies_only: bool,
    /// The variables of the client that every test gets.
    passed_variables: BTreeMap<String, String>,
    home: Utf8PathBuf,
    write_back: WriteBack,
    appended: AppendedFiles,
    /// Found when the first test needs it.
    toolchain: OnceLock<ToolchainAccess>,
    warnings: Mutex<Warnings>,
    /// For tests: panic instead of making a container.
    #[cfg(test)]
    pub panics: std::sync::atomic::AtomicBool,
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
        Self {
            workspace,
            layers,
            dependencies_only,
            passed_variables: passed.of_client(),
            home: std::env::home_dir()
                .and_then(|home| Utf8PathBuf::from_path_buf(home).ok())
                .unwrap_or_default(),
            write_back,
            appended,
            toolchain: OnceLock::new(),
            warnings: Mutex::default(),
            #[cfg(test)]
            panics: std::sync::atomic::AtomicBool::default(),
        }
    }

    /// Builds the layers that most tests share ahead of time: the base and the workspace's sources.
    pub fn pack_shared_layers(&self) {
        let context = self.context(None);
        for layer in default_container().layers {
            if matches!(layer, LayerSpec::Base { .. } | LayerSpec::TestSource) {
                // The first test that needs the layer reports an error.
                let _ = self.layers.build(&layer, &context);
            }
        }
    }

    /// How many bytes of files were read for layers so far, approximately.
    pub fn bytes_read(&self) -> u64 {
        self.layers.store().bytes_read()
    }

    /// As [`LayerBuilder::running_command`].
    pub fn running_command(&self) -> Option<String> {
        self.layers.running_command()
    }

    /// As [`LayerBuilder::download`].
    pub fn download(&self) -> Option<Download> {
        self.layers.download()
    }

    /// As [`LayerBuilder::cancel`].
    pub fn end(&self) {
        self.layers.cancel();
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
        #[cfg(test)]
        assert!(
            !self.panics.load(std::sync::atomic::Ordering::Relaxed),
            "a panic for a test"
        );
        let context = self.context_of(spec, binary);
        let spec = &*self.with_toolchain(spec);
        let container = &spec.container;
        let own = self.own_layers(spec, binary)?;
        let base = self.layers.base(container.image.as_ref(), &context)?;
        let layers = container.layers.iter().chain(&own);
        let mut stack = self.layers.build_all(&base, layers, &context)?;
        self.warn(std::mem::take(&mut stack.warnings));
        let mut layers = stack.layers;
        let program = self.binary_layer(binary)?;
        layers.push(self.layers.rebase_onto_image(program, stack.image)?);
        let layers = self.layers.merge_small_layers(&layers, &stack.unmerged);
        let mounts = self.mounts(spec, binary, &context)?;
        let library_path = self.library_path(binary, &layers, &mounts);
        Ok(Container {
            layers,
            environment: self.environment(spec, binary, base.environment, library_path)?,
            mounts,
            network: container.network,
            root_overlay: context.root_overlay(&container.root_overlay)?,
            working_directory: container
                .working_directory
                .clone()
                .or(base.working_directory)
                .unwrap_or_else(|| binary.package.directory.clone()),
            user: container.user,
            group: container.group,
            init: container.init,
            hostname: container.hostname.clone(),
            watched: vec![self.workspace.root.clone()],
            outputs: self.outputs(container, &context)?,
        })
    }

    /// The job specification with which `maelstrom-run` runs a test in the root of the workspace.
    pub fn job(
        &self,
        spec: &TestSpec,
        binary: &TestBinary,
        job: &Job,
    ) -> Result<JobSpec, ContainerError> {
        let context = self.context_of(spec, binary);
        let spec = &*self.with_toolchain(spec);
        let mut layers = Vec::new();
        let own = self.own_layers(spec, binary)?;
        for layer in spec.container.layers.iter().chain(&own) {
            layers.extend(self.layers.portable_specs(layer, &context)?);
        }
        layers.push(LayerBuilder::portable_binaries(&programs(binary)));
        let container = &job.container;
        let variables = container.environment.iter();
        let mut vars: BTreeMap<_, _> = variables
            .map(|(name, value)| (name.clone(), environment::escape(value)))
            .collect();
        if job.slot_variable {
            vars.insert("MAELSTROM_SLOT".to_owned(), "0".to_owned());
        }
        Ok(JobSpec {
            container: ContainerSpec {
                // Everything else from the image is in the other fields.
                image: (spec.container.image.as_ref().filter(|image| image.layers)).map(|used| {
                    ImageUse {
                        layers: true,
                        ..ImageUse::nothing(used.image.clone())
                    }
                }),
                environment: vec![EnvironmentElement { vars, extend: true }],
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
            estimated_duration: None,
            priority: 0,
            slots: spec.slots,
        })
    }

    /// The settings with the toolchain, if the container asks for that.
    fn with_toolchain<'a>(&self, spec: &'a TestSpec) -> Cow<'a, TestSpec> {
        if !toolchain::is_wanted(&spec.container) {
            return Cow::Borrowed(spec);
        }
        let access = (self.toolchain).get_or_init(|| ToolchainAccess::find(&self.workspace));
        Cow::Owned(TestSpec {
            container: access.add_to(&spec.container),
            ..spec.clone()
        })
    }

    /// Cargo reads the manifests of all members, so a test with a toolchain sees all sources.
    fn context_of(&self, spec: &TestSpec, binary: &TestBinary) -> LayerContext {
        let mut context = self.context(Some(binary));
        if toolchain::is_wanted(&spec.container) {
            context.view = SourceView::default();
        }
        context
    }

    /// The layer of the test binary and the programs it may start.
    pub fn binary_layer(&self, binary: &TestBinary) -> Result<Digest, ContainerError> {
        let context = self.context(Some(binary));
        let built = self.layers.build_binaries(&programs(binary), &context)?;
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

    fn context(&self, binary: Option<&TestBinary>) -> LayerContext {
        let root = &self.workspace.root;
        LayerContext {
            project_dir: root.clone(),
            workspace_dir: root.clone(),
            package_dir: binary.map_or(root, |b| &b.package.directory).clone(),
            build_dir: binary
                .map_or(&self.workspace.target_directory, |b| &b.build_dir)
                .clone(),
            target_dir: self.workspace.target_directory.clone(),
            home_dir: self.home.clone(),
            outside_sources: binary.map_or_else(Vec::new, |b| b.outside_sources.clone()),
            view: binary.map_or_else(SourceView::default, |b| self.view(&b.package)),
            path_variable: std::env::var_os("PATH"),
            library_path: binary.map_or_else(Vec::new, |b| b.library_path.clone()),
        }
    }

    /// Whether a test's container lacks sources of the workspace.
    pub fn lacks_sources(&self, spec: &TestSpec, binary: &TestBinary) -> bool {
        let container = &spec.container;
        let is_source = |layer: &LayerSpec| matches!(layer, LayerSpec::Source { .. });
        let has_sources = container.layers.contains(&LayerSpec::TestSource)
            || container.image.as_ref().is_some_and(|image| image.layers);
        self.dependencies_only
            && has_sources
            && !toolchain::is_wanted(container)
            && !container.layers.iter().any(is_source)
            && !self.view(&binary.package).is_whole()
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

    /// The layers that every test gets in addition to those of its specification.
    fn own_layers(
        &self,
        spec: &TestSpec,
        binary: &TestBinary,
    ) -> Result<Vec<LayerSpec>, LayerError> {
        let escaped = |path: &Utf8Path| Utf8PathBuf::from(escape_placeholders(path.as_str()));
        let mut directories = vec![escaped(&binary.package.directory)];
        if let Some(directory) = self.temporary_directory(binary) {
            // Cargo makes the directory during the build, but not again after it was removed.
            let _ = std::fs::create_dir_all(&directory);
            directories.push(escaped(&directory));
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
                binaries: programs(binary).iter().map(|path| escaped(path)).collect(),
                prefix: PrefixOptions::default(),
            });
        } else if from_image {
            // Images do not contain libraries that the build made.
            let built = (self.layers).built_libraries(&programs(binary), &binary.library_path)?;
            if !built.is_empty() {
                layers.push(LayerSpec::Paths {
                    paths: built.iter().map(|path| escaped(path)).collect(),
                    prefix: PrefixOptions {
                        follow_symlinks: true,
                        ..PrefixOptions::default()
                    },
                });
            }
        }
        if let Some(out_dir) = &binary.out_dir {
            layers.push(LayerSpec::Source {
                source: escaped(out_dir),
            });
        }
        if let Some(runner) = binary.runner.as_ref().and_then(|words| words.first()) {
            layers.push(LayerSpec::Programs {
                programs: vec![runner.clone()],
            });
        }
        layers.extend(self.appended.layer());
        Ok(layers)
    }

    fn environment(
        &self,
        spec: &TestSpec,
        binary: &TestBinary,
        of_image: BTreeMap<String, String>,
        library_path: Option<String>,
    ) -> Result<BTreeMap<String, String>, EnvironmentError> {
        let mut base = of_image;
        base.extend(self.passed_variables.clone());
        base.extend(passed_by_settings(spec));
        base.extend(runner_variables(&self.workspace, binary));
        base.extend(binary.environment.clone());
        base.extend(library_path.map(|path| ("LD_LIBRARY_PATH".to_owned(), path)));
        let client = |name: &str| std::env::var(name).ok();
        let mut environment = environment::expand(&spec.container.environment, base, &client)?;
        environment.extend(self.appended.variables());
        Ok(environment)
    }

    /// The value of `LD_LIBRARY_PATH`: of Cargo's directories those that contain a library in the
    /// container. The loader of glibc searches every directory up to twenty times, which would take
    /// 5 % of the time of a small test.
    fn library_path(
        &self,
        binary: &TestBinary,
        layers: &[Digest],
        mounts: &[Mount],
    ) -> Option<String> {
        let bound = |directory: &Utf8Path| {
            mounts.iter().any(|mount| {
                matches!(mount, Mount::Bind { mount_point, .. }
                    if directory.starts_with(mount_point) || mount_point.starts_with(directory))
            })
        };
        let in_layer = |directory: &Utf8Path| {
            let below_root = directory.strip_prefix("/").unwrap_or(directory);
            layers
                .iter()
                .any(|layer| holds_library(&self.layers.store().tree_path(layer).join(below_root)))
        };
        let directories: Vec<&str> = binary
            .library_path
            .iter()
            .filter(|directory| bound(directory) || in_layer(directory))
            .map(|directory| directory.as_str())
            .collect();
        (!directories.is_empty()).then(|| directories.join(":"))
    }

    /// The globs of the test's outputs, absolute.
    fn outputs(
        &self,
        container: &ContainerSpec,
        context: &LayerContext,
    ) -> Result<Vec<String>, PlaceholderError> {
        let all = match self.write_back {
            WriteBack::Outputs => false,
            WriteBack::DefaultContainer => {
                let default = default_container().outputs;
                container.outputs.starts_with(&default)
            }
            WriteBack::All => true,
        };
        // The outputs of the container come later, so their exclusions count.
        let sources = if all { SOURCES } else { &[] };
        let globs = sources.iter().copied();
        let globs = globs.chain(container.outputs.iter().map(String::as_str));
        let globs = globs.map(|glob| context.output(glob, &context.package_dir));
        let appended = self.appended.places().map(|(path, _)| path);
        globs
            .chain(appended.map(|path| Ok(path.to_string_lossy().into_owned())))
            .collect()
    }

    fn mounts(
        &self,
        spec: &TestSpec,
        binary: &TestBinary,
        context: &LayerContext,
    ) -> Result<Vec<Mount>, MountError> {
        let mut mounts = Vec::new();
        for mount in &spec.container.mounts {
            let mount = context.mount(mount)?;
            if !self.hides_files(&mount, binary) {
                mounts.push(mount);
            }
        }
        if let Some(directory) = self.temporary_directory(binary) {
            mounts.push(Mount::Tmp {
                mount_point: directory,
            });
        }
        mounts.extend(self.appended.mount());
        Ok(mounts)
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
            .then(|| self.workspace.target_directory.join("tmp"))
    }
}

/// Whether a directory contains files that a loader may open.
fn holds_library(directory: &Path) -> bool {
    let Ok(entries) = directory.read_dir() else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        name.contains(".so") || name == "glibc-hwcaps"
    })
}

/// The test binary and its programs, which it can start by `CARGO_BIN_EXE_*`.
fn programs(binary: &TestBinary) -> Vec<Utf8PathBuf> {
    let mut programs: Vec<&Utf8Path> = vec![&binary.path];
    programs.extend(binary.programs.values().map(Utf8PathBuf::as_path));
    programs.sort_unstable();
    programs.dedup();
    programs.into_iter().map(Utf8Path::to_owned).collect()
}
