//! Merges layers into fewer layers with the same files.
//!
//! The kernel looks for a file in one layer after the other, so fewer layers are faster. Sources
//! and large layers are not merged, because the files of the merged tree would have to be linked
//! again for each container, and whenever a source changes.

use super::{Entry, Manifest};
use crate::store::{Digest, ManifestError, Store};

/// The size in bytes of the largest manifest that is merged.
const MAX_MERGED_MANIFEST: u64 = 128 * 1024;

/// Merges neighbouring small layers. Layers in `apart` stay as they are. A failure to merge only
/// costs time.
pub(super) fn merge_small_layers(
    store: &Store,
    layers: &[Digest],
    apart: &[Digest],
) -> Vec<Digest> {
    let small = |layer: &Digest| layer.size <= MAX_MERGED_MANIFEST && !apart.contains(layer);
    let mut merged_layers = Vec::new();
    for run in layers.chunk_by(|a, b| small(a) && small(b)) {
        match run {
            [_] => merged_layers.extend(run),
            _ => match merge(store, run) {
                Some(merged) => merged_layers.push(merged),
                None => merged_layers.extend(run),
            },
        }
    }
    merged_layers
}

fn merge(store: &Store, layers: &[Digest]) -> Option<Digest> {
    store.add_tree(&flatten(store, layers)?).ok()
}

/// Merges layers, the lowest first. `None`: the store lacks one of them.
pub(super) fn flatten(store: &Store, layers: &[Digest]) -> Option<Manifest> {
    let mut merged = Manifest::new();
    for layer in layers {
        add_layer(&mut merged, &store.manifest(layer)?).ok()?;
    }
    Some(merged)
}

/// Adds a layer on top of the layers below.
pub(super) fn add_layer(below: &mut Manifest, layer: &Manifest) -> Result<(), ManifestError> {
    for (path, entry) in layer.entries() {
        if !matches!(entry, Entry::Directory { .. }) {
            below.remove(path);
        }
        below.insert(path.clone(), entry.clone())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Mode, PathInContainer};
    use proptest::prelude::*;

    fn manifest(entries: &[(&str, Entry)]) -> Manifest {
        let mut manifest = Manifest::new();
        for (path, entry) in entries {
            let path = PathInContainer::new(path.as_bytes()).unwrap();
            manifest.insert(path, entry.clone()).unwrap();
        }
        manifest
    }

    fn symlink(target: &str) -> Entry {
        Entry::Symlink {
            target: target.into(),
        }
    }

    fn directory() -> Entry {
        Entry::Directory {
            mode: Mode::DIRECTORY,
        }
    }

    #[test]
    fn small_neighbouring_layers_are_merged_and_the_later_one_wins() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path(), 1 << 30).unwrap();
        let below = store
            .add_tree(&manifest(&[
                ("/a/x", symlink("below")),
                ("/b", symlink("b")),
            ]))
            .unwrap();
        let above = store
            .add_tree(&manifest(&[("/a/x", symlink("above"))]))
            .unwrap();
        assert_eq!(
            merge_small_layers(&store, &[below, above], &[below]),
            [below, above]
        );
        let merged_layers = merge_small_layers(&store, &[below, above], &[]);
        assert_eq!(merged_layers.len(), 1);
        assert_eq!(
            store.manifest(&merged_layers[0]),
            Some(manifest(&[
                ("/a/x", symlink("above")),
                ("/b", symlink("b"))
            ]))
        );
    }

    #[test]
    fn a_file_hides_the_directory_below_it() {
        let mut below = manifest(&[("/a/b/c", symlink("c"))]);
        add_layer(&mut below, &manifest(&[("/a/b", symlink("b"))])).unwrap();
        assert_eq!(below, manifest(&[("/a/b", symlink("b"))]));
    }

    #[test]
    fn a_directory_takes_the_place_of_a_symlink_below_it() {
        let mut below = manifest(&[("/lib", symlink("usr/lib"))]);
        let above = manifest(&[("/lib", directory()), ("/lib/x", symlink("y"))]);
        add_layer(&mut below, &above).unwrap();
        assert_eq!(below, above);
    }

    /// The entry at `path` that a job sees in a stack of layers. The topmost layer decides that
    /// has the path, or has a file or symlink in place of a parent directory.
    fn visible(layers: &[Manifest], path: &str) -> Option<Entry> {
        let entry = |layer: &Manifest, path: &str| {
            let path = PathInContainer::new(path.as_bytes()).unwrap();
            layer.get(&path).cloned()
        };
        for layer in layers.iter().rev() {
            if let Some(entry) = entry(layer, path) {
                return Some(entry);
            }
            let mut above = path.match_indices('/').map(|(end, _)| &path[..end]).skip(1);
            let is_file = |entry| !matches!(entry, Entry::Directory { .. });
            if above.any(|above| entry(layer, above).is_some_and(is_file)) {
                return None;
            }
        }
        None
    }

    /// Every path of up to three components that are `a` or `b`.
    fn paths() -> Vec<String> {
        let mut paths = Vec::new();
        let mut parents = vec![String::new()];
        for _ in 0..3 {
            let below = |parent: &String| [format!("{parent}/a"), format!("{parent}/b")];
            parents = parents.iter().flat_map(below).collect();
            paths.extend_from_slice(&parents);
        }
        paths
    }

    fn layer() -> impl Strategy<Value = Manifest> {
        let entry = prop_oneof![
            (0..0o1000u32).prop_map(|bits| Entry::Directory {
                mode: Mode::of_directory(bits)
            }),
            any::<bool>().prop_map(|executable| Entry::File {
                digest: Digest::of(b"content"),
                mode: Mode::executable(executable),
            }),
            "[a-z]".prop_map(|target| symlink(&target)),
        ];
        let entries = proptest::collection::vec((proptest::sample::select(paths()), entry), 0..6);
        entries.prop_map(|entries| {
            let mut layer = Manifest::new();
            for (path, entry) in entries {
                let path = PathInContainer::new(path.as_bytes()).unwrap();
                // An entry that conflicts with another one of the layer is left out.
                let _ = layer.insert(path, entry);
            }
            layer
        })
    }

    proptest! {
        #[test]
        fn a_merged_layer_shows_what_the_stack_of_layers_shows(
            layers in proptest::collection::vec(layer(), 1..5),
        ) {
            let mut merged = Manifest::new();
            for layer in &layers {
                add_layer(&mut merged, layer).unwrap();
            }
            let paths = paths();
            let expected: Vec<_> = paths
                .iter()
                .filter_map(|path| Some((path.as_str(), visible(&layers, path)?)))
                .collect();
            prop_assert_eq!(merged, manifest(&expected));
        }
    }
}
