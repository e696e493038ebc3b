//! Finds the libraries of given directories that binaries need, such as those that Cargo built.

use super::{Libraries, LibraryError};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeSet;
use std::fs;

impl Libraries {
    /// The libraries in `directories` that `binaries` need, directly or indirectly, with their
    /// paths there. Directories with a C library are those of a system, and are ignored:
    /// libraries of different systems do not work together.
    pub fn needed_in(
        &self,
        binaries: &[Utf8PathBuf],
        directories: &[Utf8PathBuf],
    ) -> Result<BTreeSet<Utf8PathBuf>, LibraryError> {
        let directories: Vec<&Utf8PathBuf> = (directories.iter())
            .filter(|directory| !has_c_library(directory))
            .collect();
        let mut found = BTreeSet::new();
        let mut open = binaries.to_vec();
        while let Some(path) = open.pop() {
            let unreadable = |source| LibraryError::Read {
                path: path.clone().into(),
                source,
            };
            let metadata = fs::metadata(&path).map_err(unreadable)?;
            let Some(object) = self.object(path.as_std_path(), &metadata)? else {
                continue;
            };
            for dependency in &object.dependencies {
                let name = dependency.name.to_str().filter(|name| !name.contains('/'));
                let library = name.and_then(|name| {
                    let mut candidates = directories.iter().map(|directory| directory.join(name));
                    candidates.find(|candidate| candidate.is_file())
                });
                if let Some(library) = library
                    && found.insert(library.clone())
                {
                    open.push(library);
                }
            }
        }
        Ok(found)
    }
}

fn has_c_library(directory: &Utf8Path) -> bool {
    const C_LIBRARIES: [&str; 3] = ["libc.so", "libc.musl-", "ld-musl-"];
    let Ok(entries) = directory.read_dir_utf8() else {
        return false;
    };
    let mut names = entries.flatten();
    names.any(|entry| {
        let name = entry.file_name();
        C_LIBRARIES.iter().any(|start| name.starts_with(start))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_a_c_library_belongs_to_a_system() {
        let directory = tempfile::tempdir().unwrap();
        let directory = Utf8Path::from_path(directory.path()).unwrap();
        fs::write(directory.join("libstd-1.so"), "").unwrap();
        assert!(!has_c_library(directory));
        fs::write(directory.join("libc.so.6"), "").unwrap();
        assert!(has_c_library(directory));
        assert!(!has_c_library(&directory.join("nothing")));
    }

    #[test]
    fn libraries_in_directories_of_the_system_are_ignored() {
        let myself = Utf8PathBuf::from_path_buf(std::env::current_exe().unwrap()).unwrap();
        let maps = fs::read_to_string("/proc/self/maps").unwrap();
        let system: Vec<Utf8PathBuf> = maps
            .lines()
            .filter_map(|line| Some(Utf8Path::new(line.get(line.find('/')?..)?).parent()?.into()))
            .filter(|directory: &Utf8PathBuf| !myself.starts_with(directory))
            .collect();
        assert!(!system.is_empty());
        let found = Libraries::new().needed_in(&[myself], &system).unwrap();
        assert_eq!(found, BTreeSet::new());
    }
}
