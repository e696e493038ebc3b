//! From the specification of a container to a container whose layers are in the store.

use crate::executor::Container;
use crate::image::Download;
use crate::layer::{ContainerError, LayerBuilder, LayerContext, SourceView};
use crate::spec::{ContainerSpec, LayerSpec, environment};
use camino::Utf8PathBuf;

/// Makes containers of jobs. Its methods block, and may be called by several threads.
pub struct JobContainerBuilder {
    layers: LayerBuilder,
    context: LayerContext,
    /// The topmost layer of every container.
    topmost: Option<LayerSpec>,
    /// For tests: makes [`Self::container`] panic.
    #[cfg(test)]
    pub panics: std::sync::atomic::AtomicBool,
}

impl JobContainerBuilder {
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

    /// As [`LayerBuilder::download`].
    pub fn download(&self) -> Option<Download> {
        self.layers.download()
    }

    /// As [`LayerBuilder::cancel`].
    pub fn end(&self) {
        self.layers.cancel();
    }

    /// The container, and warnings about its layers.
    pub fn container(
        &self,
        spec: &ContainerSpec,
    ) -> Result<(Container, Vec<String>), ContainerError> {
        #[cfg(test)]
        assert!(
            !self.panics.load(std::sync::atomic::Ordering::Relaxed),
            "a panic for a test"
        );
        let brings_layers = spec.image.as_ref().is_some_and(|image| image.layers);
        if spec.layers.is_empty() && !brings_layers {
            return Err(ContainerError::NoLayers);
        }
        let base = self.layers.base(spec.image.as_ref(), &self.context)?;
        let layers = spec.layers.iter().chain(&self.topmost);
        let stack = self.layers.build_all(&base, layers, &self.context)?;
        let working_directory = spec.working_directory.clone().or(base.working_directory);
        let working_directory = working_directory.unwrap_or_else(|| "/".into());
        let container = Container {
            layers: self
                .layers
                .merge_small_layers(&stack.layers, &stack.unmerged),
            environment: environment::expand(&spec.environment, base.environment, &|name| {
                std::env::var(name).ok()
            })?,
            mounts: spec
                .mounts
                .iter()
                .map(|mount| self.context.mount(mount))
                .collect::<Result<_, _>>()?,
            network: spec.network,
            root_overlay: self.context.root_overlay(&spec.root_overlay)?,
            outputs: (spec.outputs.iter())
                .map(|glob| self.context.output(glob, &working_directory))
                .collect::<Result<_, _>>()?,
            working_directory,
            user: spec.user,
            group: spec.group,
            init: spec.init,
            hostname: spec.hostname.clone(),
            watched: Vec::new(),
        };
        Ok((container, stack.warnings))
    }
}
