//! Writing an archive.

use super::ArchiveError;
use super::index::{ArchiveIndex, Header};
use crate::schedule::RecordedHistory;
use crate::store::{Digest, Entry, Hasher, Mode, Store};
use camino::Utf8Path;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::num::NonZero;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub const HEADER: &str = "maelstrom-archive.json";
pub const INDEX: &str = "index.json";
pub const HISTORY: &str = "history";
pub const MANIFESTS: &str = "manifests/";
pub const BLOBS: &str = "blobs/";

/// The level of compression: that of `zstd` without options.
const LEVEL: i32 = 3;

/// Removes an earlier archive at a path, so that it is not among the sources that are packed. Any
/// other file there is an error, unless it is empty.
pub fn remove_old(path: &Utf8Path) -> Result<(), ArchiveError> {
    let failed = |source| ArchiveError::Write {
        path: path.to_owned(),
        source,
    };
    let file = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        file => file.map_err(failed)?,
    };
    let metadata = file.metadata().map_err(failed)?;
    let is_replaceable = metadata.is_file() && (metadata.len() == 0 || is_archive(file));
    if !is_replaceable {
        let path = path.to_owned();
        return Err(ArchiveError::Exists { path });
    }
    fs::remove_file(path).map_err(failed)
}

/// Whether the file starts like an archive of any version.
fn is_archive(file: File) -> bool {
    let Ok(plain) = zstd::Decoder::new(file) else {
        return false;
    };
    let mut members = tar::Archive::new(plain);
    let first = members
        .entries()
        .ok()
        .and_then(|mut members| members.next());
    matches!(first, Some(Ok(first)) if first.path_bytes() == HEADER.as_bytes())
}

/// Writes an archive of these tests, whose layers are in the store, and returns its size in bytes. A
/// file at the path is replaced when the archive is complete. Blocking.
pub fn write(
    path: &Utf8Path,
    index: &ArchiveIndex,
    history: &RecordedHistory,
    store: &Store,
) -> Result<u64, ArchiveError> {
    let failed = |source| ArchiveError::Write {
        path: path.to_owned(),
        source,
    };
    let parent = path.parent().filter(|parent| !parent.as_str().is_empty());
    let directory = parent.unwrap_or(Utf8Path::new("."));
    fs::create_dir_all(directory).map_err(failed)?;
    let file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
    {
        let mut members = Members {
            tar: tar::Builder::new(compressor(file.as_file()).map_err(failed)?),
            path,
        };
        members.add_all(index, history, store)?;
        finish(members.tar).map_err(failed)?;
    }
    let shared = Permissions::from_mode(0o644);
    file.as_file().set_permissions(shared).map_err(failed)?;
    let size = file.as_file().metadata().map_err(failed)?.len();
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(size)
}

type Compressor<'a> = zstd::Encoder<'static, BufWriter<&'a File>>;

/// Compresses on all processors.
fn compressor(file: &File) -> io::Result<Compressor<'_>> {
    let mut compressor = zstd::Encoder::new(BufWriter::with_capacity(1 << 20, file), LEVEL)?;
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    compressor.multithread(workers as u32)?;
    compressor.include_checksum(true)?;
    Ok(compressor)
}

/// Writes everything that is still in buffers.
fn finish(tar: tar::Builder<Compressor<'_>>) -> io::Result<()> {
    let mut buffered = tar.into_inner()?.finish()?;
    buffered.flush()
}

struct Members<'a, W: Write> {
    tar: tar::Builder<W>,
    path: &'a Utf8Path,
}

impl<W: Write> Members<'_, W> {
    fn add_all(
        &mut self,
        index: &ArchiveIndex,
        history: &RecordedHistory,
        store: &Store,
    ) -> Result<(), ArchiveError> {
        let index_text = serde_json::to_vec(index).map_err(|error| self.failed(error.into()))?;
        let history = history.to_bytes();
        let header = Header::new(&index_text, &history);
        let header = serde_json::to_vec(&header).map_err(|error| self.failed(error.into()))?;
        self.add(HEADER, &header)?;
        self.add(INDEX, &index_text)?;
        self.add(HISTORY, &history)?;
        let mut layers: Vec<&Digest> = index.containers.iter().flat_map(|of| &of.layers).collect();
        layers.sort_unstable();
        layers.dedup();
        // Each with the path of one of its files, which names it in errors.
        let mut blobs: BTreeMap<(Digest, Mode), String> = BTreeMap::new();
        for layer in layers {
            let name = layer.to_string();
            let missing = || ArchiveError::Changed { name: name.clone() };
            let manifest = store.manifest(layer).ok_or_else(missing)?;
            for (path, entry) in manifest.entries() {
                if let Entry::File { digest, mode } = entry {
                    blobs
                        .entry((*digest, *mode))
                        .or_insert_with(|| path.to_string());
                }
            }
            self.add(&format!("{MANIFESTS}{name}"), &manifest.to_bytes())?;
        }
        for ((digest, mode), name) in blobs {
            let content = File::open(store.blob_path(&digest, mode))
                .map_err(|_| ArchiveError::Changed { name: name.clone() })?;
            let mut content = HashedContent {
                content,
                hasher: Hasher::default(),
            };
            let member = format!("{BLOBS}{digest}.{:03o}", mode.bits());
            self.add_stream(&member, digest.size, &mut content)?;
            let is_same = content.hasher.finish() == digest;
            if !is_same {
                return Err(ArchiveError::Changed { name });
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, content: &[u8]) -> Result<(), ArchiveError> {
        self.add_stream(name, content.len() as u64, &mut &*content)
    }

    fn add_stream(
        &mut self,
        name: &str,
        size: u64,
        content: &mut dyn Read,
    ) -> Result<(), ArchiveError> {
        let mut header = tar::Header::new_gnu();
        header.set_size(size);
        header.set_mode(0o644);
        // A file that has become shorter would move all that follows.
        let content = &mut content.take(size).chain(io::repeat(0)).take(size);
        let added = self.tar.append_data(&mut header, Path::new(name), content);
        added.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> ArchiveError {
        ArchiveError::Write {
            path: self.path.to_owned(),
            source,
        }
    }
}

/// Content whose digest is computed while it is read.
struct HashedContent {
    content: File,
    hasher: Hasher,
}

impl Read for HashedContent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.hasher.update(&buffer[..count]);
        Ok(count)
    }
}
