//! Missing blobs of an action, in the form in which the API reports them.

use super::{protobuf, rpc};
use crate::store::Digest;
use prost::Message;
use tonic::Code;

/// `google.rpc.PreconditionFailure`, which the generated bindings lack.
#[derive(Clone, PartialEq, Eq, Message)]
struct PreconditionFailure {
    #[prost(message, repeated, tag = "1")]
    violations: Vec<Violation>,
}

#[derive(Clone, PartialEq, Eq, Message)]
struct Violation {
    #[prost(string, tag = "1")]
    kind: String,
    #[prost(string, tag = "2")]
    subject: String,
    #[prost(string, tag = "3")]
    description: String,
}

const TYPE: &str = "type.googleapis.com/google.rpc.PreconditionFailure";
const MISSING: &str = "MISSING";

/// The status of an action some of whose input blobs are missing.
pub fn missing_blobs_status(digests: &[Digest]) -> rpc::Status {
    let violation = |digest: &Digest| Violation {
        kind: MISSING.to_owned(),
        subject: format!("blobs/{}/{}", digest.hex(), digest.size),
        description: String::new(),
    };
    let failure = PreconditionFailure {
        violations: digests.iter().map(violation).collect(),
    };
    rpc::Status {
        code: Code::FailedPrecondition as i32,
        message: format!("{} blobs that the action needs are missing", digests.len()),
        details: vec![protobuf::Any {
            type_url: TYPE.to_owned(),
            value: failure.encode_to_vec(),
        }],
    }
}

/// The blobs that a status reports as missing.
pub fn missing_blobs_in(status: &rpc::Status) -> Vec<Digest> {
    let failures = status
        .details
        .iter()
        .filter(|detail| detail.type_url == TYPE)
        .filter_map(|detail| PreconditionFailure::decode(&*detail.value).ok());
    failures
        .flat_map(|failure| failure.violations)
        .filter(|violation| violation.kind == MISSING)
        .filter_map(|violation| {
            let (rest, size) = violation.subject.rsplit_once('/')?;
            let (_, hash) = rest.rsplit_once('/')?;
            format!("{hash}-{size}").parse().ok()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_blobs_are_read_as_they_were_written() {
        let digests = [Digest::of(b"a"), Digest::of(b"bc")];
        let status = missing_blobs_status(&digests);
        assert_eq!(status.code, Code::FailedPrecondition as i32);
        assert_eq!(missing_blobs_in(&status), digests);
        assert_eq!(missing_blobs_in(&rpc::Status::default()), []);
    }
}
