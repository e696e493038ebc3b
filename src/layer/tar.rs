//! Unpacks tar archives into manifests.
//!
//! Nothing is written to a path that an archive names: entries are data until the store makes a
//! tree of them. Entries whose path would lead out of the root (`..`, absolute) are refused
//! nevertheless, as they are malicious or a mistake. Set-id bits, owners, times and extended
//! attributes (including capabilities) are dropped. The owner may always read, so that the store
//! can manage its files. Devices and pipes are skipped with a warning. An unknown kind of entry
//! is an error.
//!
//! A path may lead through symlinks to directories, as in images whose `/lib` is a symlink. The
//! entry is put where a process with this root would find it. Refused are symlinks that lead
//! above the root, that form a cycle, or that the archive itself contains with an absolute
//! target.
//!
//! Whiteouts (`.wh.x`, `.wh..wh..opq`) are those of the [OCI image layer
//! specification](https://github.com/opencontainers/image-spec/blob/main/layer.md#whiteouts):
//! they remove entries of the layers below, which are in the manifest given. A whiteout that
//! removes nothing is a warning in a single archive.
//!
//! Several threads process an archive: one reads ahead, decompresses and hashes (`stream`), one
//! parses the members (`member`, `listing`), and some write small files (`content_writer`). The
//! result is a list of changes that does not depend on the layers below. Only applying the
//! changes is done layer by layer (`merge`).

mod budget;
mod compression;
mod content_writer;
mod listing;
mod member;
mod merge;
mod pax;
mod sparse;
mod stream;

pub(super) use budget::UnpackBudget;
pub(super) use listing::TarListing;
pub(super) use merge::resolve_symlinks;
pub(super) use stream::ArchiveDigests;

use super::{LayerContent, Manifest, PathInContainer};
use crate::config::ByteSize;
use crate::store::{ManifestError, PathError, Store, StoreError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

/// Why an archive cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    #[error("cannot read {}: {cause}", archive.display())]
    Read { archive: PathBuf, cause: io::Error },
    #[error(
        "{} is compressed with {format}, which is not supported; compress it with gzip or zstd",
        archive.display()
    )]
    UnknownCompression {
        archive: PathBuf,
        format: &'static str,
    },
    #[error(
        "{} is larger than {} when it is unpacked, the limit of the cache; to allow more, raise \
            `cache-size`",
        archive.display(), ByteSize(*limit)
    )]
    TooLarge {
        archive: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    #[error("the paths in {} take more than 1 GiB of memory", archive.display())]
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

/// Why an entry of an archive is refused, as the end of a sentence.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum EntryProblem {
    #[error("has an absolute path, which is not allowed")]
    Absolute,
    #[error("has a path that leads upwards (`..`), which is not allowed")]
    Upwards,
    #[error("leads through the symlink `{0}`, which leads out of the root or forms a cycle")]
    ThroughSymlink(PathInContainer),
    #[error("is a hard link to `{0}`, which is not in the archive before it")]
    LinkToNothing(String),
    #[error("has no link target")]
    NoTarget,
    #[error("has a path that is longer than the kernel allows")]
    TooLong,
    #[error("is a whiteout without a file name")]
    WhiteoutOfNothing,
    #[error("is of an unsupported kind (`{0}`)")]
    Unknown(char),
    #[error("is invalid: {0}")]
    Manifest(#[from] ManifestError),
    #[error("is invalid: {0}")]
    Path(#[from] PathError),
}

/// Adds the content of an archive, compressed or not, to the store, and its entries to those of
/// the layers below. `name` is the archive's name in messages.
pub fn unpack(
    store: &Store,
    archive: impl Read + Send,
    name: &Path,
    below: Manifest,
) -> Result<LayerContent, TarError> {
    let budget = UnpackBudget::of_store(store.size_limit());
    let (listing, digests) = list(store, archive, name, &budget);
    digests.content?;
    let listing = listing?;
    let mut manifest = below;
    let without_effect = merge::merge(&mut manifest, listing.changes, name, &budget)?;
    let mut warnings: Vec<String> = skipped_warning(&listing.skipped).into_iter().collect();
    let without_effect: Vec<_> = without_effect.iter().map(ToString::to_string).collect();
    if let Some(paths) = listed(&without_effect) {
        warnings.push(format!(
            "left out whiteouts of {paths}: only layers of an image can remove files of layers below"
        ));
    }
    Ok(LayerContent {
        manifest,
        warnings,
        ..LayerContent::default()
    })
}

/// Adds the content of an archive to the store. Report an error of the digests before one of the
/// listing, as it is the cause.
pub(super) fn list(
    store: &Store,
    archive: impl Read + Send,
    name: &Path,
    budget: &UnpackBudget,
) -> (Result<TarListing, TarError>, ArchiveDigests) {
    stream::stream(archive, name, budget, |content| {
        content_writer::write(store, |contents| {
            listing::list(content, name, contents, budget)
        })
    })
}

/// Applies the changes of a layer of an image to the layers below.
pub(super) fn apply(
    listing: TarListing,
    name: &Path,
    budget: &UnpackBudget,
    below: &mut Manifest,
) -> Result<(), TarError> {
    merge::merge(below, listing.changes, name, budget).map(drop)
}

/// The warning about skipped devices and pipes.
pub(super) fn skipped_warning(paths: &[String]) -> Option<String> {
    let paths = listed(paths)?;
    Some(format!(
        "left out {paths}: a layer cannot hold devices and pipes"
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
