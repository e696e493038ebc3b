//! The base of a container: what an image contributes to it. Each image is looked up once, and
//! its layers are merged into one.

use super::recipe::Recipe;
use super::{LayerBuilder, LayerContext, LayerError, LayerProblem, Manifest, symlink_rebase};
use crate::image::{Image, ImageError};
use crate::spec::{ImageReference, ImageUse, WorkingDirectoryUse};
use crate::store::Digest;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The parts of an image that a container uses. Empty for a container without an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageBase {
    /// The layer with all files of the image.
    pub layer: Option<Digest>,
    pub environment: BTreeMap<String, String>,
    pub working_directory: Option<Utf8PathBuf>,
    /// Warnings to show once.
    pub warnings: Vec<String>,
}

/// The images that were looked up in this run.
#[derive(Default)]
pub(super) struct ImageCache {
    images: Mutex<HashMap<ImageReference, ImageCell>>,
    /// The manifests of the images' layers.
    manifests: Mutex<HashMap<Digest, Arc<Manifest>>>,
    /// Layers rebased onto images, by the digests of the layer and of the image.
    rebased: Mutex<HashMap<[Digest; 2], Digest>>,
}

/// The result of looking up an image, once it was looked up.
type ImageCell = Arc<OnceLock<Result<Arc<Image>, ImageError>>>;

impl LayerBuilder {
    /// The base of a container that uses this image. Layers are downloaded and unpacked only if
    /// they are used.
    pub fn base(
        &self,
        used: Option<&ImageUse>,
        context: &LayerContext,
    ) -> Result<ImageBase, LayerError> {
        let Some(used) = used else {
            return Ok(ImageBase::default());
        };
        let reference = used.image.below(&context.project_dir);
        let mut base = ImageBase::default();
        if used.layers {
            let built = self.build_recipe(&Recipe::Image {
                image: reference.clone(),
                project_dir: context.project_dir.clone(),
            })?;
            base.layer = Some(built.digest);
            base.warnings = built.warnings;
        }
        if used.environment || used.working_directory != WorkingDirectoryUse::No {
            let failed = |problem| LayerError::of_image(&reference, problem);
            let image = self
                .find_image(&reference, &context.project_dir)
                .map_err(failed)?;
            if used.environment {
                base.environment.clone_from(&image.environment);
            }
            if used.working_directory != WorkingDirectoryUse::No {
                base.working_directory.clone_from(&image.working_directory);
            }
            if !used.layers {
                base.warnings.clone_from(&image.warnings);
            }
            let is_required = used.working_directory == WorkingDirectoryUse::Required;
            if is_required && base.working_directory.is_none() {
                return Err(failed(LayerProblem::NoWorkingDirectory));
            }
        }
        Ok(base)
    }

    /// Rebases a layer onto an image: its files are moved to the paths where a process in the image
    /// would create them. See [`symlink_rebase`].
    pub fn rebase_onto_image(
        &self,
        layer: Digest,
        image: Option<Digest>,
    ) -> Result<Digest, LayerError> {
        let Some(image) = image else {
            return Ok(layer);
        };
        if let Some(rebased) = locked(&self.image_cache.rebased).get(&[layer, image]) {
            return Ok(*rebased);
        }
        let rebased = self
            .rebase_uncached(&layer, &image)
            .map_err(|problem| LayerError::new("a layer on top of an image", problem))?;
        locked(&self.image_cache.rebased).insert([layer, image], rebased);
        Ok(rebased)
    }

    fn rebase_uncached(&self, layer: &Digest, image: &Digest) -> Result<Digest, LayerProblem> {
        let manifest = |digest| {
            self.store()
                .manifest(digest)
                .ok_or(LayerProblem::LayersEvicted)
        };
        let known = locked(&self.image_cache.manifests).get(image).cloned();
        let below = if let Some(below) = known {
            below
        } else {
            let below = Arc::new(manifest(image)?);
            locked(&self.image_cache.manifests).insert(*image, below.clone());
            below
        };
        Ok(match symlink_rebase::rebase(&below, &manifest(layer)?)? {
            Some(rebased) => self.store().add_tree(&rebased)?,
            None => *layer,
        })
    }

    /// The image. The first call looks it up; later ones get the same result.
    pub(super) fn find_image(
        &self,
        reference: &ImageReference,
        project_dir: &Utf8Path,
    ) -> Result<Arc<Image>, LayerProblem> {
        let cell = {
            let mut images = locked(&self.image_cache.images);
            Arc::clone(images.entry(reference.clone()).or_default())
        };
        let find = || self.images.find(reference, project_dir).map(Arc::new);
        Ok(cell.get_or_init(find).clone()?)
    }
}

/// Locks a map. A map is consistent even if a thread panicked while it held the lock.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
