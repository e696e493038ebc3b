//! Why an image could not be found or downloaded.

use camino::Utf8PathBuf;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why an image could not be found or downloaded. The message names the image or the file.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageError {
    #[error("{what} {path} does not exist")]
    NotThere {
        path: Utf8PathBuf,
        what: &'static str,
    },
    #[error("cannot read {path}: {cause}")]
    Read {
        path: Utf8PathBuf,
        cause: Arc<io::Error>,
    },
    #[error("{path} is compressed, but must be an uncompressed tar archive; decompress it first")]
    CompressedArchive { path: Utf8PathBuf },
    #[error("{image} is not an image: {problem}")]
    NoImage { image: String, problem: String },
    #[error("{part} is not a valid manifest or config: {cause}")]
    Malformed { part: String, cause: String },
    #[error("{path} has no image `{name}`; it has {}", listed(.known))]
    NoSuchImage {
        path: Utf8PathBuf,
        name: String,
        known: Vec<String>,
    },
    #[error("{path} has several images; add a colon and the name of one: it has {}", listed(.known))]
    SeveralImages {
        path: Utf8PathBuf,
        known: Vec<String>,
    },
    #[error("the image {image} is not for the platform {wanted}{}", others(.known))]
    NoPlatform {
        image: String,
        wanted: String,
        known: Vec<String>,
    },
    #[error("the digest `{0}` is not supported; use SHA-256")]
    DigestKind(String),
    #[error("{part} is damaged: its digest is {found}, not {expected}")]
    Damaged {
        part: String,
        expected: String,
        found: String,
    },
    #[error(
        "{image} has a manifest in Docker's old format (schema 1), which is not supported; push it \
            again with a newer program"
    )]
    Schema1 { image: String },
    #[error(
        "{image} has a layer of the media type `{media_type}`, which is not supported; layers must \
            be tar archives, uncompressed or compressed with gzip or zstd"
    )]
    LayerType { image: String, media_type: String },
    #[error(
        "{image} has a foreign layer, which is stored at {url} and not in the registry; images with \
            such layers are not supported"
    )]
    ForeignLayer { image: String, url: String },
    #[error("the registry {registry} has no {image}: {}", no_such(tags.as_deref()))]
    NotInRegistry {
        image: String,
        registry: String,
        /// The tags that the repository has. `None`: the registry did not list them.
        tags: Option<Vec<String>>,
    },
    #[error(
        "the registry {registry} no longer has the image that {image} resolved to before \
            ({digest}); remove its line from {file} to resolve the tag again"
    )]
    GoneFromRegistry {
        image: String,
        registry: String,
        digest: String,
        /// The file that pins the tag.
        file: Utf8PathBuf,
    },
    #[error("the registry {registry} refused {image}{}", login(registry, credentials.as_deref()))]
    Unauthorized {
        image: String,
        registry: String,
        /// The file with the credentials that were refused. `None`: none were sent.
        credentials: Option<PathBuf>,
    },
    #[error("cannot connect to the registry {registry} for {image}: {problem}")]
    Preparation {
        image: String,
        registry: String,
        problem: String,
    },
    #[error(
        "cannot reach the registry {registry} for {image}: {cause} ({attempts}); check its name, \
            the network, and the variables HTTPS_PROXY and NO_PROXY"
    )]
    Unreachable {
        image: String,
        registry: String,
        cause: String,
        attempts: Attempts,
    },
    #[error(
        "cannot get {image}: the certificate of the registry {registry} is not trusted ({cause}); \
            to trust it, put its CA certificate into /etc/containers/certs.d/{registry}/ca.crt, name \
            that certificate in SSL_CERT_FILE, or use --accept-invalid-remote-container-tls-certs"
    )]
    Certificate {
        image: String,
        registry: String,
        cause: String,
    },
    #[error(
        "cannot connect to registries: this machine has no root certificates; install the package \
            ca-certificates, or name a file of certificates in SSL_CERT_FILE"
    )]
    NoRoots,
    #[error(
        "the registry {registry} rate-limited the request for {image}: {cause} ({attempts}); wait, \
            or log in with `docker login {registry}` for a higher limit"
    )]
    RateLimited {
        image: String,
        registry: String,
        cause: String,
        attempts: Attempts,
    },
    #[error("cannot get {image} from the registry {registry}: {cause} ({attempts})")]
    Failing {
        image: String,
        registry: String,
        cause: String,
        attempts: Attempts,
    },
    #[error(
        "the registry {registry} sent a part of {image} that failed digest verification: its \
            digest is {found}, not {expected} ({attempts})"
    )]
    WrongContent {
        image: String,
        registry: String,
        expected: String,
        found: String,
        attempts: Attempts,
    },
    #[error("no space is left to store {image} in {}; free some, or choose another directory with \
        --container-image-depot-root", path.display())]
    DiskFull { image: String, path: PathBuf },
    #[error("cannot store {image} in {}: {cause}", path.display())]
    Depot {
        image: String,
        path: PathBuf,
        cause: Arc<io::Error>,
    },
    #[error("{path}:{line}:{column}: {problem}")]
    TagFile {
        path: Utf8PathBuf,
        /// From 1.
        line: usize,
        /// From 1.
        column: usize,
        problem: String,
    },
    #[error("cannot start the threads that download {image}: {cause}")]
    Start {
        image: String,
        cause: Arc<io::Error>,
    },
    #[error("the download of {image} was interrupted")]
    Interrupted { image: String },
}

/// The number of attempts at a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempts(pub u32);

impl fmt::Display for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            1 => f.write_str("tried once"),
            2 => f.write_str("tried twice"),
            times => write!(f, "tried {times} times"),
        }
    }
}

fn listed(names: &[String]) -> String {
    match names {
        [] => "none with a name".to_owned(),
        [one] => format!("`{one}`"),
        names => format!("`{}`", names.join("`, `")),
    }
}

fn others(platforms: &[String]) -> String {
    match platforms {
        [] => String::new(),
        platforms => format!("; it is for {}", platforms.join(", ")),
    }
}

fn no_such(tags: Option<&[String]>) -> String {
    const MOST: usize = 10;
    let Some(tags) = tags else {
        return "the repository, tag or digest does not exist; check the name".to_owned();
    };
    let (shown, more) = match tags.len().checked_sub(MOST) {
        None | Some(0) => (tags, String::new()),
        Some(more) => (&tags[..MOST], format!(" and {more} more")),
    };
    match shown {
        [] => "it has no tag of this image".to_owned(),
        shown => format!(
            "it has this image with other tags: {}{more}",
            shown.join(", ")
        ),
    }
}

/// What to do about a refusal. Registries give the same answer for private and for missing
/// images.
fn login(registry: &str, credentials: Option<&Path>) -> String {
    match credentials {
        None => format!(
            ": the image does not exist or is private; if it is private, log in with \
             `docker login {registry}`"
        ),
        Some(path) => format!(
            " with the credentials from {}: they are wrong or not for this image, or the image does \
                not exist; log in again with `docker login {registry}`",
            path.display()
        ),
    }
}
