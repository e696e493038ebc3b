//! Files that are replaced at once.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Replaces the content of a file at once. The target of a symlink is written, and the mode is kept.
/// A pipe or a device is not replaced; the content is written to it.
pub fn replace_file(path: impl AsRef<Path>, content: impl AsRef<[u8]>) -> io::Result<()> {
    let (path, content) = (path.as_ref(), content.as_ref());
    if fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let mut file = OpenOptions::new().write(true).open(path)?;
        return file.write_all(content);
    }
    let path = target(path)?;
    let directory = match path.parent() {
        Some(directory) if directory != Path::new("") => directory,
        _ => Path::new("."),
    };
    let mode = match fs::metadata(&path) {
        Ok(metadata) => Some(metadata.permissions()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    // The umask of the process applies to a new file.
    let mut builder = tempfile::Builder::new();
    let builder = builder.permissions(Permissions::from_mode(0o666));
    let mut file = builder.tempfile_in(directory)?;
    file.write_all(content)?;
    if let Some(mode) = mode {
        file.as_file().set_permissions(mode)?;
    }
    file.as_file().sync_data()?;
    file.persist(&path)?;
    Ok(())
}

/// The file that a path leads to. A symlink may lead to a file that does not exist yet.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => match fs::read_link(path) {
            Ok(link) => Ok(path.parent().unwrap_or(Path::new("/")).join(link)),
            Err(_) => Ok(path.to_owned()),
        },
        found => found,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use camino::Utf8PathBuf;
    use std::io::Read;
    use std::os::fd::AsRawFd;
    use std::os::unix::fs::{MetadataExt, symlink};

    fn directory() -> (tempfile::TempDir, Utf8PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(directory.path().join("file.toml")).unwrap();
        (directory, path)
    }

    #[test]
    fn a_file_that_is_replaced_keeps_its_mode() {
        let (_directory, path) = directory();
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o604)).unwrap();
        replace_file(&path, "new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o604);
    }

    #[test]
    fn the_target_of_a_symlink_is_written_whether_or_not_it_exists() {
        let (directory, path) = directory();
        fs::create_dir(directory.path().join("of")).unwrap();
        let target = directory.path().join("of/it.toml");
        symlink("of/it.toml", &path).unwrap();
        for text in ["one", "two"] {
            replace_file(&path, text).unwrap();
            assert_eq!(fs::read_to_string(&target).unwrap(), text);
            assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_an_error_and_leaves_nothing() {
        let (directory, path) = directory();
        fs::create_dir(&path).unwrap();
        replace_file(&path, "text").unwrap_err();
        let names = fs::read_dir(directory.path()).unwrap();
        assert_eq!(names.count(), 1);
    }

    #[test]
    fn a_pipe_is_written_and_stays() {
        let (_directory, path) = directory();
        let (mut reader, writer) = io::pipe().unwrap();
        symlink(format!("/proc/self/fd/{}", writer.as_raw_fd()), &path).unwrap();
        replace_file(&path, "text").unwrap();
        drop(writer);
        let mut read = String::new();
        reader.read_to_string(&mut read).unwrap();
        assert_eq!(read, "text");
        assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    }
}
