//! SHA-256 digests of streams and bytes, as OCI writes them: `sha256:` and 64 hexadecimal
//! digits.

use crate::store::{Digest, Hasher};
use oci_spec::image::Sha256Digest;
use std::io::{self, Read};

/// A reader that hashes the bytes that are read through it.
pub struct HashingReader<R> {
    inner: R,
    hasher: Hasher,
}

impl<R: Read> HashingReader<R> {
    pub fn new(inner: R) -> Self {
        Self {
            inner,
            hasher: Hasher::default(),
        }
    }

    /// Reads to the end, and returns the digest of all bytes, as `sha256:…`.
    pub fn digest(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(oci_name(&self.hasher.finish()))
    }
}

impl<R: Read> Read for HashingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.hasher.update(&buffer[..length]);
        Ok(length)
    }
}

/// The digest of bytes, as `sha256:…`.
pub fn digest_of(bytes: &[u8]) -> String {
    oci_name(&Digest::of(bytes))
}

/// A digest as manifests write it.
pub fn oci_name(digest: &Digest) -> String {
    format!("sha256:{}", digest.hex())
}

/// Parses `sha256:` and 64 hexadecimal digits. `None` for any other text.
pub fn parse(digest: &str) -> Option<Sha256Digest> {
    digest.strip_prefix("sha256:")?.parse().ok()
}
