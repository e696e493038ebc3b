//! The options and configuration values that name an engine. All programs share them.

use super::{BadEndpoint, Endpoint, EngineSettings, RequestHeader};
use crate::config::command_line::{given, value};
use crate::config::{ConfigError, ConfigValue, FilePath, List, Setting, Values};
use std::str::FromStr;

#[derive(Clone, Debug, Default, clap::Args)]
pub struct RemoteArguments {
    /// Use this Remote Execution engine: grpc://HOST:PORT[/INSTANCE], or grpcs:// for TLS
    ///
    /// `none` uses no engine, even if the configuration names one.
    #[arg(long, value_name = "URL", value_parser = remote)]
    pub remote: Option<Remote>,

    /// Send this header to the engine with every call; put secrets into a configuration file or an
    /// environment variable instead
    #[arg(long, value_name = "NAME=VALUE", value_parser = header, hide_short_help = true)]
    pub remote_header: Vec<RequestHeader>,

    /// Trust the certificates in this PEM file for the engine (default: those that the machine trusts)
    #[arg(long, value_name = "FILE", value_parser = value::<FilePath>, hide_short_help = true)]
    pub remote_tls_ca: Option<FilePath>,

    /// Present the certificate in this PEM file to the engine
    #[arg(long, value_name = "FILE", value_parser = value::<FilePath>, hide_short_help = true)]
    pub remote_tls_client_cert: Option<FilePath>,

    /// Use the private key in this PEM file for the client's certificate
    #[arg(long, value_name = "FILE", value_parser = value::<FilePath>, hide_short_help = true)]
    pub remote_tls_client_key: Option<FilePath>,
}

impl RemoteArguments {
    /// Decides the values of these settings. `None`: no engine is named.
    pub fn decide(self, values: &mut Values<'_>) -> Result<Option<EngineSettings>, ConfigError> {
        let remote: Option<Setting<Remote>> =
            values.take_optional("remote", given("--remote", self.remote))?;
        let headers = values.take(
            "remote-header",
            given("--remote-header", List::given(self.remote_header)),
            List::default(),
        )?;
        let mut file = |name, option, value| -> Result<_, ConfigError> {
            let setting: Option<Setting<FilePath>> =
                values.take_optional(name, given(option, value))?;
            Ok(setting.map(|setting| setting.value.into_path()))
        };
        let tls_ca = file("remote-tls-ca", "--remote-tls-ca", self.remote_tls_ca)?;
        let tls_client_cert = file(
            "remote-tls-client-cert",
            "--remote-tls-client-cert",
            self.remote_tls_client_cert,
        )?;
        let tls_client_key = file(
            "remote-tls-client-key",
            "--remote-tls-client-key",
            self.remote_tls_client_key,
        )?;
        let endpoint = remote.and_then(|remote| remote.value.into_endpoint());
        Ok(endpoint.map(|endpoint| EngineSettings {
            endpoint,
            headers: headers.value.into_items(),
            tls_ca,
            tls_client_cert,
            tls_client_key,
        }))
    }
}

/// The value of `remote`: an engine, or `none`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote(Option<Endpoint>);

impl Remote {
    /// `None`: no engine is used.
    fn into_endpoint(self) -> Option<Endpoint> {
        self.0
    }
}

/// The value of `remote` for no engine.
const NONE: &str = "none";

impl FromStr for Remote {
    type Err = BadEndpoint;

    fn from_str(text: &str) -> Result<Self, BadEndpoint> {
        match text {
            NONE => Ok(Self(None)),
            text => Ok(Self(Some(text.parse()?))),
        }
    }
}

/// Parses the value of `--remote`; the error says what is wrong with the value.
fn remote(text: &str) -> Result<Remote, String> {
    text.parse().map_err(|error: BadEndpoint| error.to_string())
}

fn header(text: &str) -> Result<RequestHeader, String> {
    text.parse()
        .map_err(|error: crate::engine::BadHeader| error.to_string())
}

impl ConfigValue for Remote {
    fn expected() -> String {
        format!("grpc://HOST:PORT[/INSTANCE], or grpcs:// for TLS, or `{NONE}`")
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    fn to_toml(&self) -> String {
        match &self.0 {
            None => format!("\"{NONE}\""),
            Some(endpoint) => format!("\"{endpoint}\""),
        }
    }
}

impl ConfigValue for RequestHeader {
    const SECRET: bool = true;

    fn expected() -> String {
        "NAME=VALUE, such as `authorization=Bearer …`".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
    }

    /// The value is left out because it may be a secret.
    fn to_toml(&self) -> String {
        format!("\"{}=…\"", self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{ConfigFile, ProcessEnvironment, ProgramNames};

    const PROGRAM: ProgramNames = ProgramNames {
        name: "maelstrom-test",
        directory: "test",
        prefix: "MAELSTROM_TEST_",
        other_names: &[],
        foreign_variables: &[],
    };

    fn decide(
        arguments: RemoteArguments,
        variables: &[(&str, &str)],
    ) -> Result<(Option<EngineSettings>, String), ConfigError> {
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        let environment = ProcessEnvironment {
            variables: variables.collect(),
            cpus: std::num::NonZeroU32::MIN,
        };
        let mut values = Values::read(&PROGRAM, &environment, &ConfigFile::None)?;
        let settings = arguments.decide(&mut values)?;
        Ok((settings, values.finish()?))
    }

    #[test]
    fn without_an_engine_there_is_no_remote() {
        let (settings, text) = decide(RemoteArguments::default(), &[]).unwrap();
        assert_eq!(settings, None);
        assert!(text.contains("# remote is not set"), "{text}");
    }

    #[test]
    fn an_engine_of_the_configuration_can_be_left_out() {
        let arguments = RemoteArguments {
            remote: Some("none".parse().unwrap()),
            ..RemoteArguments::default()
        };
        let variables = [("MAELSTROM_REMOTE", "grpc://engine:443/main")];
        let (settings, text) = decide(arguments, &variables).unwrap();
        assert_eq!(settings, None);
        assert!(text.contains(r#"remote = "none""#), "{text}");
    }

    #[test]
    fn headers_are_lines_of_a_variable_and_their_values_are_not_printed() {
        let variables = [
            ("MAELSTROM_REMOTE", "grpcs://engine:443/main"),
            (
                "MAELSTROM_REMOTE_HEADER",
                "authorization: Bearer secret\nteam=a",
            ),
            ("MAELSTROM_REMOTE_TLS_CA", "/etc/ca.pem"),
        ];
        let (settings, text) = decide(RemoteArguments::default(), &variables).unwrap();
        let settings = settings.unwrap();
        assert_eq!(settings.endpoint.to_string(), "grpcs://engine:443/main");
        let names: Vec<_> = settings.headers.iter().map(RequestHeader::name).collect();
        assert_eq!(names, ["authorization", "team"]);
        assert_eq!(settings.tls_ca.as_deref(), Some("/etc/ca.pem".as_ref()));
        let line = r#"remote-header = ["authorization=…", "team=…"]"#;
        assert!(text.contains(line), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }

    #[test]
    fn a_wrong_header_is_not_shown_either() {
        let variables = [("MAELSTROM_REMOTE_HEADER", "Bearer secret")];
        let error = decide(RemoteArguments::default(), &variables).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment variable MAELSTROM_REMOTE_HEADER: `…` is not a value for \
             `remote-header`: expected NAME=VALUE, such as `authorization=Bearer …`; several as \
             an array, or in lines"
        );
    }
}
