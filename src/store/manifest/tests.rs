use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

fn path(text: &str) -> PathInContainer {
    PathInContainer::new(text.as_bytes()).unwrap()
}

fn file(content: &str) -> Entry {
    Entry::File {
        digest: Digest::of(content.as_bytes()),
        mode: Mode::PLAIN,
    }
}

fn directory() -> Entry {
    Entry::Directory {
        mode: Mode::DIRECTORY,
    }
}

fn paths(manifest: &Manifest) -> Vec<String> {
    manifest
        .entries()
        .map(|(path, _)| path.to_string())
        .collect()
}

#[test]
fn parent_directories_are_made() {
    let mut manifest = Manifest::new();
    manifest.insert(path("/a/b/c"), file("")).unwrap();
    assert_eq!(paths(&manifest), ["/a", "/a/b", "/a/b/c"]);
    assert_eq!(manifest.get(&path("/a/b")), Some(&directory()));
}

#[test]
fn equal_inputs_in_any_order_give_an_equal_digest() {
    let mut one = Manifest::new();
    one.insert(path("/a/b"), file("b")).unwrap();
    one.insert(path("/a/c"), file("c")).unwrap();
    let mut other = Manifest::new();
    other.insert(path("/a"), directory()).unwrap();
    other.insert(path("/a/c"), file("other")).unwrap();
    other.insert(path("/a/c"), file("c")).unwrap();
    other.insert(path("/a/b"), file("b")).unwrap();
    assert_eq!(one.digest(), other.digest());
    other.insert(path("/a/b"), file("changed")).unwrap();
    assert_ne!(one.digest(), other.digest());
}

#[test]
fn the_bytes_are_as_documented() {
    let mut manifest = Manifest::new();
    manifest.insert(path("/a/f"), file("x")).unwrap();
    let target = b"../t".to_vec();
    manifest
        .insert(path("/a/l"), Entry::Symlink { target })
        .unwrap();
    let digest = Digest::of(b"x");
    assert_eq!(
        String::from_utf8(manifest.to_bytes()).unwrap(),
        format!("maelstrom manifest 1\nd0755 /a\0f0644 {digest} /a/f\0l/a/l\0../t\0")
    );
}

#[test]
fn nothing_is_put_below_a_file_or_symlink() {
    let mut manifest = Manifest::new();
    manifest.insert(path("/f"), file("")).unwrap();
    let error = manifest.insert(path("/f/a/b"), file("")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/f/a/b` cannot be made, because `/f` is not a directory"
    );
    assert_eq!(paths(&manifest), ["/f"]);
}

#[test]
fn a_full_directory_is_not_replaced_but_an_empty_one_is() {
    let mut manifest = Manifest::new();
    manifest.insert(path("/a/b"), directory()).unwrap();
    assert_eq!(
        manifest.insert(path("/a"), file("")),
        Err(ManifestError::HasContent(path("/a")))
    );
    manifest.insert(path("/a/b"), file("")).unwrap();
    assert_eq!(manifest.get(&path("/a/b")), Some(&file("")));
}

#[test]
fn removing_takes_what_is_below_and_nothing_beside() {
    let mut manifest = Manifest::new();
    for name in ["/a/x", "/a/y/z", "/a.b", "/a-b/c"] {
        manifest.insert(path(name), file("")).unwrap();
    }
    assert!(manifest.remove(&path("/a")));
    assert_eq!(paths(&manifest), ["/a-b", "/a-b/c", "/a.b"]);
    assert!(!manifest.remove(&path("/a")));
}

#[test]
fn modes_lose_their_set_id_bits_and_stay_manageable() {
    assert_eq!(Mode::of_file(0o4755).bits(), 0o755);
    assert_eq!(Mode::of_file(0).bits(), 0o400);
    assert_eq!(Mode::of_directory(0o7077).bits(), 0o1777);
}

#[test]
fn a_manifest_out_of_order_or_without_parents_is_refused() {
    let refused = |text: &str| {
        let bytes = format!("maelstrom manifest 1\n{text}");
        Manifest::parse(bytes.as_bytes()).is_err()
    };
    assert!(!refused("d0755 /a\0d0755 /b\0"));
    assert!(refused("d0755 /b\0d0755 /a\0"));
    assert!(refused("d0755 /a\0d0755 /a\0"));
    assert!(refused("d0755 /a/b\0"));
    assert!(refused("l/a\0t\0d0755 /a/b\0"));
    assert!(refused("d0755 /a"));
    assert!(refused("d4755 /a\0"));
    assert!(refused("d0755 /\0"));
    assert!(refused("l/a\0"));
    assert!(refused("x0755 /a\0"));
}

fn any_path() -> impl Strategy<Value = PathInContainer> {
    vec("[a-c.\n]{1,2}", 1..4)
        .prop_map(|parts| PathInContainer::normalised(parts.join("/").as_bytes()).unwrap())
}

fn any_entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        (0..0o10000_u32).prop_map(|bits| Entry::Directory {
            mode: Mode::of_directory(bits)
        }),
        (0..0o10000_u32, any::<[u8; 32]>(), any::<u64>()).prop_map(|(bits, sha256, size)| {
            Entry::File {
                digest: Digest { sha256, size },
                mode: Mode::of_file(bits),
            }
        }),
        vec(1..=255_u8, 1..8).prop_map(|target| Entry::Symlink { target }),
    ]
}

fn any_manifest() -> impl Strategy<Value = Manifest> {
    vec((any_path(), any_entry()), 0..12).prop_map(|entries| {
        let mut manifest = Manifest::new();
        for (path, entry) in entries {
            // What clashes with what is there is left out.
            let _ = manifest.insert(path, entry);
        }
        manifest
    })
}

proptest! {
    #[test]
    fn a_manifest_survives_printing(manifest in any_manifest()) {
        prop_assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest));
    }

    #[test]
    fn what_parses_prints_as_it_was(
        manifest in any_manifest(),
        position in any::<prop::sample::Index>(),
        replacement in any::<u8>(),
    ) {
        let mut bytes = manifest.to_bytes();
        let position = position.index(bytes.len());
        bytes[position] = replacement;
        if let Ok(parsed) = Manifest::parse(&bytes) {
            prop_assert_eq!(parsed.to_bytes(), bytes);
        }
    }

    #[test]
    fn parsing_never_panics(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Manifest::parse(&bytes);
        let _ = Manifest::parse(&[HEADER, &bytes].concat());
    }
}
