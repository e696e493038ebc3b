//! Reads the manifest and the configuration of an image.

use super::platform::{self, ImagePlatform};
use super::source::{ImageSource, sha256};
use super::{Image, ImageError, LayerBlob};
use camino::Utf8PathBuf;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest, Sha256Digest};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// The number of indexes that may be nested. Deeper nesting is treated as a cycle.
const MAX_INDEX_DEPTH: usize = 4;

/// The media types of image configurations, of OCI and of Docker. Registries store other
/// artifacts too.
const CONFIG_MEDIA_TYPES: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// The media types of layers that can be unpacked.
const LAYER_MEDIA_TYPES: [&str; 11] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    // Registries may store these layers although they need not.
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// The image that a manifest describes. Of an index, the image for the platform of this machine.
pub fn resolve(source: &ImageSource, digest: &Sha256Digest) -> Result<Image, ImageError> {
    let (manifest, digest) = find_manifest(source, digest, 0)?;
    let media_type = manifest.config().media_type();
    if !CONFIG_MEDIA_TYPES.contains(&media_type.as_ref()) {
        let problem = format!("its configuration has the media type `{media_type}`");
        return Err(not_an_image(source, problem));
    }
    let bytes = source.config(manifest.config())?;
    let part = || source.part_name(&sha256(manifest.config()).unwrap_or(digest));
    let configuration: ImageConfiguration = parse(&bytes, part)?;
    let diff_ids = configuration.rootfs().diff_ids();
    check_config(source, manifest.layers().len(), &configuration)?;
    let layers = manifest.layers().iter().zip(diff_ids);
    let layers = layers.map(|(layer, diff_id)| {
        check_layer(source, layer)?;
        source.layer(layer, diff_id.clone())
    });
    Ok(from_config(
        layers.collect::<Result<_, _>>()?,
        &configuration,
    ))
}

/// The descriptor for the platform of this machine.
pub fn choose<'a>(
    source: &ImageSource,
    descriptors: &[&'a Descriptor],
) -> Result<&'a Descriptor, ImageError> {
    let machine = ImagePlatform::host();
    machine
        .choose(descriptors)
        .ok_or_else(|| ImageError::NoPlatform {
            image: source.name(),
            wanted: machine.to_string(),
            known: platform::names(descriptors),
        })
}

/// Fails unless a configuration describes this many layers and the platform of this machine.
pub fn check_config(
    source: &ImageSource,
    layers: usize,
    configuration: &ImageConfiguration,
) -> Result<(), ImageError> {
    let described = configuration.rootfs().diff_ids().len();
    if described != layers {
        let problem = format!("it has {layers} layers, but its configuration lists {described}");
        return Err(not_an_image(source, problem));
    }
    let found = ImagePlatform {
        os: configuration.os().clone(),
        architecture: configuration.architecture().clone(),
    };
    let machine = ImagePlatform::host();
    if found == machine {
        return Ok(());
    }
    Err(ImageError::NoPlatform {
        image: source.name(),
        wanted: machine.to_string(),
        known: vec![found.to_string()],
    })
}

/// An image with the environment and the working directory of its configuration.
pub fn from_config(layers: Vec<LayerBlob>, configuration: &ImageConfiguration) -> Image {
    let settings = configuration.config().as_ref();
    let variables = settings.and_then(|settings| settings.env().clone());
    let working_directory = settings.and_then(|settings| settings.working_dir().clone());
    Image {
        layers,
        environment: variables
            .unwrap_or_default()
            .iter()
            .filter_map(|variable| variable.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect(),
        working_directory: working_directory
            .filter(|directory| !directory.is_empty())
            .map(Utf8PathBuf::from),
        warnings: Vec::new(),
    }
}

/// Parses JSON. `part` names the file in messages.
pub fn parse<T: DeserializeOwned>(
    bytes: &[u8],
    part: impl FnOnce() -> String,
) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| ImageError::Malformed {
        part: part(),
        cause: error.to_string(),
    })
}

pub fn not_an_image(source: &ImageSource, problem: String) -> ImageError {
    ImageError::NoImage {
        image: source.name(),
        problem,
    }
}

/// The fields that distinguish manifests, indexes and other documents.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ManifestHeader {
    schema_version: Option<u32>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
}

fn find_manifest(
    source: &ImageSource,
    digest: &Sha256Digest,
    depth: usize,
) -> Result<(ImageManifest, Sha256Digest), ImageError> {
    let bytes = source.manifest(digest)?;
    let part = || source.part_name(digest);
    let header: ManifestHeader = parse(&bytes, part)?;
    if header.schema_version == Some(1) {
        return Err(ImageError::Schema1 {
            image: source.name(),
        });
    }
    let is_index = match header.media_type.as_deref() {
        Some(
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json",
        ) => true,
        Some(
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json",
        ) => false,
        Some(other) => {
            return Err(not_an_image(source, format!("its media type is `{other}`")));
        }
        None => header.manifests.is_some(),
    };
    if !is_index {
        return Ok((parse(&bytes, part)?, digest.clone()));
    }
    if depth == MAX_INDEX_DEPTH {
        let problem = format!("image index nested more than {MAX_INDEX_DEPTH} deep");
        return Err(not_an_image(source, problem));
    }
    let index: ImageIndex = parse(&bytes, part)?;
    let descriptors: Vec<_> = index.manifests().iter().collect();
    let chosen = choose(source, &descriptors)?;
    find_manifest(source, &sha256(chosen)?, depth + 1)
}

fn check_layer(source: &ImageSource, layer: &Descriptor) -> Result<(), ImageError> {
    let media_type = layer.media_type().as_ref();
    if !LAYER_MEDIA_TYPES.contains(&media_type) {
        return Err(ImageError::LayerType {
            image: source.name(),
            media_type: media_type.to_owned(),
        });
    }
    match layer.urls().as_ref().and_then(|urls| urls.first()) {
        Some(url) => Err(ImageError::ForeignLayer {
            image: source.name(),
            url: url.clone(),
        }),
        None => Ok(()),
    }
}
