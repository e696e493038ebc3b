//! Reading the fields of a job and of its container.

mod container;
mod environment;
mod image;
mod job;
mod layers;
mod mounts;
mod parent;
mod scalars;
mod strings;

pub use container::{ContainerFields, ImplicitBase, ListField, SpecFormat};
pub use image::ImageRef;
pub use job::{JobDocument, read_job};
pub use parent::{ContainerField, ParentRef};
pub use scalars::{memory_limit, seconds};
