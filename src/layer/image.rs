//! Unpacking images: all layers of one, on one another, into one manifest.
//!
//! No layer counts before all of it has been read and both its digests have been seen to be
//! right, that of the blob and that of the archive in it.

use super::tar::{self, Budget, Listing, TarError, Unpacked};
use super::{Manifest, Problem};
use crate::image::{Image, ImageError, LayerBlob};
use crate::store::{Store, parallel};

/// What is cached for the layers of an image; to be renamed when that changes.
const UNPACKED_IMAGE: &str = "image-1";

/// Why a layer of an image cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Tar(#[from] TarError),
    #[error(
        "the layer {layer} is damaged or was tampered with: its digest is {found}, not {expected}"
    )]
    WrongBlob {
        layer: String,
        expected: String,
        found: String,
    },
    #[error(
        "the layer {layer} is damaged or was tampered with: the digest of the archive in it is \
         {found}, not {expected}"
    )]
    WrongArchive {
        layer: String,
        expected: String,
        found: String,
    },
}

/// Adds an image's files to the store, and tells its entries. Of an image whose tree the
/// store knows nothing is read.
pub fn unpack(store: &Store, image: &Image) -> Result<Unpacked, Problem> {
    match known(store, &key(image)) {
        Some(unpacked) => Ok(unpacked),
        None => unpack_anew(store, image),
    }
}

/// The same, whatever the store remembers: it may have lost the files.
pub(super) fn unpack_anew(store: &Store, image: &Image) -> Result<Unpacked, Problem> {
    // While one layer is read, others are downloaded.
    image.fetch();
    let budget = Budget::of_store(store.size_limit());
    let listings = parallel::map(&image.layers, 1, |layer| list(store, layer, &budget));
    let mut manifest = Manifest::new();
    let mut skipped = Vec::new();
    for (layer, listing) in image.layers.iter().zip(listings) {
        let mut listing = listing?;
        skipped.append(&mut listing.skipped);
        tar::lay(listing, layer.path().as_std_path(), &budget, &mut manifest)?;
    }
    let unpacked = Unpacked {
        manifest,
        warnings: tar::skipped(&skipped).into_iter().collect(),
    };
    let value = unpacked.manifest.digest().to_string();
    store.cache(UNPACKED_IMAGE, &key(image), value.as_bytes())?;
    Ok(unpacked)
}

/// What the layers are, whatever their compression.
fn key(image: &Image) -> String {
    let diff_ids: Vec<&str> = image
        .layers
        .iter()
        .map(|layer| layer.diff_id.as_str())
        .collect();
    diff_ids.join("\n")
}

fn known(store: &Store, key: &str) -> Option<Unpacked> {
    let value = String::from_utf8(store.cached(UNPACKED_IMAGE, key)?).ok()?;
    Some(Unpacked {
        manifest: store.manifest(&value.parse().ok()?)?,
        // They were told when it was unpacked.
        warnings: Vec::new(),
    })
}

/// What a layer brings. A damaged one is tried again if there is another copy to be had.
fn list(store: &Store, layer: &LayerBlob, budget: &Budget) -> Result<Listing, UnpackError> {
    match list_once(store, layer, budget) {
        Err(UnpackError::WrongBlob { .. }) if layer.discard_damaged() => {
            list_once(store, layer, budget)
        }
        result => result,
    }
}

fn list_once(store: &Store, layer: &LayerBlob, budget: &Budget) -> Result<Listing, UnpackError> {
    let path = layer.path();
    let (listing, digests) = tar::list(store, layer.open()?, path.as_std_path(), budget);
    let layer_name = || path.to_string();
    let found = digests.blob?;
    if let Some(expected) = layer.digest.as_ref().filter(|&digest| *digest != found) {
        return Err(UnpackError::WrongBlob {
            layer: layer_name(),
            expected: expected.clone(),
            found,
        });
    }
    let found = digests.content?;
    if layer.diff_id != found {
        return Err(UnpackError::WrongArchive {
            layer: layer_name(),
            expected: layer.diff_id.clone(),
            found,
        });
    }
    Ok(listing?)
}
