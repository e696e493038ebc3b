//! The content-addressed store on disk.

mod digest;

pub use digest::Digest;
