//! How blobs are called in the API.

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

/// What a message has in place of a SHA-256 and a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{hash}` with size {size} is not a SHA-256 digest")]
pub struct NotADigest {
    hash: String,
    size: i64,
}

impl TryFrom<&reapi::Digest> for Digest {
    type Error = NotADigest;

    fn try_from(digest: &reapi::Digest) -> Result<Self, NotADigest> {
        let text = format!("{}-{}", digest.hash, digest.size_bytes);
        text.parse().map_err(|_| NotADigest {
            hash: digest.hash.clone(),
            size: digest.size_bytes,
        })
    }
}

/// How the bytes of a blob travel in a stream.
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

/// The resource that a blob is read from.
pub(super) fn to_read(instance: &str, digest: Digest, encoding: Encoding) -> String {
    let (directory, hash) = (encoding.directory(), digest.hex());
    within(instance, &format!("{directory}/{hash}/{}", digest.size))
}

/// A new resource that a blob can be written to.
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

/// Eight hex digits that nobody foresees.
pub fn random_word() -> String {
    format!("{:08x}", random() >> 32)
}

/// A number that nobody foresees: the standard library seeds its hash maps so.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_are_named_as_the_api_wants_it() {
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
    fn a_digest_survives_the_message() {
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
