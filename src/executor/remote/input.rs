//! The files of an action's input.
//!
//! The small files of a layer are sent as one blob, a *pack*. An engine reads the list of an
//! action's files for each action, and ten thousand names take more than a megabyte. A pack is the
//! contents one after the other, each once, in the order of their digests. The manifest of the
//! layer says which these are.

use super::BATCH;
use super::batch::{JobBatch, NotPortable};
use super::bundle::{self, RunnerBundle};
use crate::store::{Digest, Entry, Manifest, Mode, Store, StoreError};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// The kind of the digests of packs in the store. Renamed when the format of packs changes.
const PACKS: &str = "packs-1";

/// The largest file in a pack, in bytes.
const SMALL: u64 = 64 * 1024;

/// The least number of small files for a pack.
const FEWEST: usize = 16;

/// The files of an action's input, by their paths in it.
pub type InputRoot = BTreeMap<String, InputFile>;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InputFile {
    pub digest: Digest,
    pub executable: bool,
    pub content: InputContent,
}

/// The source of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputContent {
    Bytes(Arc<[u8]>),
    File(PathBuf),
    /// The pack of this layer, which is made when it is needed.
    Pack(Digest),
}

#[derive(Debug, thiserror::Error)]
pub enum InputError {
    #[error("the job can only run on this machine: {0}")]
    NotPortable(#[from] NotPortable),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the store no longer has the manifest of the layer {0}; run it again")]
    Forgotten(Digest),
    #[error("failed to read {}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} was changed before it was sent", path.display())]
    Changed { path: PathBuf },
}

/// Makes the inputs of actions. Threads share it.
pub struct Inputs {
    store: Store,
    kit: RunnerBundle,
    layers: Mutex<HashMap<Digest, Layer>>,
}

type Layer = Arc<Vec<(String, InputFile)>>;

impl Inputs {
    pub fn new(store: Store, kit: RunnerBundle) -> Self {
        Self {
            store,
            kit,
            layers: Mutex::default(),
        }
    }

    pub fn kit(&self) -> &RunnerBundle {
        &self.kit
    }

    /// The input of the action that runs a batch. Blocks.
    pub fn of(&self, batch: &JobBatch) -> Result<InputRoot, InputError> {
        let mut root = InputRoot::new();
        root.insert(BATCH.to_owned(), bytes_file(batch.to_json()?));
        for (name, digest, path) in &self.kit.files {
            let file = InputFile {
                digest: *digest,
                executable: !name.starts_with(bundle::LIBRARIES),
                content: InputContent::File(path.clone()),
            };
            root.insert(format!("{}/{name}", bundle::DIRECTORY), file);
        }
        for layer in batch.layers() {
            root.extend(self.layer(&layer)?.iter().cloned());
        }
        Ok(root)
    }

    /// Reads a content that is sent in one piece. Blocks.
    pub fn read(&self, content: &InputContent) -> Result<Vec<u8>, InputError> {
        match content {
            InputContent::Bytes(bytes) => Ok(bytes.to_vec()),
            InputContent::File(path) => read(path),
            InputContent::Pack(layer) => {
                let manifest = self.store.manifest(layer);
                self.pack(&pack_contents(
                    &manifest.ok_or(InputError::Forgotten(*layer))?,
                ))
            }
        }
    }

    /// The files of a layer in an action's input.
    fn layer(&self, layer: &Digest) -> Result<Layer, InputError> {
        if let Some(files) = self.known().get(layer) {
            return Ok(files.clone());
        }
        let manifest = self.store.manifest(layer);
        let manifest = manifest.ok_or(InputError::Forgotten(*layer))?;
        let packed = pack_contents(&manifest);
        let mut files = vec![(manifest_path(layer), bytes_file(manifest.to_bytes()))];
        if !packed.is_empty() {
            let file = InputFile {
                digest: self.pack_digest(layer, &packed)?,
                executable: false,
                content: InputContent::Pack(*layer),
            };
            files.push((pack_path(layer), file));
        }
        for (_, entry) in manifest.entries() {
            if let Entry::File { digest, mode } = entry
                && !packed.contains_key(digest)
            {
                let file = InputFile {
                    digest: *digest,
                    executable: mode.is_executable(),
                    content: InputContent::File(self.store.blob_path(digest, *mode)),
                };
                files.push((blob_path(digest, *mode), file));
            }
        }
        let files = Arc::new(files);
        self.known().insert(*layer, files.clone());
        Ok(files)
    }

    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Digest, Layer>> {
        self.layers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pack_digest(
        &self,
        layer: &Digest,
        packed: &BTreeMap<Digest, Mode>,
    ) -> Result<Digest, InputError> {
        let key = layer.to_string();
        let known = self.store.cached(PACKS, &key);
        let known = known.and_then(|bytes| str::from_utf8(&bytes).ok()?.parse().ok());
        if let Some(digest) = known {
            return Ok(digest);
        }
        let digest = Digest::of(&self.pack(packed)?);
        self.store
            .cache(PACKS, &key, digest.to_string().as_bytes())?;
        Ok(digest)
    }

    fn pack(&self, packed: &BTreeMap<Digest, Mode>) -> Result<Vec<u8>, InputError> {
        let mut bytes = Vec::new();
        for (digest, mode) in packed {
            let path = self.store.blob_path(digest, *mode);
            let content = read(&path)?;
            if content.len() as u64 != digest.size {
                return Err(InputError::Changed { path });
            }
            bytes.extend(content);
        }
        Ok(bytes)
    }
}

fn read(path: &Path) -> Result<Vec<u8>, InputError> {
    std::fs::read(path).map_err(|source| InputError::Read {
        path: path.to_owned(),
        source,
    })
}

fn bytes_file(bytes: Vec<u8>) -> InputFile {
    InputFile {
        digest: Digest::of(&bytes),
        executable: false,
        content: InputContent::Bytes(bytes.into()),
    }
}

/// The path of a layer's manifest in an action's input.
pub fn manifest_path(layer: &Digest) -> String {
    format!("manifests/{layer}")
}

/// The path of a layer's pack, if it has one.
pub fn pack_path(layer: &Digest) -> String {
    format!("packs/{layer}")
}

/// The path of a file's content that is not in a pack. Modes belong to files, so a content that
/// is executable and plain has two paths.
pub fn blob_path(digest: &Digest, mode: Mode) -> String {
    let executable = if mode.is_executable() { ".x" } else { "" };
    format!("blobs/{:02x}/{digest}{executable}", digest.sha256[0])
}

/// The contents of a layer's pack in their order, each with a mode that a file with this content
/// has. Empty if the layer has no pack.
pub fn pack_contents(manifest: &Manifest) -> BTreeMap<Digest, Mode> {
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

/// The offset of each content in a pack, in bytes.
pub fn pack_offsets(contents: &BTreeMap<Digest, Mode>) -> BTreeMap<Digest, u64> {
    let mut end = 0;
    let starts = contents.keys().map(|digest| {
        let start = end;
        end += digest.size;
        (*digest, start)
    });
    starts.collect()
}
