//! From manifests to images.

use super::platform::{self, Machine};
use super::source::{Source, sha256};
use super::{Blob, Image, ImageError};
use camino::Utf8PathBuf;
use oci_spec::image::{Descriptor, ImageConfiguration, ImageIndex, ImageManifest, Sha256Digest};
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

/// Indexes in indexes: more than this many levels are taken for a circle.
const DEEPEST: usize = 4;

/// What configurations of images are called, by OCI and by Docker. Other things are kept
/// in registries, too.
const CONFIGURATIONS: [&str; 2] = [
    "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.container.image.v1+json",
];

/// What layers are called that can be had.
const LAYERS: [&str; 11] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.oci.image.layer.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
    "application/vnd.docker.image.rootfs.diff.tar.zstd",
    // They may lie there all the same.
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
    "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
];

/// The image that a manifest describes, or the one for this machine that an index names.
pub fn open(source: &Source, digest: &Sha256Digest) -> Result<Image, ImageError> {
    let (manifest, digest) = find_manifest(source, digest, 0)?;
    let media_type = manifest.config().media_type();
    if !CONFIGURATIONS.contains(&media_type.as_ref()) {
        let problem = format!("what it describes is of the type `{media_type}`");
        return Err(no_image(source, problem));
    }
    let bytes = source.description(manifest.config())?;
    let part = || source.part(&sha256(manifest.config()).unwrap_or(digest));
    let configuration: ImageConfiguration = parse(&bytes, part)?;
    let diff_ids = configuration.rootfs().diff_ids();
    check(source, manifest.layers().len(), &configuration)?;
    let layers = manifest.layers().iter().zip(diff_ids);
    let layers = layers.map(|(layer, diff_id)| {
        check_layer(source, layer)?;
        source.layer(layer, diff_id.clone())
    });
    Ok(image(layers.collect::<Result<_, _>>()?, &configuration))
}

/// The one of several descriptors that is for this machine.
pub fn choose<'a>(
    source: &Source,
    descriptors: &[&'a Descriptor],
) -> Result<&'a Descriptor, ImageError> {
    let machine = Machine::this();
    machine
        .choose(descriptors)
        .ok_or_else(|| ImageError::NoPlatform {
            image: source.name(),
            wanted: machine.to_string(),
            known: platform::named(descriptors),
        })
}

/// Fails if a configuration is not of an image of so many layers that runs here.
pub fn check(
    source: &Source,
    layers: usize,
    configuration: &ImageConfiguration,
) -> Result<(), ImageError> {
    let described = configuration.rootfs().diff_ids().len();
    if described != layers {
        let problem = format!("it has {layers} layers, but its configuration tells of {described}");
        return Err(no_image(source, problem));
    }
    let found = Machine {
        os: configuration.os().clone(),
        architecture: configuration.architecture().clone(),
    };
    let machine = Machine::this();
    if found == machine {
        return Ok(());
    }
    Err(ImageError::NoPlatform {
        image: source.name(),
        wanted: machine.to_string(),
        known: vec![found.to_string()],
    })
}

/// An image as its configuration says that it is to be used.
pub fn image(layers: Vec<Blob>, configuration: &ImageConfiguration) -> Image {
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

/// Parses what `part` names for people.
pub fn parse<T: DeserializeOwned>(
    bytes: &[u8],
    part: impl FnOnce() -> String,
) -> Result<T, ImageError> {
    serde_json::from_slice(bytes).map_err(|error| ImageError::Malformed {
        part: part(),
        cause: error.to_string(),
    })
}

pub fn no_image(source: &Source, problem: String) -> ImageError {
    ImageError::NoImage {
        image: source.name(),
        problem,
    }
}

/// What tells manifests from indexes, and from what is neither.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kind {
    schema_version: Option<u32>,
    media_type: Option<String>,
    manifests: Option<IgnoredAny>,
}

fn find_manifest(
    source: &Source,
    digest: &Sha256Digest,
    depth: usize,
) -> Result<(ImageManifest, Sha256Digest), ImageError> {
    let bytes = source.manifest(digest)?;
    let part = || source.part(digest);
    let kind: Kind = parse(&bytes, part)?;
    if kind.schema_version == Some(1) {
        return Err(ImageError::Schema1 {
            image: source.name(),
        });
    }
    let is_index = match kind.media_type.as_deref() {
        Some(
            "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json",
        ) => true,
        Some(
            "application/vnd.oci.image.manifest.v1+json"
            | "application/vnd.docker.distribution.manifest.v2+json",
        ) => false,
        Some(other) => {
            return Err(no_image(source, format!("it is of the type `{other}`")));
        }
        None => kind.manifests.is_some(),
    };
    if !is_index {
        return Ok((parse(&bytes, part)?, digest.clone()));
    }
    if depth == DEEPEST {
        let problem = "its indexes never come to an end".to_owned();
        return Err(no_image(source, problem));
    }
    let index: ImageIndex = parse(&bytes, part)?;
    let descriptors: Vec<_> = index.manifests().iter().collect();
    let chosen = choose(source, &descriptors)?;
    find_manifest(source, &sha256(chosen)?, depth + 1)
}

fn check_layer(source: &Source, layer: &Descriptor) -> Result<(), ImageError> {
    let media_type = layer.media_type().as_ref();
    if !LAYERS.contains(&media_type) {
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
