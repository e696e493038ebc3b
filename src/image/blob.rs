//! A layer of an image, before it is unpacked.

use super::ImageError;
use super::layout::Layout;
use super::remote::Remote;
use camino::Utf8PathBuf;
use oci_spec::image::Sha256Digest;
use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A layer's archive, which may be compressed.
#[derive(Clone, Debug)]
pub struct Blob {
    place: Place,
    /// Of the blob, as `sha256:…`; `None`: only that of the archive in it is known.
    pub digest: Option<String>,
    /// Of the archive in it, when it is no longer compressed, as `sha256:…`.
    pub diff_id: String,
}

#[derive(Clone, Debug)]
enum Place {
    Layout {
        layout: Arc<Layout>,
        name: String,
    },
    Remote {
        remote: Arc<Remote>,
        digest: Sha256Digest,
        /// In bytes.
        size: u64,
        discarded: Arc<AtomicBool>,
    },
}

impl Blob {
    pub(super) fn of_layout(
        layout: Arc<Layout>,
        name: String,
        digest: Option<String>,
        diff_id: String,
    ) -> Self {
        Self {
            place: Place::Layout { layout, name },
            digest,
            diff_id,
        }
    }

    pub(super) fn of_remote(
        remote: Arc<Remote>,
        digest: Sha256Digest,
        size: u64,
        diff_id: String,
    ) -> Self {
        Self {
            digest: Some(format!("sha256:{digest}")),
            place: Place::Remote {
                remote,
                digest,
                size,
                discarded: Arc::default(),
            },
            diff_id,
        }
    }

    /// What messages call it.
    pub fn path(&self) -> Utf8PathBuf {
        match &self.place {
            Place::Layout { layout, name } => layout.path().join(name),
            Place::Remote { remote, digest, .. } => {
                let path = remote.path(digest);
                Utf8PathBuf::from(path.to_string_lossy().into_owned())
            }
        }
    }

    /// The bytes of the blob, to be verified by whoever reads them. Blocking, until all of
    /// them are on this machine.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, ImageError> {
        match &self.place {
            Place::Layout { layout, name } => layout.open(name).map(|(file, _)| file),
            Place::Remote {
                remote,
                digest,
                size,
                ..
            } => Ok(Box::new(remote.open(digest, *size)?)),
        }
    }

    /// To be called where the blob was seen not to have its digest. Tells whether it is
    /// worth while to open it again: it was downloaded, and will be so once more.
    pub fn discard(&self) -> bool {
        match &self.place {
            Place::Layout { .. } => false,
            Place::Remote {
                remote,
                digest,
                discarded,
                ..
            } => {
                // It was right when it was downloaded; where that does not last, the disk
                // is broken.
                !discarded.swap(true, Relaxed) && remote.remove(digest).is_ok()
            }
        }
    }

    /// Starts its download, if it is to be had in no other way.
    pub(super) fn fetch(&self) {
        if let Place::Remote {
            remote,
            digest,
            size,
            ..
        } = &self.place
        {
            remote.fetch(digest, *size);
        }
    }
}
