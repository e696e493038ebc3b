//! Why an image cannot be had.

use crate::cachedir::Refusal;
use camino::Utf8PathBuf;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why an image cannot be had. The message names the image, or the file that is wrong.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageError {
    #[error("there is no {what} {path}")]
    NotThere {
        path: Utf8PathBuf,
        what: &'static str,
    },
    #[error("cannot read {path}: {cause}")]
    Read {
        path: Utf8PathBuf,
        cause: Arc<io::Error>,
    },
    #[error("{path} is compressed, which layouts in archives are not; decompress it first")]
    CompressedArchive { path: Utf8PathBuf },
    #[error("{image} is no image: {problem}")]
    NoImage { image: String, problem: String },
    #[error("{part} is not as images describe themselves: {cause}")]
    Malformed { part: String, cause: String },
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
    #[error("the image {image} is not for {wanted}{}", others(.known))]
    NoPlatform {
        image: String,
        wanted: String,
        known: Vec<String>,
    },
    #[error("`{0}` is a digest of a kind that is not known here; use SHA-256")]
    DigestKind(String),
    #[error("{part} is damaged: its digest is {found}, not {expected}")]
    Damaged {
        part: String,
        expected: String,
        found: String,
    },
    #[error(
        "{image} is described in Docker's old format (schema 1), which does not say what its \
         layers hold; push it again with a newer program"
    )]
    Schema1 { image: String },
    #[error(
        "{image} has a layer of the type `{media_type}`, which is not understood here; layers \
         have to be tar archives, plain or compressed with gzip or zstd"
    )]
    LayerType { image: String, media_type: String },
    #[error(
        "{image} has a layer that its registry does not give out, but refers to {url} for; \
         images with such layers are not supported"
    )]
    ForeignLayer { image: String, url: String },
    #[error("the registry {registry} has no {image}: {}", no_such(tags.as_deref()))]
    NotInRegistry {
        image: String,
        registry: String,
        /// Those that the image has; `None`: the registry does not say.
        tags: Option<Vec<String>>,
    },
    #[error(
        "the registry {registry} no longer has what {image} meant when it was looked up \
         ({digest}); remove its line from {file} to have it looked up again"
    )]
    GoneFromRegistry {
        image: String,
        registry: String,
        digest: String,
        /// The file that remembers.
        file: Utf8PathBuf,
    },
    #[error("the registry {registry} refuses {image}{}", login(registry, credentials.as_deref()))]
    Unauthorized {
        image: String,
        registry: String,
        /// The file with the credentials that were refused; `None`: there were none.
        credentials: Option<PathBuf>,
    },
    #[error("cannot ask the registry {registry} for {image}: {problem}")]
    Preparation {
        image: String,
        registry: String,
        problem: String,
    },
    #[error(
        "the registry {registry} cannot be reached for {image}: {cause} ({tries}); check its \
         name, the network, and the variables HTTPS_PROXY and NO_PROXY"
    )]
    Unreachable {
        image: String,
        registry: String,
        cause: String,
        tries: Tries,
    },
    #[error(
        "nobody here vouches for the registry {registry} ({cause}), which was asked for {image}; \
         if it is to be trusted, put the certificate that signed its own into \
         /etc/containers/certs.d/{registry}/ca.crt or name it in SSL_CERT_FILE, or use \
         --accept-invalid-remote-container-tls-certs"
    )]
    Certificate {
        image: String,
        registry: String,
        cause: String,
    },
    #[error(
        "this machine has no certificates to know registries by; install the package \
         ca-certificates, or name a file of them in SSL_CERT_FILE"
    )]
    NoRoots,
    #[error(
        "the registry {registry} gives out no more for now, not {image} either: {cause} \
         ({tries}); wait, or log in with `docker login {registry}` for a higher limit"
    )]
    RateLimited {
        image: String,
        registry: String,
        cause: String,
        tries: Tries,
    },
    #[error("the registry {registry} fails to give out {image}: {cause} ({tries})")]
    Failing {
        image: String,
        registry: String,
        cause: String,
        tries: Tries,
    },
    #[error(
        "the registry {registry} gave something else for a part of {image}: its digest is \
         {found}, not {expected} ({tries})"
    )]
    WrongContent {
        image: String,
        registry: String,
        expected: String,
        found: String,
        tries: Tries,
    },
    #[error("no space is left for {image} in {}, where images are kept", path.display())]
    DiskFull { image: String, path: PathBuf },
    /// The directory may be anybody's.
    #[error("cannot keep {image}: {refusal}")]
    DepotRefused { image: String, refusal: Refusal },
    #[error(
        "cannot keep {image} in {}: {cause}; make the directory writable for this user, or choose \
         another one (`--container-image-depot-root`)",
        path.display()
    )]
    DepotNotWritable {
        image: String,
        path: PathBuf,
        cause: Arc<io::Error>,
    },
    #[error("cannot keep {image} in {}: {cause}", path.display())]
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
    #[error("cannot start what downloads {image}: {cause}")]
    Start {
        image: String,
        cause: Arc<io::Error>,
    },
    #[error("the download of {image} was interrupted")]
    Interrupted { image: String },
}

/// How often something was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tries(pub u32);

impl fmt::Display for Tries {
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
        [] => "is none that has a name".to_owned(),
        [one] => format!("is `{one}`"),
        names => format!("are `{}`", names.join("`, `")),
    }
}

fn others(platforms: &[String]) -> String {
    match platforms {
        [] => String::new(),
        platforms => format!(", but for {}", platforms.join(", ")),
    }
}

fn no_such(tags: Option<&[String]>) -> String {
    const MOST: usize = 10;
    let Some(tags) = tags else {
        return "there is no such image, or none with such a tag or digest; look at how it is \
                spelled"
            .to_owned();
    };
    let (shown, more) = match tags.len().checked_sub(MOST) {
        None | Some(0) => (tags, String::new()),
        Some(more) => (&tags[..MOST], format!(" and {more} more")),
    };
    match shown {
        [] => "no tag of this image is left there".to_owned(),
        shown => format!(
            "it has this image with other tags: {}{more}",
            shown.join(", ")
        ),
    }
}

/// What to do, knowing that registries refuse alike what is private and what is not there.
fn login(registry: &str, credentials: Option<&Path>) -> String {
    match credentials {
        None => format!(
            ": there is no such image, or it is private; if it is private, log in with \
             `docker login {registry}`"
        ),
        Some(path) => format!(
            " with the credentials from {}: they are wrong, or not for this image, or there is \
             no such image; log in again with `docker login {registry}`",
            path.display()
        ),
    }
}
