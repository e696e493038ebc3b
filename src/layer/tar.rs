//! Unpacking tar archives into manifests.
//!
//! Nothing is ever written to a path that an archive names: entries are data until the store
//! makes a tree of them. Those whose path would lead out of the root (`..`, absolute) are
//! refused all the same, since whoever made the archive meant harm or something else. Set-id
//! bits, owners, times and extended attributes (so capabilities, too) are dropped, and the
//! owner may always read, so that the store can manage its own. Devices and pipes are skipped
//! with a warning. What kind an entry is of is not guessed: an unknown one is an error.
//!
//! Entries may lead through symlinks to directories, as in images whose `/lib` is one: they
//! end up where a process would find them whose root this is. Refused are symlinks that lead
//! above the root, in circles, or, where the archive brought them itself, to an absolute path.
//!
//! Whiteouts (`.wh.x`, `.wh..wh..opq`) are those of OCI image layers: they remove
//! what the layers below brought, which is the manifest that is given. In a lone
//! archive there is nothing to remove, and a warning says so.
//!
//! An archive goes through several threads: one reads ahead, decompresses and hashes
//! (`stream`), one takes the members apart (`member`, `listing`), some write small files
//! (`contents`). What comes of it is a list of changes, which no layer below matters for, and
//! only these are made one layer after the other (`merge`).

mod budget;
mod compression;
mod contents;
mod listing;
mod member;
mod merge;
mod pax;
mod sparse;
mod stream;

pub(super) use budget::Budget;
pub(super) use listing::Listing;
pub(super) use merge::real;
pub(super) use stream::Digests;

use super::{Manifest, PathInContainer};
use crate::store::{ManifestError, PathError, Size, Store, StoreError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why an archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    #[error("cannot read {}: {cause}", archive.display())]
    Read { archive: PathBuf, cause: io::Error },
    #[error(
        "{} is compressed with {format}, which is not known here: compress it with gzip or zstd",
        archive.display()
    )]
    UnknownCompression {
        archive: PathBuf,
        format: &'static str,
    },
    #[error(
        "{} would take more than {} when it is unpacked; if that is right, let the cache hold \
         more (`cache-size`)",
        archive.display(), Size(*limit)
    )]
    TooLarge {
        archive: PathBuf,
        /// In bytes.
        limit: u64,
    },
    #[error("{} has more and longer paths than an archive has reason to have", archive.display())]
    TooMany { archive: PathBuf },
    #[error("the entry `{entry}` of {} {problem}", archive.display())]
    Entry {
        archive: PathBuf,
        entry: String,
        problem: EntryProblem,
    },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What is wrong with an entry of an archive; a part of a sentence.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    #[error("has an absolute path, which is not allowed")]
    Absolute,
    #[error("has a path that leads upwards (`..`), which is not allowed")]
    Upwards,
    #[error("leads through the symlink `{0}`, which is not allowed")]
    ThroughSymlink(PathInContainer),
    #[error("is a hard link to `{0}`, which is not in the archive before it")]
    LinkToNothing(String),
    #[error("has no target")]
    NoTarget,
    #[error("has a longer path than the kernel allows")]
    TooLong,
    #[error("is a whiteout without the name of a file")]
    WhiteoutOfNothing,
    #[error("is of a kind that is not known here (`{0}`)")]
    Unknown(char),
    #[error("cannot be: {0}")]
    Manifest(#[from] ManifestError),
    #[error("cannot be: {0}")]
    Path(#[from] PathError),
}

/// What an archive holds, on top of what was given.
#[derive(Debug)]
pub struct Unpacked {
    pub manifest: Manifest,
    pub warnings: Vec<String>,
}

/// Adds the content of an archive, compressed or not, to the store, and its entries
/// to those of the layers below. `name` is the archive's name in messages.
pub fn unpack(
    store: &Store,
    archive: impl Read + Send,
    name: &Path,
    below: Manifest,
) -> Result<Unpacked, TarError> {
    let budget = Budget::of_store(store.size_limit());
    let (listing, digests) = list(store, archive, name, &budget);
    digests.content?;
    let listing = listing?;
    let mut manifest = below;
    let without_effect = merge::merge(&mut manifest, listing.changes, name, &budget)?;
    let mut warnings: Vec<String> = skipped(&listing.skipped).into_iter().collect();
    let without_effect: Vec<_> = without_effect.iter().map(ToString::to_string).collect();
    if let Some(paths) = listed(&without_effect) {
        warnings.push(format!(
            "{paths} would be removed from layers below, which only layers of an image can do"
        ));
    }
    Ok(Unpacked { manifest, warnings })
}

/// Adds the content of an archive to the store. What is wrong with the digests or with
/// reading comes before what is wrong with the listing.
pub(super) fn list(
    store: &Store,
    archive: impl Read + Send,
    name: &Path,
    budget: &Budget,
) -> (Result<Listing, TarError>, Digests) {
    stream::stream(archive, name, budget, |content| {
        contents::write(store, |contents| {
            listing::list(content, name, contents, budget)
        })
    })
}

/// Lays an archive of an image on the layers below.
pub(super) fn lay(
    listing: Listing,
    name: &Path,
    budget: &Budget,
    below: &mut Manifest,
) -> Result<(), TarError> {
    merge::merge(below, listing.changes, name, budget).map(drop)
}

/// What to tell of devices and pipes.
pub(super) fn skipped(paths: &[String]) -> Option<String> {
    let paths = listed(paths)?;
    Some(format!(
        "left out {paths}, as a layer cannot hold devices and pipes"
    ))
}

fn listed(paths: &[String]) -> Option<String> {
    match paths {
        [] => None,
        [path] => Some(format!("`{path}`")),
        [first, others @ ..] => Some(format!("`{first}` and {} more", others.len())),
    }
}

#[cfg(test)]
mod tests;
