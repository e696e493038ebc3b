//! The content of the store with its sizes and references.

use super::super::blob::{Origin, parse_name};
use super::super::open::StoreClient;
use super::super::tree_stamp::TreeStamp;
use super::super::{Digest, Mode, StoreError, size_on_disk};
use std::collections::{BTreeSet, HashMap};
use std::fs::{self, DirEntry, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

/// A younger blob may be about to be linked into a tree, and is not evicted as unreferenced.
const MIN_UNREFERENCED_AGE: Duration = Duration::from_secs(10 * 60);
/// A value that was not read for this time is removed.
const MAX_VALUE_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

pub(super) struct Inventory {
    /// The size of the store in bytes.
    pub held: u64,
    /// The least recently used first.
    pub trees: Vec<StoredTree>,
    /// Blobs that belong to no tree, except young ones.
    pub unreferenced: Vec<StoredBlob>,
    /// For each blob with links outside of the store, the number of links in trees.
    references: HashMap<(Digest, Mode), u64>,
}

pub(super) struct StoredTree {
    pub digest: Digest,
    /// `None` if the tree is incomplete.
    pub stamp: Option<TreeStamp>,
    pub size: u64,
    used: SystemTime,
}

pub(super) struct StoredBlob {
    pub digest: Digest,
    pub mode: Mode,
    pub links: u64,
}

impl StoredBlob {
    pub fn new(digest: Digest, mode: Mode, metadata: &Metadata) -> Self {
        let links = metadata.nlink();
        Self {
            digest,
            mode,
            links,
        }
    }
}

impl Inventory {
    pub fn read(client: &StoreClient) -> Result<Self, StoreError> {
        let mut inventory = Self {
            held: 0,
            trees: Vec::new(),
            unreferenced: Vec::new(),
            references: HashMap::new(),
        };
        inventory.count_trees(client)?;
        inventory.count_blobs(client)?;
        inventory.count_values(client)?;
        Ok(inventory)
    }

    /// Counts trees, with their stamps and manifests.
    fn count_trees(&mut self, client: &StoreClient) -> Result<(), StoreError> {
        let mut trees = BTreeSet::new();
        for name in ["trees", "manifests", "marks"] {
            for entry in list(client, &client.root.join(name))? {
                if let Some(digest) = entry
                    .file_name()
                    .to_str()
                    .and_then(|name| name.parse().ok())
                {
                    trees.insert(digest);
                }
            }
        }
        self.trees = trees
            .into_iter()
            .map(|digest: Digest| {
                let path = client.stamp_path(&digest);
                let used = fs::metadata(&path).and_then(|metadata| metadata.modified());
                let stamp = TreeStamp::read(&path);
                StoredTree {
                    digest,
                    size: stamp.as_ref().map_or(0, |stamp| stamp.size),
                    used: used.unwrap_or(SystemTime::UNIX_EPOCH),
                    stamp,
                }
            })
            .collect();
        self.trees.sort_by_key(|tree| tree.used);
        self.held += self.trees.iter().map(|tree| tree.size).sum::<u64>();
        let linked = self.trees.iter().filter_map(|tree| tree.stamp.as_ref());
        for file in linked.flat_map(|stamp| &stamp.linked) {
            *self.references.entry((file.digest, file.mode)).or_default() += 1;
        }
        Ok(())
    }

    fn count_blobs(&mut self, client: &StoreClient) -> Result<(), StoreError> {
        for directory in list(client, &client.root.join("blobs"))? {
            for entry in list(client, &directory.path())? {
                let name = entry.file_name();
                let blob = name.to_str().and_then(parse_name);
                // Another client may have removed the blob.
                if let (Some((digest, mode)), Ok(metadata)) = (blob, entry.metadata()) {
                    self.count_blob(digest, mode, &metadata);
                }
            }
        }
        Ok(())
    }

    fn count_blob(&mut self, digest: Digest, mode: Mode, metadata: &Metadata) {
        let own_links = 1 + self.references(&digest, mode);
        let is_shared = Origin::of(metadata) == Origin::Linked && metadata.nlink() > own_links;
        if !is_shared {
            self.held += size_on_disk(metadata);
        }
        let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(metadata.ctime().max(0) as u64);
        let is_young = changed.elapsed().unwrap_or_default() < MIN_UNREFERENCED_AGE;
        if !is_young && !self.is_referenced(&digest, mode, metadata) {
            self.unreferenced
                .push(StoredBlob::new(digest, mode, metadata));
        }
    }

    /// Counts values, and removes old ones.
    fn count_values(&mut self, client: &StoreClient) -> Result<(), StoreError> {
        for kind in list(client, &client.root.join("values"))? {
            for entry in list(client, &kind.path())? {
                let name = entry.file_name();
                let is_value = name
                    .to_str()
                    .is_some_and(|name| name.parse::<Digest>().is_ok());
                let (true, Ok(metadata)) = (is_value, entry.metadata()) else {
                    continue;
                };
                let used = metadata.modified().ok();
                let age = used.and_then(|used| used.elapsed().ok());
                if age.is_some_and(|age| age > MAX_VALUE_AGE)
                    && fs::remove_file(entry.path()).is_ok()
                {
                    continue;
                }
                self.held += size_on_disk(&metadata);
            }
        }
        Ok(())
    }

    /// Whether a tree has the blob: by the number of hard links, or if some are outside of the
    /// store, by the stamps of the trees.
    pub fn is_referenced(&self, digest: &Digest, mode: Mode, metadata: &Metadata) -> bool {
        match Origin::of(metadata) {
            Origin::Written => metadata.nlink() > 1,
            Origin::Linked => self.references(digest, mode) > 0,
        }
    }

    fn references(&self, digest: &Digest, mode: Mode) -> u64 {
        self.references
            .get(&(*digest, mode))
            .copied()
            .unwrap_or_default()
    }

    pub fn forget_reference(&mut self, digest: &Digest, mode: Mode) {
        if let Some(references) = self.references.get_mut(&(*digest, mode)) {
            *references = references.saturating_sub(1);
        }
    }
}

/// The entries of a directory. None if it does not exist or is not a directory.
fn list(client: &StoreClient, directory: &Path) -> Result<Vec<DirEntry>, StoreError> {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    let entries = fs::read_dir(directory).and_then(Iterator::collect);
    match entries {
        Ok(entries) => Ok(entries),
        Err(error) if matches!(error.kind(), NotFound | NotADirectory) => Ok(Vec::new()),
        Err(cause) => Err(client.failed("list", directory, cause)),
    }
}
