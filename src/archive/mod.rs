//! Archives: test binaries with everything that their containers need, packed to run on other
//! machines without Cargo, sources or a toolchain.
//!
//! An archive is a tar file compressed with zstd. Its members, in this order:
//!
//! | member | content |
//! |---|---|
//! | `maelstrom-archive.json` | the [`Header`](index::Header): versions, architecture, and digests of the next two |
//! | `index.json` | the [`ArchiveIndex`]: the workspace, its directives, test binaries, test cases and containers |
//! | `history` | the durations of the tests, in the format of a history file |
//! | `manifests/<digest>` | the manifest of each layer |
//! | `blobs/<digest>.<mode>` | the content of each file of the layers |
//!
//! The header has the digest of the index, the index those of the manifests, and the manifests those
//! of the blobs, so every byte is checked when an archive is read. An archive is read only by the
//! version of the program that wrote it: specifications would mean something else to another
//! version. There is no conversion, as archives are made to be run soon.
//!
//! [`write()`] reads layers from a store, and [`ArchiveReader`] adds them to one. The caller knows which
//! tests are selected and makes their containers.

mod error;
mod index;
mod read;
mod write;

pub use error::ArchiveError;
pub use index::{ArchiveIndex, ArchivedBinary, ArchivedCase, ArchivedContainer, ArchivedWorkspace};
pub use read::ArchiveReader;
pub use write::{remove_old, write};

#[cfg(test)]
mod tests;
