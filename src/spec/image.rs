//! References to images: a transport and a location, as in containers-transports(5).

use super::ContainerSpec;
use camino::{Utf8Path, Utf8PathBuf};
use oci_spec::distribution::{ParseError, Reference};
use std::fmt;
use std::str::FromStr;

/// An image that a container starts from, and the parts of it that the container uses.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ImageUse {
    pub image: ImageReference,
    /// Whether the image's layers lie below the container's own.
    pub layers: bool,
    /// Whether the environment starts from the image's variables.
    pub environment: bool,
    pub working_directory: WorkingDirectoryUse,
}

impl ImageUse {
    /// A use of no part of an image.
    pub fn nothing(image: ImageReference) -> Self {
        Self {
            image,
            layers: false,
            environment: false,
            working_directory: WorkingDirectoryUse::No,
        }
    }

    /// The image use of `container`. A container without an image gets a use of no part of this
    /// image.
    pub(super) fn of_container<'a>(&self, container: &'a mut ContainerSpec) -> &'a mut Self {
        container
            .image
            .get_or_insert_with(|| Self::nothing(self.image.clone()))
    }
}

/// Whether an image's working directory is the container's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WorkingDirectoryUse {
    No,
    /// If the image has one.
    IfPresent,
    /// An image without one is an error.
    Required,
}

/// The transport and location of an image.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ImageReference {
    /// `docker://NAME[:TAG|@DIGEST]`: in a registry.
    Docker(Reference),
    /// `oci:PATH[:REF]`: a directory in the OCI image layout.
    Oci(LocalImage),
    /// `oci-archive:PATH[:REF]`: a tar file of a directory in the OCI image layout.
    OciArchive(LocalImage),
    /// `docker-archive:PATH[:NAME[:TAG]]`: a tar file that `docker save` wrote.
    DockerArchive(LocalImage),
}

/// A local file or directory with images, and the name of one of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LocalImage {
    pub path: Utf8PathBuf,
    /// `None`: the file or directory has only one image.
    pub image: Option<String>,
}

/// An error in a reference to an image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadImageReference {
    #[error(
        "an image reference is a transport and a location: `docker://NAME`, `oci:PATH`, \
         `oci-archive:PATH` or `docker-archive:PATH`"
    )]
    NoTransport,
    #[error(
        "unknown image transport `{0}`; use `docker://`, `oci:`, `oci-archive:` or \
         `docker-archive:`"
    )]
    UnknownTransport(String),
    #[error("`{0}:` needs a path after it")]
    NoPath(&'static str),
    #[error("`docker:` needs two slashes: `docker://{0}`")]
    NoSlashes(String),
    #[error("`docker://` needs an image name after it")]
    NoName,
    #[error("`{name}` is not an image name: {problem}")]
    BadName { name: String, problem: &'static str },
}

impl ImageReference {
    /// The reference with its relative path joined to `directory`.
    #[must_use]
    pub fn below(&self, directory: &Utf8Path) -> Self {
        let below = |located: &LocalImage| LocalImage {
            path: directory.join(&located.path),
            image: located.image.clone(),
        };
        match self {
            Self::Docker(name) => Self::Docker(name.clone()),
            Self::Oci(located) => Self::Oci(below(located)),
            Self::OciArchive(located) => Self::OciArchive(below(located)),
            Self::DockerArchive(located) => Self::DockerArchive(below(located)),
        }
    }
}

impl FromStr for ImageReference {
    type Err = BadImageReference;

    fn from_str(text: &str) -> Result<Self, BadImageReference> {
        let (transport, rest) = text.split_once(':').ok_or(BadImageReference::NoTransport)?;
        Ok(match transport {
            "docker" => {
                let name = rest
                    .strip_prefix("//")
                    .ok_or_else(|| BadImageReference::NoSlashes(rest.to_owned()))?;
                Self::Docker(docker_name(name)?)
            }
            "oci" => Self::Oci(located("oci", rest)?),
            "oci-archive" => Self::OciArchive(located("oci-archive", rest)?),
            "docker-archive" => Self::DockerArchive(located("docker-archive", rest)?),
            other => return Err(BadImageReference::UnknownTransport(other.to_owned())),
        })
    }
}

/// Parses a name, and completes a short one like Docker: with registry, `library/` and `latest`.
fn docker_name(name: &str) -> Result<Reference, BadImageReference> {
    if name.is_empty() {
        return Err(BadImageReference::NoName);
    }
    let whole = name.parse::<Reference>();
    // A completed name can be invalid: `Me/tools` is parsed, as `Me` could be a registry, but
    // `docker.io/Me/tools` is invalid because of the upper case letter.
    let whole = whole.and_then(|whole| whole.to_string().parse());
    whole.map_err(|error| {
        let problem = match error {
            ParseError::DigestInvalidFormat
            | ParseError::DigestInvalidLength
            | ParseError::DigestUnsupported => "a digest is `sha256:` and 64 hexadecimal digits",
            ParseError::NameTooLong => "it is too long",
            _ => "write `NAME`, `NAME:TAG`, `NAME@DIGEST` or `HOST/NAME:TAG`, names in lower case",
        };
        BadImageReference::BadName {
            name: name.to_owned(),
            problem,
        }
    })
}

/// The path ends at the first colon.
fn located(transport: &'static str, text: &str) -> Result<LocalImage, BadImageReference> {
    let (path, image) = match text.split_once(':') {
        Some((path, image)) => (path, Some(image.to_owned())),
        None => (text, None),
    };
    if path.is_empty() {
        return Err(BadImageReference::NoPath(transport));
    }
    Ok(LocalImage {
        path: path.into(),
        image: image.filter(|image| !image.is_empty()),
    })
}

impl fmt::Display for ImageReference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (transport, located) = match self {
            Self::Docker(name) => return write!(f, "docker://{name}"),
            Self::Oci(located) => ("oci", located),
            Self::OciArchive(located) => ("oci-archive", located),
            Self::DockerArchive(located) => ("docker-archive", located),
        };
        write!(f, "{transport}:{}", located.path)?;
        match &located.image {
            Some(image) => write!(f, ":{image}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn references_are_a_transport_and_a_location() {
        let located = |path: &str, image: Option<&str>| LocalImage {
            path: path.into(),
            image: image.map(str::to_owned),
        };
        for (text, expected) in [
            ("oci:a/b", ImageReference::Oci(located("a/b", None))),
            ("oci:/a:v1", ImageReference::Oci(located("/a", Some("v1")))),
            (
                "oci-archive:a.tar:x:y",
                ImageReference::OciArchive(located("a.tar", Some("x:y"))),
            ),
            (
                "docker-archive:a.tar:busybox:latest",
                ImageReference::DockerArchive(located("a.tar", Some("busybox:latest"))),
            ),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn names_in_registries_are_completed_like_docker_does() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        for (short, whole) in [
            ("debian", "docker.io/library/debian:latest"),
            ("debian:12", "docker.io/library/debian:12"),
            ("me/tools", "docker.io/me/tools:latest"),
            ("localhost/x", "localhost/x:latest"),
            ("localhost:5000/a/b:v1", "localhost:5000/a/b:v1"),
            (
                &format!("ghcr.io/a/b@{digest}"),
                &format!("ghcr.io/a/b@{digest}"),
            ),
        ] {
            let reference: ImageReference = format!("docker://{short}").parse().unwrap();
            assert_eq!(reference.to_string(), format!("docker://{whole}"));
        }
    }

    #[test]
    fn errors_in_references_say_what_is_wrong() {
        for (text, message) in [
            ("debian", "an image reference is a transport and a location"),
            ("debian:12", "unknown image transport `debian`"),
            ("docker:debian", "needs two slashes: `docker://debian`"),
            ("docker://", "needs an image name"),
            (
                "docker://Debian",
                "`Debian` is not an image name: write `NAME`",
            ),
            ("docker://a b", "`a b` is not an image name"),
            ("oci:", "`oci:` needs a path"),
            ("oci-archive::x", "`oci-archive:` needs a path"),
        ] {
            let error = text.parse::<ImageReference>().unwrap_err();
            assert!(error.to_string().contains(message), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_reference_survives_display_and_parsing(
            text in "(docker://|oci:|oci-archive:|docker-archive:)[a-z/:@.]{0,20}"
        ) {
            if let Ok(reference) = text.parse::<ImageReference>() {
                let again: ImageReference = reference.to_string().parse().unwrap();
                prop_assert_eq!(again, reference);
            }
        }
    }
}
