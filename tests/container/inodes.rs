//! Device and inode numbers. Programs use them to find out whether two paths lead to one file, or
//! whether a directory is on another file system.

use crate::fixture::{Slot, bind, inside, skip};
use maelstrom::container::Root;
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The device and inode number. Two paths have the same ones if they lead to the same file.
fn identity(path: impl AsRef<Path>) -> (u64, u64) {
    let metadata = fs::symlink_metadata(path).unwrap();
    (metadata.dev(), metadata.ino())
}

/// All paths below a directory on its file system, as `find -xdev` finds them: it does not enter
/// directories that have another device number.
fn on_the_device_of(directory: &Path) -> Vec<PathBuf> {
    let device = identity(directory).0;
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.is_symlink() && identity(&path).0 == device {
            found.extend(on_the_device_of(&path));
        }
        found.push(path);
    }
    found
}

/// Adds two layers: files, a directory that is in both, and a file with two names.
fn with_layers(slot: Slot) -> Slot {
    let below = slot.add_layer("below").join("layer");
    fs::create_dir_all(below.join("directory/inner")).unwrap();
    for file in ["file", "other", "directory/file", "directory/inner/file"] {
        fs::write(below.join(file), file).unwrap();
    }
    fs::hard_link(below.join("other"), below.join("linked")).unwrap();
    let above = slot.add_layer("above").join("layer/directory");
    fs::create_dir_all(&above).unwrap();
    fs::write(above.join("above"), "").unwrap();
    slot
}

fn plays_in(root: &Root<String>) {
    let mut slot = with_layers(Slot::start());
    for user in [1000, 0] {
        let job = slot.job("job").user(user).root(root.clone());
        job.layer("below").layer("above").run().succeeds();
    }
}

#[test]
fn a_file_stays_the_same_file_when_it_is_changed_or_renamed() {
    inside("job", || {
        for path in ["/layer/file", "/layer/directory", "/layer/directory/inner"] {
            let before = identity(path);
            if let Ok(mut file) = File::options().append(true).open(path) {
                file.write_all(b"more").unwrap();
            } else {
                fs::write(Path::new(path).join("new"), "").unwrap();
            }
            assert_eq!(identity(path), before, "{path}");
        }
        let open = File::open("/layer/directory/file").unwrap();
        fs::write("/layer/directory/file", "changed").unwrap();
        let open = open.metadata().unwrap();
        assert_eq!(identity("/layer/directory/file"), (open.dev(), open.ino()));
        let before = identity("/layer/directory/file");
        fs::rename("/layer/directory/file", "/layer/renamed").unwrap();
        assert_eq!(identity("/layer/renamed"), before);
    });
    plays_in(&Root::Scratch);
}

#[test]
fn hard_links_differ_from_separate_files() {
    inside("job", || {
        let links = |path: &str| fs::metadata(path).unwrap().nlink();
        assert_eq!(identity("/layer/other"), identity("/layer/linked"));
        assert_eq!(links("/layer/other"), 2);
        fs::write("/layer/new", "").unwrap();
        fs::hard_link("/layer/new", "/work/new-linked").unwrap();
        assert_eq!(identity("/layer/new"), identity("/work/new-linked"));
        assert_eq!(links("/layer/new"), 2);
        fs::write("/layer/file", "changed").unwrap();

        let mut names: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for path in on_the_device_of(Path::new("/")) {
            let below = ["/layer", "/work", "/tmp"];
            if below.iter().any(|start| path.starts_with(start)) {
                names.entry(identity(&path)).or_default().push(path);
            }
        }
        names.retain(|_, paths| paths.len() > 1);
        let mut linked: Vec<_> = names.into_values().collect();
        for paths in &mut linked {
            paths.sort();
        }
        linked.sort();
        let paths = |names: [&str; 2]| names.map(PathBuf::from).to_vec();
        assert_eq!(
            linked,
            [
                paths(["/layer/linked", "/layer/other"]),
                paths(["/layer/new", "/work/new-linked"]),
            ]
        );
    });
    plays_in(&Root::Scratch);
}

#[test]
fn a_walk_that_stays_on_one_file_system_sees_the_root_and_no_mounts() {
    inside("job", || {
        if fs::create_dir("/layer/directory/new").is_ok() {
            fs::write("/layer/directory/new/file", "").unwrap();
            assert!(on_the_device_of(Path::new("/")).contains(&"/layer/directory/new/file".into()));
        }
        let found = on_the_device_of(Path::new("/"));
        for path in [
            "/layer/directory/above",
            "/layer/directory/inner/file",
            "/work",
        ] {
            assert!(found.contains(&path.into()), "{path} is not in {found:?}");
        }
        fs::write("/tmp/file", "").unwrap();
        let mounted = ["/proc/", "/sys/", "/tmp/"];
        let mounted = |path: &&PathBuf| {
            mounted
                .iter()
                .any(|m| path.to_str().unwrap().starts_with(m))
        };
        assert_eq!(found.iter().find(mounted), None);
    });
    for root in [Root::Scratch, Root::ReadOnly] {
        plays_in(&root);
    }
}

#[test]
fn directory_entries_have_the_inode_numbers_of_their_files() {
    inside("job", || {
        let is_writable = fs::write("/layer/directory/inner/new", "").is_ok();
        let walked = on_the_device_of(Path::new("/layer"));
        let directories = walked.iter().filter(|path| path.is_dir());
        let mut told = Vec::new();
        for directory in directories.chain([&PathBuf::from("/layer")]) {
            for entry in fs::read_dir(directory).unwrap() {
                let entry = entry.unwrap();
                // The kernel does not do so for directories, if the file systems of the layers and
                // of what is written differ.
                if !is_writable || !entry.file_type().unwrap().is_dir() {
                    told.push((entry.path(), entry.ino()));
                }
            }
        }
        assert_eq!(told.len(), if is_writable { 7 } else { 8 }, "{told:?}");
        for (path, inode) in told {
            assert_eq!(inode, identity(&path).1, "{}", path.display());
        }
    });
    for root in [Root::Scratch, Root::ReadOnly] {
        plays_in(&root);
    }
}

#[test]
fn a_read_only_root_and_a_file_system_in_memory_have_one_device_number_each() {
    inside("job", || {
        for path in on_the_device_of(Path::new("/layer")) {
            assert_eq!(identity(&path).0, identity("/").0, "{}", path.display());
        }
        fs::create_dir("/tmp/directory").unwrap();
        fs::write("/tmp/directory/file", "").unwrap();
        for path in ["/tmp/directory", "/tmp/directory/file"] {
            assert_eq!(identity(path).0, identity("/tmp").0, "{path}");
        }
    });
    plays_in(&Root::ReadOnly);
}

#[test]
fn a_local_overlay_on_the_file_system_of_its_layers_has_one_device_number() {
    inside("job", || {
        let open = File::open("/layer/file").unwrap();
        fs::write("/layer/file", "changed").unwrap();
        let open = open.metadata().unwrap();
        assert_eq!(identity("/layer/file"), (open.dev(), open.ino()));
        fs::create_dir("/layer/new").unwrap();
        fs::write("/layer/new/file", "").unwrap();
        let found = on_the_device_of(Path::new("/layer"));
        assert!(found.contains(&"/layer/new/file".into()), "{found:?}");
        for path in found {
            assert_eq!(identity(&path).0, identity("/").0, "{}", path.display());
        }
    });
    if statfs(&std::env::temp_dir()).unwrap().filesystem_type() == OVERLAYFS_SUPER_MAGIC {
        return skip("needs a directory for temporary files that is not in an overlay");
    }
    let host = tempfile::tempdir().unwrap();
    for directory in ["upper", "work"] {
        fs::create_dir(host.path().join(directory)).unwrap();
    }
    let mut slot = with_layers(Slot::with_binds(&[bind(host.path(), false)]));
    let root = Root::Local {
        bind: 0,
        upper: "upper".to_owned(),
        work: "work".to_owned(),
    };
    let job = slot.job("job").root(root);
    job.layer("below").layer("above").run().succeeds();
}
