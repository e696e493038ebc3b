mod layers;
mod limits;
mod odd;

use super::*;
use crate::store::{Digest, Entry, Mode};
use std::fs;
use std::io::Write;
use tar::{Builder, EntryType, Header};

/// Builds an archive entry by entry, without the checks of `tar::Builder`.
struct ArchiveBuilder(Builder<Vec<u8>>);

impl ArchiveBuilder {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn add(mut self, kind: EntryType, path: &str, content: &str, mode: u32) -> Self {
        let mut header = Header::new_gnu();
        header.as_gnu_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_mode(mode);
        let content = match kind {
            EntryType::Symlink | EntryType::Link => {
                let target = &mut header.as_gnu_mut().unwrap().linkname;
                target[..content.len()].copy_from_slice(content.as_bytes());
                ""
            }
            _ => content,
        };
        header.set_size(content.len() as u64);
        header.set_cksum();
        self.0.append(&header, content.as_bytes()).unwrap();
        self
    }

    fn file(self, path: &str, content: &str) -> Self {
        self.add(EntryType::Regular, path, content, 0o644)
    }

    fn symlink(self, path: &str, target: &str) -> Self {
        self.add(EntryType::Symlink, path, target, 0o777)
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

fn unpack_onto(bytes: &[u8], below: Manifest) -> Result<LayerContent, TarError> {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), u64::MAX).unwrap();
    unpack(&store, bytes, Path::new("/x.tar"), below)
}

fn unpacked(bytes: &[u8]) -> LayerContent {
    unpack_onto(bytes, Manifest::new()).unwrap()
}

fn refused(archive: ArchiveBuilder) -> String {
    unpack_onto(&archive.bytes(), Manifest::new())
        .unwrap_err()
        .to_string()
}

/// The content of the file at a path.
fn content(bytes: &[u8], path: &str) -> Vec<u8> {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), u64::MAX).unwrap();
    let unpacked = unpack(&store, bytes, Path::new("/x.tar"), Manifest::new()).unwrap();
    let path = PathInContainer::new(path.as_bytes()).unwrap();
    match unpacked.manifest.get(&path) {
        Some(Entry::File { digest, mode }) => fs::read(store.blob_path(digest, *mode)).unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Every entry on a line: `path kind mode-or-target`.
fn shown(manifest: &Manifest) -> String {
    let shown = manifest.entries().map(|(path, entry)| match entry {
        Entry::Directory { mode } => format!("{path} dir {:o}\n", mode.bits()),
        Entry::File { digest, mode } => format!("{path} file {:o} {}\n", mode.bits(), digest.size),
        Entry::Symlink { target } => format!("{path} -> {}\n", String::from_utf8_lossy(target)),
    });
    shown.collect()
}

#[test]
fn files_directories_and_links_are_unpacked() {
    let bytes = ArchiveBuilder::new()
        .add(EntryType::Directory, "./", "", 0o700)
        .add(EntryType::Directory, "./tmp/", "", 0o1777)
        .add(EntryType::Regular, "./bin/sh", "shell", 0o4755)
        .add(EntryType::Link, "bin/bash", "bin/sh", 0o755)
        .symlink("etc/mtab", "../proc/mounts")
        .bytes();
    let unpacked = unpacked(&bytes);
    assert_eq!(
        shown(&unpacked.manifest),
        "/bin dir 755\n/bin/bash file 755 5\n/bin/sh file 755 5\n/etc dir 755\n\
         /etc/mtab -> ../proc/mounts\n/tmp dir 1777\n"
    );
    assert!(unpacked.warnings.is_empty());
}

#[test]
fn compression_is_detected_by_content() {
    let plain = ArchiveBuilder::new().file("a", "x").bytes();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(plain.as_slice(), 1).unwrap();
    for bytes in [plain, gzip, zstd] {
        assert_eq!(shown(&unpacked(&bytes).manifest), "/a file 644 1\n");
    }
}

#[test]
fn unsupported_compressions_are_named() {
    let message = unpack_onto(b"\xfd7zXZ\0...", Manifest::new())
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "/x.tar is compressed with xz, which is not supported; compress it with gzip or zstd"
    );
}

#[test]
fn long_names_are_understood() {
    let name = format!("{}/f", "d".repeat(180));
    let target = "t".repeat(150);
    let mut builder = Builder::new(Vec::new());
    let mut header = Header::new_gnu();
    header.set_size(1);
    header.set_mode(0o644);
    builder
        .append_data(&mut header, &name, b"x".as_slice())
        .unwrap();
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::Symlink);
    header.set_size(0);
    builder.append_link(&mut header, "l", &target).unwrap();
    let shown = shown(&unpacked(&builder.into_inner().unwrap()).manifest);
    assert!(shown.contains(&format!("/{name} file 644 1\n")), "{shown}");
    assert!(shown.contains(&format!("/l -> {target}\n")), "{shown}");
}

#[test]
fn a_later_entry_replaces_an_earlier_one_and_its_content() {
    let bytes = ArchiveBuilder::new()
        .file("a/b", "x")
        .file("c", "x")
        .file("a", "xx")
        .add(EntryType::Directory, "c", "", 0o755)
        .bytes();
    assert_eq!(
        shown(&unpacked(&bytes).manifest),
        "/a file 644 2\n/c dir 755\n"
    );
}

#[test]
fn devices_are_left_out_with_a_warning() {
    let bytes = ArchiveBuilder::new()
        .add(EntryType::Char, "dev/null", "", 0o666)
        .add(EntryType::Fifo, "dev/pipe", "", 0o666)
        .file("f", "x")
        .bytes();
    let unpacked = unpacked(&bytes);
    assert_eq!(shown(&unpacked.manifest), "/f file 644 1\n");
    assert_eq!(
        unpacked.warnings,
        ["left out `dev/null` and 1 more: a layer cannot hold devices and pipes"]
    );
}

#[test]
fn content_is_in_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), u64::MAX).unwrap();
    let content = "content".repeat(100_000);
    let bytes = ArchiveBuilder::new().file("a", &content).bytes();
    unpack(
        &store,
        bytes.as_slice(),
        Path::new("/x.tar"),
        Manifest::new(),
    )
    .unwrap();
    let blob = store.blob_path(&Digest::of(content.as_bytes()), Mode::PLAIN);
    assert_eq!(fs::read(blob).unwrap(), content.as_bytes());
}
