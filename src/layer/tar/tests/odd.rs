//! Unusual archives.

use super::*;

/// Archives that GNU tar made of a sparse file with 30 short texts, each in a stored block of
/// 4096 bytes, and of a small file.
const SPARSE: [(&str, &[u8]); 4] = [
    ("gnu", include_bytes!("sparse/gnu.tar.gz")),
    ("pax 0.0", include_bytes!("sparse/pax-0.0.tar.gz")),
    ("pax 0.1", include_bytes!("sparse/pax-0.1.tar.gz")),
    ("pax 1.0", include_bytes!("sparse/pax-1.0.tar.gz")),
];

#[test]
fn sparse_files_have_their_holes_and_their_names() {
    let mut expected = vec![0; 508_004];
    for piece in 0..30 {
        let start = 8192 + 16_384 * piece;
        expected[start..start + 9].copy_from_slice(format!("piece {piece:02}\n").as_bytes());
    }
    for (format, bytes) in SPARSE {
        assert_eq!(
            shown(&unpacked(bytes).manifest),
            "/after file 644 6\n/holes file 644 508004\n",
            "{format}"
        );
        assert!(content(bytes, "/holes") == expected, "{format}");
        assert_eq!(content(bytes, "/after"), b"after\n", "{format}");
    }
}

/// An archive of a file with an extended header, and of a file without.
fn described(records: &[(&str, &[u8])], kind: EntryType, link: &str, content: &str) -> Vec<u8> {
    let mut archive = ArchiveBuilder::new();
    archive
        .0
        .append_pax_extensions(records.iter().copied())
        .unwrap();
    let content = if kind == EntryType::Symlink {
        link
    } else {
        content
    };
    archive
        .add(kind, "header", content, 0o644)
        .file("after", "x")
        .bytes()
}

#[test]
fn names_of_extended_headers_may_hold_any_byte() {
    let bytes = described(
        &[("path", b"new\nline\xff".as_slice())],
        EntryType::Regular,
        "",
        "x",
    );
    let unpacked = unpacked(&bytes);
    let paths: Vec<&[u8]> = unpacked
        .manifest
        .entries()
        .map(|(path, _)| path.as_bytes())
        .collect();
    assert_eq!(paths, [b"/after".as_slice(), b"/new\nline\xff"]);
}

#[test]
fn an_extended_attribute_does_not_hide_the_name_that_follows() {
    let bytes = described(
        &[
            (
                "SCHILY.xattr.security.capability",
                b"\x01\n\n9 path=b\n".as_slice(),
            ),
            ("path", b"right"),
        ],
        EntryType::Regular,
        "",
        "x",
    );
    assert_eq!(
        shown(&unpacked(&bytes).manifest),
        "/after file 644 1\n/right file 644 1\n"
    );
}

#[test]
fn a_target_may_be_in_an_extended_header() {
    let target = "t".repeat(200);
    let bytes = described(
        &[("linkpath", target.as_bytes())],
        EntryType::Symlink,
        "short",
        "",
    );
    assert_eq!(
        shown(&unpacked(&bytes).manifest),
        format!("/after file 644 1\n/header -> {target}\n")
    );
}

#[test]
fn a_size_in_an_extended_header_counts() {
    let mut archive = ArchiveBuilder::new();
    archive
        .0
        .append_pax_extensions([("size", b"3".as_slice())])
        .unwrap();
    let mut bytes = archive.0.into_inner().unwrap();
    // Removes the end marker.
    bytes.truncate(1024);
    let mut file = ArchiveBuilder::new()
        .file("a", "abc")
        .file("after", "x")
        .bytes();
    file[124..136].copy_from_slice(b"00000000000\0");
    let mut header = Header::from_byte_slice(&file[..512]).clone();
    header.set_cksum();
    file[..512].copy_from_slice(header.as_bytes());
    bytes.extend(file);
    assert_eq!(
        shown(&unpacked(&bytes).manifest),
        "/a file 644 3\n/after file 644 1\n"
    );
}

#[test]
fn global_headers_are_ignored() {
    let bytes = ArchiveBuilder::new()
        .add(
            EntryType::XGlobalHeader,
            "pax_global_header",
            "12 comment=x\n",
            0o644,
        )
        .file("a", "x")
        .bytes();
    assert_eq!(shown(&unpacked(&bytes).manifest), "/a file 644 1\n");
}

#[test]
fn names_that_are_not_utf_8_are_kept() {
    let mut archive = ArchiveBuilder::new();
    let mut header = Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..3].copy_from_slice(b"a\xff\xfe");
    header.set_size(0);
    header.set_mode(0o644);
    header.set_cksum();
    archive.0.append(&header, b"".as_slice()).unwrap();
    let unpacked = unpacked(&archive.bytes());
    let (path, _) = unpacked.manifest.entries().next().unwrap();
    assert_eq!(path.as_bytes(), b"/a\xff\xfe");
}

#[test]
fn set_id_bits_are_dropped_and_the_owner_may_read_and_write_directories() {
    let bytes = ArchiveBuilder::new()
        .add(EntryType::Directory, "none", "", 0)
        .add(EntryType::Directory, "set", "", 0o6755)
        .add(EntryType::Directory, "sticky", "", 0o1777)
        .add(EntryType::Directory, "unwritable", "", 0o555)
        .add(EntryType::Regular, "unwritable/file", "x", 0)
        .add(EntryType::Regular, "writable", "x", 0o200)
        .add(EntryType::Regular, "setuid", "x", 0o7755)
        .bytes();
    assert_eq!(
        shown(&unpacked(&bytes).manifest),
        "/none dir 700\n/set dir 755\n/setuid file 755 1\n/sticky dir 1777\n\
         /unwritable dir 755\n/unwritable/file file 400 1\n/writable file 600 1\n"
    );
}

#[test]
fn unreadable_files_and_directories_can_be_made_a_tree() {
    let directory = tempfile::tempdir().unwrap();
    let store = Store::open(directory.path(), u64::MAX).unwrap();
    let bytes = ArchiveBuilder::new()
        .add(EntryType::Directory, "d", "", 0)
        .add(EntryType::Directory, "d/e", "", 0o555)
        .add(EntryType::Regular, "d/e/f", "x", 0)
        .bytes();
    let name = Path::new("/x.tar");
    let unpacked = unpack(&store, bytes.as_slice(), name, Manifest::new()).unwrap();
    let tree = store.add_tree(&unpacked.manifest).unwrap();
    let file = store.tree_path(&tree).join("d/e/f");
    assert_eq!(fs::read(file).unwrap(), b"x");
}

#[test]
fn a_hard_link_to_a_symlink_is_a_symlink_and_hard_links_may_be_chained() {
    let bytes = ArchiveBuilder::new()
        .file("f", "x")
        .symlink("s", "f")
        .add(EntryType::Link, "a", "s", 0o644)
        .add(EntryType::Link, "b", "./a", 0o644)
        .add(EntryType::Link, "c", "f", 0o644)
        .add(EntryType::Link, "d", "c", 0o644)
        .bytes();
    assert_eq!(
        shown(&unpacked(&bytes).manifest),
        "/a -> f\n/b -> f\n/c file 644 1\n/d file 644 1\n/f file 644 1\n/s -> f\n"
    );
}

#[test]
fn entries_go_through_relative_symlinks_that_stay_inside() {
    let bytes = ArchiveBuilder::new()
        .symlink("lib", "usr/lib")
        .file("usr/lib/a", "x")
        .file("lib/b", "x")
        .bytes();
    assert_eq!(
        shown(&unpacked(&bytes).manifest),
        "/lib -> usr/lib\n/usr dir 755\n/usr/lib dir 755\n/usr/lib/a file 644 1\n\
         /usr/lib/b file 644 1\n"
    );
}

#[test]
fn a_v7_archive_marks_directories_by_a_trailing_slash() {
    let mut bytes = ArchiveBuilder::new().file("d/", "").bytes();
    bytes[156] = 0;
    let mut header = Header::from_byte_slice(&bytes[..512]).clone();
    header.set_cksum();
    bytes[..512].copy_from_slice(header.as_bytes());
    assert_eq!(shown(&unpacked(&bytes).manifest), "/d dir 744\n");
}

#[test]
fn the_root_itself_may_have_an_entry_by_any_name() {
    for root in ["/", "//", ".", "./"] {
        let archive = ArchiveBuilder::new().add(EntryType::Directory, root, "", 0o755);
        let bytes = archive.file("a", "").bytes();
        assert_eq!(
            shown(&unpacked(&bytes).manifest),
            "/a file 644 0\n",
            "{root}"
        );
    }
}

#[test]
fn an_archive_may_be_empty_and_its_end_may_be_missing() {
    assert!(unpacked(b"").manifest.is_empty());
    assert!(unpacked(&[0; 1024]).manifest.is_empty());
    let bytes = ArchiveBuilder::new().file("a", "x").bytes();
    for length in [513, 1024, 1536] {
        let shown = shown(&unpacked(&bytes[..length]).manifest);
        assert_eq!(shown, "/a file 644 1\n");
    }
}

#[test]
fn bytes_after_the_end_marker_are_ignored() {
    let mut bytes = ArchiveBuilder::new().file("a", "x").bytes();
    bytes.extend(ArchiveBuilder::new().file("b", "x").bytes());
    assert_eq!(shown(&unpacked(&bytes).manifest), "/a file 644 1\n");
}
