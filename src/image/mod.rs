//! Finds, downloads and keeps container images.
//!
//! An image is a list of layers, which are tar archives, and a configuration. A *manifest* lists
//! both. An *index* names one manifest for each platform. See the [OCI image format
//! specification](https://github.com/opencontainers/image-spec). Every part is named by its
//! digest. No part is used before its digest has been verified.
//!
//! This room may read image files of the host, connect to registries, and write to the depot and
//! to the tag file of the project.
//!
//! ```text
//! Images ── find ──> tags         the digests that tags resolved to first
//!    │                 │
//!    │               manifest      reads the manifest and the config; makes an Image
//!    │                 │
//!    │               source ────> layout           files of this machine
//!    │                      └───> registry_image   the depot, or a registry
//! download_runtime <──────────────────┘
//! ```

mod certificates;
mod credentials;
mod depot;
mod digest;
mod download_runtime;
mod error;
mod layer_blob;
mod layout;
mod local;
mod manifest;
mod platform;
mod progress;
mod registry;
mod registry_failure;
mod registry_image;
mod settings;
mod single_flight;
mod source;
mod tags;

pub use depot::RemovedBlobs;
pub use digest::HashingReader;
pub use error::{Attempts, ImageError};
pub use layer_blob::LayerBlob;
pub use settings::{ImageArguments, ImageSettings, Proxies, RetryPolicy};
pub use tags::FILE as TAG_FILE;

use crate::spec::ImageReference;
use camino::{Utf8Path, Utf8PathBuf};
use depot::Depot;
use download_runtime::DownloadRuntime;
use layout::Layout;
use oci_spec::distribution::Reference;
use oci_spec::image::Sha256Digest;
use registry_image::RegistryImage;
use source::ImageSource;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tags::PinnedTag;

/// Finds and downloads images. Threads may share it.
#[derive(Clone, Debug)]
pub struct Images {
    downloads: Arc<DownloadRuntime>,
}

/// An image for the platform of this machine.
#[derive(Clone, Debug)]
pub struct Image {
    /// The lowest layer first.
    pub layers: Vec<LayerBlob>,
    /// The environment variables that the image sets (`Env` of its configuration).
    pub environment: BTreeMap<String, String>,
    pub working_directory: Option<Utf8PathBuf>,
    /// Warnings for the user, one sentence each.
    pub warnings: Vec<String>,
}

/// The progress of the download of one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Download {
    /// The image's name in messages.
    pub name: String,
    /// In bytes.
    pub done: u64,
    /// In bytes.
    pub total: u64,
}

impl Images {
    pub fn new(settings: ImageSettings) -> Self {
        Self {
            downloads: Arc::new(DownloadRuntime::new(settings)),
        }
    }

    /// Finds an image, and reads its manifest and configuration. A tag of a registry is resolved
    /// once; its digest is kept in a file in `project_dir`. Blocks.
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

    /// The download that started first, if any is running.
    pub fn download(&self) -> Option<Download> {
        self.downloads.progress.oldest()
    }

    /// Cancels all downloads, running and future ones. Calls that wait for a download return an
    /// error.
    pub fn cancel(&self) {
        self.downloads.cancel();
    }

    fn find_remote(
        &self,
        reference: &Reference,
        project_dir: &Utf8Path,
    ) -> Result<Image, ImageError> {
        let remote = Arc::new(RegistryImage::new(
            self.downloads.clone(),
            reference.clone(),
        ));
        let source = ImageSource::Registry(remote.clone());
        if let Some(digest) = reference.digest() {
            return manifest::resolve(&source, &sha256(digest)?);
        }
        let name = reference.to_string();
        let remembered = |digest: &Sha256Digest| {
            manifest::resolve(&source, digest).map_err(|error| match error {
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
        let digest = remote.resolve_tag()?;
        let image = manifest::resolve(&source, &digest)?;
        match tags::add(project_dir, &name, &digest)? {
            PinnedTag::Pinned(known) if known == digest => Ok(image),
            PinnedTag::Pinned(known) => remembered(&known),
            PinnedTag::NotPinned(warning) => Ok(Image {
                warnings: vec![warning],
                ..image
            }),
        }
    }
}

/// Removes downloaded blobs of images that were not used for this time.
pub fn remove_unused(settings: &ImageSettings, unused: Duration) -> io::Result<RemovedBlobs> {
    Depot::new(settings.depot.clone()).remove_unused(unused)
}

impl Image {
    /// Starts the download of all layers that are not on this machine, the lowest layer first.
    pub fn fetch(&self) {
        for layer in &self.layers {
            layer.fetch();
        }
    }
}

fn sha256(digest: &str) -> Result<Sha256Digest, ImageError> {
    digest::parse(digest).ok_or_else(|| ImageError::DigestKind(digest.to_owned()))
}
