//! The small files of a layer as one blob: what lists the files of an action is read
//! anew for each, and ten thousand names are more than a megabyte.
//!
//! A pack is the contents one after the other, each once, in the order of their digests.
//! Which they are follows from the layer's manifest.

use crate::store::{Digest, Entry, Manifest, Mode};
use std::collections::BTreeMap;

/// Files up to this size are small, in bytes.
const SMALL: u64 = 64 * 1024;

/// A layer with fewer small files has no pack.
const FEWEST: usize = 16;

/// The contents in a layer's pack, in their order, each with a mode that a file with this
/// content has; empty if the layer has no pack.
pub fn contents(manifest: &Manifest) -> BTreeMap<Digest, Mode> {
    let mut contents = BTreeMap::new();
    for (_, entry) in manifest.entries() {
        if let Entry::File { digest, mode } = entry
            && digest.size <= SMALL
        {
            contents.entry(*digest).or_insert(*mode);
        }
    }
    if contents.len() < FEWEST {
        contents.clear();
    }
    contents
}

/// Where each content of a layer's pack starts in it.
pub fn offsets(contents: &BTreeMap<Digest, Mode>) -> BTreeMap<Digest, u64> {
    let mut end = 0;
    let starts = contents.keys().map(|digest| {
        let start = end;
        end += digest.size;
        (*digest, start)
    });
    starts.collect()
}
