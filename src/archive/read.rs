//! Reading an archive, and checking it.

use super::ArchiveError;
use super::index::{ArchiveIndex, FORMAT, Header};
use super::write::{BLOBS, HEADER, HISTORY, INDEX, MANIFESTS};
use crate::schedule::RecordedHistory;
use crate::store::{Digest, Entry, Manifest, Mode, Store, StoreError};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// The largest member that is read into memory, in bytes.
const LARGEST: u64 = 1 << 30;

type Members = tar::Archive<Box<dyn Read + Send>>;

/// An archive that was read.
pub struct ArchiveReader {
    path: Utf8PathBuf,
    pub index: ArchiveIndex,
    pub history: RecordedHistory,
}

impl ArchiveReader {
    /// Reads the index of an archive only, and checks it. Blocking.
    pub fn index(path: &Utf8Path) -> Result<ArchiveIndex, ArchiveError> {
        let mut members = open(path)?;
        let reading = Reading { path };
        let mut entries = members.entries().map_err(|_| reading.foreign())?;
        let header = reading.header(&mut entries)?;
        reading.index(&mut entries, &header)
    }

    /// Reads and checks an archive, and adds its layers to a store, which keeps them until this
    /// client ends. Blocking.
    pub fn unpack(path: &Utf8Path, store: &Store) -> Result<Self, ArchiveError> {
        let mut members = open(path)?;
        let reading = Reading { path };
        let mut entries = members.entries().map_err(|_| reading.foreign())?;
        let header = reading.header(&mut entries)?;
        let index = reading.index(&mut entries, &header)?;
        let history = reading.next(&mut entries, HISTORY, &header.history)?;
        let history = RecordedHistory::from_bytes(&history)
            .map_err(|reason| reading.damaged(format!("its history cannot be read: {reason}")))?;
        let layers = index.containers.iter().flat_map(|of| &of.layers);
        let mut unpacking = Unpacking {
            reading,
            store,
            layers: layers.copied().collect(),
            manifests: BTreeMap::new(),
            blobs: BTreeSet::new(),
        };
        for entry in entries {
            let entry = entry.map_err(|error| reading.damaged_by(&error))?;
            unpacking.add(entry)?;
        }
        // The end of the compressed data has its checksum.
        let mut rest = members.into_inner();
        io::copy(&mut rest, &mut io::sink()).map_err(|error| reading.damaged_by(&error))?;
        unpacking.finish()?;
        Ok(Self {
            path: path.to_owned(),
            index,
            history,
        })
    }

    /// The error of an index that contradicts itself.
    pub fn damaged(&self, reason: String) -> ArchiveError {
        Reading { path: &self.path }.damaged(reason)
    }
}

fn open(path: &Utf8Path) -> Result<Members, ArchiveError> {
    let read_error = |source| ArchiveError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(read_error)?;
    let compressed = BufReader::with_capacity(1 << 20, file);
    let plain = zstd::Decoder::with_buffer(compressed).map_err(read_error)?;
    Ok(tar::Archive::new(Box::new(plain)))
}

/// Reads members in their order.
#[derive(Clone, Copy)]
struct Reading<'a> {
    path: &'a Utf8Path,
}

/// Adds the content of an archive to a store.
struct Unpacking<'a> {
    reading: Reading<'a>,
    store: &'a Store,
    /// The layers that the index names.
    layers: BTreeSet<Digest>,
    /// The manifests that were read.
    manifests: BTreeMap<Digest, Manifest>,
    /// The blobs that were read. They are in the store.
    blobs: BTreeSet<(Digest, Mode)>,
}

impl Reading<'_> {
    fn header(&self, entries: &mut tar::Entries<'_, impl Read>) -> Result<Header, ArchiveError> {
        let entry = entries.next().and_then(Result::ok);
        let entry = entry.filter(|entry| entry.path_bytes() == HEADER.as_bytes());
        let entry = entry.ok_or_else(|| self.foreign())?;
        let text = self.bytes(entry, HEADER)?;
        // Other versions may have other fields.
        let value: serde_json::Value = serde_json::from_slice(&text).map_err(|_| self.foreign())?;
        let path = || self.path.to_owned();
        let field = |name: &str| value[name].as_str().unwrap_or("unknown").to_owned();
        let version = field("program_version");
        if value["format"] != FORMAT || version != env!("CARGO_PKG_VERSION") {
            return Err(ArchiveError::OtherVersion {
                path: path(),
                found: version,
            });
        }
        let architecture = field("architecture");
        if architecture != std::env::consts::ARCH {
            return Err(ArchiveError::OtherArchitecture {
                path: path(),
                found: architecture,
            });
        }
        serde_json::from_value(value)
            .map_err(|error| self.damaged(format!("its header cannot be read: {error}")))
    }

    fn index(
        &self,
        entries: &mut tar::Entries<'_, impl Read>,
        header: &Header,
    ) -> Result<ArchiveIndex, ArchiveError> {
        let index = self.next(entries, INDEX, &header.index)?;
        serde_json::from_slice(&index)
            .map_err(|error| self.damaged(format!("its index cannot be read: {error}")))
    }

    /// The next member, which must have this name and digest.
    fn next(
        &self,
        entries: &mut tar::Entries<'_, impl Read>,
        name: &str,
        digest: &str,
    ) -> Result<Vec<u8>, ArchiveError> {
        let entry = entries.next().transpose();
        let entry = entry.map_err(|error| self.damaged_by(&error))?;
        let entry = entry.filter(|entry| entry.path_bytes() == name.as_bytes());
        let entry = entry.ok_or_else(|| self.damaged(format!("it lacks `{name}`")))?;
        self.whole(entry, name, digest)
    }

    /// A small member, which must have this digest.
    fn whole(
        &self,
        entry: tar::Entry<'_, impl Read>,
        name: &str,
        digest: &str,
    ) -> Result<Vec<u8>, ArchiveError> {
        let bytes = self.bytes(entry, name)?;
        if Digest::of(&bytes).to_string() != digest {
            return Err(self.damaged(format!("the content of `{name}` has another digest")));
        }
        Ok(bytes)
    }

    fn bytes(&self, entry: tar::Entry<'_, impl Read>, name: &str) -> Result<Vec<u8>, ArchiveError> {
        if entry.size() > LARGEST {
            return Err(self.damaged(format!("`{name}` is too large")));
        }
        let mut bytes = Vec::new();
        let mut entry = entry;
        let read = entry.read_to_end(&mut bytes);
        read.map_err(|error| self.damaged_by(&error))?;
        Ok(bytes)
    }

    fn foreign(&self) -> ArchiveError {
        ArchiveError::Foreign {
            path: self.path.to_owned(),
        }
    }

    fn damaged(&self, reason: String) -> ArchiveError {
        ArchiveError::Damaged {
            path: self.path.to_owned(),
            reason,
        }
    }

    fn damaged_by(&self, error: &io::Error) -> ArchiveError {
        self.damaged(error.to_string())
    }
}

impl Unpacking<'_> {
    /// Reads a manifest or blob.
    fn add(&mut self, mut entry: tar::Entry<'_, impl Read>) -> Result<(), ArchiveError> {
        let reading = self.reading;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let unknown = || reading.damaged(format!("the member `{name}` does not belong to it"));
        if let Some(layer) = name.strip_prefix(MANIFESTS) {
            let digest: Digest = layer.parse().map_err(|_| unknown())?;
            if !self.layers.contains(&digest) {
                return Err(unknown());
            }
            let bytes = reading.whole(entry, &name, layer)?;
            let manifest = Manifest::parse(&bytes)
                .map_err(|error| reading.damaged(format!("`{name}` cannot be read: {error}")))?;
            self.manifests.insert(digest, manifest);
            return Ok(());
        }
        let blob = name
            .strip_prefix(BLOBS)
            .and_then(|blob| blob.split_once('.'));
        let (digest, mode) = blob.ok_or_else(unknown)?;
        let digest: Digest = digest.parse().map_err(|_| unknown())?;
        let mode = u32::from_str_radix(mode, 8).map_err(|_| unknown())?;
        let mode = Mode::of_file(mode);
        let added = self.store.add_stream(&mut entry, mode, Path::new(&name));
        let added = added.map_err(|error| match error {
            StoreError::Read { cause, .. } => reading.damaged_by(&cause),
            error => error.into(),
        })?;
        if added != digest {
            let reason = format!("the content of `{name}` is not what its name says");
            return Err(reading.damaged(reason));
        }
        self.blobs.insert((digest, mode));
        Ok(())
    }

    /// Makes the layers, when everything was read.
    fn finish(&self) -> Result<(), ArchiveError> {
        let lacks = |what: &str| Err(self.reading.damaged(format!("it lacks {what}")));
        for layer in &self.layers {
            if !self.manifests.contains_key(layer) {
                return lacks(&format!("`{MANIFESTS}{layer}`"));
            }
        }
        for (path, entry) in self.manifests.values().flat_map(Manifest::entries) {
            if let Entry::File { digest, mode } = entry
                && !self.blobs.contains(&(*digest, *mode))
            {
                return lacks(&format!("the content of `{path}`"));
            }
        }
        for manifest in self.manifests.values() {
            self.store.add_tree(manifest)?;
        }
        Ok(())
    }
}
