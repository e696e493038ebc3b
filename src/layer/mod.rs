//! Builds layers: makes trees in the store from the layers of a spec.
//!
//! A [`LayerSpec`](crate::spec::LayerSpec) and its [`LayerContext`] become a recipe (`recipe`):
//! the layer with every placeholder and relative path resolved, and without what does not affect
//! the result. [`LayerBuilder`] builds equal recipes once. Building a recipe adds the content of
//! files to the store, and entries to a [`Manifest`] (`assembly`). A kind of layer that takes
//! more than a loop has a file of its own.
//!
//! This room reads files of the host, writes to the store, and runs commands for `command`
//! layers.

mod assembly;
mod base;
mod braces;
mod builder;
mod command;
mod content;
mod context;
mod error;
mod flatten;
mod git;
mod glob;
pub mod image;
mod image_base;
mod paths;
mod portable_spec;
mod recipe;
mod source;
mod symlink_rebase;
pub mod tar;
mod upper_directory;
mod view;

pub use crate::store::{Entry, Manifest, Mode, PathInContainer};
pub use builder::{BuiltLayer, LayerBuilder, LayerStack};
pub use content::LayerContent;
pub use context::{LayerContext, MountError, OverlayError};
pub use error::{ContainerError, LayerError, LayerProblem};
pub use image_base::ImageBase;
pub use view::SourceView;
