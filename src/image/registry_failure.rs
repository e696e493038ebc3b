//! The reasons why a request to a registry failed, as far as retries and messages depend on them.

use oci_client::errors::{OciDistributionError, OciEnvelope, OciErrorCode};
use std::error::Error;
use std::io;

/// Why one request failed.
#[derive(Clone, Debug)]
pub enum RegistryFailure {
    /// The registry requires credentials, or refuses those given.
    Unauthorized,
    /// The registry does not have what was requested.
    NotFound,
    /// The registry rate-limited the request.
    RateLimited(String),
    /// A failure of the registry or of the network that may be over at the next attempt.
    Transient(String),
    /// No connection could be made.
    Unreachable(String),
    /// The registry's certificate is not trusted.
    Certificate(String),
    /// The registry does not speak TLS.
    NotTls(String),
    /// The registry refuses the range of a resumed download.
    BadRange,
    /// The content does not have the digest that was requested.
    WrongContent { expected: String, found: String },
    /// A response that is not understood, or a failure that retrying does not fix.
    Other(String),
}

impl RegistryFailure {
    /// Whether a retry may succeed.
    pub fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::RateLimited(_)
                | Self::Transient(_)
                | Self::Unreachable(_)
                | Self::BadRange
                | Self::WrongContent { .. }
        )
    }

    /// The failure for an error while reading the content of a blob.
    pub fn of_stream(error: &io::Error) -> Self {
        match error.get_ref() {
            Some(inner) => Self::of_connection(inner),
            None => Self::Transient(error.to_string()),
        }
    }

    fn of_connection(error: &(dyn Error + 'static)) -> Self {
        for cause in chain(error) {
            match cause.downcast_ref::<rustls::Error>() {
                Some(error @ rustls::Error::InvalidCertificate(_)) => {
                    return Self::Certificate(error.to_string());
                }
                Some(error @ rustls::Error::InvalidMessage(_)) => {
                    return Self::NotTls(error.to_string());
                }
                _ => {}
            }
        }
        Self::Transient(root(error))
    }

    fn of_status(code: u16, message: &str) -> Self {
        let status = format!("status {code}");
        match code {
            401 | 403 => Self::Unauthorized,
            404 => Self::NotFound,
            408 | 500..=599 => Self::Transient(status),
            416 => Self::BadRange,
            429 => Self::RateLimited(status),
            _ => Self::Other(match first_line(message) {
                "" => status,
                line => format!("{status}: {line}"),
            }),
        }
    }

    fn of_envelope(envelope: &OciEnvelope) -> Self {
        let Some(error) = envelope.errors.first() else {
            return Self::Other("it reported an error without a message".to_owned());
        };
        let message = first_line(&error.message).to_owned();
        match &error.code {
            OciErrorCode::Unauthorized | OciErrorCode::Denied => Self::Unauthorized,
            OciErrorCode::NameUnknown
            | OciErrorCode::ManifestUnknown
            | OciErrorCode::BlobUnknown
            | OciErrorCode::ManifestBlobUnknown
            | OciErrorCode::NotFound => Self::NotFound,
            OciErrorCode::Toomanyrequests => Self::RateLimited(message),
            _ => Self::Other(message),
        }
    }

    /// The failure for the response of a token server, whose status is not known.
    fn of_token_server(said: &str) -> Self {
        const PASSING: [&str; 6] = [
            "too many requests",
            "internal server error",
            "bad gateway",
            "service unavailable",
            "gateway time",
            "unknown_error",
        ];
        if let Ok(envelope) = serde_json::from_str::<OciEnvelope>(said)
            && let failure @ Self::RateLimited(_) = Self::of_envelope(&envelope)
        {
            return failure;
        }
        let lower = said.to_lowercase();
        if PASSING.iter().any(|passing| lower.contains(passing)) {
            let line = first_line(said);
            return Self::Transient(format!("its token server failed: {line}"));
        }
        Self::Unauthorized
    }
}

impl From<OciDistributionError> for RegistryFailure {
    fn from(error: OciDistributionError) -> Self {
        match error {
            OciDistributionError::RequestError(error) => {
                let failure = Self::of_connection(&error);
                match failure {
                    Self::Transient(_) if error.is_timeout() => {
                        Self::Transient("it did not respond in time".to_owned())
                    }
                    Self::Transient(cause) if error.is_connect() => Self::Unreachable(cause),
                    failure => failure,
                }
            }
            OciDistributionError::ServerError { code, message, .. } => {
                Self::of_status(code, &message)
            }
            OciDistributionError::RegistryError { envelope, .. } => Self::of_envelope(&envelope),
            OciDistributionError::UnauthorizedError { .. } => Self::Unauthorized,
            OciDistributionError::AuthenticationFailure(said) => Self::of_token_server(&said),
            OciDistributionError::ImageManifestNotFoundError(_) => Self::NotFound,
            OciDistributionError::DigestError(
                oci_client::errors::DigestError::VerificationError { expected, actual },
            ) => Self::WrongContent {
                expected,
                found: actual,
            },
            OciDistributionError::RegistryTokenDecodeError(cause) => {
                Self::Other(format!("its token is malformed: {cause}"))
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// An error and its causes. The source of an I/O error skips the error that it wraps; this does
/// not.
fn chain<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| {
        let hidden = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        match hidden {
            Some(hidden) => Some(hidden as &(dyn Error + 'static)),
            None => error.source(),
        }
    })
}

fn root(error: &(dyn Error + 'static)) -> String {
    chain(error)
        .last()
        .map_or_else(String::new, ToString::to_string)
}

fn first_line(text: &str) -> &str {
    text.trim().lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_of_a_token_server_is_a_refusal_unless_it_names_a_transient_failure() {
        let said = |text: &str| RegistryFailure::of_token_server(text);
        for refusal in ["", r#"{"details":"incorrect username or password"}"#, "no"] {
            assert!(
                matches!(said(refusal), RegistryFailure::Unauthorized),
                "{refusal}"
            );
        }
        let gateway = said("<html><h1>503 Service Unavailable</h1>\n</html>");
        assert!(gateway.is_transient(), "{gateway:?}");
        let limited = said(r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slower"}]}"#);
        assert!(
            matches!(&limited, RegistryFailure::RateLimited(m) if m == "slower"),
            "{limited:?}"
        );
    }

    #[test]
    fn only_transient_failures_are_retried() {
        for code in [408, 416, 429, 500, 502, 503, 504] {
            assert!(
                RegistryFailure::of_status(code, "").is_transient(),
                "{code}"
            );
        }
        for code in [400, 401, 403, 404, 405, 418] {
            assert!(
                !RegistryFailure::of_status(code, "").is_transient(),
                "{code}"
            );
        }
    }
}
