//! Why an image could not be found or downloaded.

use crate::cachedir::Refusal;
use camino::Utf8PathBuf;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why an image could not be found or downloaded. The message names the image or the file.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ImageError {
    #[error("the {what} {path} does not exist")]
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
    /// The directory of the depot is not marked as one, and is not empty.
    #[error("cannot store {image}: {refusal}")]
    DepotRefused { image: String, refusal: Refusal },
    #[error(
        "cannot store {image} in {}: {cause}; make the directory writable for this user, or choose \
         another one with --container-image-depot-root",
        path.display()
    )]
    DepotNotWritable {
        image: String,
        path: PathBuf,
        cause: Arc<io::Error>,
    },
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

#[cfg(test)]
mod tests {
    use super::*;

    /// One error of each kind whose message has a remedy or depends on its fields.
    fn examples() -> Vec<ImageError> {
        let image = || "docker://r/a:1".to_owned();
        let registry = || "r".to_owned();
        let cause = || "status 503".to_owned();
        let path = || Utf8PathBuf::from("/p");
        let digests = || ["sha256:1".to_owned(), "sha256:2".to_owned()];
        let attempts = Attempts(2);
        let [expected, found] = digests();
        vec![
            ImageError::NotThere {
                path: path(),
                what: "file",
            },
            ImageError::CompressedArchive { path: path() },
            ImageError::Malformed {
                part: image(),
                cause: cause(),
            },
            ImageError::NoSuchImage {
                path: path(),
                name: "x".to_owned(),
                known: Vec::new(),
            },
            ImageError::SeveralImages {
                path: path(),
                known: vec!["x".to_owned(), "y".to_owned()],
            },
            ImageError::NoPlatform {
                image: image(),
                wanted: "linux/amd64".to_owned(),
                known: vec!["linux/arm64".to_owned()],
            },
            ImageError::DigestKind("md5:1".to_owned()),
            ImageError::Damaged {
                part: image(),
                expected: expected.clone(),
                found: found.clone(),
            },
            ImageError::Schema1 { image: image() },
            ImageError::LayerType {
                image: image(),
                media_type: "application/x".to_owned(),
            },
            ImageError::ForeignLayer {
                image: image(),
                url: "https://e".to_owned(),
            },
            ImageError::NotInRegistry {
                image: image(),
                registry: registry(),
                tags: None,
            },
            ImageError::NotInRegistry {
                image: image(),
                registry: registry(),
                tags: Some((1..=12).map(|n| n.to_string()).collect()),
            },
            ImageError::GoneFromRegistry {
                image: image(),
                registry: registry(),
                digest: expected.clone(),
                file: path(),
            },
            ImageError::Unauthorized {
                image: image(),
                registry: registry(),
                credentials: None,
            },
            ImageError::Unauthorized {
                image: image(),
                registry: registry(),
                credentials: Some("/config.json".into()),
            },
            ImageError::Unreachable {
                image: image(),
                registry: registry(),
                cause: cause(),
                attempts,
            },
            ImageError::Certificate {
                image: image(),
                registry: registry(),
                cause: cause(),
            },
            ImageError::NoRoots,
            ImageError::RateLimited {
                image: image(),
                registry: registry(),
                cause: cause(),
                attempts,
            },
            ImageError::Failing {
                image: image(),
                registry: registry(),
                cause: cause(),
                attempts: Attempts(1),
            },
            ImageError::WrongContent {
                image: image(),
                registry: registry(),
                expected,
                found,
                attempts: Attempts(4),
            },
            ImageError::DiskFull {
                image: image(),
                path: "/depot".into(),
            },
        ]
    }

    #[test]
    fn messages_say_what_failed_and_what_to_do() {
        let messages: Vec<_> = examples().iter().map(ToString::to_string).collect();
        insta::assert_snapshot!(messages.join("\n"), @r"
        the file /p does not exist
        /p is compressed, but must be an uncompressed tar archive; decompress it first
        docker://r/a:1 is not a valid manifest or config: status 503
        /p has no image `x`; it has none with a name
        /p has several images; add a colon and the name of one: it has `x`, `y`
        the image docker://r/a:1 is not for the platform linux/amd64; it is for linux/arm64
        the digest `md5:1` is not supported; use SHA-256
        docker://r/a:1 is damaged: its digest is sha256:2, not sha256:1
        docker://r/a:1 has a manifest in Docker's old format (schema 1), which is not supported; push it again with a newer program
        docker://r/a:1 has a layer of the media type `application/x`, which is not supported; layers must be tar archives, uncompressed or compressed with gzip or zstd
        docker://r/a:1 has a foreign layer, which is stored at https://e and not in the registry; images with such layers are not supported
        the registry r has no docker://r/a:1: the repository, tag or digest does not exist; check the name
        the registry r has no docker://r/a:1: it has this image with other tags: 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 and 2 more
        the registry r no longer has the image that docker://r/a:1 resolved to before (sha256:1); remove its line from /p to resolve the tag again
        the registry r refused docker://r/a:1: the image does not exist or is private; if it is private, log in with `docker login r`
        the registry r refused docker://r/a:1 with the credentials from /config.json: they are wrong or not for this image, or the image does not exist; log in again with `docker login r`
        cannot reach the registry r for docker://r/a:1: status 503 (tried twice); check its name, the network, and the variables HTTPS_PROXY and NO_PROXY
        cannot get docker://r/a:1: the certificate of the registry r is not trusted (status 503); to trust it, put its CA certificate into /etc/containers/certs.d/r/ca.crt, name that certificate in SSL_CERT_FILE, or use --accept-invalid-remote-container-tls-certs
        cannot connect to registries: this machine has no root certificates; install the package ca-certificates, or name a file of certificates in SSL_CERT_FILE
        the registry r rate-limited the request for docker://r/a:1: status 503 (tried twice); wait, or log in with `docker login r` for a higher limit
        cannot get docker://r/a:1 from the registry r: status 503 (tried once)
        the registry r sent a part of docker://r/a:1 that failed digest verification: its digest is sha256:2, not sha256:1 (tried 4 times)
        no space is left to store docker://r/a:1 in /depot; free some, or choose another directory with --container-image-depot-root
        ");
    }
}
