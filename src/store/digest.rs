//! What names content.

use std::fmt;

/// The SHA-256 and size of some content: what the Remote Execution API calls a
/// digest, so that a file is hashed once and means the same thing everywhere.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest {
    pub sha256: [u8; 32],
    /// In bytes.
    pub size: u64,
}

impl fmt::Display for Digest {
    /// `<64 hex digits>-<size>`: usable as a file name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for byte in self.sha256 {
            write!(f, "{byte:02x}")?;
        }
        write!(f, "-{}", self.size)
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
