//! Container images: what their names mean, and what is in them.
//!
//! An image is a list of layers, archives that lie on one another, and a configuration.
//! Which these are, an *OCI manifest* says, which an *index* may name for each platform:
//! see the OCI image format specification. Every part is named by its digest, and none is
//! believed before its digest has been seen to be right.
//!
//! ```text
//! Images ── find ──> tags         what a tag meant the first time
//!    │                 │
//!    │               opening      from a manifest to an Image and its Blobs
//!    │                 │
//!    │               source ────> layout   files of this machine
//!    │                      └───> remote   what is in the depot, or comes from a registry
//! downloads <────────────────────────┘
//! ```

mod arguments;
mod blob;
mod certificates;
mod credentials;
mod depot;
mod downloads;
mod error;
mod failure;
mod layout;
mod local;
mod opening;
mod platform;
mod progress;
mod registry;
mod remote;
mod settings;
mod source;
mod tags;
mod together;
mod verified;

pub use arguments::ImageArguments;
pub use blob::Blob;
pub use error::{ImageError, Tries};
pub use settings::{ImageSettings, Patience, Proxies};
pub use tags::FILE as TAG_FILE;
pub use verified::Verified;

use crate::spec::ImageReference;
use camino::{Utf8Path, Utf8PathBuf};
use downloads::Downloads;
use layout::Layout;
use oci_spec::distribution::Reference;
use oci_spec::image::Sha256Digest;
use remote::Remote;
use source::Source;
use std::collections::BTreeMap;
use std::sync::Arc;
use tags::Remembered;

/// Finds images, and downloads them. To be shared by threads.
#[derive(Debug)]
pub struct Images {
    downloads: Arc<Downloads>,
}

/// An image for this machine's platform.
#[derive(Clone, Debug)]
pub struct Image {
    /// Bottom first.
    pub layers: Vec<Blob>,
    /// What its programs expect to have set.
    pub environment: BTreeMap<String, String>,
    pub working_directory: Option<Utf8PathBuf>,
    /// What people should know, a sentence each.
    pub warnings: Vec<String>,
}

/// A download that goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// Of the image.
    pub name: String,
    /// In bytes.
    pub done: u64,
    /// In bytes.
    pub total: u64,
}

impl Images {
    pub fn new(settings: ImageSettings) -> Self {
        Self {
            downloads: Arc::new(Downloads::new(settings)),
        }
    }

    /// Finds an image, and reads what it says of itself. Tags of registries are looked up
    /// once, and remembered in a file in `project_dir`. Blocking.
    pub fn find(
        &self,
        reference: &ImageReference,
        project_dir: &Utf8Path,
    ) -> Result<Image, ImageError> {
        match reference.below(project_dir) {
            ImageReference::Docker(reference) => self.find_remote(&reference, project_dir),
            ImageReference::Oci(located) => {
                let layout = Layout::directory(&located.path)?;
                local::of_layout(layout, located.image.as_deref())
            }
            ImageReference::OciArchive(located) => {
                let layout = Layout::archive(&located.path)?;
                local::of_layout(layout, located.image.as_deref())
            }
            ImageReference::DockerArchive(located) => {
                let layout = Layout::archive(&located.path)?;
                local::of_docker(layout, located.image.as_deref())
            }
        }
    }

    /// The download that has gone on for longest.
    pub fn download(&self) -> Option<Download> {
        self.downloads.progress.oldest()
    }

    /// Ends all downloads; what waits for them gets errors.
    pub fn end(&self) {
        self.downloads.end();
    }

    fn find_remote(
        &self,
        reference: &Reference,
        project_dir: &Utf8Path,
    ) -> Result<Image, ImageError> {
        let remote = Arc::new(Remote::new(self.downloads.clone(), reference.clone()));
        let source = Source::Remote(remote.clone());
        if let Some(digest) = reference.digest() {
            return opening::open(&source, &sha256(digest)?);
        }
        let name = reference.to_string();
        let remembered = |digest: &Sha256Digest| {
            opening::open(&source, digest).map_err(|error| match error {
                ImageError::NotInRegistry {
                    image, registry, ..
                } => ImageError::GoneFromRegistry {
                    image,
                    registry,
                    digest: format!("sha256:{digest}"),
                    file: project_dir.join(TAG_FILE),
                },
                error => error,
            })
        };
        if let Some(digest) = tags::get(project_dir, &name)? {
            return remembered(&digest);
        }
        let digest = remote.look_up()?;
        let image = opening::open(&source, &digest)?;
        match tags::add(project_dir, &name, &digest)? {
            Remembered::As(known) if known == digest => Ok(image),
            Remembered::As(known) => remembered(&known),
            Remembered::Not(warning) => Ok(Image {
                warnings: vec![warning],
                ..image
            }),
        }
    }
}

impl Image {
    /// Starts the download of all layers that are not on this machine, the lowest first.
    pub fn fetch(&self) {
        for layer in &self.layers {
            layer.fetch();
        }
    }
}

fn sha256(digest: &str) -> Result<Sha256Digest, ImageError> {
    let hex = digest.strip_prefix("sha256:");
    let digest_kind = || ImageError::DigestKind(digest.to_owned());
    hex.and_then(|hex| hex.parse().ok()).ok_or_else(digest_kind)
}
