//! Finding an image and its parts.

use super::layout::Layout;
use super::verified::digest_of;
use super::{Blob, Image, ImageError};
use crate::spec::ImageReference;
use camino::Utf8PathBuf;
use oci_spec::image::{
    Arch, Descriptor, ImageConfiguration, ImageIndex, ImageManifest, MediaType, Os,
};
use serde::Deserialize;
use std::io::Cursor;
use std::sync::Arc;

/// Where an OCI image layout says what it holds.
const INDEX: &str = "index.json";

/// The same of what `docker save` writes.
const DOCKER_MANIFEST: &str = "manifest.json";

/// The annotation that names an image of a layout.
const NAME: &str = "org.opencontainers.image.ref.name";

/// Indexes in indexes: more than this many levels are taken for a circle.
const DEEPEST: usize = 4;

/// Finds an image, and reads what it says of itself.
pub fn open(reference: &ImageReference) -> Result<Image, ImageError> {
    match reference {
        ImageReference::Docker(_) => Err(ImageError::Registry),
        ImageReference::Oci(located) => {
            Image::of_layout(Layout::directory(&located.path)?, located.image.as_deref())
        }
        ImageReference::OciArchive(located) => {
            Image::of_layout(Layout::archive(&located.path)?, located.image.as_deref())
        }
        ImageReference::DockerArchive(located) => {
            Image::of_docker(Layout::archive(&located.path)?, located.image.as_deref())
        }
    }
}

impl Image {
    fn of_layout(layout: Layout, name: Option<&str>) -> Result<Self, ImageError> {
        if !layout.has(INDEX) {
            let problem = format!("it has no `{INDEX}`");
            return Err(no_image(&layout, problem));
        }
        let index: ImageIndex = parse(&layout, INDEX, &layout.read(INDEX)?)?;
        let named: Vec<&Descriptor> = index
            .manifests()
            .iter()
            .filter(|descriptor| name.is_none() || name_of(descriptor) == name)
            .collect();
        let known = || -> Vec<String> {
            let names = index.manifests().iter().filter_map(name_of);
            names.map(str::to_owned).collect()
        };
        let several = named
            .iter()
            .any(|other| name_of(other) != name_of(named[0]));
        if let (Some(name), []) = (name, named.as_slice()) {
            return Err(ImageError::NoSuchImage {
                path: layout.path().to_owned(),
                name: name.to_owned(),
                known: known(),
            });
        }
        if several
            || name.is_none() && named.len() > 1 && named.iter().all(|d| d.platform().is_none())
        {
            return Err(ImageError::SeveralImages {
                path: layout.path().to_owned(),
                known: known(),
            });
        }
        let manifest = find_manifest(&layout, &named, 0)?;
        Self::of_manifest(layout, &manifest)
    }

    fn of_manifest(layout: Layout, manifest: &ImageManifest) -> Result<Self, ImageError> {
        let config = read_blob(&layout, manifest.config())?;
        let name = blob_name(manifest.config())?;
        let config: ImageConfiguration = parse(&layout, &name, &config)?;
        let layers = manifest
            .layers()
            .iter()
            .map(|layer| Ok((blob_name(layer)?, Some(layer.digest().to_string()))))
            .collect::<Result<Vec<_>, ImageError>>()?;
        Self::new(layout, layers, &config)
    }

    fn of_docker(layout: Layout, name: Option<&str>) -> Result<Self, ImageError> {
        if !layout.has(DOCKER_MANIFEST) {
            let problem = format!("it has no `{DOCKER_MANIFEST}`");
            return Err(no_image(&layout, problem));
        }
        let saved = layout.read(DOCKER_MANIFEST)?;
        let saved: Vec<Saved> =
            serde_json::from_slice(&saved).map_err(|error| ImageError::Malformed {
                path: layout.path().join(DOCKER_MANIFEST),
                cause: error.to_string(),
            })?;
        let known = || {
            saved
                .iter()
                .flat_map(Saved::tags)
                .map(str::to_owned)
                .collect()
        };
        let image = match (name, saved.as_slice()) {
            (None, [image]) => image,
            (None, []) => return Err(no_image(&layout, "it lists none".to_owned())),
            (None, _) => {
                return Err(ImageError::SeveralImages {
                    path: layout.path().to_owned(),
                    known: known(),
                });
            }
            (Some(name), images) => images
                .iter()
                .find(|image| {
                    image
                        .tags()
                        .any(|tag| tag == name || tag == format!("{name}:latest"))
                })
                .ok_or_else(|| ImageError::NoSuchImage {
                    path: layout.path().to_owned(),
                    name: name.to_owned(),
                    known: known(),
                })?,
        };
        let config = layout.read(&image.config)?;
        let config: ImageConfiguration = parse(&layout, &image.config, &config)?;
        let layers = image
            .layers
            .iter()
            .map(|layer| (layer.clone(), None))
            .collect();
        Self::new(layout, layers, &config)
    }

    fn new(
        layout: Layout,
        layers: Vec<(String, Option<String>)>,
        config: &ImageConfiguration,
    ) -> Result<Self, ImageError> {
        let diff_ids = config.rootfs().diff_ids();
        if diff_ids.len() != layers.len() {
            let problem = format!(
                "it has {} layers, but its configuration tells of {}",
                layers.len(),
                diff_ids.len()
            );
            return Err(no_image(&layout, problem));
        }
        let (wanted, found) = (
            platform(),
            (config.os().clone(), config.architecture().clone()),
        );
        if found != wanted {
            return Err(ImageError::NoPlatform {
                path: layout.path().to_owned(),
                wanted: told(&wanted),
                known: vec![told(&found)],
            });
        }
        let layout = Arc::new(layout);
        let blobs = layers
            .into_iter()
            .zip(diff_ids)
            .map(|((name, digest), diff_id)| Blob {
                layout: layout.clone(),
                name,
                digest,
                diff_id: diff_id.clone(),
            });
        let settings = config.config().as_ref();
        let variables = settings.and_then(|settings| settings.env().clone());
        let working_directory = settings.and_then(|settings| settings.working_dir().clone());
        Ok(Self {
            layers: blobs.collect(),
            environment: variables
                .unwrap_or_default()
                .iter()
                .filter_map(|variable| variable.split_once('='))
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
            working_directory: working_directory
                .filter(|directory| !directory.is_empty())
                .map(Utf8PathBuf::from),
        })
    }
}

/// An image as `docker save` lists it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Saved {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

impl Saved {
    fn tags(&self) -> impl Iterator<Item = &str> {
        self.repo_tags.iter().flatten().map(String::as_str)
    }
}

/// The manifest for this machine among some, which may be in indexes.
fn find_manifest(
    layout: &Layout,
    descriptors: &[&Descriptor],
    depth: usize,
) -> Result<ImageManifest, ImageError> {
    let wanted = platform();
    let platform_of = |descriptor: &Descriptor| {
        descriptor
            .platform()
            .as_ref()
            .map(|platform| (platform.os().clone(), platform.architecture().clone()))
    };
    let found = descriptors
        .iter()
        .find(|descriptor| platform_of(descriptor).is_none_or(|platform| platform == wanted));
    let Some(found) = found else {
        let known = descriptors.iter().filter_map(|d| platform_of(d));
        return Err(ImageError::NoPlatform {
            path: layout.path().to_owned(),
            wanted: told(&wanted),
            known: known.map(|platform| told(&platform)).collect(),
        });
    };
    let bytes = read_blob(layout, found)?;
    let name = blob_name(found)?;
    let is_index = match found.media_type() {
        MediaType::ImageIndex => true,
        MediaType::Other(name) => {
            name == "application/vnd.docker.distribution.manifest.list.v2+json"
        }
        _ => false,
    };
    if !is_index {
        return parse(layout, &name, &bytes);
    }
    if depth == DEEPEST {
        return Err(no_image(
            layout,
            "its indexes never come to an end".to_owned(),
        ));
    }
    let index: ImageIndex = parse(layout, &name, &bytes)?;
    let inner: Vec<_> = index.manifests().iter().collect();
    find_manifest(layout, &inner, depth + 1)
}

/// What images call this machine.
fn platform() -> (Os, Arch) {
    (Os::default(), Arch::default())
}

fn told((os, architecture): &(Os, Arch)) -> String {
    format!("{os}/{architecture}")
}

fn name_of(descriptor: &Descriptor) -> Option<&str> {
    let annotations = descriptor.annotations().as_ref()?;
    annotations.get(NAME).map(String::as_str)
}

/// Where a layout has a blob.
fn blob_name(descriptor: &Descriptor) -> Result<String, ImageError> {
    match descriptor.as_digest_sha256() {
        Some(digest) => Ok(format!("blobs/sha256/{digest}")),
        None => Err(ImageError::DigestKind(descriptor.digest().to_string())),
    }
}

/// A small blob, which has the right digest.
fn read_blob(layout: &Layout, descriptor: &Descriptor) -> Result<Vec<u8>, ImageError> {
    let name = blob_name(descriptor)?;
    let bytes = layout.read(&name)?;
    let (expected, found) = (descriptor.digest().to_string(), digest_of(&bytes));
    if expected == found {
        Ok(bytes)
    } else {
        Err(ImageError::Damaged {
            path: layout.path().join(name),
            expected,
            found,
        })
    }
}

fn parse<T: serde::de::DeserializeOwned>(
    layout: &Layout,
    name: &str,
    bytes: &[u8],
) -> Result<T, ImageError> {
    serde_json::from_reader(Cursor::new(bytes)).map_err(|error| ImageError::Malformed {
        path: layout.path().join(name),
        cause: error.to_string(),
    })
}

fn no_image(layout: &Layout, problem: String) -> ImageError {
    ImageError::NoImage {
        path: layout.path().to_owned(),
        problem,
    }
}
