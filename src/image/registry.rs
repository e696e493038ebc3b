//! A client of registries. This is the only file that uses the `oci_client` crate's client.

use super::certificates;
use super::credentials::{self, Credentials};
use super::digest::digest_of;
use super::error::Attempts;
use super::registry_failure::RegistryFailure;
use super::settings::{ImageSettings, RetryPolicy};
use super::{ImageError, Proxies};
use oci_client::client::{BlobResponse, ClientConfig, ClientProtocol, SizedStream};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, RegistryOperation};
use oci_spec::distribution::Reference;
use oci_spec::image::Sha256Digest;
use std::path::PathBuf;

/// The media types of manifests and indexes that requests accept.
const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
];

/// Registries of this machine are reached without a proxy (the format of `NO_PROXY`).
const LOOPBACK: &str = "localhost,127.0.0.0/8,::1";

/// A repository of a registry, and the authorization to read it.
pub struct Repository {
    reference: Reference,
    client: Client,
    auth: RegistryAuth,
    /// The file that `auth` is from.
    credentials: Option<PathBuf>,
    retry: RetryPolicy,
}

/// The bytes of a blob. Their digest has not been verified.
pub struct BlobStream {
    pub stream: SizedStream,
    /// Whether the stream starts at the offset that was requested. Otherwise it starts at the
    /// blob's first byte.
    pub starts_at_offset: bool,
}

impl Repository {
    /// Connects and logs in to the registry. Registries of this machine are allowed to do
    /// without TLS.
    pub async fn connect(
        reference: &Reference,
        settings: &ImageSettings,
    ) -> Result<Self, ImageError> {
        let registry = reference.registry().to_owned();
        let preparation = |problem| ImageError::Preparation {
            image: display_name(reference),
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
            retry: settings.retry,
        };
        let mut may_be_plain = is_loopback(&registry);
        let mut attempts = 1;
        loop {
            match repository.log_in().await {
                Ok(()) => return Ok(repository),
                Err(RegistryFailure::NotTls(_)) if may_be_plain => {
                    may_be_plain = false;
                    repository.client = client(ClientProtocol::Http)
                        .map_err(preparation)?
                        .ok_or(ImageError::NoRoots)?;
                }
                Err(failure) => {
                    repository
                        .pause_before_retry(failure, &mut attempts)
                        .await?;
                }
            }
        }
    }

    /// The registry's name, `HOST[:PORT]`.
    pub fn registry(&self) -> &str {
        self.reference.registry()
    }

    /// Downloads a manifest or an index, and computes its digest. `None` as the digest: the
    /// manifest that the tag names.
    pub async fn manifest(
        &self,
        digest: Option<&Sha256Digest>,
    ) -> Result<(Vec<u8>, Sha256Digest), ImageError> {
        let reference = match digest {
            Some(digest) => self.reference.clone_with_digest(format!("sha256:{digest}")),
            None => self.reference.clone(),
        };
        let mut attempts = 1;
        loop {
            let ask = || async {
                let pull = self
                    .client
                    .pull_manifest_raw(&reference, &self.auth, &ACCEPTED);
                Ok(pull.await?)
            };
            match self.with_fresh_token(ask).await {
                Ok((bytes, _)) => {
                    let digest = super::sha256(&digest_of(&bytes))?;
                    return Ok((bytes.to_vec(), digest));
                }
                Err(RegistryFailure::NotFound) => {
                    return Err(ImageError::NotInRegistry {
                        image: display_name(&self.reference),
                        registry: self.registry().to_owned(),
                        tags: match digest {
                            None => self.tags().await,
                            Some(_) => None,
                        },
                    });
                }
                Err(failure) => self.pause_before_retry(failure, &mut attempts).await?,
            }
        }
    }

    /// Downloads a blob from an offset in bytes. Does not retry.
    pub async fn blob(
        &self,
        digest: &Sha256Digest,
        offset: u64,
    ) -> Result<BlobStream, RegistryFailure> {
        let digest = format!("sha256:{digest}");
        let digest = digest.as_str();
        let ask = || async {
            let pull = self
                .client
                .pull_blob_stream_partial(&self.reference, digest, offset, None);
            Ok(pull.await?)
        };
        Ok(match self.with_fresh_token(ask).await? {
            BlobResponse::Full(stream) => BlobStream {
                stream,
                starts_at_offset: offset == 0,
            },
            BlobResponse::Partial(stream) => BlobStream {
                stream,
                starts_at_offset: true,
            },
        })
    }

    /// Waits before the next attempt, and counts it. Returns an error if the failure is not
    /// transient or all attempts are used up.
    pub async fn pause_before_retry(
        &self,
        failure: RegistryFailure,
        attempts: &mut u32,
    ) -> Result<(), ImageError> {
        let pause = self.retry.pause(*attempts);
        match pause.filter(|_| failure.is_transient()) {
            Some(pause) => {
                let registry = self.registry();
                tracing::info!(
                    "retrying a request to {registry} in {} ms",
                    pause.as_millis()
                );
                tokio::time::sleep(pause).await;
                *attempts += 1;
                Ok(())
            }
            None => Err(self.explain(failure, Attempts(*attempts))),
        }
    }

    fn explain(&self, failure: RegistryFailure, attempts: Attempts) -> ImageError {
        let (image, registry) = (display_name(&self.reference), self.registry().to_owned());
        let failing = |cause: String| ImageError::Failing {
            image: image.clone(),
            registry: registry.clone(),
            cause,
            attempts,
        };
        match failure {
            RegistryFailure::Unauthorized => ImageError::Unauthorized {
                image,
                registry,
                credentials: self.credentials.clone(),
            },
            RegistryFailure::RateLimited(cause) => ImageError::RateLimited {
                image,
                registry,
                cause,
                attempts,
            },
            RegistryFailure::Unreachable(cause) => ImageError::Unreachable {
                image,
                registry,
                cause,
                attempts,
            },
            RegistryFailure::Certificate(cause) => ImageError::Certificate {
                image,
                registry,
                cause,
            },
            RegistryFailure::WrongContent { expected, found } => ImageError::WrongContent {
                image,
                registry,
                expected,
                found,
                attempts,
            },
            RegistryFailure::NotFound => {
                failing("it has the image's manifest, but not one of its blobs".to_owned())
            }
            RegistryFailure::NotTls(cause) => failing(format!(
                "it does not speak TLS ({cause}); only registries of this machine may do without TLS"
            )),
            RegistryFailure::BadRange => failing("it cannot resume a download".to_owned()),
            RegistryFailure::Transient(cause) | RegistryFailure::Other(cause) => failing(cause),
        }
    }

    /// Sends a request. If the registry answers that it is unauthorized, logs in again and
    /// repeats the request once, as the token may have expired.
    async fn with_fresh_token<T, F>(&self, request: impl Fn() -> F) -> Result<T, RegistryFailure>
    where
        F: Future<Output = Result<T, RegistryFailure>>,
    {
        match request().await {
            Err(RegistryFailure::Unauthorized) => {
                self.log_in().await?;
                request().await
            }
            result => result,
        }
    }

    async fn log_in(&self) -> Result<(), RegistryFailure> {
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

/// The name in messages of an image of a registry.
pub fn display_name(reference: &Reference) -> String {
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

/// `None`: the system has no root certificates.
fn client(
    registry: &str,
    protocol: ClientProtocol,
    settings: &ImageSettings,
) -> Result<Option<Client>, String> {
    // An error means that a provider is installed already.
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
        read_timeout: Some(settings.retry.read_timeout),
        connect_timeout: Some(settings.retry.connect_timeout),
        user_agent: concat!("cargo-maelstrom/", env!("CARGO_PKG_VERSION")),
        http_proxy: http,
        https_proxy: https,
        no_proxy: Some(none),
        ..ClientConfig::default()
    };
    match Client::try_from(config) {
        Ok(client) => Ok(Some(client)),
        Err(error) => Err(format!(
            "{error}; check the variables HTTPS_PROXY and HTTP_PROXY, and the certificates in certs.d"
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
