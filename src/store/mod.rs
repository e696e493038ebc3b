//! The content-addressed store on disk, shared by any number of clients.
//!
//! ```text
//! maelstrom-cache               the mark, with the format; another one is discarded
//! lock                          see below
//! blobs/ab/abcd…-<size>.644     a file's content; for each mode its own, since
//! blobs/ab/abcd…-<size>.755       modes belong to inodes
//! blobs/ab/abcd…-<size>.755.link  what a hard-linked blob looked like
//! manifests/<digest>            what a layer holds
//! trees/<digest>/               the layer unpacked: directories, hard links to blobs
//! marks/<digest>                says that the tree is whole; its mtime is the last use
//! values/<kind>/<key>           small remembered things
//! memory                        digests of files outside the store
//! usage                         about how many bytes the store holds
//! tmp/<client>/                 what a client is making at the moment
//! ```
//!
//! # Nothing half-made
//!
//! Everything is made in `tmp/` and renamed into its place, so a killed client
//! leaves garbage in `tmp/` and nothing else. A tree counts only with its mark,
//! which is written after it and removed before it is replaced or evicted.
//!
//! Nothing is fsynced. What a power failure damages is found out instead: small
//! files carry a checksum; blobs are checked by size and modification time
//! whenever they are linked into a tree (file systems that order data before
//! metadata leave a lost blob short); and a tree's mark names the boot it was last
//! checked in, so its first use after a reboot checks every file of it.
//!
//! # Blobs
//!
//! The modification time of a blob the store wrote is always the same moment, so a
//! change is noticed. A blob that is a hard link to a build output keeps that
//! file's time, which its `.link` records, as does the mark of every tree that has
//! it: a tool that rewrites the output in place (`strip`, some linkers) changes the
//! inode that they all share. A blob or tree that does not look as recorded is not
//! used but replaced.
//!
//! # Locks
//!
//! Byte ranges of the one file `lock` ([`lock::Subject`]), which end with the
//! process that holds them:
//! - every client shares the *store* and has its own *client* lock as long as it
//!   lives: whose client lock is free is dead, and its `tmp/` directory is cleared;
//! - a client shares the *use* lock of each tree it was given, as long as it lives;
//! - who makes or replaces a tree has its *build* lock meanwhile;
//! - eviction removes a tree only while it has both, which it never waits for.
//!
//! Nobody waits for a use lock while another client merely uses the tree, and a
//! builder waits for nothing else: there is no deadlock. Blobs have no lock: one
//! that is evicted between being added and being linked into a tree is reported
//! ([`StoreError::MissingBlob`]) and added again.

mod blob;
mod checksum;
mod digest;
mod digest_cache;
mod error;
mod evict;
mod first_format;
mod import;
mod lock;
mod manifest;

mod open;
pub(crate) mod parallel;
mod path;
mod removal;
mod tree;
mod tree_stamp;
mod usage;
mod value;

pub(crate) use blob::set_mode_and_mtime;
pub(crate) use digest::Hasher;
pub use digest::{Digest, ParseDigestError};
pub(crate) use error::Size;
pub use error::StoreError;
pub use evict::Evicted;
pub use import::Import;
pub use manifest::{Entry, Manifest, ManifestError, Mode};
pub use open::{Store, WorkDirectory};
pub use path::{PathError, PathInContainer};
pub use removal::remove_tree;

#[cfg(test)]
mod tests;
