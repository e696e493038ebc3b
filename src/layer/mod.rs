//! Layers: from what a spec names to trees in the store.

pub mod libraries;
