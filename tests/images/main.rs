//! Images from where they lie to what is in them, through the library.

#[path = "../fixture/image.rs"]
mod image;

mod digests;
mod unpacking;

use camino::Utf8Path;
use image::TestImage;
use maelstrom::image::{Image, ImageSettings, Images};
use maelstrom::layer::{Entry, LayerProblem};
use maelstrom::store::Store;
use std::fs;
use tempfile::TempDir;

/// A directory for an image, and a store to unpack it to.
struct Place {
    directory: TempDir,
    store: Store,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("store"), 1 << 30).unwrap();
        Self { directory, store }
    }

    fn layout(&self) -> std::path::PathBuf {
        self.directory.path().join("layout")
    }

    /// The image that is called `name` in the layout.
    fn find(&self, name: &str) -> Image {
        find(&format!("oci:{}:{name}", self.layout().display()))
    }

    fn unpack(&self, image: &TestImage) -> Result<String, LayerProblem> {
        image.write_oci(&self.layout(), "test");
        self.shown(&self.find("test"))
    }

    /// Every entry on a line: the path, and what is there.
    fn shown(&self, image: &Image) -> Result<String, LayerProblem> {
        let unpacked = maelstrom::layer::image::unpack(&self.store, image)?;
        let tree = self.store.add_tree(&unpacked.manifest)?;
        let tree = self.store.tree_path(&tree);
        let shown = unpacked
            .manifest
            .entries()
            .map(|(path, entry)| match entry {
                Entry::Directory { .. } => format!("{path}/\n"),
                Entry::File { .. } => {
                    let content = fs::read(tree.join(path.relative())).unwrap();
                    format!("{path}: {}\n", String::from_utf8_lossy(&content))
                }
                Entry::Symlink { target } => {
                    format!("{path} -> {}\n", String::from_utf8_lossy(target))
                }
            });
        Ok(shown.collect())
    }
}

fn find(name: &str) -> Image {
    let images = Images::new(ImageSettings::new("/nonexistent", |_| None));
    images
        .find(&name.parse().unwrap(), Utf8Path::new("/"))
        .unwrap()
}
