//! What can go wrong while building a layer.

use super::braces::BraceError;
use super::command::CommandFailure;
use super::image::UnpackError;
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

/// Why a layer could not be built or an image not be had, and which one.
#[derive(Clone, Debug)]
pub struct LayerError {
    /// What could not be done, such as "build the `tar` layer `x.tar`".
    step: String,
    problem: Arc<Problem>,
}

impl LayerError {
    /// `layer`: what it is, such as "the `tar` layer `x.tar`".
    pub(super) fn new(layer: &str, problem: impl Into<Problem>) -> Self {
        Self {
            step: format!("build {layer}"),
            problem: Arc::new(problem.into()),
        }
    }

    pub(super) fn of_image(image: &ImageReference, problem: impl Into<Problem>) -> Self {
        Self {
            step: format!("get the image `{image}`"),
            problem: Arc::new(problem.into()),
        }
    }

    pub fn problem(&self) -> &Problem {
        &self.problem
    }

    /// The same, of a layer that is made of the one that could not be built.
    pub(super) fn into_problem(self) -> Problem {
        Problem::Same(self.problem)
    }
}

impl fmt::Display for LayerError {
    /// All there is to say, causes included.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {}: {}", self.step, self.problem)
    }
}

impl Error for LayerError {}

/// Why a container could not be made of what its specification says.
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
    #[error(
        "the job has no layers, so there is no program to run; give it one that brings the \
         program, such as `programs`, or an image"
    )]
    NoLayers,
    #[error("the container was not finished, as its runtime came to an end")]
    Unfinished,
}

/// Why a layer could not be built. Causes are part of the message.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error(transparent)]
    Placeholder(#[from] PlaceholderError),
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    #[error(transparent)]
    Mount(#[from] MountError),
    #[error("{0}")]
    Command(CommandFailure),
    #[error("the command was interrupted")]
    Interrupted,
    #[error("there is no command in the list")]
    NoCommand,
    #[error("the cache has lost what the layers below hold; try again")]
    LostBelow,
    #[error(
        "the changes of a command cannot be kept on overlayfs, and that is what there is; set \
         TMPDIR to a directory of another file system"
    )]
    OnlyOverlays,
    #[error("cannot start the command: {0}")]
    Start(io::Error),
    #[error("{} does not exist", .0.display())]
    Missing(PathBuf),
    #[error("`{}` does not exist: there is no {}", written.display(), host.display())]
    MissingRelative { written: PathBuf, host: PathBuf },
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    #[error("{} is a socket, pipe or device, which a layer cannot hold", .0.display())]
    Special(PathBuf),
    #[error("cannot read {}: {cause}", path.display())]
    Read { path: PathBuf, cause: io::Error },
    #[error("`{pattern}` is not a pattern: {cause}")]
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
        "the image has no working directory, which `use` asks for; leave `working_directory` out \
         of `use`, and set it beside the image"
    )]
    NoWorkingDirectory,
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Of what the layer is a part of.
    #[error("{0}")]
    Same(Arc<Problem>),
}

impl From<LibraryError> for Problem {
    fn from(error: LibraryError) -> Self {
        Self::Libraries(error)
    }
}

impl Problem {
    /// Whether content that was taken to be in the store is not, so that trying
    /// again without such trust helps.
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
