//! Unpacks the layers of an image into one manifest.
//!
//! A layer is used only after all of it has been read and both its digests verified, that of the
//! blob and that of the archive in it.

use super::tar::{self, TarError, TarListing, UnpackBudget};
use super::{LayerContent, LayerProblem, Manifest};
use crate::image::{Image, ImageError, LayerBlob};
use crate::store::{Store, parallel};

/// The name of the cache of unpacked images. Renamed when the cached value changes.
const UNPACKED_IMAGE: &str = "image-2";

/// Why a layer of an image cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ImageUnpackError {
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    Tar(#[from] TarError),
    #[error("the layer {layer} failed digest verification: its digest is {found}, not {expected}")]
    BlobDigest {
        layer: String,
        expected: String,
        found: String,
    },
    #[error(
        "the layer {layer} failed digest verification: the digest of the archive in it is \
            {found}, not {expected}"
    )]
    ArchiveDigest {
        layer: String,
        expected: String,
        found: String,
    },
}

/// Adds the files of an image to the store, and returns its entries. An image whose result is
/// cached is not read.
pub fn unpack(store: &Store, image: &Image) -> Result<LayerContent, LayerProblem> {
    match LayerContent::cached(store, UNPACKED_IMAGE, &key(image)) {
        Some(unpacked) => Ok(unpacked),
        None => unpack_uncached(store, image),
    }
}

/// Unpacks an image without the cache, as the store may have lost its files.
pub(super) fn unpack_uncached(store: &Store, image: &Image) -> Result<LayerContent, LayerProblem> {
    // Layers are downloaded while others are read.
    image.fetch();
    let budget = UnpackBudget::of_store(store.size_limit());
    let listings = parallel::map(&image.layers, 1, |layer| list(store, layer, &budget));
    let mut manifest = Manifest::new();
    let mut skipped = Vec::new();
    for (layer, listing) in image.layers.iter().zip(listings) {
        let mut listing = listing?;
        skipped.append(&mut listing.skipped);
        tar::apply(listing, layer.path().as_std_path(), &budget, &mut manifest)?;
    }
    let mut unpacked = LayerContent {
        manifest,
        ..LayerContent::default()
    };
    // The warnings are shown only when the image is unpacked.
    unpacked.cache(store, UNPACKED_IMAGE, &key(image))?;
    unpacked.warnings.extend(tar::skipped_warning(&skipped));
    Ok(unpacked)
}

/// The key of the cache: the digests of the uncompressed layers.
fn key(image: &Image) -> String {
    let diff_ids: Vec<&str> = image
        .layers
        .iter()
        .map(|layer| layer.diff_id.as_str())
        .collect();
    diff_ids.join("\n")
}

/// The changes of a layer. A damaged blob is downloaded again once if it is from a registry.
fn list(
    store: &Store,
    layer: &LayerBlob,
    budget: &UnpackBudget,
) -> Result<TarListing, ImageUnpackError> {
    match list_once(store, layer, budget) {
        Err(ImageUnpackError::BlobDigest { .. }) if layer.discard_damaged() => {
            list_once(store, layer, budget)
        }
        result => result,
    }
}

fn list_once(
    store: &Store,
    layer: &LayerBlob,
    budget: &UnpackBudget,
) -> Result<TarListing, ImageUnpackError> {
    let path = layer.path();
    let (listing, digests) = tar::list(store, layer.open()?, path.as_std_path(), budget);
    let layer_name = || path.to_string();
    let found = digests.blob?;
    if let Some(expected) = layer.digest.as_ref().filter(|&digest| *digest != found) {
        return Err(ImageUnpackError::BlobDigest {
            layer: layer_name(),
            expected: expected.clone(),
            found,
        });
    }
    let found = digests.content?;
    if layer.diff_id != found {
        return Err(ImageUnpackError::ArchiveDigest {
            layer: layer_name(),
            expected: layer.diff_id.clone(),
            found,
        });
    }
    Ok(listing?)
}
