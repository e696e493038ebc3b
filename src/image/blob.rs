//! A layer of an image, before it is unpacked.

use super::ImageError;
use super::layout::Layout;
use camino::Utf8PathBuf;
use std::io::Read;
use std::sync::Arc;

/// A layer's archive, which may be compressed.
#[derive(Clone, Debug)]
pub struct Blob {
    pub(super) layout: Arc<Layout>,
    pub(super) name: String,
    /// Of the blob, as `sha256:…`; `None`: only that of the archive in it is known.
    pub digest: Option<String>,
    /// Of the archive in it, when it is no longer compressed, as `sha256:…`.
    pub diff_id: String,
}

impl Blob {
    /// What messages call it.
    pub fn path(&self) -> Utf8PathBuf {
        self.layout.path().join(&self.name)
    }

    /// The bytes of the blob, not verified yet. Blocking, until they are there.
    pub fn open(&self) -> Result<Box<dyn Read + Send>, ImageError> {
        self.layout.open(&self.name).map(|(file, _)| file)
    }
}
