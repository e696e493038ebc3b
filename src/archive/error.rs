//! Why an archive cannot be written or read.

use crate::store::StoreError;
use camino::Utf8PathBuf;
use std::io;

#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("failed to read the archive `{path}`")]
    Read {
        path: Utf8PathBuf,
        source: io::Error,
    },
    #[error("failed to write the archive `{path}`")]
    Write {
        path: Utf8PathBuf,
        source: io::Error,
    },
    #[error(
        "`{path}` is not an archive of tests; `cargo maelstrom archive -o FILE` makes one (those of \
         cargo-nextest have another format)"
    )]
    Foreign { path: Utf8PathBuf },
    #[error(
        "the archive `{path}` was made by cargo-maelstrom {found}, and this is version {}; use the \
         same version on both machines",
        env!("CARGO_PKG_VERSION")
    )]
    OtherVersion { path: Utf8PathBuf, found: String },
    #[error(
        "the archive `{path}` was made for the architecture {found}, and this machine has {}; make \
         the archive on a machine of the same architecture",
        std::env::consts::ARCH
    )]
    OtherArchitecture { path: Utf8PathBuf, found: String },
    #[error("the archive `{path}` is damaged: {reason}; copy it again, or make a new one")]
    Damaged { path: Utf8PathBuf, reason: String },
    #[error(
        "failed to pack `{name}`: the file has changed since its test binary was listed; run the \
         command again"
    )]
    Changed { name: String },
    #[error(
        "`{path}` exists and is not an archive of tests; remove it first, or choose another name for \
         the archive"
    )]
    Exists { path: Utf8PathBuf },
    #[error(transparent)]
    Store(#[from] StoreError),
}
