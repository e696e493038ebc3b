use super::*;
use crate::store::Digest;
use std::fs;
use std::io::Write;
use tar::{Builder, Header};

/// An archive entry by entry, without the checks that the builder makes.
struct Making(Builder<Vec<u8>>);

impl Making {
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

fn unpack_onto(bytes: &[u8], below: Manifest) -> Result<Unpacked, TarError> {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), u64::MAX).unwrap();
    unpack(&store, bytes, Path::new("/x.tar"), below)
}

fn unpacked(bytes: &[u8]) -> Unpacked {
    unpack_onto(bytes, Manifest::new()).unwrap()
}

fn refused(making: Making) -> String {
    unpack_onto(&making.bytes(), Manifest::new())
        .unwrap_err()
        .to_string()
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
    let bytes = Making::new()
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
fn compression_is_told_by_content() {
    let plain = Making::new().file("a", "x").bytes();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    let zstd = zstd::encode_all(plain.as_slice(), 1).unwrap();
    for bytes in [plain, gzip, zstd] {
        assert_eq!(shown(&unpacked(&bytes).manifest), "/a file 644 1\n");
    }
}

#[test]
fn other_compressions_are_named() {
    let message = unpack_onto(b"\xfd7zXZ\0...", Manifest::new())
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "/x.tar is compressed with xz, which is not known here: compress it with gzip or zstd"
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
fn entries_that_lead_out_of_the_root_are_refused_by_name() {
    assert_eq!(
        refused(Making::new().file("a/../../evil", "x")),
        "the entry `a/../../evil` of /x.tar has a path that leads upwards (`..`), which is \
         not allowed"
    );
    assert_eq!(
        refused(Making::new().file("/etc/evil", "x")),
        "the entry `/etc/evil` of /x.tar has an absolute path, which is not allowed"
    );
    assert_eq!(
        refused(Making::new().symlink("a", "/etc").file("a/evil", "x")),
        "the entry `a/evil` of /x.tar leads through the symlink `/a`, which is not allowed"
    );
    assert_eq!(
        refused(Making::new().add(EntryType::Link, "a", "../../etc/shadow", 0o644)),
        "the entry `a` of /x.tar has a path that leads upwards (`..`), which is not allowed"
    );
}

#[test]
fn a_file_in_a_file_and_a_link_to_nothing_are_refused() {
    assert_eq!(
        refused(Making::new().file("a", "x").file("a/b", "x")),
        "the entry `a/b` of /x.tar cannot be: `/a/b` cannot be made, because `/a` is not a \
         directory"
    );
    assert_eq!(
        refused(Making::new().add(EntryType::Link, "a", "b", 0o644)),
        "the entry `a` of /x.tar is a hard link to `b`, which is not in the archive before it"
    );
}

#[test]
fn a_later_entry_replaces_an_earlier_one_with_all_that_is_in_it() {
    let bytes = Making::new()
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
    let bytes = Making::new()
        .add(EntryType::Char, "dev/null", "", 0o666)
        .add(EntryType::Fifo, "dev/pipe", "", 0o666)
        .file("f", "x")
        .bytes();
    let unpacked = unpacked(&bytes);
    assert_eq!(shown(&unpacked.manifest), "/f file 644 1\n");
    assert_eq!(
        unpacked.warnings,
        ["left out `dev/null` and 1 more, as a layer cannot hold devices and pipes"]
    );
}

#[test]
fn whiteouts_remove_what_is_below_but_not_what_the_archive_brings() {
    let below = unpacked(
        &Making::new()
            .file("gone", "x")
            .file("d/old", "x")
            .file("d/sub/old", "x")
            .file("e/old", "x")
            .bytes(),
    );
    let bytes = Making::new()
        .file(".wh.gone", "")
        .file("d/new", "x")
        .file("d/sub/new", "x")
        .file("d/.wh..wh..opq", "")
        .file("gone.not", "x")
        .file(".wh.gone.not", "")
        .bytes();
    let unpacked = unpack_onto(&bytes, below.manifest).unwrap();
    assert_eq!(
        shown(&unpacked.manifest),
        "/d dir 755\n/d/new file 644 1\n/d/sub dir 755\n/d/sub/new file 644 1\n\
         /e dir 755\n/e/old file 644 1\n/gone.not file 644 1\n"
    );
}

#[test]
fn a_whiteout_with_nothing_below_is_a_warning() {
    let unpacked = unpacked(&Making::new().file("d/.wh.x", "").bytes());
    assert!(unpacked.manifest.is_empty());
    assert_eq!(
        unpacked.warnings,
        ["`/d/.wh.x` would remove files of layers below, which only layers of an image can"]
    );
}

#[test]
fn an_upper_layer_may_put_a_directory_where_a_file_or_symlink_was() {
    let below = unpacked(
        &Making::new()
            .symlink("lib", "usr/lib")
            .file("f", "x")
            .bytes(),
    );
    let bytes = Making::new().file("lib/a", "x").file("f/a", "x").bytes();
    let unpacked = unpack_onto(&bytes, below.manifest).unwrap();
    assert_eq!(
        shown(&unpacked.manifest),
        "/f dir 755\n/f/a file 644 1\n/lib dir 755\n/lib/a file 644 1\n"
    );
}

#[test]
fn a_damaged_archive_is_an_error_that_names_it() {
    let bytes = Making::new().file("a", &"x".repeat(2000)).bytes();
    let message = unpack_onto(&bytes[..1000], Manifest::new())
        .unwrap_err()
        .to_string();
    assert!(message.starts_with("cannot read /x.tar"), "{message}");
}

#[test]
fn content_is_in_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), u64::MAX).unwrap();
    let content = "content".repeat(100_000);
    let bytes = Making::new().file("a", &content).bytes();
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

proptest::proptest! {
    #[test]
    fn no_archive_makes_it_panic(
        position in proptest::prelude::any::<proptest::sample::Index>(),
        byte in proptest::prelude::any::<u8>(),
    ) {
        let mut bytes = Making::new().file("a/b", "x").symlink("c", "d").bytes();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        let _ = unpack_onto(&bytes, Manifest::new());
    }
}
