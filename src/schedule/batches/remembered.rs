//! Partitions that are kept in the store between runs.

use super::{Partition, divide};
use crate::store::{Digest, Store};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The kind of the values in the store. A change of [`RememberedPartition`] needs a new name.
const KIND: &str = "batches-2";

/// The partition of the tests of a binary.
#[derive(Default, PartialEq, Eq, Serialize, Deserialize)]
struct RememberedPartition {
    batches: Partition,
    /// The digest of the container that the tests ran in.
    container: String,
}

impl RememberedPartition {
    fn names(&self) -> impl Iterator<Item = &String> {
        self.batches.iter().flatten()
    }
}

/// Divides tests as [`divide`] does, from the partition in the store for `key`, and keeps the new
/// partition there, unless these tests are a selection of those in the old one.
///
/// With `reuse`, the old partition of the same tests in the same container is returned unchanged, even
/// if the durations have changed, because the engine may have the results of these batches.
pub fn divide_as_before(
    store: &Store,
    key: &str,
    container: Digest,
    tests: &BTreeMap<String, Option<Duration>>,
    target: Duration,
    reuse: bool,
) -> Partition {
    let old = store.cached(KIND, key);
    let old = old.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let old: RememberedPartition = old.unwrap_or_default();
    let container = container.to_string();
    let is_selection = old.names().any(|name| !tests.contains_key(name));
    let are_same =
        container == old.container && !is_selection && old.names().count() == tests.len();
    if reuse && are_same {
        return old.batches;
    }
    let new = RememberedPartition {
        batches: divide(tests, &old.batches, target),
        container,
    };
    if !is_selection && new != old {
        let bytes = serde_json::to_vec(&new).unwrap_or_default();
        // After an error the next run divides the tests anew.
        let _ = store.cache(KIND, key, &bytes);
    }
    new.batches
}
