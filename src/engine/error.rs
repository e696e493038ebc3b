//! What can go wrong with an engine, and what to do about it.

use super::rpc;
use super::settings::EngineSettings;
use crate::store::Digest;
use rustls::{AlertDescription, CertificateError};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tonic::{Code, Status};

/// Something that an engine did not do.
#[derive(Debug, thiserror::Error)]
#[error("failed to {doing} at {endpoint}: {problem}")]
pub struct EngineError {
    /// As a user writes it.
    pub endpoint: String,
    /// Completes "failed to …".
    pub doing: &'static str,
    pub problem: Problem,
}

/// Why.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("nobody answers there ({0}); check that the engine runs, and `remote`")]
    Unreachable(String),
    #[error(
        "it ends connections ({0}); check that it is an engine, and whether it wants TLS \
         (`grpcs://` in `remote`) or to see your certificate (`remote-tls-client-cert`)"
    )]
    HungUp(String),
    #[error(
        "its certificate is not trusted ({0}); name the certificate of who issued it by \
         `remote-tls-ca`"
    )]
    Untrusted(String),
    #[error(
        "it refuses this client's certificate ({0}); name one that it accepts by \
         `remote-tls-client-cert` and `remote-tls-client-key`"
    )]
    CertificateRefused(String),
    #[error("TLS does not work with it ({0}); is it `grpc://` instead of `grpcs://`?")]
    Tls(String),
    #[error("cannot use {} for `{value}`: {reason}; it must be a PEM file", path.display())]
    TlsFile {
        value: &'static str,
        path: PathBuf,
        reason: String,
    },
    #[error("`remote-tls-client-cert` and `remote-tls-client-key` need each other; give both")]
    HalfAnIdentity,
    #[error("`remote-tls-…` has no effect on `grpc://`; write `grpcs://` in `remote`")]
    TlsWithoutTls,
    #[error(
        "it wants to know who you are ({0}); give it a token that is still valid, such as \
         `remote-header = \"authorization=Bearer …\"`"
    )]
    Unauthenticated(String),
    #[error("it does not allow that ({0}); ask its owner for the permission, or use another token")]
    Denied(String),
    #[error(
        "it has no instance `{instance}` ({message}); `remote` ends in the name of one: \
         grpc://HOST:PORT/INSTANCE"
    )]
    NoSuchInstance { instance: String, message: String },
    #[error("it does not speak the Remote Execution API ({0}); is `remote` another service?")]
    NotAnEngine(String),
    #[error("it stores blobs but does not execute actions; name an engine that does")]
    CannotExecute,
    #[error(
        "it does not know SHA-256, by which everything is named here; it knows {offered}: have \
         its owner switch SHA-256 on"
    )]
    NoSha256 { offered: String },
    #[error("it does not have {}", list(.0))]
    Missing(Vec<Digest>),
    #[error("blob {0} failed digest verification")]
    Damaged(Digest),
    #[error("cannot {verb} {}: {error}", path.display())]
    Local {
        verb: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error(
        "the engine did not finish it in {times} attempts within {} s (the last time: {why}); its \
         log should tell why it restarts, or who cancels",
        within.as_secs()
    )]
    Lost {
        times: u32,
        within: Duration,
        why: String,
    },
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// What the engine says about it, which this program knows nothing better about.
    #[error("{}", said(.0))]
    Other(Box<Status>),
}

impl Problem {
    /// Whether another attempt makes sense.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::HungUp(_)
            | Self::TimedOut(_)
            | Self::Damaged(_)
            | Self::Lost { .. } => true,
            Self::Other(status) => match status.code() {
                Code::Unavailable
                | Code::ResourceExhausted
                | Code::Aborted
                | Code::DeadlineExceeded
                | Code::Cancelled => true,
                // The connection's trouble.
                Code::Internal => status.source().is_some(),
                _ => false,
            },
            _ => false,
        }
    }

    /// The code of what the engine said, if it said anything.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Unauthenticated(_) => Some(Code::Unauthenticated),
            Self::Denied(_) => Some(Code::PermissionDenied),
            Self::Missing(_) => Some(Code::NotFound),
            Self::Other(status) => Some(status.code()),
            _ => None,
        }
    }

    /// Of a connection that was not made.
    pub(super) fn of_transport(error: &tonic::transport::Error) -> Self {
        of_chain(error).unwrap_or_else(|| Self::Unreachable(innermost(error)))
    }

    /// Of files that TLS cannot be set up with: the library does not say which.
    pub(super) fn of_tls_configuration(
        error: &tonic::transport::Error,
        settings: &EngineSettings,
    ) -> Self {
        let (value, path) = match (&settings.tls_client_key, &settings.tls_ca) {
            (Some(key), _) => ("remote-tls-client-key", key.clone()),
            (None, Some(ca)) => ("remote-tls-ca", ca.clone()),
            (None, None) => return Self::Tls(innermost(error)),
        };
        let reason = innermost(error);
        Self::TlsFile {
            value,
            path,
            reason,
        }
    }
}

impl From<Status> for Problem {
    fn from(status: Status) -> Self {
        if let Some(problem) = status.source().and_then(of_chain) {
            return problem;
        }
        let message = status.message().to_owned();
        match status.code() {
            // The connection's word, not the engine's.
            Code::Cancelled | Code::Unknown if status.source().is_some() => {
                Self::HungUp(status.source().map_or(message, innermost))
            }
            Code::Unauthenticated => Self::Unauthenticated(message),
            Code::PermissionDenied => Self::Denied(message),
            _ => Self::Other(Box::new(status)),
        }
    }
}

impl From<rpc::Status> for Problem {
    fn from(status: rpc::Status) -> Self {
        Status::new(Code::from_i32(status.code), status.message).into()
    }
}

/// What an error of the connection comes from.
fn of_chain(error: &(dyn Error + 'static)) -> Option<Problem> {
    let mut source = Some(error);
    while let Some(error) = source {
        if let Some(tls) = error.downcast_ref() {
            return Some(of_tls(tls));
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            // The source of such an error is the source of what it wraps.
            return match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(tls) => Some(of_tls(tls)),
                None => Some(of_io(error)),
            };
        }
        source = error.source();
    }
    None
}

fn of_io(error: &io::Error) -> Problem {
    use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
    match error.kind() {
        BrokenPipe | ConnectionReset | UnexpectedEof => Problem::HungUp(error.to_string()),
        _ => Problem::Unreachable(error.to_string()),
    }
}

fn of_tls(error: &rustls::Error) -> Problem {
    let text = error.to_string();
    match error {
        rustls::Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            expected,
            presented,
        }) => Problem::Untrusted(format!(
            "it is for {}, not for {}",
            presented.join(", "),
            expected.to_str()
        )),
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            Problem::Untrusted(text)
        }
        rustls::Error::AlertReceived(
            AlertDescription::CertificateRequired
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateRevoked
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            | AlertDescription::HandshakeFailure,
        ) => Problem::CertificateRefused(text),
        _ => Problem::Tls(text),
    }
}

fn innermost(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn said(status: &Status) -> String {
    let code = status.code();
    match status.message() {
        "" => format!("{code:?}: {code}"),
        message => format!("{code:?}: {message}"),
    }
}

/// A few of them by name.
fn list(digests: &[Digest]) -> String {
    const SHOWN: usize = 3;
    let names: Vec<_> = digests.iter().take(SHOWN).map(Digest::to_string).collect();
    match digests.len() - names.len() {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(code: Code) -> Problem {
        Status::new(code, "because").into()
    }

    #[test]
    fn what_the_engine_may_get_over_is_tried_again_and_nothing_else() {
        for code in [Code::Unavailable, Code::ResourceExhausted, Code::Aborted] {
            assert!(problem(code).may_pass(), "{code:?}");
        }
        for code in [
            Code::InvalidArgument,
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::Internal,
            Code::FailedPrecondition,
            Code::NotFound,
        ] {
            assert!(!problem(code).may_pass(), "{code:?}");
        }
    }

    #[test]
    fn an_error_names_the_engine_what_was_tried_and_the_remedy() {
        let error = EngineError {
            endpoint: "grpc://engine:1".to_owned(),
            doing: "read its capabilities",
            problem: problem(Code::Unauthenticated),
        };
        assert_eq!(
            error.to_string(),
            "failed to read its capabilities at grpc://engine:1: it wants to know who you are \
             (because); give it a token that is still valid, such as \
             `remote-header = \"authorization=Bearer …\"`"
        );
    }

    #[test]
    fn trouble_with_certificates_is_told_apart() {
        let refused = rustls::Error::AlertReceived(AlertDescription::CertificateRequired);
        assert!(matches!(of_tls(&refused), Problem::CertificateRefused(_)));
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let wrapped = io::Error::new(io::ErrorKind::InvalidData, unknown);
        assert!(matches!(of_chain(&wrapped), Some(Problem::Untrusted(_))));
    }

    #[test]
    fn many_missing_blobs_are_counted() {
        let digests: Vec<_> = (0..5_u8).map(|n| Digest::of(&[n])).collect();
        let text = Problem::Missing(digests).to_string();
        assert!(text.ends_with(" and 2 more"), "{text}");
    }
}
