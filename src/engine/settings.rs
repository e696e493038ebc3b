//! The address of an engine, and the credentials for it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use tonic::metadata::{AsciiMetadataKey, AsciiMetadataValue};

/// The address of an engine, and the credentials for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    pub endpoint: Endpoint,
    /// Headers to send with every call.
    pub headers: Vec<RequestHeader>,
    /// PEM file with the certificates to trust instead of this machine's.
    pub tls_ca: Option<PathBuf>,
    /// PEM file with this client's certificate, for engines that require one.
    pub tls_client_cert: Option<PathBuf>,
    /// PEM file with the private key of `tls_client_cert`.
    pub tls_client_key: Option<PathBuf>,
}

impl EngineSettings {
    /// Settings without credentials.
    pub fn new(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            headers: Vec::new(),
            tls_ca: None,
            tls_client_cert: None,
            tls_client_key: None,
        }
    }
}

/// The address of an engine: `grpc[s]://HOST:PORT[/INSTANCE]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub tls: bool,
    /// A host name or an IP address; IPv6 addresses without brackets.
    pub host: String,
    pub port: u16,
    /// The name of the instance: an engine can serve several instances. May be empty.
    pub instance: String,
}

/// Why a text is not an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    #[error("write `grpc://` (or `grpcs://` for TLS) before the host")]
    Scheme,
    #[error("there is no host; write grpc://HOST:PORT")]
    Host,
    #[error("there is no port; write grpc://HOST:PORT, such as grpc://engine.example:50051")]
    NoPort,
    #[error("the port is not a number from 1 to 65535")]
    Port,
    #[error("put the address in brackets: grpc://[::1]:50051")]
    Brackets,
    #[error("an endpoint cannot contain a user name; pass credentials by `remote-header`")]
    User,
    #[error("only an instance name may follow the port: grpc://HOST:PORT/INSTANCE")]
    Rest,
}

impl FromStr for Endpoint {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        let (scheme, rest) = text.trim().split_once("://").ok_or(BadEndpoint::Scheme)?;
        let tls = match scheme {
            "grpc" => false,
            "grpcs" => true,
            _ => return Err(BadEndpoint::Scheme),
        };
        let (authority, instance) = rest.split_once('/').unwrap_or((rest, ""));
        if authority.contains('@') {
            return Err(BadEndpoint::User);
        }
        let is_forbidden = |c: char| c.is_whitespace() || c.is_control() || "?#".contains(c);
        if rest.contains(is_forbidden) {
            return Err(BadEndpoint::Rest);
        }
        let (host, port) = match authority.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or(BadEndpoint::Brackets)?;
                (host, port.strip_prefix(':').ok_or(BadEndpoint::NoPort)?)
            }
            None => authority.rsplit_once(':').ok_or(BadEndpoint::NoPort)?,
        };
        if host.is_empty() {
            return Err(BadEndpoint::Host);
        }
        if host.contains(':') && !authority.starts_with('[') {
            return Err(BadEndpoint::Brackets);
        }
        match port.parse() {
            Ok(port) if port != 0 => Ok(Self {
                tls,
                host: host.to_owned(),
                port,
                instance: instance.trim_end_matches('/').to_owned(),
            }),
            _ => Err(BadEndpoint::Port),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "grpcs" } else { "grpc" };
        write!(f, "{scheme}://{}", self.authority())?;
        if self.instance.is_empty() {
            return Ok(());
        }
        write!(f, "/{}", self.instance)
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Endpoint {
    /// `HOST:PORT`, with brackets around an IPv6 address.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// A header to send with every call. The value may be a secret, so it is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct RequestHeader {
    /// The name in lower case.
    pub(super) name: AsciiMetadataKey,
    pub(super) value: AsciiMetadataValue,
}

/// Headers that gRPC sets itself, beside those that begin with `grpc-`.
const RESERVED: [&str; 4] = ["te", "content-type", "user-agent", "host"];

/// Why a text is not a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHeader {
    #[error("write NAME=VALUE, such as `authorization=Bearer …`")]
    NoValue,
    #[error("the name has characters that header names cannot have, or ends in `-bin`")]
    Name,
    #[error("gRPC sets the header with this name itself")]
    Reserved,
    #[error("the value has characters that are not visible ASCII")]
    Value,
}

impl FromStr for RequestHeader {
    type Err = BadHeader;

    /// Reads `NAME=VALUE` and `NAME: VALUE`.
    fn from_str(text: &str) -> Result<Self, BadHeader> {
        let (name, value) = text.split_once([':', '=']).ok_or(BadHeader::NoValue)?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        if name.starts_with("grpc-") || RESERVED.contains(&name.as_str()) {
            return Err(BadHeader::Reserved);
        }
        let name = AsciiMetadataKey::from_bytes(name.as_bytes()).map_err(|_| BadHeader::Name)?;
        let mut value = AsciiMetadataValue::try_from(value).map_err(|_| BadHeader::Value)?;
        value.set_sensitive(true);
        Ok(Self { name, value })
    }
}

impl RequestHeader {
    pub fn name(&self) -> &str {
        self.name.as_str()
    }
}

impl fmt::Debug for RequestHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn endpoint(text: &str) -> Result<Endpoint, BadEndpoint> {
        text.parse()
    }

    #[test]
    fn an_endpoint_has_a_host_a_port_and_perhaps_an_instance() {
        let plain = endpoint("grpc://engine.example:50051").unwrap();
        assert_eq!((plain.tls, plain.port), (false, 50051));
        assert_eq!((&*plain.host, &*plain.instance), ("engine.example", ""));
        let full = endpoint("grpcs://[::1]:443/team/main").unwrap();
        assert_eq!((full.tls, full.port), (true, 443));
        assert_eq!((&*full.host, &*full.instance), ("::1", "team/main"));
        assert_eq!(endpoint("grpc://a:1/").unwrap().instance, "");
    }

    #[test]
    fn the_error_of_an_invalid_endpoint_says_what_to_write() {
        for (text, error) in [
            ("engine:50051", BadEndpoint::Scheme),
            ("https://engine:50051", BadEndpoint::Scheme),
            ("", BadEndpoint::Scheme),
            ("grpc://engine", BadEndpoint::NoPort),
            ("grpc://[::1]", BadEndpoint::NoPort),
            ("grpc://:1", BadEndpoint::Host),
            ("grpc://engine:0", BadEndpoint::Port),
            ("grpc://engine:65536", BadEndpoint::Port),
            ("grpc://engine:", BadEndpoint::Port),
            ("grpc://::1:50051", BadEndpoint::Brackets),
            ("grpc://me:secret@engine:50051", BadEndpoint::User),
            ("grpc://engine:50051/main?x=y", BadEndpoint::Rest),
        ] {
            assert_eq!(endpoint(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_header_is_written_with_a_colon_or_an_equals_sign() {
        for text in ["Authorization: Bearer a=b:c", "authorization=Bearer a=b:c"] {
            let header: RequestHeader = text.parse().unwrap();
            assert_eq!(header.name(), "authorization");
            assert_eq!(header.value.to_str().unwrap(), "Bearer a=b:c");
        }
    }

    #[test]
    fn a_header_does_not_show_its_value() {
        let header: RequestHeader = "authorization=Bearer secret".parse().unwrap();
        assert_eq!(format!("{header:?}"), "authorization=…");
    }

    #[test]
    fn headers_that_cannot_be_sent_are_refused() {
        for (text, error) in [
            ("authorization", BadHeader::NoValue),
            ("grpc-timeout=1", BadHeader::Reserved),
            ("Content-Type: x", BadHeader::Reserved),
            ("a b=c", BadHeader::Name),
            ("=c", BadHeader::Name),
            ("token-bin=c", BadHeader::Name),
            ("token=a\nb", BadHeader::Value),
        ] {
            assert_eq!(text.parse::<RequestHeader>().unwrap_err(), error, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_printed_endpoint_parses_as_the_same_endpoint(text in "grpcs?://[a-z.\\[\\]:0-9/@]{0,20}") {
            if let Ok(parsed) = endpoint(&text) {
                prop_assert_eq!(endpoint(&parsed.to_string()), Ok(parsed));
            }
        }

        #[test]
        fn no_text_makes_it_panic(text: String) {
            let _ = text.parse::<Endpoint>();
            let _ = text.parse::<RequestHeader>();
        }
    }
}
