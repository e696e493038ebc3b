//! The files of an image on this machine: a directory, or a tar archive of one.

use super::ImageError;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use tar::{Archive, EntryType};

/// The largest manifest, index or configuration that is read, in bytes.
pub const MAX_METADATA_SIZE: u64 = 16 << 20;

/// The files of an image by their names, such as `blobs/sha256/…`.
#[derive(Debug)]
pub struct Layout {
    path: Utf8PathBuf,
    /// The files of the archive. `None`: the layout is a directory.
    archive: Option<HashMap<String, ArchiveEntry>>,
}

#[derive(Clone, Debug)]
enum ArchiveEntry {
    Content {
        offset: u64,
        size: u64,
    },
    /// A link to another file of the archive. Old versions of Docker write one for a layer that
    /// occurs twice.
    Link(String),
}

impl Layout {
    /// Opens a directory.
    pub fn directory(path: &Utf8Path) -> Result<Self, ImageError> {
        if !path.is_dir() {
            return Err(ImageError::NotThere {
                path: path.to_owned(),
                what: "directory",
            });
        }
        Ok(Self {
            path: path.to_owned(),
            archive: None,
        })
    }

    /// Opens an uncompressed archive, and reads its headers once.
    pub fn archive(path: &Utf8Path) -> Result<Self, ImageError> {
        if !path.is_file() {
            return Err(ImageError::NotThere {
                path: path.to_owned(),
                what: "file",
            });
        }
        let unreadable = |cause| ImageError::Read {
            path: path.to_owned(),
            cause: Arc::new(cause),
        };
        let mut file = File::open(path).map_err(unreadable)?;
        if is_compressed(&mut file).map_err(unreadable)? {
            return Err(ImageError::CompressedArchive {
                path: path.to_owned(),
            });
        }
        let mut entries = HashMap::new();
        let mut archive = Archive::new(BufReader::new(file));
        for entry in archive.entries_with_seek().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
            let entry = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => ArchiveEntry::Content {
                    offset: entry.raw_file_position(),
                    size: entry.size(),
                },
                EntryType::Symlink | EntryType::Link => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    ArchiveEntry::Link(link_target(&name, &String::from_utf8_lossy(&target)))
                }
                _ => continue,
            };
            entries.insert(name, entry);
        }
        Ok(Self {
            path: path.to_owned(),
            archive: Some(entries),
        })
    }

    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    pub fn has(&self, name: &str) -> bool {
        match &self.archive {
            None => self.path.join(name).is_file(),
            Some(entries) => entries.contains_key(name),
        }
    }

    /// Opens a file, and returns its size in bytes.
    pub fn open(&self, name: &str) -> Result<(Box<dyn Read + Send>, u64), ImageError> {
        let unreadable = |cause| ImageError::Read {
            path: self.path.join(name),
            cause: Arc::new(cause),
        };
        let Some(entries) = &self.archive else {
            let file = File::open(self.path.join(name)).map_err(unreadable)?;
            let size = file.metadata().map_err(unreadable)?.len();
            return Ok((Box::new(file), size));
        };
        let mut entry = entries.get(name);
        if let Some(ArchiveEntry::Link(target)) = entry {
            entry = entries.get(target);
        }
        let Some(ArchiveEntry::Content { offset, size }) = entry else {
            return Err(unreadable(io::ErrorKind::NotFound.into()));
        };
        let mut file = File::open(&self.path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(*offset)).map_err(unreadable)?;
        Ok((Box::new(file.take(*size)), *size))
    }

    /// Reads a manifest, an index or a configuration.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let (mut file, size) = self.open(name)?;
        let mut bytes = Vec::new();
        let read = if size > MAX_METADATA_SIZE {
            Err(io::Error::other("it is larger than 16 MiB"))
        } else {
            file.read_to_end(&mut bytes)
        };
        match read {
            Ok(_) => Ok(bytes),
            Err(cause) => Err(ImageError::Read {
                path: self.path.join(name),
                cause: Arc::new(cause),
            }),
        }
    }
}

/// Detects compression by the first bytes. Leaves the file at its start.
fn is_compressed(file: &mut File) -> io::Result<bool> {
    const GZIP: &[u8] = &[0x1f, 0x8b];
    const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
    const XZ: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z'];
    const BZIP2: &[u8] = b"BZh";
    let mut start = Vec::new();
    file.by_ref().take(8).read_to_end(&mut start)?;
    file.rewind()?;
    let known = [GZIP, ZSTD, XZ, BZIP2];
    Ok(known.iter().any(|magic| start.starts_with(magic)))
}

/// The name in the archive of the file that a link at `link` leads to.
fn link_target(link: &str, target: &str) -> String {
    let mut parts: Vec<&str> = link.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::link_target;

    #[test]
    fn the_target_of_a_link_is_relative_to_its_directory() {
        assert_eq!(link_target("a/layer.tar", "../b/layer.tar"), "b/layer.tar");
        assert_eq!(link_target("layer.tar", "x/y"), "x/y");
    }
}
