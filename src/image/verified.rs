//! Reading what has to have a digest.

use crate::store::{Digest, Hasher};
use std::io::{self, Read};

/// Passes on what it reads, and computes its digest.
pub struct Verified<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> Verified<R> {
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: Hasher::default(),
        }
    }

    /// Reads what is left, and tells the digest of all, as `sha256:…`.
    pub fn digest(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(named(&self.hasher.finish()))
    }
}

impl<R: Read> Read for Verified<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        Ok(length)
    }
}

/// The digest of bytes, as `sha256:…`.
pub fn digest_of(bytes: &[u8]) -> String {
    named(&Digest::of(bytes))
}

/// As manifests write digests.
pub fn named(digest: &Digest) -> String {
    format!("sha256:{}", digest.hex())
}
