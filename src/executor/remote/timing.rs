//! Where the time of an action went.

use crate::engine::protobuf::Timestamp;
use crate::engine::reapi::ExecuteResponse;
use std::time::Duration;

/// Logs how long an action took, and what of it, if its worker has said.
pub fn tell(took: Duration, response: &ExecuteResponse) {
    let result = response.result.as_ref();
    let metadata = result.and_then(|result| result.execution_metadata.as_ref());
    let took = took.as_secs_f64() * 1e3;
    let Some(metadata) = metadata else {
        tracing::debug!("an action took {took:.1} ms");
        return;
    };
    let staging = between(
        metadata.worker_start_timestamp.as_ref(),
        metadata.execution_start_timestamp.as_ref(),
    );
    let running = between(
        metadata.execution_start_timestamp.as_ref(),
        metadata.execution_completed_timestamp.as_ref(),
    );
    let uploading = between(
        metadata.execution_completed_timestamp.as_ref(),
        metadata.worker_completed_timestamp.as_ref(),
    );
    // Times of one clock only: what is left is what the engine and the network took, and
    // how long it waited for a worker.
    let rest = (took - staging - running - uploading).max(0.0);
    tracing::debug!(
        "an action took {took:.1} ms: staged {staging:.1} ms, ran {running:.1} ms, \
         uploaded {uploading:.1} ms, the rest {rest:.1} ms, by {}",
        metadata.worker
    );
}

/// In milliseconds; 0 if one is missing, or they are not in this order.
fn between(from: Option<&Timestamp>, to: Option<&Timestamp>) -> f64 {
    let (Some(from), Some(to)) = (from, to) else {
        return 0.0;
    };
    let seconds = (to.seconds - from.seconds) as f64;
    (seconds * 1e3 + f64::from(to.nanos - from.nanos) / 1e6).max(0.0)
}
