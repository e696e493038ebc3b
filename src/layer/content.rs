//! The content of a layer, and its cache.

use super::Manifest;
use crate::store::{Store, StoreError};
use serde::{Deserialize, Serialize};

/// The entries of a layer. The content of its files is in the store.
#[derive(Debug, Default)]
pub struct LayerContent {
    pub manifest: Manifest,
    /// Whether the manifest includes the layers below.
    pub includes_below: bool,
    pub warnings: Vec<String>,
}

/// The content as a value of the store.
#[derive(Serialize, Deserialize)]
struct CachedContent {
    manifest: String,
    includes_below: bool,
    warnings: Vec<String>,
}

impl LayerContent {
    /// Keeps the content in the store. A `kind` is renamed when the value or the way in which the
    /// content is made changes.
    pub(super) fn cache(&self, store: &Store, kind: &str, key: &str) -> Result<(), StoreError> {
        let value = serde_json::json!(CachedContent {
            manifest: self.manifest.digest().to_string(),
            includes_below: self.includes_below,
            warnings: self.warnings.clone(),
        });
        store.cache(kind, key, value.to_string().as_bytes())
    }

    /// The content that was cached, if the store still has it.
    pub(super) fn cached(store: &Store, kind: &str, key: &str) -> Option<Self> {
        let value: CachedContent = serde_json::from_slice(&store.cached(kind, key)?).ok()?;
        Some(Self {
            manifest: store.manifest(&value.manifest.parse().ok()?)?,
            includes_below: value.includes_below,
            warnings: value.warnings,
        })
    }
}
