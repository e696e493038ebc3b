//! The layers of an image, before they are unpacked.

use super::ImageError;
use super::layout::Layout;
use super::registry_image::RegistryImage;
use camino::Utf8PathBuf;
use oci_spec::image::Sha256Digest;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The archive of a layer, compressed or not.
#[derive(Clone, Debug)]
pub struct LayerBlob {
    location: BlobLocation,
    /// The digest of the blob, as `sha256:…`. `None`: only `diff_id` is known.
    pub digest: Option<String>,
    /// The digest of the uncompressed archive, as `sha256:…`.
    pub diff_id: String,
}

#[derive(Clone, Debug)]
enum BlobLocation {
    Layout {
        layout: Arc<Layout>,
        name: String,
    },
    Registry {
        remote: Arc<RegistryImage>,
        digest: Sha256Digest,
        /// The blob's size in bytes.
        size: u64,
        discarded: Arc<AtomicBool>,
    },
}

impl LayerBlob {
    pub(super) fn in_layout(
        layout: Arc<Layout>,
        name: String,
        digest: Option<String>,
        diff_id: String,
    ) -> Self {
        Self {
            location: BlobLocation::Layout { layout, name },
            digest,
            diff_id,
        }
    }

    pub(super) fn in_registry(
        remote: Arc<RegistryImage>,
        digest: Sha256Digest,
        size: u64,
        diff_id: String,
    ) -> Self {
        Self {
            digest: Some(format!("sha256:{digest}")),
            location: BlobLocation::Registry {
                remote,
                digest,
                size,
                discarded: Arc::default(),
            },
            diff_id,
        }
    }

    /// The blob's name in messages.
    pub fn path(&self) -> Utf8PathBuf {
        match &self.location {
            BlobLocation::Layout { layout, name } => layout.path().join(name),
            BlobLocation::Registry { remote, digest, .. } => {
                let path = remote.path(digest);
                Utf8PathBuf::from(path.to_string_lossy().into_owned())
            }
        }
    }

    /// Opens the blob. The caller verifies its digest. Blocks until the blob is on this machine.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, ImageError> {
        match &self.location {
            BlobLocation::Layout { layout, name } => layout.open(name).map(|(file, _)| file),
            BlobLocation::Registry {
                remote,
                digest,
                size,
                ..
            } => Ok(Box::new(remote.open(digest, *size)?)),
        }
    }

    /// Removes a blob that does not have its digest. Returns whether opening it again may help:
    /// whether it was downloaded, and is downloaded again.
    pub fn discard_damaged(&self) -> bool {
        match &self.location {
            BlobLocation::Layout { .. } => false,
            BlobLocation::Registry {
                remote,
                digest,
                discarded,
                ..
            } => {
                // The digest was verified after the download. A second mismatch means a broken
                // disk, so that downloading again does not help.
                !discarded.swap(true, Relaxed) && remote.remove(digest).is_ok()
            }
        }
    }

    /// Starts the download of a blob of a registry.
    pub(super) fn fetch(&self) {
        if let BlobLocation::Registry {
            remote,
            digest,
            size,
            ..
        } = &self.location
        {
            remote.fetch(digest, *size);
        }
    }
}
