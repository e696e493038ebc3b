//! Unpacking layers from the input of an action, with hard links where possible.

use super::input::{blob_path, manifest_path, pack_contents, pack_offsets, pack_path};
use crate::store::{Digest, Entry, Manifest, ManifestError, Mode, set_mode_and_mtime};
use rustix::fs::{AtFlags, CWD, linkat};
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    #[error("failed to read {}, a part of the action's input", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{} is not the manifest of a layer", path.display())]
    Manifest {
        path: PathBuf,
        source: ManifestError,
    },
    #[error("failed to make {}", path.display())]
    Make { path: PathBuf, source: io::Error },
}

/// Unpacks a layer of the input in the directory `input` to a directory in `trees`.
pub fn unpack(input: &Path, layer: &Digest, trees: &Path) -> Result<(), UnpackError> {
    let path = input.join(manifest_path(layer));
    let bytes = fs::read(&path).map_err(read_error(&path))?;
    let manifest =
        Manifest::parse(&bytes).map_err(|source| UnpackError::Manifest { path, source })?;
    let packed = pack_contents(&manifest);
    let offsets = pack_offsets(&packed);
    let path = input.join(pack_path(layer));
    let pack = (!packed.is_empty())
        .then(|| File::open(&path).map_err(read_error(&path)))
        .transpose()?;
    let tree = trees.join(layer.to_string());
    make_directory(&tree, Mode::DIRECTORY).map_err(create_error(&tree))?;
    for (path, entry) in manifest.entries() {
        let to = tree.join(path.relative());
        match entry {
            Entry::Directory { mode } => make_directory(&to, *mode).map_err(create_error(&to))?,
            Entry::Symlink { target } => {
                symlink(OsStr::from_bytes(target), &to).map_err(create_error(&to))?;
            }
            Entry::File { digest, mode } => {
                if let (Some(pack), Some(offset)) = (&pack, offsets.get(digest)) {
                    let mut content = vec![0; digest.size as usize];
                    let from = input.join(pack_path(layer));
                    pack.read_exact_at(&mut content, *offset)
                        .map_err(read_error(&from))?;
                    write_file(&to, &content, *mode).map_err(create_error(&to))?;
                } else {
                    let from = input.join(blob_path(digest, *mode));
                    link_or_copy(&from, &to, *mode)?;
                }
            }
        }
    }
    Ok(())
}

fn read_error(path: &Path) -> impl FnOnce(io::Error) -> UnpackError {
    let path = path.to_owned();
    |source| UnpackError::Read { path, source }
}

fn create_error(path: &Path) -> impl FnOnce(io::Error) -> UnpackError {
    let path = path.to_owned();
    |source| UnpackError::Make { path, source }
}

/// Makes a directory with exactly this mode, whatever the umask is.
fn make_directory(path: &Path, mode: Mode) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, Permissions::from_mode(mode.bits()))
}

fn write_file(path: &Path, content: &[u8], mode: Mode) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(content)?;
    set_mode_and_mtime(&file, mode)
}

/// Links a file of the input if it has the right mode and owner, and copies it otherwise. The
/// files of the input must not be changed, as other actions may share them.
fn link_or_copy(from: &Path, to: &Path, mode: Mode) -> Result<(), UnpackError> {
    let metadata = fs::metadata(from).map_err(read_error(from))?;
    let will_do = metadata.mode() & 0o7777 == mode.bits()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.gid() == rustix::process::getegid().as_raw();
    if will_do && linkat(CWD, from, CWD, to, AtFlags::SYMLINK_FOLLOW).is_ok() {
        return Ok(());
    }
    let mut source = File::open(from).map_err(read_error(from))?;
    let mut copy = || {
        let mut file = File::create_new(to)?;
        io::copy(&mut source, &mut file)?;
        set_mode_and_mtime(&file, mode)
    };
    copy().map_err(create_error(to))
}
