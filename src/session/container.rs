//! From the specification of a container to a container whose layers are in the store.

use crate::executor::Container;
use crate::layer::{ContainerError, LayerBuilder, LayerContext, SourceView};
use crate::spec::{ContainerSpec, LayerSpec, Mount, environment};
use crate::store::Digest;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::path::Path;

/// Makes containers. Its methods block, and may be called by several threads.
pub struct ContainerBuilder {
    pub layers: LayerBuilder,
    /// The context of the layers of jobs.
    pub context: LayerContext,
    /// The topmost layer of the containers of jobs.
    topmost: Option<LayerSpec>,
    /// For tests: makes [`Self::container`] panic.
    #[cfg(test)]
    pub panics: std::sync::atomic::AtomicBool,
}

/// A container whose layers are in the store, and whose variables are not computed yet. It is the
/// same on every machine, apart from what it mounts of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortableContainer {
    /// Bottom first.
    pub layers: Vec<Digest>,
    /// The fields without image and layers. Paths are absolute, and there is a working directory.
    pub spec: ContainerSpec,
    /// The variables of the image.
    pub image_variables: BTreeMap<String, String>,
    /// The value of `LD_LIBRARY_PATH`.
    pub library_path: Option<String>,
}

impl PortableContainer {
    /// The container. Its variables are those of the image, then `variables`, then what the steps of
    /// the specification make of them. `watched`: as in [`Container`].
    pub fn complete(
        &self,
        variables: BTreeMap<String, String>,
        watched: Vec<Utf8PathBuf>,
    ) -> Result<Container, ContainerError> {
        let mut all = self.image_variables.clone();
        all.extend(variables);
        if let Some(path) = &self.library_path {
            all.insert("LD_LIBRARY_PATH".to_owned(), path.clone());
        }
        let spec = &self.spec;
        Ok(Container {
            layers: self.layers.clone(),
            environment: environment::expand(&spec.environment, all, &|name| {
                std::env::var(name).ok()
            })?,
            mounts: spec.mounts.clone(),
            network: spec.network,
            root_overlay: spec.root_overlay.clone(),
            outputs: spec.outputs.clone(),
            working_directory: (spec.working_directory.clone()).unwrap_or_else(|| "/".into()),
            user: spec.user,
            group: spec.group,
            init: spec.init,
            hostname: spec.hostname.clone(),
            watched,
        })
    }
}

impl ContainerBuilder {
    /// `project` is the directory of relative paths, and the value of every placeholder except
    /// `<home-dir>`, since there is no workspace.
    pub fn new(layers: LayerBuilder, project: Utf8PathBuf, topmost: Option<LayerSpec>) -> Self {
        let home = std::env::home_dir()
            .and_then(|home| Utf8PathBuf::from_path_buf(home).ok())
            .unwrap_or_default();
        let context = LayerContext {
            project_dir: project.clone(),
            workspace_dir: project.clone(),
            package_dir: project.clone(),
            build_dir: project.clone(),
            target_dir: project,
            home_dir: home,
            outside_sources: Vec::new(),
            view: SourceView::default(),
            path_variable: std::env::var_os("PATH"),
            library_path: Vec::new(),
        };
        Self {
            layers,
            context,
            topmost,
            #[cfg(test)]
            panics: std::sync::atomic::AtomicBool::default(),
        }
    }

    /// The container of a job, and warnings about its layers.
    pub fn container(
        &self,
        spec: &ContainerSpec,
    ) -> Result<(Container, Vec<String>), ContainerError> {
        let brings_layers = spec.image.as_ref().is_some_and(|image| image.layers);
        if spec.layers.is_empty() && !brings_layers {
            return Err(ContainerError::NoLayers);
        }
        let mut spec = spec.clone();
        spec.layers.extend(self.topmost.clone());
        let (portable, warnings) = self.portable(&spec, &self.context, &[], None)?;
        let container = portable.complete(BTreeMap::new(), Vec::new())?;
        Ok((container, warnings))
    }

    /// The container without its variables, and warnings about its layers. `binaries` are executables
    /// that Cargo built, in the topmost layer. `directory` is the base of relative outputs, and the
    /// working directory unless the specification or the image has one; `None`: the base is the
    /// working directory, which is `/` then.
    pub fn portable(
        &self,
        spec: &ContainerSpec,
        context: &LayerContext,
        binaries: &[Utf8PathBuf],
        directory: Option<&Utf8Path>,
    ) -> Result<(PortableContainer, Vec<String>), ContainerError> {
        #[cfg(test)]
        assert!(
            !self.panics.load(std::sync::atomic::Ordering::Relaxed),
            "a panic for a test"
        );
        let base = self.layers.base(spec.image.as_ref(), context)?;
        let mut stack = self.layers.build_all(&base, &spec.layers, context)?;
        if !binaries.is_empty() {
            let built = self.layers.build_binaries(binaries)?;
            let layer = self.layers.rebase_onto_image(built.digest, stack.image)?;
            stack.layers.push(layer);
        }
        let layers = (self.layers).merge_small_layers(&stack.layers, &stack.unmerged);
        let mounts = (spec.mounts.iter().map(|mount| context.mount(mount)))
            .collect::<Result<Vec<_>, _>>()?;
        let library_path = self.library_path(&context.library_path, &layers, &mounts);
        let working_directory = (spec.working_directory.clone())
            .or(base.working_directory)
            .or_else(|| directory.map(Utf8Path::to_owned))
            .unwrap_or_else(|| "/".into());
        let outputs_base = directory.unwrap_or(&working_directory);
        let portable = PortableContainer {
            layers,
            image_variables: base.environment,
            library_path,
            spec: ContainerSpec {
                image: None,
                layers: Vec::new(),
                environment: spec.environment.clone(),
                mounts,
                network: spec.network,
                root_overlay: context.root_overlay(&spec.root_overlay)?,
                outputs: (spec.outputs.iter())
                    .map(|glob| context.output(glob, outputs_base))
                    .collect::<Result<_, _>>()?,
                working_directory: Some(working_directory),
                user: spec.user,
                group: spec.group,
                init: spec.init,
                hostname: spec.hostname.clone(),
            },
        };
        Ok((portable, stack.warnings))
    }

    /// The value of `LD_LIBRARY_PATH`: of these directories those that contain a library in the
    /// container. The loader of glibc searches every directory up to twenty times, which would take
    /// 5 % of the time of a small test.
    fn library_path(
        &self,
        directories: &[Utf8PathBuf],
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
        let directories: Vec<&str> = directories
            .iter()
            .filter(|directory| bound(directory) || in_layer(directory))
            .map(|directory| directory.as_str())
            .collect();
        (!directories.is_empty()).then(|| directories.join(":"))
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
