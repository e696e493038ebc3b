//! Job specifications: a container and its program, as data and as text. No I/O.
//!
//! A TOML or JSON document becomes a tree of [`Node`]s. [`ContainerFields`] reads the fields of a
//! container from the tree, and [`Containers`] adds the fields that it inherits. Errors are
//! [`SpecError`]s with a position that a [`SpecText`] can show.

mod container;
pub mod environment;
mod error;
mod fields;
mod image;
mod inheritance;
mod job;
mod json;
mod node;
mod placeholder;
mod text;
mod to_json;
mod toml;

pub use self::toml::parse_toml;
pub use container::*;
pub use error::{Deprecated, Deprecations, SpecError, SpecProblem, Suggestions, UsedAndSetRemedy};
pub use fields::{
    ContainerField, ContainerFields, ImageRef, ImplicitBase, JobDocument, ListField, ParentRef,
    SpecFormat, memory_limit, read_job, seconds,
};
pub use image::{BadImageReference, ImageReference, ImageUse, LocalImage, WorkingDirectoryUse};
pub use inheritance::{Containers, DEFAULT, EMPTY};
pub use job::{JobSpec, JobSpecError};
pub use json::{JsonPiece, JsonStream, parse_json};
pub use node::{Node, Span, Spanned, SpecEntry, SpecMap, SpecValue, ValueLabel};
pub use placeholder::{
    Placeholder, PlaceholderError, escape_placeholders, escaped_path, substitute,
};
pub use text::{Position, SpecText, decode_utf8};

#[cfg(test)]
pub(crate) use text::explained_on_two_lines;
