//! The capabilities of an engine, and the platform properties of this machine.

use super::connect::Engine;
use super::error::{EngineError, Problem};
use super::reapi::capabilities_client::CapabilitiesClient;
use super::reapi::{GetCapabilitiesRequest, ServerCapabilities, compressor, digest_function};
use tonic::Code;

/// The capabilities of an engine that matter here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// How many bytes of blobs one batch may hold.
    pub batch_limit: u64,
    /// Whether streams of blobs may be compressed with zstd.
    pub zstd: bool,
    /// The size in bytes of the largest blob that the engine accepts, if it says so.
    pub blob_limit: Option<u64>,
    /// Whether the engine executes actions.
    pub execution: bool,
    /// Whether clients may write to the action cache.
    pub action_cache_updates: bool,
}

/// How many bytes of blobs a message may hold: gRPC's default limit of 4 MiB, less some room for
/// the rest of the message.
const MESSAGE_LIMIT: u64 = (4 << 20) - (64 << 10);

const OPERATION: &str = "read the capabilities of the engine";

/// This machine's value of the platform property `OSFamily`, as the API's platform lexicon spells it.
pub const OS_FAMILY: &str = "linux";

/// This machine's value of the platform property `ISA`, as the API's platform lexicon spells it.
pub const ISA: &str = if cfg!(target_arch = "x86_64") {
    "x86-64"
} else if cfg!(target_arch = "aarch64") {
    "arm-a64"
} else {
    std::env::consts::ARCH
};

impl Capabilities {
    /// The assumptions until the engine has answered.
    pub(super) const UNKNOWN: Self = Self {
        batch_limit: MESSAGE_LIMIT,
        zstd: false,
        blob_limit: None,
        execution: false,
        action_cache_updates: false,
    };

    /// Reads the capabilities of an engine. The call is not retried, because users wait for it.
    pub(super) async fn fetch(engine: &Engine) -> Result<Self, EngineError> {
        let mut client = CapabilitiesClient::new(engine.service());
        let request = engine.request(GetCapabilitiesRequest {
            instance_name: engine.instance().to_owned(),
        });
        let answer = engine
            .within_deadline(client.get_capabilities(request))
            .await;
        match answer {
            Ok(answer) => Self::read(answer).map_err(|problem| engine.error(OPERATION, problem)),
            Err(problem) => {
                Err(engine.error(OPERATION, instance_problem(problem, engine.instance())))
            }
        }
    }

    fn read(answer: ServerCapabilities) -> Result<Self, Problem> {
        let cache = answer.cache_capabilities.unwrap_or_default();
        let sha256 = digest_function::Value::Sha256;
        if !cache.digest_functions.is_empty() && !cache.digest_functions.contains(&sha256.into()) {
            let name = |function: &i32| match digest_function::Value::try_from(*function) {
                Ok(function) => function.as_str_name().to_owned(),
                Err(_) => format!("number {function}"),
            };
            let offered: Vec<_> = cache.digest_functions.iter().map(name).collect();
            let offered = offered.join(", ");
            return Err(Problem::NoSha256 { offered });
        }
        let positive = |number: i64| u64::try_from(number).ok().filter(|number| *number > 0);
        let execution = answer.execution_capabilities.unwrap_or_default();
        Ok(Self {
            batch_limit: positive(cache.max_batch_total_size_bytes)
                .unwrap_or(MESSAGE_LIMIT)
                .min(MESSAGE_LIMIT),
            zstd: cache
                .supported_compressors
                .contains(&compressor::Value::Zstd.into()),
            blob_limit: positive(cache.max_cas_blob_size_bytes),
            execution: execution.exec_enabled,
            action_cache_updates: cache
                .action_cache_update_capabilities
                .is_some_and(|updates| updates.update_enabled),
        })
    }
}

/// Explains an error of `GetCapabilities`. The instance is the only argument of the call, so an
/// invalid argument is an unknown instance.
fn instance_problem(problem: Problem, instance: &str) -> Problem {
    let Problem::Other(status) = problem else {
        return problem;
    };
    let message = status.message().to_owned();
    match status.code() {
        Code::NotFound | Code::InvalidArgument => Problem::NoSuchInstance {
            instance: instance.to_owned(),
            message,
        },
        Code::Unimplemented => Problem::NotAnEngine(message),
        _ => Problem::Other(status),
    }
}

#[cfg(test)]
mod tests {
    use super::super::reapi::{CacheCapabilities, ExecutionCapabilities};
    use super::*;

    fn answer(cache: CacheCapabilities) -> ServerCapabilities {
        ServerCapabilities {
            cache_capabilities: Some(cache),
            execution_capabilities: Some(ExecutionCapabilities {
                exec_enabled: true,
                ..ExecutionCapabilities::default()
            }),
            ..ServerCapabilities::default()
        }
    }

    #[test]
    fn an_engine_without_limits_gets_the_default_limits() {
        let read = Capabilities::read(answer(CacheCapabilities::default())).unwrap();
        assert_eq!(read.batch_limit, MESSAGE_LIMIT);
        assert_eq!(read.blob_limit, None);
        assert!(!read.zstd && read.execution);
    }

    #[test]
    fn an_engine_without_sha256_is_refused() {
        let error = Capabilities::read(answer(CacheCapabilities {
            digest_functions: vec![
                digest_function::Value::Blake3.into(),
                digest_function::Value::Md5.into(),
            ],
            ..CacheCapabilities::default()
        }));
        let text = error.unwrap_err().to_string();
        assert!(text.contains("only BLAKE3, MD5"), "{text}");
    }
}
