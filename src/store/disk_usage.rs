//! The space on the disk that removing a directory frees.

use std::collections::HashMap;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The bytes that a file takes on the disk.
pub fn size_on_disk(metadata: &Metadata) -> u64 {
    /// The size of a block of `st_blocks`, in bytes. See stat(3type).
    const BLOCK: u64 = 512;
    metadata.blocks() * BLOCK
}

/// A file that has other links.
struct Linked {
    bytes: u64,
    /// The links that were not found yet.
    missing: u64,
}

/// The bytes on the disk that are free when a directory is removed. A file counts if all its links are
/// below the directory. What disappears meanwhile does not count.
pub fn disk_usage(directory: &Path) -> io::Result<u64> {
    let mut linked = HashMap::new();
    let bytes = count(directory, &mut linked)?;
    let whole = linked.values().filter(|file| file.missing == 0);
    Ok(bytes + whole.map(|file| file.bytes).sum::<u64>())
}

fn count(directory: &Path, linked: &mut HashMap<(u64, u64), Linked>) -> io::Result<u64> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        entries => entries?,
    };
    let mut bytes = 0;
    for entry in entries {
        let entry = entry?;
        let metadata = match entry.metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            metadata => metadata?,
        };
        let own = size_on_disk(&metadata);
        if metadata.is_dir() {
            bytes += own + count(&entry.path(), linked)?;
        } else if metadata.nlink() == 1 {
            bytes += own;
        } else {
            let file = linked.entry((metadata.dev(), metadata.ino()));
            let file = file.or_insert(Linked {
                bytes: own,
                missing: metadata.nlink(),
            });
            file.missing = file.missing.saturating_sub(1);
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_counts_once_and_only_if_no_other_directory_has_it() {
        let directory = tempfile::tempdir().unwrap();
        let inner = directory.path().join("inner");
        fs::create_dir_all(inner.join("deeper")).unwrap();
        let empty = disk_usage(&inner).unwrap();
        let megabyte = vec![1; 1 << 20];
        let file = inner.join("file");
        fs::write(&file, &megabyte).unwrap();
        fs::hard_link(&file, inner.join("deeper/link")).unwrap();
        let twice = disk_usage(&inner).unwrap();
        assert!((1 << 20..2 << 20).contains(&(twice - empty)), "{twice}");
        fs::hard_link(&file, directory.path().join("elsewhere")).unwrap();
        assert!(disk_usage(&inner).unwrap() < 1 << 20);
        assert!(disk_usage(directory.path()).unwrap() >= 1 << 20);
        assert_eq!(disk_usage(&directory.path().join("missing")).unwrap(), 0);
    }
}
