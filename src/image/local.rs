//! Finds an image in the files of this machine.

use super::layout::Layout;
use super::manifest::{self, check_config, from_config, not_an_image, parse};
use super::source::{ImageSource, sha256};
use super::{Image, ImageError, LayerBlob};
use oci_spec::distribution::Reference;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex};
use serde::Deserialize;
use std::sync::Arc;

/// The file that lists the images of an OCI image layout.
const INDEX: &str = "index.json";

/// The file that lists the images of an archive that `docker save` wrote.
const DOCKER_MANIFEST: &str = "manifest.json";

/// The annotation with the name of an image of a layout.
const NAME: &str = "org.opencontainers.image.ref.name";

/// The image with this name in an OCI layout. `None`: the only image.
pub fn of_layout(layout: Layout, name: Option<&str>) -> Result<Image, ImageError> {
    let layout = Arc::new(layout);
    let source = ImageSource::Layout(layout.clone());
    if !layout.has(INDEX) {
        return Err(not_an_image(&source, format!("it has no `{INDEX}`")));
    }
    let part = || layout.path().join(INDEX).to_string();
    let index: ImageIndex = parse(&layout.read(INDEX)?, part)?;
    let named: Vec<_> = index
        .manifests()
        .iter()
        .filter(|descriptor| name.is_none() || name_of(descriptor) == name)
        .collect();
    let known = || known_names(&index);
    match (named.as_slice(), name) {
        ([], None) => {
            return Err(not_an_image(
                &source,
                format!("its `{INDEX}` lists no image"),
            ));
        }
        ([], Some(name)) => {
            return Err(ImageError::NoSuchImage {
                path: layout.path().to_owned(),
                name: name.to_owned(),
                known: known(),
            });
        }
        ([_], _) => {}
        ([first, others @ ..], _) => {
            // An image for several platforms has a descriptor for each, all with the same name.
            let is_one = others.iter().all(|other| name_of(other) == name_of(first))
                && named.iter().all(|each| each.platform().is_some());
            if !is_one {
                return Err(ImageError::SeveralImages {
                    path: layout.path().to_owned(),
                    known: known(),
                });
            }
        }
    }
    let chosen = manifest::choose(&source, &named)?;
    manifest::resolve(&source, &sha256(chosen)?)
}

/// The image with this name in an archive that `docker save` wrote. `None`: the only image.
pub fn of_docker(layout: Layout, name: Option<&str>) -> Result<Image, ImageError> {
    let layout = Arc::new(layout);
    let source = ImageSource::Layout(layout.clone());
    if !layout.has(DOCKER_MANIFEST) {
        return Err(not_an_image(
            &source,
            format!("it has no `{DOCKER_MANIFEST}`"),
        ));
    }
    let part = |name: &str| layout.path().join(name).to_string();
    let saved = layout.read(DOCKER_MANIFEST)?;
    let saved: Vec<DockerManifestEntry> = parse(&saved, || part(DOCKER_MANIFEST))?;
    let known = || {
        saved
            .iter()
            .flat_map(DockerManifestEntry::tags)
            .map(str::to_owned)
            .collect()
    };
    let chosen = match (name, saved.as_slice()) {
        (None, [only]) => only,
        (None, []) => {
            return Err(not_an_image(
                &source,
                format!("its `{DOCKER_MANIFEST}` lists no image"),
            ));
        }
        (None, _) => {
            return Err(ImageError::SeveralImages {
                path: layout.path().to_owned(),
                known: known(),
            });
        }
        (Some(name), all) => all
            .iter()
            .find(|saved| saved.is_called(name))
            .ok_or_else(|| ImageError::NoSuchImage {
                path: layout.path().to_owned(),
                name: name.to_owned(),
                known: known(),
            })?,
    };
    let configuration = layout.read(&chosen.config)?;
    let configuration: ImageConfiguration = parse(&configuration, || part(&chosen.config))?;
    check_config(&source, chosen.layers.len(), &configuration)?;
    let layers = chosen.layers.iter().zip(configuration.rootfs().diff_ids());
    let layers = layers.map(|(name, diff_id)| {
        LayerBlob::in_layout(layout.clone(), name.clone(), None, diff_id.clone())
    });
    Ok(from_config(layers.collect(), &configuration))
}

fn name_of(descriptor: &Descriptor) -> Option<&str> {
    let annotations = descriptor.annotations().as_ref()?;
    annotations.get(NAME).map(String::as_str)
}

/// The names in an index, each once.
fn known_names(index: &ImageIndex) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for name in index.manifests().iter().filter_map(name_of) {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

/// An image in the `manifest.json` that `docker save` writes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct DockerManifestEntry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl DockerManifestEntry {
    /// Docker's short names match too: without a tag, the tag is `latest`.
    fn is_called(&self, name: &str) -> bool {
        let whole = |name: &str| name.parse().ok().map(|name: Reference| name.whole());
        let wanted = whole(name);
        self.tags()
            .any(|tag| tag == name || wanted.is_some() && whole(tag) == wanted)
    }

    fn tags(&self) -> impl Iterator<Item = &str> {
        self.repo_tags.iter().flatten().map(String::as_str)
    }
}
