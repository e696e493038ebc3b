//! Reads the changes in an overlay's upper directory.

use super::{Entry, LayerProblem, Mode, PathInContainer};
use std::fs::{self, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The content of an upper directory.
#[derive(Default)]
pub(super) struct UpperDirectory {
    /// Directories and symlinks.
    pub entries: Vec<(PathInContainer, Entry)>,
    pub files: Vec<(PathInContainer, PathBuf, Mode)>,
    pub removed: Vec<PathInContainer>,
    /// Directories that hide the content of the layers below.
    pub opaque: Vec<PathInContainer>,
    /// Devices, pipes and sockets.
    pub special: Vec<PathInContainer>,
}

impl UpperDirectory {
    /// Reads an upper directory. The caller owns its files: modes that prevent reading are
    /// changed.
    pub fn read(directory: &Path) -> Result<Self, LayerProblem> {
        let mut upper = Self::default();
        upper.visit(directory, &PathInContainer::root())?;
        Ok(upper)
    }

    fn visit(&mut self, directory: &Path, at: &PathInContainer) -> Result<(), LayerProblem> {
        let failed = |cause| unreadable(directory, cause);
        let mode = fs::metadata(directory).map_err(failed)?.mode();
        if mode & 0o700 != 0o700 {
            fs::set_permissions(directory, Permissions::from_mode(0o700)).map_err(failed)?;
        }
        if is_opaque(directory) {
            self.opaque.push(at.clone());
        }
        for entry in fs::read_dir(directory).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let path = at.join(&entry.file_name().into_vec())?;
            let host = entry.path();
            let metadata = entry.metadata().map_err(|cause| unreadable(&host, cause))?;
            self.add(host, path, &metadata)?;
        }
        Ok(())
    }

    fn add(
        &mut self,
        host: PathBuf,
        path: PathInContainer,
        metadata: &Metadata,
    ) -> Result<(), LayerProblem> {
        let kind = metadata.file_type();
        if kind.is_dir() {
            let mode = Mode::of_directory(metadata.mode());
            self.entries.push((path.clone(), Entry::Directory { mode }));
            self.visit(&host, &path)?;
        } else if kind.is_symlink() {
            let target = fs::read_link(&host).map_err(|cause| unreadable(&host, cause))?;
            let target = target.into_os_string().into_vec();
            self.entries.push((path, Entry::Symlink { target }));
        } else if kind.is_file() {
            if metadata.mode() & 0o400 == 0 {
                let readable = Permissions::from_mode(metadata.mode() | 0o400);
                fs::set_permissions(&host, readable).map_err(|cause| unreadable(&host, cause))?;
            }
            let mode = Mode::of_file(metadata.mode());
            self.files.push((path, host, mode));
        } else if kind.is_char_device() && metadata.rdev() == 0 {
            self.removed.push(path);
        } else {
            self.special.push(path);
        }
        Ok(())
    }
}

/// Whether a directory is opaque, in the attribute that overlays mounted with `userxattr` use.
fn is_opaque(directory: &Path) -> bool {
    let mut value = [0; 1];
    rustix::fs::lgetxattr(directory, c"user.overlay.opaque", &mut value[..])
        .is_ok_and(|length| &value[..length] == b"y")
}

pub(super) fn unreadable(path: &Path, cause: io::Error) -> LayerProblem {
    LayerProblem::Read {
        path: path.to_owned(),
        cause,
    }
}
