//! Names that the API gives blobs: digests in messages, resource names of streams. Also random
//! identifiers.

use super::reapi;
use crate::store::Digest;
use std::fmt::Write;
use std::hash::{BuildHasher, Hasher, RandomState};

impl From<Digest> for reapi::Digest {
    fn from(digest: Digest) -> Self {
        Self {
            hash: digest.hex(),
            size_bytes: digest.size as i64,
        }
    }
}

/// A digest in a message of the API that is not a SHA-256 digest with a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{hash}` with size {size} is not a SHA-256 digest")]
pub struct InvalidApiDigest {
    hash: String,
    size: i64,
}

impl TryFrom<&reapi::Digest> for Digest {
    type Error = InvalidApiDigest;

    fn try_from(digest: &reapi::Digest) -> Result<Self, InvalidApiDigest> {
        let text = format!("{}-{}", digest.hash, digest.size_bytes);
        text.parse().map_err(|_| InvalidApiDigest {
            hash: digest.hash.clone(),
            size: digest.size_bytes,
        })
    }
}

/// How the bytes of a blob are encoded in a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Plain,
    Zstd,
}

impl Encoding {
    fn directory(self) -> &'static str {
        match self {
            Self::Plain => "blobs",
            Self::Zstd => "compressed-blobs/zstd",
        }
    }
}

/// The name of the resource to read a blob from.
pub(super) fn to_read(instance: &str, digest: Digest, encoding: Encoding) -> String {
    let (directory, hash) = (encoding.directory(), digest.hex());
    within(instance, &format!("{directory}/{hash}/{}", digest.size))
}

/// The name of a new resource to write a blob to.
pub(super) fn to_write(instance: &str, digest: Digest, encoding: Encoding) -> String {
    let (directory, hash, size) = (encoding.directory(), digest.hex(), digest.size);
    let name = format!("uploads/{}/{directory}/{hash}/{size}", random_uuid());
    within(instance, &name)
}

fn within(instance: &str, name: &str) -> String {
    if instance.is_empty() {
        name.to_owned()
    } else {
        format!("{instance}/{name}")
    }
}

/// A UUID of version 4.
fn random_uuid() -> String {
    let (high, low) = (random(), random());
    let mut text = format!("{:08x}-{:04x}-", high >> 32, high >> 16 & 0xFFFF);
    let _ = write!(text, "4{:03x}-", high & 0xFFF);
    let _ = write!(text, "{:04x}-", low >> 48 & 0x3FFF | 0x8000);
    let _ = write!(text, "{:012x}", low & 0xFFFF_FFFF_FFFF);
    text
}

/// Eight random hex digits.
pub fn random_word() -> String {
    format!("{:08x}", random() >> 32)
}

/// A random number, from the random keys of the standard library's hash maps.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resource_names_have_the_form_that_the_api_specifies() {
        let digest = Digest::of(b"hello");
        let hash = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(
            to_read("", digest, Encoding::Plain),
            format!("blobs/{hash}/5")
        );
        assert_eq!(
            to_read("team/main", digest, Encoding::Zstd),
            format!("team/main/compressed-blobs/zstd/{hash}/5")
        );
        let upload = to_write("main", digest, Encoding::Plain);
        let uuid = upload
            .strip_prefix("main/uploads/")
            .and_then(|rest| rest.strip_suffix(&format!("/blobs/{hash}/5")))
            .unwrap();
        let shape: String = uuid
            .chars()
            .map(|c| if c.is_ascii_hexdigit() { 'x' } else { c })
            .collect();
        assert_eq!(shape, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx");
        assert_eq!(&uuid[14..15], "4");
    }

    #[test]
    fn a_digest_is_read_from_the_message_that_it_was_written_to() {
        let digest = Digest::of(b"hello");
        assert_eq!(Digest::try_from(&reapi::Digest::from(digest)), Ok(digest));
        let wrong = reapi::Digest {
            hash: "2cf24d".to_owned(),
            size_bytes: 5,
        };
        assert_eq!(
            Digest::try_from(&wrong).unwrap_err().to_string(),
            "`2cf24d` with size 5 is not a SHA-256 digest"
        );
    }
}
