//! Why a registry did not give what it was asked for, as far as it matters to what comes
//! next.

use oci_client::errors::{OciDistributionError, OciEnvelope, OciErrorCode};
use std::error::Error;
use std::io;

/// Why one request failed.
#[derive(Clone, Debug)]
pub enum Failure {
    /// It wants to know who asks, or is not content with who does.
    Unauthorized,
    /// It has no such thing.
    NotFound,
    /// It has been asked too often.
    RateLimited(String),
    /// It, or the network, fails in a way that may be over the next time.
    Broken(String),
    /// There is no connection.
    Unreachable(String),
    /// It is not known to be the one that it says it is.
    Certificate(String),
    /// It does not speak TLS.
    NotTls(String),
    /// It wants to go on from elsewhere.
    BadRange,
    /// The digest of what it gave is another one.
    WrongContent { expected: String, found: String },
    /// It says something that nobody understands, or that trying again does not change.
    Other(String),
}

impl Failure {
    /// Whether the next try may well work.
    pub fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::RateLimited(_)
                | Self::Broken(_)
                | Self::Unreachable(_)
                | Self::BadRange
                | Self::WrongContent { .. }
        )
    }

    /// An error while the content of a blob was read.
    pub fn of_stream(error: &io::Error) -> Self {
        match error.get_ref() {
            Some(inner) => Self::of_connection(inner),
            None => Self::Broken(error.to_string()),
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
        Self::Broken(root(error))
    }

    fn of_status(code: u16, message: &str) -> Self {
        let status = format!("it answers with status {code}");
        match code {
            401 | 403 => Self::Unauthorized,
            404 => Self::NotFound,
            408 | 500..=599 => Self::Broken(status),
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
            return Self::Other("it says that there is an error, but not which".to_owned());
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

    /// What a server said that gives out tokens; its status is not known.
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
            return Self::Broken(format!("the server that gives out its tokens says: {line}"));
        }
        Self::Unauthorized
    }
}

impl From<OciDistributionError> for Failure {
    fn from(error: OciDistributionError) -> Self {
        match error {
            OciDistributionError::RequestError(error) => {
                let failure = Self::of_connection(&error);
                match failure {
                    Self::Broken(_) if error.is_timeout() => {
                        Self::Broken("it does not answer".to_owned())
                    }
                    Self::Broken(cause) if error.is_connect() => Self::Unreachable(cause),
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
                Self::Other(format!("it gives out tokens that are none: {cause}"))
            }
            other => Self::Other(other.to_string()),
        }
    }
}

/// An error and those that caused it. I/O errors hide the ones they are made of.
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
    fn what_a_token_server_says_is_a_refusal_unless_it_looks_like_a_passing_fault() {
        let said = |text: &str| Failure::of_token_server(text);
        for refusal in ["", r#"{"details":"incorrect username or password"}"#, "no"] {
            assert!(matches!(said(refusal), Failure::Unauthorized), "{refusal}");
        }
        let gateway = said("<html><h1>503 Service Unavailable</h1>\n</html>");
        assert!(gateway.may_pass(), "{gateway:?}");
        let limited = said(r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"slower"}]}"#);
        assert!(
            matches!(&limited, Failure::RateLimited(m) if m == "slower"),
            "{limited:?}"
        );
    }

    #[test]
    fn only_what_may_be_over_next_time_is_tried_again() {
        for code in [408, 416, 429, 500, 502, 503, 504] {
            assert!(Failure::of_status(code, "").may_pass(), "{code}");
        }
        for code in [400, 401, 403, 404, 405, 418] {
            assert!(!Failure::of_status(code, "").may_pass(), "{code}");
        }
    }
}
