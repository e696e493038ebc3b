//! Why layers and containers could not be built.

use super::braces::BraceError;
use super::command::CommandFailure;
use super::image::ImageUnpackError;
use super::tar::TarError;
use super::{MountError, OverlayError};
use crate::image::ImageError;
use crate::libraries::LibraryError;
use crate::spec::environment::EnvironmentError;
use crate::spec::{ImageReference, PlaceholderError};
use crate::store::{ManifestError, PathError, StoreError};
use std::error::Error;
use std::fmt::{self, Write};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

/// The layer or image that could not be built, and why.
#[derive(Clone, Debug)]
pub struct LayerError {
    /// The step that failed, such as "build the `tar` layer `x.tar`".
    step: String,
    problem: Arc<LayerProblem>,
}

impl LayerError {
    /// `layer` is the layer's name in messages, such as "the `tar` layer `x.tar`".
    pub(super) fn new(layer: &str, problem: impl Into<LayerProblem>) -> Self {
        Self {
            step: format!("build {layer}"),
            problem: Arc::new(problem.into()),
        }
    }

    pub(super) fn of_image(image: &ImageReference, problem: impl Into<LayerProblem>) -> Self {
        Self {
            step: format!("get the image `{image}`"),
            problem: Arc::new(problem.into()),
        }
    }

    /// The problem of a layer that is made of the layer that could not be built.
    pub(super) fn into_problem(self) -> LayerProblem {
        LayerProblem::Same(self.problem)
    }
}

impl fmt::Display for LayerError {
    /// The message with all causes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.step, self.problem)
    }
}

impl Error for LayerError {}

/// Why a container could not be made of its spec.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    #[error(transparent)]
    Layer(#[from] LayerError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    #[error(transparent)]
    Output(#[from] PlaceholderError),
    #[error(
        "the job has no layers, so it has no program to run; add a layer with the program, such as \
            `programs`, or an image"
    )]
    NoLayers,
    #[error("cancelled: the runtime shut down before the container was made")]
    Unfinished,
}

/// Why a layer could not be built. Causes are part of the message.
#[derive(Debug, thiserror::Error)]
pub enum LayerProblem {
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error("{0}")]
    Command(CommandFailure),
    #[error("the command was cancelled")]
    Interrupted,
    #[error("the list has no command; add one")]
    NoCommand,
    #[error("the cache no longer has the layers below; run again")]
    LayersEvicted,
    #[error(
        "the cache and the temporary directories are on overlayfs, which cannot hold the changes of a \
            command; set TMPDIR to a directory on another file system"
    )]
    NoUpperFileSystem,
    #[error("cannot start the command: {0}")]
    Start(io::Error),
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    #[error("`{}` does not exist: {} is missing", written.display(), host.display())]
    MissingRelative { written: PathBuf, host: PathBuf },
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    #[error("{} is a socket, pipe or device; a layer cannot hold those", .0.display())]
    Special(PathBuf),
    #[error("cannot read {}: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("`{pattern}` is not a valid pattern: {cause}")]
    Pattern {
        pattern: String,
        cause: globset::Error,
    },
    #[error(transparent)]
    Braces(#[from] BraceError),
    #[error("{}", all_causes(.0))]
    Libraries(LibraryError),
    #[error(transparent)]
    Tar(#[from] TarError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(
        "the image has no working directory, but `use` names it; remove `working_directory` from \
            `use`, and set it beside the image"
    )]
    NoWorkingDirectory,
    #[error(transparent)]
    Unpack(#[from] ImageUnpackError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The problem of the layer that this one is a part of.
    #[error("{0}")]
    Same(Arc<LayerProblem>),
}

impl From<LibraryError> for LayerProblem {
    fn from(error: LibraryError) -> Self {
        Self::Libraries(error)
    }
}

impl LayerProblem {
    /// Whether content is missing that the store had recorded. Building without trust in the
    /// records helps then.
    pub(super) fn is_missing_blob(&self) -> bool {
        matches!(self, Self::Store(StoreError::MissingBlob { .. }))
    }
}

fn all_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
