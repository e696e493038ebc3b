//! Fewer layers with the same files.
//!
//! A job looks for every file in every layer until it finds it, so neighbours
//! become one. Sources and what is large stay as they are: merged, they would be
//! linked anew for each container that has them, and whenever they change.

use super::{Entry, Manifest};
use crate::store::{Digest, ManifestError, Store};

/// Manifests larger than this are left alone, in bytes.
const LARGE: u64 = 128 * 1024;

/// The same files in as few layers as makes sense; those `apart` stay as they are.
/// That layers cannot be merged costs time only.
pub(super) fn stack(store: &Store, layers: &[Digest], apart: &[Digest]) -> Vec<Digest> {
    let small = |layer: &Digest| layer.size <= LARGE && !apart.contains(layer);
    let mut stacked = Vec::new();
    for run in layers.chunk_by(|a, b| small(a) && small(b)) {
        match run {
            [_] => stacked.extend(run),
            _ => match merge(store, run) {
                Some(merged) => stacked.push(merged),
                None => stacked.extend(run),
            },
        }
    }
    stacked
}

fn merge(store: &Store, layers: &[Digest]) -> Option<Digest> {
    store.add_tree(&flat(store, layers)?).ok()
}

/// All that layers have, bottom first, as one; `None` if the store has forgotten some.
pub(super) fn flat(store: &Store, layers: &[Digest]) -> Option<Manifest> {
    let mut merged = Manifest::new();
    for layer in layers {
        add(&mut merged, &store.manifest(layer)?).ok()?;
    }
    Some(merged)
}

/// Puts a layer on top of what is there.
pub(super) fn add(below: &mut Manifest, layer: &Manifest) -> Result<(), ManifestError> {
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
    fn small_neighbours_become_one_in_which_the_later_wins() {
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
        assert_eq!(stack(&store, &[below, above], &[below]), [below, above]);
        let stacked = stack(&store, &[below, above], &[]);
        assert_eq!(stacked.len(), 1);
        assert_eq!(
            store.manifest(&stacked[0]),
            Some(manifest(&[
                ("/a/x", symlink("above")),
                ("/b", symlink("b"))
            ]))
        );
    }

    #[test]
    fn a_file_hides_the_directory_below_it() {
        let mut below = manifest(&[("/a/b/c", symlink("c"))]);
        add(&mut below, &manifest(&[("/a/b", symlink("b"))])).unwrap();
        assert_eq!(below, manifest(&[("/a/b", symlink("b"))]));
    }

    #[test]
    fn a_directory_takes_the_place_of_a_symlink_below_it() {
        let mut below = manifest(&[("/lib", symlink("usr/lib"))]);
        let above = manifest(&[("/lib", directory()), ("/lib/x", symlink("y"))]);
        add(&mut below, &above).unwrap();
        assert_eq!(below, above);
    }

    /// What a job sees at `path` in a stack of layers: the topmost of them decides that
    /// has it, or has something above it that is no directory.
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
                // What does not go with the others of the same layer is left out.
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
                add(&mut merged, layer).unwrap();
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
