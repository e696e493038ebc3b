//! Where the parts of an image are.

use super::layout::{LARGEST, Layout};
use super::remote::Remote;
use super::verified::digest_of;
use super::{Blob, ImageError};
use oci_spec::image::{Descriptor, Sha256Digest};
use std::sync::Arc;

/// Where the parts of an image are, by their digests.
#[derive(Clone, Debug)]
pub enum Source {
    /// On this machine.
    Layout(Arc<Layout>),
    /// In a registry, unless the depot has them.
    Remote(Arc<Remote>),
}

impl Source {
    /// What messages call the image.
    pub fn name(&self) -> String {
        match self {
            Self::Layout(layout) => layout.path().to_string(),
            Self::Remote(remote) => remote.name(),
        }
    }

    /// What messages call a part of it.
    pub fn part(&self, digest: &Sha256Digest) -> String {
        match self {
            Self::Layout(layout) => layout.path().join(blob(digest)).to_string(),
            Self::Remote(remote) => format!("{} (sha256:{digest})", remote.name()),
        }
    }

    /// A manifest or an index. Its digest is right.
    pub fn manifest(&self, digest: &Sha256Digest) -> Result<Vec<u8>, ImageError> {
        match self {
            Self::Layout(layout) => self.verified(layout, digest),
            Self::Remote(remote) => remote.manifest(digest),
        }
    }

    /// Another part that describes something. Its digest is right.
    pub fn description(&self, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
        let digest = sha256(descriptor)?;
        match self {
            Self::Layout(layout) => self.verified(layout, &digest),
            Self::Remote(_) if descriptor.size() > LARGEST => Err(ImageError::Malformed {
                part: self.part(&digest),
                cause: "it is too large to be a description".to_owned(),
            }),
            Self::Remote(remote) => remote.description(&digest, descriptor.size()),
        }
    }

    /// A layer, of whose archive `diff_id` is the digest.
    pub fn layer(&self, descriptor: &Descriptor, diff_id: String) -> Result<Blob, ImageError> {
        let digest = sha256(descriptor)?;
        Ok(match self {
            Self::Layout(layout) => {
                let known = Some(descriptor.digest().to_string());
                Blob::of_layout(layout.clone(), blob(&digest), known, diff_id)
            }
            Self::Remote(remote) => {
                Blob::of_remote(remote.clone(), digest, descriptor.size(), diff_id)
            }
        })
    }

    fn verified(&self, layout: &Layout, digest: &Sha256Digest) -> Result<Vec<u8>, ImageError> {
        let bytes = layout.read(&blob(digest))?;
        let (expected, found) = (format!("sha256:{digest}"), digest_of(&bytes));
        if expected == found {
            return Ok(bytes);
        }
        Err(ImageError::Damaged {
            part: self.part(digest),
            expected,
            found,
        })
    }
}

pub fn sha256(descriptor: &Descriptor) -> Result<Sha256Digest, ImageError> {
    let digest = descriptor.as_digest_sha256();
    let digest = digest.and_then(|hex| hex.parse().ok());
    digest.ok_or_else(|| ImageError::DigestKind(descriptor.digest().to_string()))
}

/// Where a layout has a blob.
fn blob(digest: &Sha256Digest) -> String {
    format!("blobs/sha256/{digest}")
}
