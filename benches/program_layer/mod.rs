//! A lower directory with this program and its libraries.

use maelstrom::libraries::{ClosureEntry, Libraries, SearchContext};
use std::error::Error;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

/// Copies a program, its loader and its libraries to their paths below `layer`.
pub fn copy(program: &Path, layer: &Path) -> Result<(), Box<dyn Error>> {
    let place = |path: &Path| -> Result<_, Box<dyn Error>> {
        let inside = layer.join(path.strip_prefix("/")?);
        fs::create_dir_all(inside.parent().ok_or("a path without a parent")?)?;
        Ok(inside)
    };
    let name = camino::Utf8PathBuf::try_from(program.to_owned())?;
    for (path, entry) in Libraries::new().closure(&[name], &SearchContext::default())? {
        let inside = place(path.as_path())?;
        match entry {
            ClosureEntry::File(file) => drop(fs::copy(file, inside)?),
            ClosureEntry::Symlink { target, .. } => symlink(target, inside)?,
            ClosureEntry::Directory => fs::create_dir_all(inside)?,
        }
    }
    fs::copy(program, place(program)?)?;
    Ok(())
}
