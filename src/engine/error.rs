//! Errors of calls to an engine, and their remedies.

use super::rpc;
use super::settings::EngineSettings;
use crate::store::Digest;
use rustls::{AlertDescription, CertificateError};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;
use tonic::{Code, Status};

/// A call to an engine that failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to {operation} at {endpoint}: {problem}")]
pub struct EngineError {
    /// The endpoint as users write it.
    pub endpoint: String,
    /// Completes "failed to …".
    pub operation: &'static str,
    pub problem: Problem,
}

/// Why a call to an engine failed.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    #[error("could not connect ({0}); check that the engine is running and that `remote` names it")]
    Unreachable(String),
    #[error(
        "the connection was closed ({0}); check that `remote` names an engine, and whether the \
         engine requires TLS (`grpcs://`) or a client certificate (`remote-tls-client-cert`)"
    )]
    ConnectionLost(String),
    #[error(
        "the engine's certificate is not trusted ({0}); set `remote-tls-ca` to the certificate of \
         the authority that issued it"
    )]
    Untrusted(String),
    #[error(
        "the engine rejected this client's certificate ({0}); set `remote-tls-client-cert` and \
         `remote-tls-client-key` to a certificate that the engine accepts"
    )]
    CertificateRefused(String),
    #[error("TLS failed ({0}); if the engine does not use TLS, write `grpc://` in `remote`")]
    Tls(String),
    #[error("cannot use {} for `{value}`: {reason}; it must be a PEM file", path.display())]
    TlsFile {
        value: &'static str,
        path: PathBuf,
        reason: String,
    },
    #[error("`remote-tls-client-cert` and `remote-tls-client-key` need each other; give both")]
    IncompleteClientIdentity,
    #[error("`remote-tls-…` has no effect on `grpc://`; write `grpcs://` in `remote`")]
    TlsSettingsWithoutTls,
    #[error(
        "the engine requires authentication ({0}); send a valid token, such as \
         `remote-header = \"authorization=Bearer …\"`"
    )]
    Unauthenticated(String),
    #[error(
        "the engine denied permission ({0}); ask its administrator for permission, or send another \
         token"
    )]
    PermissionDenied(String),
    #[error(
        "the engine has no instance `{instance}` ({message}); `remote` ends in the name of an \
         instance: grpc://HOST:PORT/INSTANCE"
    )]
    NoSuchInstance { instance: String, message: String },
    #[error(
        "the server does not implement the Remote Execution API ({0}); check that `remote` names an \
         engine"
    )]
    NotAnEngine(String),
    #[error(
        "the engine stores blobs but does not execute actions; name an engine that does in `remote`"
    )]
    CannotExecute,
    #[error(
        "the engine does not support SHA-256 digests, only {offered}; ask its administrator to \
         enable SHA-256"
    )]
    NoSha256 { offered: String },
    #[error("the engine does not have {}", list(.0))]
    Missing(Vec<Digest>),
    #[error("blob {0} failed digest verification")]
    DigestMismatch(Digest),
    #[error("cannot {verb} {}: {error}", path.display())]
    Local {
        verb: &'static str,
        path: PathBuf,
        error: io::Error,
    },
    #[error(
        "the engine did not finish the action in {times} attempts within {} s (last attempt: \
         {why}); look in the engine's log for restarts and cancellations",
        within.as_secs()
    )]
    ActionLost {
        times: u32,
        within: Duration,
        why: String,
    },
    #[error("no answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// Any other status that the engine returned.
    #[error("{}", status_text(.0))]
    Other(Box<Status>),
}

impl Problem {
    /// Whether the problem is temporary, so that another attempt can succeed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable(_)
            | Self::ConnectionLost(_)
            | Self::TimedOut(_)
            | Self::DigestMismatch(_)
            | Self::ActionLost { .. } => true,
            Self::Other(status) => match status.code() {
                Code::Unavailable
                | Code::ResourceExhausted
                | Code::Aborted
                | Code::DeadlineExceeded
                | Code::Cancelled => true,
                // A status with a source comes from the connection, not from the engine.
                Code::Internal => status.source().is_some(),
                _ => false,
            },
            _ => false,
        }
    }

    /// The code of the status that the engine returned, if it returned one.
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Unauthenticated(_) => Some(Code::Unauthenticated),
            Self::PermissionDenied(_) => Some(Code::PermissionDenied),
            Self::Missing(_) => Some(Code::NotFound),
            Self::Other(status) => Some(status.code()),
            _ => None,
        }
    }

    /// The problem of a connection that could not be made.
    pub(super) fn of_transport(error: &tonic::transport::Error) -> Self {
        of_chain(error).unwrap_or_else(|| Self::Unreachable(innermost(error)))
    }

    /// The problem of TLS files that the library rejected. The library does not say which file.
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
            // The status comes from the connection, not from the engine.
            Code::Cancelled | Code::Unknown if status.source().is_some() => {
                Self::ConnectionLost(status.source().map_or(message, innermost))
            }
            Code::Unauthenticated => Self::Unauthenticated(message),
            Code::PermissionDenied => Self::PermissionDenied(message),
            _ => Self::Other(Box::new(status)),
        }
    }
}

impl From<rpc::Status> for Problem {
    fn from(status: rpc::Status) -> Self {
        Status::new(Code::from_i32(status.code), status.message).into()
    }
}

/// The problem behind an error of the connection.
fn of_chain(error: &(dyn Error + 'static)) -> Option<Problem> {
    let mut source = Some(error);
    while let Some(error) = source {
        if let Some(tls) = error.downcast_ref() {
            return Some(of_tls(tls));
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            // `source` would skip the error that this one wraps.
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
        BrokenPipe | ConnectionReset | UnexpectedEof => Problem::ConnectionLost(error.to_string()),
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

fn status_text(status: &Status) -> String {
    let code = status.code();
    match status.message() {
        "" => format!("{code:?}: {code}"),
        message => format!("{code:?}: {message}"),
    }
}

/// The first few digests and the number of the others.
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
    use insta::assert_snapshot;

    fn problem(code: Code) -> Problem {
        Status::new(code, "because").into()
    }

    #[test]
    fn only_temporary_problems_are_retried() {
        for code in [Code::Unavailable, Code::ResourceExhausted, Code::Aborted] {
            assert!(problem(code).is_retryable(), "{code:?}");
        }
        for code in [
            Code::InvalidArgument,
            Code::Unauthenticated,
            Code::PermissionDenied,
            Code::Internal,
            Code::FailedPrecondition,
            Code::NotFound,
        ] {
            assert!(!problem(code).is_retryable(), "{code:?}");
        }
    }

    #[test]
    fn an_error_names_the_engine_the_operation_and_the_remedy() {
        let error = EngineError {
            endpoint: "grpc://engine:1".to_owned(),
            operation: "read the capabilities of the engine",
            problem: problem(Code::Unauthenticated),
        };
        assert_snapshot!(error, @r#"failed to read the capabilities of the engine at grpc://engine:1: the engine requires authentication (because); send a valid token, such as `remote-header = "authorization=Bearer …"`"#);
    }

    #[test]
    fn every_problem_says_what_to_do() {
        let text = || "because".to_owned();
        let problems = [
            Problem::Unreachable(text()),
            Problem::ConnectionLost(text()),
            Problem::Untrusted(text()),
            Problem::CertificateRefused(text()),
            Problem::Tls(text()),
            Problem::TlsFile {
                value: "remote-tls-ca",
                path: "/etc/ca.pem".into(),
                reason: text(),
            },
            Problem::IncompleteClientIdentity,
            Problem::TlsSettingsWithoutTls,
            Problem::PermissionDenied(text()),
            Problem::NoSuchInstance {
                instance: "main".to_owned(),
                message: text(),
            },
            Problem::NotAnEngine(text()),
            Problem::CannotExecute,
            Problem::NoSha256 {
                offered: "MD5".to_owned(),
            },
            Problem::Local {
                verb: "read",
                path: "/data".into(),
                error: io::ErrorKind::NotFound.into(),
            },
            Problem::ActionLost {
                times: 5,
                within: Duration::from_secs(60),
                why: text(),
            },
            Problem::TimedOut(Duration::from_secs(30)),
            problem(Code::Internal),
        ];
        let lines = problems.map(|problem| problem.to_string());
        assert_snapshot!(lines.join("\n"), @"
        could not connect (because); check that the engine is running and that `remote` names it
        the connection was closed (because); check that `remote` names an engine, and whether the engine requires TLS (`grpcs://`) or a client certificate (`remote-tls-client-cert`)
        the engine's certificate is not trusted (because); set `remote-tls-ca` to the certificate of the authority that issued it
        the engine rejected this client's certificate (because); set `remote-tls-client-cert` and `remote-tls-client-key` to a certificate that the engine accepts
        TLS failed (because); if the engine does not use TLS, write `grpc://` in `remote`
        cannot use /etc/ca.pem for `remote-tls-ca`: because; it must be a PEM file
        `remote-tls-client-cert` and `remote-tls-client-key` need each other; give both
        `remote-tls-…` has no effect on `grpc://`; write `grpcs://` in `remote`
        the engine denied permission (because); ask its administrator for permission, or send another token
        the engine has no instance `main` (because); `remote` ends in the name of an instance: grpc://HOST:PORT/INSTANCE
        the server does not implement the Remote Execution API (because); check that `remote` names an engine
        the engine stores blobs but does not execute actions; name an engine that does in `remote`
        the engine does not support SHA-256 digests, only MD5; ask its administrator to enable SHA-256
        cannot read /data: entity not found
        the engine did not finish the action in 5 attempts within 60 s (last attempt: because); look in the engine's log for restarts and cancellations
        no answer within 30 s
        Internal: because
        ");
    }

    #[test]
    fn rejected_and_untrusted_certificates_are_distinguished() {
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
