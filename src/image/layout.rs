//! The files of an image on this machine: of a directory, or of a tar file that holds one.

use super::ImageError;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;
use tar::{Archive, EntryType};

/// The largest description that is read, in bytes: what is larger is none.
pub const LARGEST: u64 = 16 << 20;

/// Files by their names in the layout, such as `blobs/sha256/…`.
#[derive(Debug)]
pub struct Layout {
    path: Utf8PathBuf,
    /// Where in the archive each file is; `None`: a directory.
    archive: Option<HashMap<String, Place>>,
}

#[derive(Clone, Debug)]
enum Place {
    Content {
        offset: u64,
        size: u64,
    },
    /// Old versions of Docker write a link for a layer that occurs twice.
    Link(String),
}

impl Layout {
    /// A directory.
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

    /// An archive that is not compressed; it is looked through once.
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
        let mut places = HashMap::new();
        let mut archive = Archive::new(BufReader::new(file));
        for entry in archive.entries_with_seek().map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let name = name.strip_prefix("./").unwrap_or(&name).to_owned();
            let place = match entry.header().entry_type() {
                EntryType::Regular | EntryType::Continuous => Place::Content {
                    offset: entry.raw_file_position(),
                    size: entry.size(),
                },
                EntryType::Symlink | EntryType::Link => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    Place::Link(joined(&name, &String::from_utf8_lossy(&target)))
                }
                _ => continue,
            };
            places.insert(name, place);
        }
        Ok(Self {
            path: path.to_owned(),
            archive: Some(places),
        })
    }

    pub fn path(&self) -> &Utf8Path {
        &self.path
    }

    pub fn has(&self, name: &str) -> bool {
        match &self.archive {
            None => self.path.join(name).is_file(),
            Some(places) => places.contains_key(name),
        }
    }

    /// Opens a file, and tells its size in bytes.
    pub fn open(&self, name: &str) -> Result<(Box<dyn Read + Send>, u64), ImageError> {
        let unreadable = |cause| ImageError::Read {
            path: self.path.join(name),
            cause: Arc::new(cause),
        };
        let Some(places) = &self.archive else {
            let file = File::open(self.path.join(name)).map_err(unreadable)?;
            let size = file.metadata().map_err(unreadable)?.len();
            return Ok((Box::new(file), size));
        };
        let mut place = places.get(name);
        if let Some(Place::Link(target)) = place {
            place = places.get(target);
        }
        let Some(Place::Content { offset, size }) = place else {
            return Err(unreadable(io::ErrorKind::NotFound.into()));
        };
        let mut file = File::open(&self.path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(*offset)).map_err(unreadable)?;
        Ok((Box::new(file.take(*size)), *size))
    }

    /// Reads a file that describes something.
    pub fn read(&self, name: &str) -> Result<Vec<u8>, ImageError> {
        let (mut file, size) = self.open(name)?;
        let mut bytes = Vec::new();
        let read = if size > LARGEST {
            Err(io::Error::other("it is too large to be a description"))
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

/// Looks at the beginning of a file, and goes back to it.
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

/// Where a link leads that stands in an archive.
fn joined(link: &str, target: &str) -> String {
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
    use super::joined;

    #[test]
    fn links_lead_from_where_they_stand() {
        assert_eq!(joined("a/layer.tar", "../b/layer.tar"), "b/layer.tar");
        assert_eq!(joined("layer.tar", "x/y"), "x/y");
    }
}
