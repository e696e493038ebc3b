//! The changes that an archive makes to the layers below.

use super::*;
use std::collections::BTreeMap;

#[test]
fn whiteouts_remove_files_below_but_not_files_of_their_archive() {
    let below = unpacked(
        &ArchiveBuilder::new()
            .file("gone", "x")
            .file("d/old", "x")
            .file("d/sub/old", "x")
            .file("e/old", "x")
            .bytes(),
    );
    let bytes = ArchiveBuilder::new()
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
    let unpacked = unpacked(&ArchiveBuilder::new().file("d/.wh.x", "").bytes());
    assert!(unpacked.manifest.is_empty());
    assert_eq!(
        unpacked.warnings,
        ["left out whiteouts of `/d/x`: only layers of an image can remove files of layers below"]
    );
}

#[test]
fn a_whiteout_may_come_after_the_entry_that_replaces_the_file() {
    let below = unpacked(
        &ArchiveBuilder::new()
            .file("d/old", "x")
            .file("f/old", "x")
            .bytes(),
    );
    let bytes = ArchiveBuilder::new()
        .file("d/new", "x")
        .file("f", "xx")
        .file(".wh.d", "")
        .file(".wh.f", "")
        .bytes();
    let unpacked = unpack_onto(&bytes, below.manifest).unwrap();
    assert_eq!(
        shown(&unpacked.manifest),
        "/d dir 755\n/d/new file 644 1\n/f file 644 2\n"
    );
}

#[test]
fn metadata_of_aufs_is_left_out() {
    let bytes = ArchiveBuilder::new()
        .file(".wh..wh.aufs", "")
        .add(EntryType::Directory, ".wh..wh.plnk", "", 0o700)
        .file(".wh..wh.plnk/1.2", "x")
        .file("f", "x")
        .bytes();
    assert_eq!(shown(&unpacked(&bytes).manifest), "/f file 644 1\n");
}

#[test]
fn a_whiteout_without_a_name_is_refused_and_removes_nothing_else() {
    for name in ["d/.wh.", "d/.wh..", "d/.wh..."] {
        let message = refused(ArchiveBuilder::new().file(name, ""));
        let expected = format!("the entry `{name}` of /x.tar is a whiteout without a file name");
        assert_eq!(message, expected);
    }
}

#[test]
fn entries_go_through_the_symlinks_of_layers_below() {
    let below = unpacked(
        &ArchiveBuilder::new()
            .file("usr/lib/old", "x")
            .symlink("lib", "usr/lib")
            .symlink("var/run", "/run")
            .bytes(),
    );
    let bytes = ArchiveBuilder::new()
        .file("lib/new", "x")
        .file("lib/.wh.old", "")
        .file("var/run/pid", "x")
        .add(EntryType::Link, "lib/newer", "lib/new", 0o644)
        .bytes();
    let unpacked = unpack_onto(&bytes, below.manifest).unwrap();
    assert_eq!(
        shown(&unpacked.manifest),
        "/lib -> usr/lib\n/run dir 755\n/run/pid file 644 1\n/usr dir 755\n\
         /usr/lib dir 755\n/usr/lib/new file 644 1\n/usr/lib/newer file 644 1\n\
         /var dir 755\n/var/run -> /run\n"
    );
}

#[test]
fn a_directory_replaces_a_symlink_and_does_not_change_its_target() {
    let below = unpacked(
        &ArchiveBuilder::new()
            .file("usr/lib/old", "x")
            .symlink("lib", "usr/lib")
            .bytes(),
    );
    let bytes = ArchiveBuilder::new()
        .add(EntryType::Directory, "lib", "", 0o755)
        .file("lib/.wh..wh..opq", "")
        .file("lib/.wh.old", "")
        .file("lib/new", "x")
        .bytes();
    let unpacked = unpack_onto(&bytes, below.manifest).unwrap();
    assert_eq!(
        shown(&unpacked.manifest),
        "/lib dir 755\n/lib/new file 644 1\n/usr dir 755\n/usr/lib dir 755\n\
         /usr/lib/old file 644 1\n"
    );
}

#[test]
fn files_directories_and_symlinks_replace_one_another_between_layers() {
    let below = unpacked(
        &ArchiveBuilder::new()
            .file("a/content", "x")
            .file("b", "x")
            .symlink("c", "b")
            .file("d/content", "x")
            .file("e", "x")
            .bytes(),
    );
    let bytes = ArchiveBuilder::new()
        .file("a", "xx")
        .file("b/new", "x")
        .file("c", "xx")
        .symlink("d", "a")
        .add(EntryType::Directory, "e", "", 0o700)
        .bytes();
    let unpacked = unpack_onto(&bytes, below.manifest).unwrap();
    assert_eq!(
        shown(&unpacked.manifest),
        "/a file 644 2\n/b dir 755\n/b/new file 644 1\n/c file 644 2\n/d -> a\n/e dir 700\n"
    );
}

#[test]
fn hard_links_may_be_to_files_of_layers_below() {
    let below = unpacked(
        &ArchiveBuilder::new()
            .add(EntryType::Regular, "bin/busybox", "content", 0o755)
            .bytes(),
    );
    let bytes = ArchiveBuilder::new()
        .add(EntryType::Link, "bin/sh", "bin/busybox", 0o755)
        .add(EntryType::Link, "bin/ash", "/bin/sh", 0o755)
        .bytes();
    let unpacked = unpack_onto(&bytes, below.manifest).unwrap();
    assert_eq!(
        shown(&unpacked.manifest),
        "/bin dir 755\n/bin/ash file 755 7\n/bin/busybox file 755 7\n/bin/sh file 755 7\n"
    );
}

#[test]
fn the_mode_of_a_directory_below_is_replaced_but_not_its_content() {
    let below = unpacked(&ArchiveBuilder::new().file("d/f", "x").bytes());
    let bytes = ArchiveBuilder::new()
        .add(EntryType::Directory, "d", "", 0o1777)
        .bytes();
    let unpacked = unpack_onto(&bytes, below.manifest).unwrap();
    assert_eq!(shown(&unpacked.manifest), "/d dir 1777\n/d/f file 644 1\n");
}

/// The changes of a layer, without symlinks and with few names, so that many of them collide.
#[derive(Clone, Debug)]
enum Step {
    File(String, usize),
    Directory(String),
    HardLink(String, String),
    WhiteOut(String),
    MakeOpaque(String),
}

/// A tree as a map from paths to sizes of files, `None` for directories.
type Model = BTreeMap<String, Option<usize>>;

fn is_below(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// The tree that overlayfs would show: all whiteouts are applied first, then the other changes.
fn model(tree: &mut Model, steps: &[Step]) {
    for step in steps {
        match step {
            Step::WhiteOut(gone) => tree.retain(|path, _| path != gone && !is_below(path, gone)),
            Step::MakeOpaque(directory) => tree.retain(|path, _| !is_below(path, directory)),
            _ => {}
        }
    }
    for step in steps {
        let (path, what) = match step {
            Step::File(path, size) => (path, Some(*size)),
            Step::Directory(path) => (path, None),
            Step::HardLink(path, target) => (path, tree[target]),
            _ => continue,
        };
        for (slash, _) in path.match_indices('/').skip(1) {
            let directory = path[..slash].to_owned();
            if tree.get(&directory).is_none_or(Option::is_some) {
                tree.insert(directory, None);
            }
        }
        if what.is_some() {
            tree.retain(|other, _| !is_below(other, path));
        }
        tree.insert(path.clone(), what);
    }
}

/// Leaves out steps that would be refused: links to nothing, and files of the same layer as
/// directories.
fn possible(tree: &Model, steps: Vec<Step>) -> Vec<Step> {
    let mut done: Vec<Step> = Vec::new();
    for step in steps {
        let mut after = tree.clone();
        model(&mut after, &done);
        let own_file = |directory: &str| {
            done.iter().any(|step| {
                matches!(step, Step::File(path, _) | Step::HardLink(path, _) if path == directory)
            }) && after.get(directory).is_some_and(Option::is_some)
        };
        let fits = match &step {
            Step::File(path, _) | Step::Directory(path) => !leads_through(path, own_file),
            Step::HardLink(path, target) => {
                let there = after.get(target).is_some_and(Option::is_some);
                // Whiteouts are applied first.
                there && path != target && !is_below(target, path) && !leads_through(path, own_file)
            }
            Step::WhiteOut(_) | Step::MakeOpaque(_) => {
                !done.iter().any(|step| matches!(step, Step::HardLink(..)))
            }
        };
        if fits {
            done.push(step);
        }
    }
    done
}

fn leads_through(path: &str, is_file: impl Fn(&str) -> bool) -> bool {
    path.match_indices('/')
        .skip(1)
        .any(|(slash, _)| is_file(&path[..slash]))
}

fn archive_of(steps: &[Step]) -> Vec<u8> {
    let mut archive = ArchiveBuilder::new();
    for step in steps {
        archive = match step {
            Step::File(path, size) => archive.file(&path[1..], &"x".repeat(*size)),
            Step::Directory(path) => archive.add(EntryType::Directory, &path[1..], "", 0o755),
            Step::HardLink(path, target) => {
                archive.add(EntryType::Link, &path[1..], &target[1..], 0o644)
            }
            Step::WhiteOut(path) => {
                let (directory, name) = path[1..].rsplit_once('/').unwrap_or((".", &path[1..]));
                archive.file(&format!("{directory}/.wh.{name}"), "")
            }
            Step::MakeOpaque(path) => archive.file(&format!("{}/.wh..wh..opq", &path[1..]), ""),
        };
    }
    archive.bytes()
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    use proptest::prelude::*;
    let path = || "(/[ab]){1,3}";
    let step = prop_oneof![
        4 => (path(), 1..9_usize).prop_map(|(path, size)| Step::File(path, size)),
        2 => path().prop_map(Step::Directory),
        2 => (path(), path()).prop_map(|(path, target)| Step::HardLink(path, target)),
        1 => path().prop_map(Step::WhiteOut),
        1 => path().prop_map(Step::MakeOpaque),
    ];
    proptest::collection::vec(step, 0..8)
}

proptest::proptest! {
    #[test]
    fn layers_make_the_same_tree_as_a_simple_model(
        layers in proptest::collection::vec(steps(), 1..4)
    ) {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), u64::MAX).unwrap();
        let mut tree = Model::new();
        let mut manifest = Manifest::new();
        for steps in layers {
            let steps = possible(&tree, steps);
            let bytes = archive_of(&steps);
            let layer = unpack(&store, bytes.as_slice(), Path::new("/x.tar"), manifest);
            manifest = layer.map_err(|error| error.to_string()).unwrap().manifest;
            model(&mut tree, &steps);
        }
        let found: Model = manifest
            .entries()
            .map(|(path, entry)| match entry {
                Entry::File { digest, .. } => (path.to_string(), Some(digest.size as usize)),
                _ => (path.to_string(), None),
            })
            .collect();
        proptest::prop_assert_eq!(found, tree);
        proptest::prop_assert_eq!(Manifest::parse(&manifest.to_bytes()), Ok(manifest));
    }
}
