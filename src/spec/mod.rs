//! What a job is: its container and its program. Pure data, no I/O.
//!
//! Besides the data itself, here is how people write it: a document becomes a
//! tree of [`Node`]s, whichever its format; [`ContainerFields`] reads a container
//! as written from there; [`Containers`] works out what it inherits. Whatever is
//! wrong becomes a [`Mistake`] that a [`Source`] can show.

mod container;
pub mod environment;
mod fields;
mod image;
mod inheritance;
mod job;
mod json;
mod mistake;
mod node;
mod placeholder;
mod source;
mod toml;
mod writing;

pub use self::toml::parse_toml;
pub use container::*;
pub use environment::TemplateError;
pub use fields::{
    Beneath, ContainerFields, Field, Format, ImageRef, JobDocument, ParentRef, Written, read_job,
    seconds,
};
pub use image::{BadImageReference, ImageReference, ImageUse, Located, WorkingDirectoryUse};
pub use inheritance::{Containers, DEFAULT, EMPTY};
pub use job::{JobSpec, NotAJob};
pub use json::{JsonStream, Piece, parse_json};
pub use mistake::{Choices, Deprecated, Deprecations, Mistake, Problem, UsedAndSetRemedy};
pub use node::{Entry, Map, Node, Place, Span, Spanned, Value};
pub use placeholder::{Placeholder, PlaceholderError, escape_placeholders, substitute};
pub use source::{Position, Source, decode};
