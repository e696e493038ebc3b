//! The content-addressed store on disk, shared by any number of clients.
//!
//! ```text
//! maelstrom-cache               the mark with the format; content of another format is discarded
//! lock                          see below
//! blobs/ab/abcd…-<size>.644     the content of a file. Modes belong to inodes, so a content has
//! blobs/ab/abcd…-<size>.755       a file for each mode
//! blobs/ab/abcd…-<size>.755.link  the inode and modification time of a hard-linked blob
//! manifests/<digest>            the manifest of a layer
//! trees/<digest>/               the unpacked layer: directories, hard links to blobs
//! marks/<digest>                the stamp of a complete tree; its mtime is the last use
//! values/<kind>/<key>           small values that are kept between runs
//! memory                        the digests of files outside of the store
//! usage                         the approximate size of the store
//! cache-mounts/<name>/          the directory of a `cache` mount, which jobs change as they like
//! tmp/<client>/                 the files that a client is making
//! ```
//!
//! # Atomicity
//!
//! Everything is made in `tmp/` and renamed to its path, so a killed client leaves files only in
//! `tmp/`. A tree is complete only if it has a stamp, which is written after it and removed before
//! the tree is replaced or evicted.
//!
//! No file is fsynced. Instead, the damage of a power failure is detected. Small files have a
//! checksum. Blobs are checked by size and modification time whenever they are linked into a tree
//! (file systems that order data before metadata leave a lost blob short). The stamp of a tree has
//! the boot in which it was last checked, so the first use after a reboot checks each file of it.
//!
//! # Blobs
//!
//! All blobs that the store wrote have the same modification time, so a change is detected. A blob
//! that is a hard link to a build output keeps the modification time of that file, which is
//! recorded in its `.link` and in the stamp of every tree that has it. A tool that rewrites the
//! output in place (`strip`, some linkers) changes the inode that they share. A blob or tree that
//! differs from its record is replaced.
//!
//! # Locks
//!
//! Locks are bytes of the file `lock` ([`lock::Subject`]). The kernel releases the locks of a
//! process that ends.
//! - Every client shares the *store* lock and has a *client* lock of its own until it ends. If the
//!   client lock of a directory in `tmp/` is free, its client has ended and it is removed.
//! - A client shares the *use* lock of each tree that it uses, until the client ends.
//! - A client that makes or replaces a tree has its *build* lock meanwhile.
//! - Eviction removes a tree only with both locks, and does not wait for them.
//!
//! There is no deadlock: use locks are shared by all clients but eviction, and a client that has a
//! build lock waits for no other. Blobs have no lock. If a blob is evicted after it was added and
//! before it is linked into a tree, that is an error ([`StoreError::MissingBlob`]), and the blob is
//! added again.

mod blob;
mod checksum;
mod clear;
mod digest;
mod digest_cache;
mod disk_usage;
mod error;
mod evict;
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
pub use disk_usage::{disk_usage, size_on_disk};
pub use error::StoreError;
pub use evict::Evicted;
pub use import::Import;
pub use manifest::{Entry, Manifest, ManifestError, Mode};
pub use open::{Store, WorkDirectory};
pub use path::{PathError, PathInContainer};
pub use removal::remove_tree;

#[cfg(test)]
mod tests;
