//! What containers get from images: each image is found once, and its layers become one.

use super::recipe::Recipe;
use super::{LayerBuilder, LayerContext, LayerError, Manifest, Problem, landing};
use crate::image::{Image, ImageError};
use crate::spec::{ImageReference, ImageUse, WorkingDirectoryUse};
use crate::store::Digest;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// What a container starts from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Base {
    /// All files of the image.
    pub layer: Option<Digest>,
    pub environment: BTreeMap<String, String>,
    pub working_directory: Option<Utf8PathBuf>,
    /// For the user to see once.
    pub warnings: Vec<String>,
}

/// The images that were looked for in this run.
#[derive(Default)]
pub(super) struct Found {
    images: Mutex<HashMap<ImageReference, Slot>>,
    /// Of the images' layers.
    manifests: Mutex<HashMap<Digest, Arc<Manifest>>>,
    /// What layers became to lie on those of images.
    landed: Mutex<HashMap<[Digest; 2], Digest>>,
}

/// What has come of looking for an image, once somebody has.
type Slot = Arc<OnceLock<Result<Arc<Image>, ImageError>>>;

impl LayerBuilder {
    /// What a container gets that uses an image, or none. Layers are downloaded and
    /// unpacked only if they are used.
    pub fn base(
        &self,
        used: Option<&ImageUse>,
        context: &LayerContext,
    ) -> Result<Base, LayerError> {
        let Some(used) = used else {
            return Ok(Base::default());
        };
        let reference = used.image.below(&context.project_dir);
        let mut base = Base::default();
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
                return Err(failed(Problem::NoWorkingDirectory));
            }
        }
        Ok(base)
    }

    /// A layer as it has to be to lie on that of an image: its files are where a process would
    /// put them that was given their paths.
    pub fn land(&self, layer: Digest, image: Option<Digest>) -> Result<Digest, LayerError> {
        let Some(image) = image else {
            return Ok(layer);
        };
        if let Some(landed) = locked(&self.found.landed).get(&[layer, image]) {
            return Ok(*landed);
        }
        let landed = self
            .land_anew(&layer, &image)
            .map_err(|problem| LayerError::new("a layer on top of an image", problem))?;
        locked(&self.found.landed).insert([layer, image], landed);
        Ok(landed)
    }

    fn land_anew(&self, layer: &Digest, image: &Digest) -> Result<Digest, Problem> {
        let manifest = |digest| self.store().manifest(digest).ok_or(Problem::LostBelow);
        let known = locked(&self.found.manifests).get(image).cloned();
        let below = if let Some(below) = known {
            below
        } else {
            let below = Arc::new(manifest(image)?);
            locked(&self.found.manifests).insert(*image, below.clone());
            below
        };
        Ok(match landing::landed(&below, &manifest(layer)?)? {
            Some(landed) => self.store().add_tree(&landed)?,
            None => *layer,
        })
    }

    /// The image, looked for by the first who asks.
    pub(super) fn find_image(
        &self,
        reference: &ImageReference,
        project_dir: &Utf8Path,
    ) -> Result<Arc<Image>, Problem> {
        let slot = {
            let mut images = locked(&self.found.images);
            Arc::clone(images.entry(reference.clone()).or_default())
        };
        let find = || self.images.find(reference, project_dir).map(Arc::new);
        Ok(slot.get_or_init(find).clone()?)
    }
}

/// What a mutex guards: maps, which are whole whenever somebody panics.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
