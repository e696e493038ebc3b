//! One name in the directories of a job's layers, as overlayfs merges them.

use rustix::fs::lgetxattr;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

/// The entries of the layers' directories with one name.
pub struct InLayers {
    /// Directories, which overlayfs merges, top first.
    pub directories: Vec<PathBuf>,
    /// Something hides what is further down.
    pub covers: bool,
    /// A symbolic link is on top.
    pub is_symlink: bool,
}

impl InLayers {
    pub fn find(layers: &[PathBuf], name: &OsStr) -> Self {
        let mut found = Self {
            directories: Vec::new(),
            covers: false,
            is_symlink: false,
        };
        for layer in layers {
            let path = layer.join(name);
            let Ok(entry) = fs::symlink_metadata(&path) else {
                continue;
            };
            if !entry.is_dir() {
                // A whiteout is a special file.
                found.covers = true;
                found.is_symlink = entry.is_symlink() && found.directories.is_empty();
                break;
            }
            let is_opaque = is_opaque(&path);
            found.directories.push(path);
            if is_opaque {
                found.covers = true;
                break;
            }
        }
        found
    }
}

/// Whether a directory of a layer hides the directories further down.
fn is_opaque(directory: &Path) -> bool {
    let mut value = [0];
    lgetxattr(directory, c"user.overlay.opaque", &mut value[..])
        .is_ok_and(|length| length == 1 && value == *b"y")
}
