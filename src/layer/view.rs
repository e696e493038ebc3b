//! The parts of a workspace's source that a test sees.

use super::{LayerProblem, Manifest};
use camino::Utf8PathBuf;
use std::collections::BTreeMap;
use std::path::Path;

/// Files and directories of a source that belong to a package, by their absolute paths, and
/// whether the test sees them. Other files are always seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SourceView {
    parts: BTreeMap<Utf8PathBuf, bool>,
}

impl SourceView {
    /// Adds a file or directory. It may be in another one.
    pub fn add(&mut self, path: Utf8PathBuf, is_seen: bool) {
        self.parts.insert(path, is_seen);
    }

    /// Whether the test sees all files.
    pub fn is_whole(&self) -> bool {
        self.parts.values().all(|is_seen| *is_seen)
    }

    /// The entries of a source that the test sees.
    pub(super) fn of(&self, whole: &Manifest) -> Result<Manifest, LayerProblem> {
        let mut seen = Manifest::new();
        for (path, entry) in whole.entries() {
            if self.is_seen(path.as_path()) {
                seen.insert(path.clone(), entry.clone())?;
            }
        }
        Ok(seen)
    }

    /// The innermost part that contains a file decides.
    fn is_seen(&self, path: &Path) -> bool {
        let mut parts = path.ancestors().filter_map(|part| {
            let part = part.to_str()?;
            self.parts.get(part.as_ref() as &camino::Utf8Path)
        });
        parts.next().copied().unwrap_or(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Entry, PathInContainer};

    fn manifest(paths: &[&str]) -> Manifest {
        let mut manifest = Manifest::new();
        for path in paths {
            let path = PathInContainer::new(path.as_bytes()).unwrap();
            let target = b"x".to_vec();
            manifest.insert(path, Entry::Symlink { target }).unwrap();
        }
        manifest
    }

    fn view(parts: &[(&str, bool)]) -> SourceView {
        let mut view = SourceView::default();
        for (path, is_seen) in parts {
            view.add((*path).into(), *is_seen);
        }
        view
    }

    #[test]
    fn files_of_no_part_are_seen_and_the_innermost_part_decides() {
        let whole = manifest(&["/w/f", "/w/a/f", "/w/ab/f", "/w/a/b/f", "/w/a/b/c/f"]);
        let view = view(&[("/w/a", false), ("/w/a/b", true), ("/w/a/b/c", false)]);
        let seen = view.of(&whole).unwrap();
        assert_eq!(seen, manifest(&["/w/f", "/w/ab/f", "/w/a/b/f"]));
    }

    #[test]
    fn a_view_in_which_everything_is_seen_is_whole() {
        let whole = manifest(&["/w/a/f"]);
        let everything = view(&[("/w/a", true)]);
        assert!(everything.is_whole() && SourceView::default().is_whole());
        assert_eq!(everything.of(&whole).unwrap(), whole);
        assert!(!view(&[("/w/a", true), ("/w/b", false)]).is_whole());
    }
}
