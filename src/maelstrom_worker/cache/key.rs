//! What a blob is called.

use crate::store::Digest;

/// A blob as one inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BlobKey {
    pub digest: Digest,
    pub executable: bool,
}

impl BlobKey {
    pub fn plain(digest: Digest) -> Self {
        Self {
            digest,
            executable: false,
        }
    }

    pub fn mode(self) -> u32 {
        if self.executable { 0o555 } else { 0o444 }
    }

    pub fn name(self) -> String {
        let suffix = if self.executable { ".x" } else { "" };
        format!("{}{suffix}", self.digest)
    }

    pub fn named(name: &str) -> Option<Self> {
        let (digest, executable) = match name.strip_suffix(".x") {
            Some(digest) => (digest, true),
            None => (name, false),
        };
        let digest = digest.parse().ok()?;
        Some(Self { digest, executable })
    }
}
