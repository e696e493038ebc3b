//! Asking registries. This is the only file that knows the library for that.

use super::certificates;
use super::credentials::{self, Credentials};
use super::error::Tries;
use super::failure::Failure;
use super::settings::{ImageSettings, Patience};
use super::{ImageError, Proxies};
use oci_client::client::{BlobResponse, ClientConfig, ClientProtocol, SizedStream};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};
use oci_spec::distribution::Reference;
use oci_spec::image::Sha256Digest;
use std::path::PathBuf;

/// What manifests and indexes are asked for as.
const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Where this machine's registries need no proxy.
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// A repository of a registry, and leave to read it.
pub struct Repository {
    reference: Reference,
    client: Client,
    auth: RegistryAuth,
    /// Where `auth` is from.
    credentials: Option<PathBuf>,
    patience: Patience,
}

/// The bytes of a blob, not verified.
pub struct Content {
    pub stream: SizedStream,
    /// Whether they begin where they were asked for to, and not at the blob's beginning.
    pub goes_on: bool,
}

impl Repository {
    /// Says hello to the registry. Registries on this machine may do without TLS.
    pub async fn connect(
        reference: &Reference,
        settings: &ImageSettings,
    ) -> Result<Self, ImageError> {
        let registry = reference.registry().to_owned();
        let preparation = |problem| ImageError::Preparation {
            image: name(reference),
            registry: registry.clone(),
            problem,
        };
        let found = find_credentials(&registry, settings);
        let found = found.await.map_err(preparation)?;
        let client = |protocol| client(&registry, protocol, settings);
        let mut repository = Self {
            reference: reference.clone(),
            client: client(ClientProtocol::Https)
                .map_err(preparation)?
                .ok_or(ImageError::NoRoots)?,
            credentials: found.as_ref().map(|found| found.file.clone()),
            auth: found.map_or(RegistryAuth::Anonymous, |found| {
                RegistryAuth::Basic(found.user, found.password)
            }),
            patience: settings.patience,
        };
        let mut may_be_plain = is_loopback(&registry);
        let mut tries = 1;
        loop {
            match repository.log_in().await {
                Ok(()) => return Ok(repository),
                Err(Failure::NotTls(_)) if may_be_plain => {
                    may_be_plain = false;
                    repository.client = client(ClientProtocol::Http)
                        .map_err(preparation)?
                        .ok_or(ImageError::NoRoots)?;
                }
                Err(failure) => repository.wait(failure, &mut tries).await?,
            }
        }
    }

    /// The registry's name for people.
    pub fn registry(&self) -> &str {
        self.reference.registry()
    }

    /// A manifest or an index, and its digest, which is right. `None`: what the tag names.
    pub async fn manifest(
        &self,
        digest: Option<&Sha256Digest>,
    ) -> Result<(Vec<u8>, Sha256Digest), ImageError> {
        let reference = match digest {
            Some(digest) => self.reference.clone_with_digest(format!("sha256:{digest}")),
            None => self.reference.clone(),
        };
        let mut tries = 1;
        loop {
            let ask = || async {
                let pull = self
                    .client
                    .pull_manifest_raw(&reference, &self.auth, &ACCEPTED);
                Ok(pull.await?)
            };
            match self.ask(ask).await {
                Ok((bytes, _)) => {
                    let found = super::verified::digest_of(&bytes);
                    let hex = found["sha256:".len()..].parse();
                    return match hex {
                        Ok(digest) => Ok((bytes.to_vec(), digest)),
                        Err(_) => Err(ImageError::DigestKind(found)),
                    };
                }
                Err(Failure::NotFound) => {
                    return Err(ImageError::NotInRegistry {
                        image: name(&self.reference),
                        registry: self.registry().to_owned(),
                        tags: match digest {
                            None => self.tags().await,
                            Some(_) => None,
                        },
                    });
                }
                Err(failure) => self.wait(failure, &mut tries).await?,
            }
        }
    }

    /// A blob from an offset on, in bytes. Tried once.
    pub async fn blob(&self, digest: &Sha256Digest, offset: u64) -> Result<Content, Failure> {
        let digest = format!("sha256:{digest}");
        let digest = digest.as_str();
        let ask = || async {
            let pull = self
                .client
                .pull_blob_stream_partial(&self.reference, digest, offset, None);
            Ok(pull.await?)
        };
        Ok(match self.ask(ask).await? {
            BlobResponse::Full(stream) => Content {
                stream,
                goes_on: offset == 0,
            },
            BlobResponse::Partial(stream) => Content {
                stream,
                goes_on: true,
            },
        })
    }

    /// Waits before the next try, and counts it; the error if there shall be none.
    pub async fn wait(&self, failure: Failure, tries: &mut u32) -> Result<(), ImageError> {
        let pause = self.patience.pause(*tries);
        match pause.filter(|_| failure.may_pass()) {
            Some(pause) => {
                let registry = self.registry();
                tracing::info!("{registry} is tried again in {} ms", pause.as_millis());
                tokio::time::sleep(pause).await;
                *tries += 1;
                Ok(())
            }
            None => Err(self.explain(failure, Tries(*tries))),
        }
    }

    fn explain(&self, failure: Failure, tries: Tries) -> ImageError {
        let (image, registry) = (name(&self.reference), self.registry().to_owned());
        let failing = |cause: String| ImageError::Failing {
            image: image.clone(),
            registry: registry.clone(),
            cause,
            tries,
        };
        match failure {
            Failure::Unauthorized => ImageError::Unauthorized {
                image,
                registry,
                credentials: self.credentials.clone(),
            },
            Failure::RateLimited(cause) => ImageError::RateLimited {
                image,
                registry,
                cause,
                tries,
            },
            Failure::Unreachable(cause) => ImageError::Unreachable {
                image,
                registry,
                cause,
                tries,
            },
            Failure::Certificate(cause) => ImageError::Certificate {
                image,
                registry,
                cause,
            },
            Failure::WrongContent { expected, found } => ImageError::WrongContent {
                image,
                registry,
                expected,
                found,
                tries,
            },
            Failure::NotFound => failing("it knows the image, but lacks a part of it".to_owned()),
            Failure::NotTls(cause) => failing(format!(
                "it does not speak TLS ({cause}), without which only registries of this machine \
                 are talked to"
            )),
            Failure::BadRange => failing("it cannot go on where a download ended".to_owned()),
            Failure::Broken(cause) | Failure::Other(cause) => failing(cause),
        }
    }

    /// Once more with a new token, should the one there was have run out.
    async fn ask<T, F>(&self, request: impl Fn() -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        match request().await {
            Err(Failure::Unauthorized) => {
                self.log_in().await?;
                request().await
            }
            result => result,
        }
    }

    async fn log_in(&self) -> Result<(), Failure> {
        let pull = RegistryOperation::Pull;
        self.client.auth(&self.reference, &self.auth, pull).await?;
        Ok(())
    }

    async fn tags(&self) -> Option<Vec<String>> {
        let tags = self
            .client
            .list_tags(&self.reference, &self.auth, None, None);
        Some(tags.await.ok()?.tags)
    }
}

/// What messages call an image of a registry.
pub fn name(reference: &Reference) -> String {
    format!("docker://{reference}")
}

async fn find_credentials(
    registry: &str,
    settings: &ImageSettings,
) -> Result<Option<Credentials>, String> {
    let (registry, files) = (registry.to_owned(), settings.credentials.clone());
    let search = tokio::task::spawn_blocking(move || credentials::find(&registry, &files));
    search.await.unwrap_or_else(|error| Err(error.to_string()))
}

/// `None`: this machine has no certificates at all.
fn client(
    registry: &str,
    protocol: ClientProtocol,
    settings: &ImageSettings,
) -> Result<Option<Client>, String> {
    // One that is there already does as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if !certificates::has_roots() {
        return Ok(None);
    }
    let Proxies { http, https, none } = settings.proxies.clone();
    let none = none.map_or(LOOPBACK.to_owned(), |none| format!("{none},{LOOPBACK}"));
    let config = ClientConfig {
        protocol,
        accept_invalid_certificates: settings.accept_invalid_certificates,
        extra_root_certificates: certificates::of_registry(registry, &settings.certificates)?,
        read_timeout: Some(settings.patience.read),
        connect_timeout: Some(settings.patience.connect),
        user_agent: concat!("cargo-maelstrom/", env!("CARGO_PKG_VERSION")),
        http_proxy: http,
        https_proxy: https,
        no_proxy: Some(none),
        ..ClientConfig::default()
    };
    match Client::try_from(config) {
        Ok(client) => Ok(Some(client)),
        Err(error) => Err(format!(
            "{error}; look at the variables HTTPS_PROXY and HTTP_PROXY, and at the certificates \
             in certs.d"
        )),
    }
}

/// Whether a registry, `HOST[:PORT]`, is on this machine.
fn is_loopback(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => registry,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_loopback;

    #[test]
    fn only_registries_of_this_machine_may_do_without_tls() {
        for here in [
            "localhost",
            "localhost:5000",
            "127.0.0.1:1",
            "127.9.9.9",
            "[::1]:5",
        ] {
            assert!(is_loopback(here), "{here}");
        }
        for elsewhere in [
            "docker.io",
            "localhost.example.com",
            "10.0.0.1:5000",
            "[::2]:5",
        ] {
            assert!(!is_loopback(elsewhere), "{elsewhere}");
        }
    }
}
