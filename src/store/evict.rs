//! Eviction: keeping the store within its size limit.
//!
//! Unreferenced blobs are removed first, then the least recently used trees with the blobs that
//! only they refer to. Trees that running clients use or make are kept, whatever their size.

mod inventory;

use super::blob::record_path;
use super::lock::Subject;
use super::open::{StoreClient, locked};
use super::usage::Usage;
use super::{Digest, Entry, Manifest, Mode, Store, StoreError, size_on_disk};
use inventory::{Inventory, StoredBlob, StoredTree};
use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::TryLockError;

/// The result of [`Store::evict`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Evicted {
    pub trees: usize,
    pub blobs: usize,
    /// The number of bytes that were freed.
    pub freed: u64,
    /// The size of the store in bytes. It exceeds the limit if running clients use more.
    pub held: u64,
}

impl Store {
    /// Removes content until the store is within its size limit, except content that running
    /// clients use, this one included. It is fast if the store is within its limit, and does
    /// nothing while another client evicts.
    pub fn evict(&self) -> Result<Evicted, StoreError> {
        let client = &self.client;
        let _alone = locked(&client.eviction);
        let usage = client.add_to_usage()?;
        let nothing = Evicted {
            held: usage.bytes,
            ..Evicted::default()
        };
        if usage.is_recent() && usage.bytes <= client.size_limit {
            return Ok(nothing);
        }
        let evicting = client.lock.try_hold(Subject::Eviction);
        let Some(_evicting) = evicting.map_err(|cause| client.cannot_lock(cause))? else {
            return Ok(nothing);
        };
        let inventory = Inventory::read(client)?;
        let mut eviction = Eviction {
            client,
            done: Evicted {
                held: inventory.held,
                ..Evicted::default()
            },
            inventory,
        };
        eviction.run()?;
        client.write_usage(&Usage::counted(eviction.done.held))?;
        Ok(eviction.done)
    }
}

struct Eviction<'a> {
    client: &'a StoreClient,
    inventory: Inventory,
    done: Evicted,
}

impl Eviction<'_> {
    fn run(&mut self) -> Result<(), StoreError> {
        for blob in std::mem::take(&mut self.inventory.unreferenced) {
            self.remove_blob(&blob)?;
        }
        for tree in std::mem::take(&mut self.inventory.trees) {
            // A tree without a stamp was left by a killed client.
            let is_garbage = tree.stamp.is_none();
            if is_garbage || self.done.held > self.client.size_limit {
                self.remove_tree(&tree)?;
            }
        }
        Ok(())
    }

    /// Removes a tree and the blobs that only it refers to, unless a client uses or makes the
    /// tree.
    fn remove_tree(&mut self, tree: &StoredTree) -> Result<(), StoreError> {
        let client = self.client;
        let digest = &tree.digest;
        let digest_lock = client.digest_lock(digest);
        let _digest_lock = match digest_lock.try_lock() {
            Ok(guard) => guard,
            Err(TryLockError::Poisoned(error)) => error.into_inner(),
            Err(TryLockError::WouldBlock) => return Ok(()),
        };
        if locked(&client.in_use).contains(digest) {
            return Ok(());
        }
        let try_hold = |subject| {
            client
                .lock
                .try_hold(subject)
                .map_err(|cause| client.cannot_lock(cause))
        };
        let Some(unused) = try_hold(Subject::Use(*digest))? else {
            return Ok(());
        };
        let Some(unmade) = try_hold(Subject::Build(*digest))? else {
            return Ok(());
        };
        let manifest = fs::read(client.manifest_path(digest))
            .ok()
            .and_then(|bytes| Manifest::parse(&bytes).ok());
        self.remove_file(&client.stamp_path(digest))?;
        self.remove_file(&client.manifest_path(digest))?;
        let temporary = client.temporary();
        let path = client.tree_path(digest);
        match fs::rename(&path, &temporary.path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                return Err(client.failed("remove", &path, cause));
            }
            _ => {}
        }
        drop((unused, unmade));
        drop(temporary);
        self.done.trees += 1;
        self.free(tree.size);
        for file in tree.stamp.iter().flat_map(|stamp| &stamp.linked) {
            self.inventory.forget_reference(&file.digest, file.mode);
        }
        self.remove_blobs_of(&manifest.unwrap_or_default())
    }

    fn remove_blobs_of(&mut self, manifest: &Manifest) -> Result<(), StoreError> {
        let blobs: HashSet<(Digest, Mode)> = manifest
            .entries()
            .filter_map(|(_, entry)| match entry {
                Entry::File { digest, mode } => Some((*digest, *mode)),
                _ => None,
            })
            .collect();
        for (digest, mode) in blobs {
            let path = self.client.blob_path(&digest, mode);
            if let Ok(metadata) = fs::symlink_metadata(&path)
                && !self.inventory.is_referenced(&digest, mode, &metadata)
            {
                self.remove_blob(&StoredBlob::new(digest, mode, &metadata))?;
            }
        }
        Ok(())
    }

    /// Removes a blob, unless it was linked into a tree since it was counted.
    fn remove_blob(&mut self, blob: &StoredBlob) -> Result<(), StoreError> {
        let client = self.client;
        let path = client.blob_path(&blob.digest, blob.mode);
        let temporary = client.temporary();
        if fs::rename(&path, &temporary.path).is_err() {
            return Ok(());
        }
        let metadata = fs::symlink_metadata(&temporary.path)
            .map_err(|cause| client.failed("look at", &temporary.path, cause))?;
        if blob.links != metadata.nlink() {
            return temporary
                .rename(&path)
                .map_err(|cause| client.failed("put back", &path, cause));
        }
        drop(temporary);
        self.remove_file(&record_path(&path))?;
        self.done.blobs += 1;
        if metadata.nlink() == 1 {
            self.free(size_on_disk(&metadata));
        }
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> Result<(), StoreError> {
        match fs::remove_file(path) {
            Err(cause) if cause.kind() != std::io::ErrorKind::NotFound => {
                Err(self.client.failed("remove", path, cause))
            }
            _ => Ok(()),
        }
    }

    fn free(&mut self, bytes: u64) {
        self.done.freed += bytes;
        self.done.held = self.done.held.saturating_sub(bytes);
    }
}
