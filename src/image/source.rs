//! Where the parts of an image are stored.

use super::digest::digest_of;
use super::layout::{Layout, MAX_METADATA_SIZE};
use super::registry_image::RegistryImage;
use super::{ImageError, LayerBlob};
use oci_spec::image::{Descriptor, Sha256Digest};
use std::sync::Arc;

/// Where the parts of an image are stored.
#[derive(Clone, Debug)]
pub enum ImageSource {
    /// Files of this machine.
    Layout(Arc<Layout>),
    /// A registry. Parts in the depot are not downloaded.
    Registry(Arc<RegistryImage>),
}

impl ImageSource {
    /// The image's name in messages.
    pub fn name(&self) -> String {
        match self {
            Self::Layout(layout) => layout.path().to_string(),
            Self::Registry(registry) => registry.name(),
        }
    }

    /// The name in messages of the part with this digest.
    pub fn part_name(&self, digest: &Sha256Digest) -> String {
        match self {
            Self::Layout(layout) => layout.path().join(blob_path(digest)).to_string(),
            Self::Registry(registry) => format!("{} (sha256:{digest})", registry.name()),
        }
    }

    /// Reads a manifest or an index, and verifies its digest.
    pub fn manifest(&self, digest: &Sha256Digest) -> Result<Vec<u8>, ImageError> {
        match self {
            Self::Layout(layout) => self.verified(layout, digest),
            Self::Registry(registry) => registry.manifest(digest),
        }
    }

    /// Reads the image's configuration, and verifies its digest.
    pub fn config(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let digest = sha256(descriptor)?;
        match self {
            Self::Layout(layout) => self.verified(layout, &digest),
            Self::Registry(_) if descriptor.size() > MAX_METADATA_SIZE => {
                Err(ImageError::Malformed {
                    part: self.part_name(&digest),
                    cause: "it is larger than 16 MiB".to_owned(),
                })
            }
            Self::Registry(registry) => registry.config(&digest, descriptor.size()),
        }
    }

    /// A layer. `diff_id` is the digest of its uncompressed archive.
    pub fn layer(&self, descriptor: &Descriptor, diff_id: String) -> Result<LayerBlob, ImageError> {
        let digest = sha256(descriptor)?;
        Ok(match self {
            Self::Layout(layout) => {
                let known = Some(descriptor.digest().to_string());
                LayerBlob::in_layout(layout.clone(), blob_path(&digest), known, diff_id)
            }
            Self::Registry(registry) => {
                // The layer may be unpacked, and then it is not opened.
                registry.note_use(&digest);
                LayerBlob::in_registry(registry.clone(), digest, descriptor.size(), diff_id)
            }
        })
    }

    fn verified(&self, layout: &Layout, digest: &Sha256Digest) -> Result<Vec<u8>, ImageError> {
        let bytes = layout.read(&blob_path(digest))?;
        let (expected, found) = (format!("sha256:{digest}"), digest_of(&bytes));
        if expected == found {
            return Ok(bytes);
        }
        Err(ImageError::Damaged {
            part: self.part_name(digest),
            expected,
            found,
        })
    }
}

pub fn sha256(descriptor: &Descriptor) -> Result<Sha256Digest, ImageError> {
    super::sha256(descriptor.digest().as_ref())
}

/// The path of a blob in a layout.
fn blob_path(digest: &Sha256Digest) -> String {
    format!("blobs/sha256/{digest}")
}
