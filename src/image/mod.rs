//! Container images: what their names mean, and what is in them.
//!
//! An image is a list of layers, archives that lie on one another, and a configuration.
//! Which these are, an *OCI manifest* says, which an *index* may name for each platform:
//! see the OCI image format specification. Every part is named by its digest, and none is
//! believed before its digest has been seen to be right.

mod blob;
mod layout;
mod opening;
mod verified;

pub use blob::Blob;
pub use verified::Verified;

use crate::spec::ImageReference;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// How images are had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageSettings {
    /// The directory that keeps what was downloaded; shared by all programs of a user.
    pub depot: PathBuf,
    /// Whether registries are talked to whose certificates nobody vouches for.
    pub accept_invalid_certificates: bool,
}

/// Finds images, and downloads them. To be shared by threads.
#[derive(Debug)]
pub struct Images {
    settings: ImageSettings,
}

/// An image for this machine's platform.
#[derive(Clone, Debug)]
pub struct Image {
    /// Bottom first.
    pub layers: Vec<Blob>,
    /// What its programs expect to have set.
    pub environment: BTreeMap<String, String>,
    pub working_directory: Option<Utf8PathBuf>,
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
        Self { settings }
    }

    /// Finds an image, and reads what it says of itself. Tags of registries are looked up
    /// once, and remembered in a file in `project_dir`. Blocking.
    pub fn find(
        &self,
        reference: &ImageReference,
        project_dir: &Utf8Path,
    ) -> Result<Image, ImageError> {
        opening::open(&reference.below(project_dir))
    }

    /// The download that has gone on for longest.
    pub fn download(&self) -> Option<Download> {
        None
    }

    /// Ends all downloads; what waits for them gets errors.
    pub fn end(&self) {}
}

/// Why an image cannot be had. The message names the image, or the file that is wrong.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("there is no {what} {path}")]
    NotThere {
        path: Utf8PathBuf,
        what: &'static str,
    },
    #[error("cannot read {path}: {cause}")]
    Read { path: Utf8PathBuf, cause: io::Error },
    #[error("{path} is no image: {problem}")]
    NoImage { path: Utf8PathBuf, problem: String },
    #[error("{path} is not as images describe themselves: {cause}")]
    Malformed { path: Utf8PathBuf, cause: String },
    #[error("there is no image `{name}` in {path}; there {}", listed(.known))]
    NoSuchImage {
        path: Utf8PathBuf,
        name: String,
        known: Vec<String>,
    },
    #[error("there are several images in {path}; name one after another colon: there {}", listed(.known))]
    SeveralImages {
        path: Utf8PathBuf,
        known: Vec<String>,
    },
    #[error("the image in {path} is not for {wanted}, but for {}", known.join(", "))]
    NoPlatform {
        path: Utf8PathBuf,
        wanted: String,
        known: Vec<String>,
    },
    #[error("`{0}` is a digest of a kind that is not known here; use SHA-256")]
    DigestKind(String),
    #[error("{path} is damaged: its digest is {found}, not {expected}")]
    Damaged {
        path: Utf8PathBuf,
        expected: String,
        found: String,
    },
    #[error(
        "images in registries (`docker://`) are not supported yet; save the image to a file and use `oci-archive:` or `docker-archive:`"
    )]
    Registry,
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "is none".to_owned(),
        [one] => format!("is `{one}`"),
        names => format!("are `{}`", names.join("`, `")),
    }
}
