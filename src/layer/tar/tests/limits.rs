//! Archives that are refused, and damaged archives.

use super::*;

#[test]
fn entries_that_lead_out_of_the_root_are_refused_by_name() {
    assert_eq!(
        refused(ArchiveBuilder::new().file("a/../../evil", "x")),
        "the entry `a/../../evil` of /x.tar has a path that leads upwards (`..`), which is \
         not allowed"
    );
    assert_eq!(
        refused(ArchiveBuilder::new().file("/etc/evil", "x")),
        "the entry `/etc/evil` of /x.tar has an absolute path, which is not allowed"
    );
    assert_eq!(
        refused(
            ArchiveBuilder::new()
                .symlink("a", "/etc")
                .file("a/evil", "x")
        ),
        "the entry `a/evil` of /x.tar leads through the symlink `/a`, which leads out of the root or forms a cycle"
    );
    assert_eq!(
        refused(ArchiveBuilder::new().add(EntryType::Link, "a", "../../etc/shadow", 0o644)),
        "the entry `a` of /x.tar has a path that leads upwards (`..`), which is not allowed"
    );
}

#[test]
fn a_file_in_a_file_and_a_link_to_nothing_are_refused() {
    assert_eq!(
        refused(ArchiveBuilder::new().file("a", "x").file("a/b", "x")),
        "the entry `a/b` of /x.tar is invalid: `/a/b` cannot be made, because `/a` is not a \
         directory"
    );
    assert_eq!(
        refused(ArchiveBuilder::new().add(EntryType::Link, "a", "b", 0o644)),
        "the entry `a` of /x.tar is a hard link to `b`, which is not in the archive before it"
    );
}

#[test]
fn a_damaged_archive_is_an_error_that_names_it() {
    let bytes = ArchiveBuilder::new().file("a", &"x".repeat(2000)).bytes();
    let message = unpack_onto(&bytes[..1000], Manifest::new())
        .unwrap_err()
        .to_string();
    assert!(message.starts_with("cannot read /x.tar"), "{message}");
}

#[test]
fn symlinks_that_lead_above_the_root_or_in_circles_are_refused() {
    assert_eq!(
        refused(
            ArchiveBuilder::new()
                .symlink("a", "../../etc")
                .file("a/evil", "x")
        ),
        "the entry `a/evil` of /x.tar leads through the symlink `/a`, which leads out of the root or forms a cycle"
    );
    assert_eq!(
        refused(
            ArchiveBuilder::new()
                .symlink("a", "b")
                .symlink("b", "a")
                .file("a/evil", "x")
        ),
        "the entry `a/evil` of /x.tar leads through the symlink `/a`, which leads out of the root or forms a cycle"
    );
    let below = unpacked(&ArchiveBuilder::new().symlink("a", "../..").bytes());
    let bytes = ArchiveBuilder::new().file("a/evil", "x").bytes();
    let message = unpack_onto(&bytes, below.manifest).unwrap_err().to_string();
    assert_eq!(
        message,
        "the entry `a/evil` of /x.tar leads through the symlink `/a`, which leads out of the root or forms a cycle"
    );
}

#[test]
fn a_hard_link_does_not_lead_out_of_the_root() {
    assert_eq!(
        refused(ArchiveBuilder::new().add(EntryType::Link, "a", "/etc/passwd", 0o644)),
        "the entry `a` of /x.tar is a hard link to `etc/passwd`, which is not in the archive \
         before it"
    );
    assert_eq!(
        refused(ArchiveBuilder::new().symlink("d", "/etc").add(
            EntryType::Link,
            "a",
            "d/passwd",
            0o644
        )),
        "the entry `a` of /x.tar leads through the symlink `/d`, which leads out of the root or forms a cycle"
    );
}

#[test]
fn paths_that_are_longer_than_the_kernel_allows_are_refused() {
    for path in ["d/".repeat(3000), "n".repeat(256)] {
        let mut builder = Builder::new(Vec::new());
        let mut header = Header::new_gnu();
        header.set_size(0);
        builder
            .append_data(&mut header, &path, b"".as_slice())
            .unwrap();
        let bytes = builder.into_inner().unwrap();
        let message = unpack_onto(&bytes, Manifest::new())
            .unwrap_err()
            .to_string();
        assert!(
            message.ends_with("of /x.tar has a path that is longer than the kernel allows"),
            "{message}"
        );
    }
}

/// The message about an archive whose only header was changed.
fn changed(change: impl FnOnce(&mut [u8; 512])) -> String {
    let mut bytes = ArchiveBuilder::new().file("a", "x").bytes();
    let header: &mut [u8; 512] = (&mut bytes[..512]).try_into().unwrap();
    change(header);
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().copied().map(u32::from).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    unpack_onto(&bytes, Manifest::new())
        .unwrap_err()
        .to_string()
}

#[test]
fn impossible_sizes_are_refused() {
    let impossible = "cannot read /x.tar: it has a file of an impossible size";
    let negative = changed(|header| header[124..136].fill(0xff));
    assert_eq!(negative, impossible);
    let huge = changed(|header| {
        header[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0xff, 0, 0, 0, 0, 0, 0, 0]);
    });
    assert_eq!(huge, impossible);
    let no_number = changed(|header| header[124..136].copy_from_slice(b"-0000000001\0"));
    assert_eq!(no_number, impossible);
    // Octal for 8 GiB less one, of which there is one byte.
    let cut_short = changed(|header| header[124..136].copy_from_slice(b"77777777777\0"));
    assert_eq!(
        cut_short,
        "cannot read /x.tar/a: it ends in the middle of a file"
    );
}

#[test]
fn a_header_with_a_wrong_checksum_is_refused() {
    let mut bytes = ArchiveBuilder::new().file("a", "x").bytes();
    bytes[0] = b'b';
    assert_eq!(
        unpack_onto(&bytes, Manifest::new())
            .unwrap_err()
            .to_string(),
        "cannot read /x.tar: it has a header whose checksum is wrong"
    );
}

#[test]
fn an_entry_of_an_unknown_kind_is_refused() {
    assert_eq!(
        changed(|header| header[156] = b'?'),
        "the entry `a` of /x.tar is of an unsupported kind (`?`)"
    );
}

#[test]
fn an_overlong_name_is_refused_and_not_read() {
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 40);
    header.set_cksum();
    let bytes = header.as_bytes().to_vec();
    assert_eq!(
        unpack_onto(&bytes, Manifest::new())
            .unwrap_err()
            .to_string(),
        "cannot read /x.tar: it has names or extended headers of more than 1 MiB for one file"
    );
}

#[test]
fn an_archive_that_is_larger_than_the_cache_is_refused_and_nothing_of_it_is_left() {
    let zeros = "\0".repeat(3 << 20);
    let bytes = zstd::encode_all(
        ArchiveBuilder::new().file("a", &zeros).bytes().as_slice(),
        1,
    )
    .unwrap();
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), u64::MAX).unwrap();
    let budget = UnpackBudget::new(1 << 20);
    let (listing, digests) = list(&store, bytes.as_slice(), Path::new("/x.tar"), &budget);
    assert_eq!(
        digests.content.unwrap_err().to_string(),
        "/x.tar is larger than 1 MiB when it is unpacked, the limit of the cache; to allow more, \
            raise `cache-size`"
    );
    assert!(listing.is_err());
    let clients = fs::read_dir(directory.path().join("store/tmp")).unwrap();
    let left: Vec<_> = clients
        .flat_map(|client| fs::read_dir(client.unwrap().path()).unwrap())
        .collect();
    assert!(left.is_empty(), "{left:?}");
    let blobs = fs::read_dir(directory.path().join("store/blobs")).unwrap();
    assert_eq!(blobs.count(), 0);
}

#[test]
fn holes_count_with_their_size() {
    let mut header = Header::new_gnu();
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[0] = b'a';
    gnu.set_real_size(1 << 40);
    header.set_entry_type(EntryType::GNUSparse);
    header.set_size(0);
    header.set_cksum();
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), 10 << 30).unwrap();
    let bytes = header.as_bytes().as_slice();
    let error = unpack(&store, bytes, Path::new("/x.tar"), Manifest::new()).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("/x.tar is larger than 10 GiB when it is unpacked"),
        "{error}"
    );
}

#[test]
fn a_zstd_frame_that_needs_too_much_memory_is_refused() {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(31).unwrap();
    encoder
        .write_all(&ArchiveBuilder::new().file("a", "x").bytes())
        .unwrap();
    let bytes = encoder.finish().unwrap();
    let message = unpack_onto(&bytes, Manifest::new())
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("Frame requires too much memory"),
        "{message}"
    );
}

#[test]
fn a_compressed_archive_that_is_cut_short_is_refused() {
    let plain = ArchiveBuilder::new().file("a", &"x".repeat(3000)).bytes();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&plain).unwrap();
    let gzip = gzip.finish().unwrap();
    for length in [gzip.len() - 1, gzip.len() / 2, 12] {
        let message = unpack_onto(&gzip[..length], Manifest::new())
            .unwrap_err()
            .to_string();
        assert!(message.starts_with("cannot read /x.tar: "), "{message}");
    }
}

#[test]
fn a_write_error_of_the_store_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), u64::MAX).unwrap();
    fs::remove_dir_all(directory.path().join("store/tmp")).unwrap();
    for content in ["x", &"x".repeat(200_000)] {
        // More files than the queue holds.
        let archive = (0..100).fold(ArchiveBuilder::new(), |archive, n| {
            archive.file(&format!("{n}"), content)
        });
        let bytes = archive.bytes();
        let below = Manifest::new();
        let error = unpack(&store, bytes.as_slice(), Path::new("/x.tar"), below).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("cannot write the content of /x.tar/"),
            "{error}"
        );
    }
}

#[test]
fn symlinks_do_not_make_paths_longer_than_the_kernel_allows() {
    let step = vec!["n".repeat(90); 10].join("/");
    let mut below = Manifest::new();
    let mut directory = String::new();
    for _ in 0..6 {
        let path = PathInContainer::normalised(format!("{directory}/s").as_bytes()).unwrap();
        let target = step.clone().into_bytes();
        below.insert(path, Entry::Symlink { target }).unwrap();
        directory = format!("{directory}/{step}");
    }
    let bytes = ArchiveBuilder::new().file("s/s/s/s/s/s/f", "x").bytes();
    assert_eq!(
        unpack_onto(&bytes, below).unwrap_err().to_string(),
        "the entry `s/s/s/s/s/s/f` of /x.tar has a path that is longer than the kernel allows"
    );
}

#[test]
fn the_number_of_symlinks_on_a_path_is_limited() {
    let mut below = Manifest::new();
    for (path, target) in [("/s", "t/".repeat(30)), ("/t", "d/../".repeat(600))] {
        let path = PathInContainer::new(path.as_bytes()).unwrap();
        let target = target.into_bytes();
        below.insert(path, Entry::Symlink { target }).unwrap();
    }
    let bytes = ArchiveBuilder::new().file("s/f", "x").bytes();
    let message = unpack_onto(&bytes, below)
        .map(drop)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "the entry `s/f` of /x.tar has a path that is longer than the kernel allows"
    );
}

#[test]
fn many_whiteouts_are_applied() {
    let below = unpacked(
        &(0..2000)
            .fold(ArchiveBuilder::new(), |archive, n| {
                archive.file(&format!("d/{n}"), "x")
            })
            .bytes(),
    );
    let bytes = (0..20_000)
        .fold(ArchiveBuilder::new(), |archive, n| {
            archive.file(&format!("d/.wh.{n}"), "")
        })
        .bytes();
    let unpacked = unpack_onto(&bytes, below.manifest).unwrap();
    assert_eq!(shown(&unpacked.manifest), "/d dir 755\n");
}

proptest::proptest! {
    #[test]
    fn no_archive_causes_a_panic(
        position in proptest::prelude::any::<proptest::sample::Index>(),
        byte in proptest::prelude::any::<u8>(),
    ) {
        let mut bytes = ArchiveBuilder::new().file("a/b", "x").symlink("c", "d").bytes();
        let position = position.index(bytes.len());
        bytes[position] = byte;
        let _ = unpack_onto(&bytes, Manifest::new());
    }
}
