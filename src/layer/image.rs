//! Unpacking images.

use super::assembly::Trust;
use super::tar::{self, Unpacked};
use super::{Manifest, Problem};
use crate::image::Image;
use crate::store::Store;
use std::sync::Arc;

/// The layers of an image as one.
pub(super) fn unpack(store: &Store, image: &Image, trust: Trust) -> Result<Unpacked, Problem> {
    let _ = trust;
    let mut unpacked = Unpacked {
        manifest: Manifest::new(),
        warnings: Vec::new(),
    };
    for layer in &image.layers {
        let archive = layer.open().map_err(Arc::new)?;
        let on_top = tar::unpack(
            store,
            archive,
            layer.path().as_std_path(),
            unpacked.manifest,
        )?;
        unpacked.manifest = on_top.manifest;
        unpacked.warnings.extend(on_top.warnings);
    }
    Ok(unpacked)
}
