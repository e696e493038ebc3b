//! Rebases a layer onto an image: resolves conflicts between directories and symlinks.
//!
//! An overlay does not resolve them: a directory `/bin` in a layer hides the symlink `/bin` of
//! the image, and with it all programs there. A symlink in a layer hides a directory of the
//! image in the same way.

use super::tar::resolve_symlinks;
use super::{Entry, Manifest, PathInContainer};
use crate::store::ManifestError;
use std::collections::BTreeMap;

/// The layer with its files at the paths where a process in the image would create them. If a
/// directory of the layer is a symlink in the image, its files move to the symlink's target. If a
/// symlink of the layer would replace a directory of the image, the directory stays, and the files
/// at the symlink's target are copied into it. `None`: the layer needs no change.
pub(super) fn rebase(
    below: &Manifest,
    layer: &Manifest,
) -> Result<Option<Manifest>, ManifestError> {
    let mut rebased = BTreeMap::new();
    let mut copies = Vec::new();
    for (path, entry) in layer.entries() {
        let to = resolve_symlinks(below, path, |_| true).unwrap_or_else(|_| path.clone());
        match (entry, below.get(&to)) {
            (Entry::Directory { .. }, Some(Entry::Symlink { .. })) => {
                match symlink_directory(below, &to) {
                    Some(to) if below.get(&to).is_some() => {}
                    Some(to) => drop(rebased.insert(to, entry)),
                    None => drop(rebased.insert(to, entry)),
                }
            }
            (Entry::Symlink { .. }, Some(Entry::Directory { .. })) => {
                copies.extend(symlink_directory(layer, path).map(|from| (from, to)));
            }
            _ => drop(rebased.insert(to, entry)),
        }
    }
    for (from, to) in copies {
        for path in layer.content(&from) {
            if let (Some(to), Some(entry)) = (with_prefix(path, &from, &to), layer.get(path)) {
                rebased.entry(to).or_insert(entry);
            }
        }
    }
    if rebased.len() == layer.len() && rebased.keys().eq(layer.entries().map(|(path, _)| path)) {
        return Ok(None);
    }
    let mut manifest = Manifest::new();
    for (path, entry) in rebased {
        manifest.insert(path, entry.clone())?;
    }
    Ok(Some(manifest))
}

/// The directory that a symlink leads to, whether it exists or not. `None`: the target is not a
/// directory.
fn symlink_directory(tree: &Manifest, link: &PathInContainer) -> Option<PathInContainer> {
    let inside = resolve_symlinks(tree, &link.join(b"x").ok()?, |_| true).ok()?;
    let directory = inside.parent()?;
    match tree.get(&directory) {
        None | Some(Entry::Directory { .. }) => Some(directory),
        Some(_) => None,
    }
}

/// A path below `from`, moved below `to`.
fn with_prefix(
    path: &PathInContainer,
    from: &PathInContainer,
    to: &PathInContainer,
) -> Option<PathInContainer> {
    let rest = path.as_bytes().strip_prefix(from.as_bytes())?;
    let rest = rest.strip_prefix(b"/").unwrap_or(rest);
    to.join(rest).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Digest, Mode};

    /// `a -> b` is a symlink, `a/` a directory, anything else a file.
    fn tree(entries: &[&str]) -> Manifest {
        let mut tree = Manifest::new();
        for written in entries {
            let (path, entry) = if let Some((path, target)) = written.split_once(" -> ") {
                let target = target.into();
                (path, Entry::Symlink { target })
            } else if let Some(path) = written.strip_suffix('/') {
                let mode = Mode::DIRECTORY;
                (path, Entry::Directory { mode })
            } else {
                let (digest, mode) = (Digest::of(b""), Mode::PLAIN);
                (*written, Entry::File { digest, mode })
            };
            let path = PathInContainer::new(path.as_bytes()).unwrap();
            tree.insert(path, entry).unwrap();
        }
        tree
    }

    #[track_caller]
    fn assert_rebased(below: &[&str], layer: &[&str], expected: &[&str]) {
        let layer = tree(layer);
        let rebased = rebase(&tree(below), &layer).unwrap();
        assert_eq!(rebased.unwrap_or(layer), tree(expected));
    }

    const MERGED: [&str; 5] = [
        "/bin -> usr/bin",
        "/lib -> /usr/lib",
        "/usr/bin/sh",
        "/usr/lib/libc.so",
        "/var/run -> ../run",
    ];

    #[test]
    fn a_layer_without_conflicts_is_not_changed() {
        for layer in [
            &["/usr/bin/git"][..],
            &["/bin -> usr/bin", "/usr/bin/git"],
            &["/new/", "/usr/bin -> bin2"],
        ] {
            let (below, layer) = (tree(&["/bin -> usr/bin", "/usr/"]), tree(layer));
            assert_eq!(rebase(&below, &layer).unwrap(), None);
        }
    }

    #[test]
    fn files_in_a_directory_that_is_a_symlink_below_move_to_its_target() {
        assert_rebased(&MERGED, &["/bin/git"], &["/usr/bin/git"]);
        assert_rebased(
            &MERGED,
            &["/lib/x86/libz.so", "/lib64/ld.so"],
            &["/usr/lib/x86/libz.so", "/lib64/ld.so"],
        );
        assert_rebased(&MERGED, &["/bin/"], &[]);
    }

    #[test]
    fn the_missing_target_of_a_symlink_becomes_a_directory() {
        assert_rebased(&MERGED, &["/var/run/lock"], &["/run/lock", "/var/"]);
        assert_rebased(&MERGED, &["/var/run/"], &["/run/", "/var/"]);
    }

    #[test]
    fn a_directory_replaces_a_symlink_to_a_file() {
        assert_rebased(&["/a -> b", "/b"], &["/a/"], &["/a/"]);
    }

    #[test]
    fn a_symlink_does_not_hide_a_directory() {
        assert_rebased(
            &["/bin/busybox", "/lib64/"],
            &[
                "/bin -> usr/bin",
                "/lib64 -> usr/lib64",
                "/usr/bin/git",
                "/usr/lib64/ld.so",
            ],
            &[
                "/usr/bin/git",
                "/bin/git",
                "/usr/lib64/ld.so",
                "/lib64/ld.so",
            ],
        );
    }

    #[test]
    fn cyclic_symlinks_are_not_followed() {
        assert_rebased(&["/a -> b", "/b -> a"], &["/a/x"], &["/a/x"]);
    }
}
