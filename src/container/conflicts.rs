//! The places where an overlay of the layers and the machine would hide files.
//!
//! overlayfs merges directories only, and with a directory that cannot be read the merged one
//! cannot be read either. Directories with such a place below them are split.

use super::view::{Machine, is_readable};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The paths in the job where the machine has a directory that cannot be read, or where a layer
/// has a directory and the machine a symbolic link to one, or the reverse. `layers` are the root
/// directories of the layers.
pub fn find(layers: &[PathBuf], machine: &Machine) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let root = Path::new("/");
    let mut waiting: Vec<_> = (layers.iter())
        .map(|layer| Pair {
            path: root.to_owned(),
            layer: layer.clone(),
            on_machine: root.to_owned(),
        })
        .collect();
    while let Some(pair) = waiting.pop() {
        let Ok(listed) = fs::read_dir(&pair.layer) else {
            continue;
        };
        for entry in listed.flatten() {
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let next = Pair {
                path: pair.path.join(entry.file_name()),
                layer: entry.path(),
                on_machine: pair.on_machine.join(entry.file_name()),
            };
            if !kind.is_dir() && !kind.is_symlink() {
                continue;
            }
            let tree = machine.locate(&next.on_machine);
            let entry = tree.and_then(|tree| Some((fs::symlink_metadata(&tree).ok()?, tree)));
            let Some((entry, tree)) = entry else {
                continue;
            };
            if kind.is_dir() && entry.is_symlink() {
                if let Some(target) = machine.resolve(&next.on_machine) {
                    found.insert(next.path.clone());
                    let on_machine = target.path;
                    waiting.push(Pair { on_machine, ..next });
                }
            } else if entry.is_dir() && (kind.is_symlink() || !is_readable(&tree)) {
                found.insert(next.path);
            } else if entry.is_dir() {
                waiting.push(next);
            }
        }
    }
    found
}

/// A directory of a layer, and the path of the machine's directory that lies below it.
struct Pair {
    path: PathBuf,
    layer: PathBuf,
    on_machine: PathBuf,
}
