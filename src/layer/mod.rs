//! Turning what a spec says about files into trees in the store.
//!
//! A [`LayerSpec`](crate::spec::LayerSpec) and its [`LayerContext`] become a recipe
//! (`recipe`): the same with every placeholder and relative path resolved, and
//! nothing in it that does not matter. Recipes with the same content are one piece
//! of work, however many tests ask for it ([`LayerBuilder`]). Cooking one adds the
//! content of files to the store and fills a [`Manifest`] (`assembly`); each kind
//! of layer that takes more than a loop has a file of its own. To be touched here:
//! files of the host, for reading only; the store; and for `command` layers an executor.

mod assembly;
mod base;
mod braces;
mod builder;
mod command;
mod context;
mod error;
mod git;
mod glob;
pub mod image;
mod landing;
mod paths;
mod recipe;
mod source;
mod spelled;
mod stack;
pub mod tar;
mod upper;
mod view;

pub use crate::store::{Entry, Manifest, Mode, PathInContainer};
pub use base::Base;
pub use builder::{Built, LayerBuilder, Pile};
pub use context::{LayerContext, MountError, OverlayError};
pub use error::{ContainerError, LayerError, Problem};
pub use view::SourceView;
