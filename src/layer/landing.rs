//! Where the files of a layer land on an image, whose directories may be symlinks and whose
//! symlinks may be directories.
//!
//! An overlay knows nothing of that: a directory `/bin` in a layer hides the symlink `/bin` of
//! the image, and with it all programs there; and a symlink hides a directory as well.

use super::tar::real;
use super::{Entry, Manifest, PathInContainer};
use crate::store::ManifestError;
use std::collections::BTreeMap;

/// The layer with its files where a process would put them by their paths: in a directory that
/// is a symlink to one below, they go where that leads. What a symlink of the layer leads to is
/// in the directory, too, that is in its place below. `None`: the layer is fine as it is.
pub(super) fn landed(
    below: &Manifest,
    layer: &Manifest,
) -> Result<Option<Manifest>, ManifestError> {
    let mut landed = BTreeMap::new();
    let mut copies = Vec::new();
    for (path, entry) in layer.entries() {
        let to = real(below, path, |_| true).unwrap_or_else(|_| path.clone());
        match (entry, below.get(&to)) {
            (Entry::Directory { .. }, Some(Entry::Symlink { .. })) => {
                match directory_at(below, &to) {
                    Some(to) if below.get(&to).is_some() => {}
                    Some(to) => drop(landed.insert(to, entry)),
                    None => drop(landed.insert(to, entry)),
                }
            }
            (Entry::Symlink { .. }, Some(Entry::Directory { .. })) => {
                copies.extend(directory_at(layer, path).map(|from| (from, to)));
            }
            _ => drop(landed.insert(to, entry)),
        }
    }
    for (from, to) in copies {
        for path in layer.content(&from) {
            if let (Some(to), Some(entry)) = (moved(path, &from, &to), layer.get(path)) {
                landed.entry(to).or_insert(entry);
            }
        }
    }
    if landed.len() == layer.len() && landed.keys().eq(layer.entries().map(|(path, _)| path)) {
        return Ok(None);
    }
    let mut manifest = Manifest::new();
    for (path, entry) in landed {
        manifest.insert(path, entry.clone())?;
    }
    Ok(Some(manifest))
}

/// The directory that a symlink leads to, be it there or not; `None`: it is something else.
fn directory_at(tree: &Manifest, link: &PathInContainer) -> Option<PathInContainer> {
    let inside = real(tree, &link.join(b"x").ok()?, |_| true).ok()?;
    let directory = inside.parent()?;
    match tree.get(&directory) {
        None | Some(Entry::Directory { .. }) => Some(directory),
        Some(_) => None,
    }
}

/// A path below `from` that is to be below `to`.
fn moved(
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
    fn lands(below: &[&str], layer: &[&str], expected: &[&str]) {
        let layer = tree(layer);
        let landed = landed(&tree(below), &layer).unwrap();
        assert_eq!(landed.unwrap_or(layer), tree(expected));
    }

    const MERGED: [&str; 5] = [
        "/bin -> usr/bin",
        "/lib -> /usr/lib",
        "/usr/bin/sh",
        "/usr/lib/libc.so",
        "/var/run -> ../run",
    ];

    #[test]
    fn what_fits_stays_as_it_is() {
        for layer in [
            &["/usr/bin/git"][..],
            &["/bin -> usr/bin", "/usr/bin/git"],
            &["/new/", "/usr/bin -> bin2"],
        ] {
            let (below, layer) = (tree(&["/bin -> usr/bin", "/usr/"]), tree(layer));
            assert_eq!(landed(&below, &layer).unwrap(), None);
        }
    }

    #[test]
    fn files_in_a_directory_that_is_a_symlink_go_where_it_leads() {
        lands(&MERGED, &["/bin/git"], &["/usr/bin/git"]);
        lands(
            &MERGED,
            &["/lib/x86/libz.so", "/lib64/ld.so"],
            &["/usr/lib/x86/libz.so", "/lib64/ld.so"],
        );
        lands(&MERGED, &["/bin/"], &[]);
    }

    #[test]
    fn a_symlink_to_nothing_is_a_directory_once_something_is_put_there() {
        lands(&MERGED, &["/var/run/lock"], &["/run/lock", "/var/"]);
        lands(&MERGED, &["/var/run/"], &["/run/", "/var/"]);
    }

    #[test]
    fn a_symlink_to_a_file_gives_way_to_a_directory() {
        lands(&["/a -> b", "/b"], &["/a/"], &["/a/"]);
    }

    #[test]
    fn a_symlink_does_not_hide_a_directory() {
        lands(
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
    fn symlinks_that_go_in_circles_are_not_followed() {
        lands(&["/a -> b", "/b -> a"], &["/a/x"], &["/a/x"]);
    }
}
