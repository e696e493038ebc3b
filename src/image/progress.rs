//! The progress of downloads.

use super::Download;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The images that are being downloaded, the oldest download first.
#[derive(Debug, Default)]
pub struct DownloadProgress {
    images: Mutex<Vec<ImageProgress>>,
}

/// The layers of an image whose downloads have started. Removed when no download of the image is
/// running.
#[derive(Debug)]
struct ImageProgress {
    name: String,
    layers: Vec<Arc<LayerProgress>>,
    running: usize,
}

#[derive(Debug)]
struct LayerProgress {
    /// In bytes.
    size: u64,
    /// In bytes.
    done: AtomicU64,
}

/// The download of a layer. Dropping it ends the download.
#[derive(Debug)]
pub struct LayerDownload<'a> {
    progress: &'a DownloadProgress,
    name: String,
    layer: Arc<LayerProgress>,
}

impl DownloadProgress {
    pub fn oldest(&self) -> Option<Download> {
        let images = self.locked();
        let image = images.first()?;
        let sum =
            |bytes: fn(&LayerProgress) -> u64| image.layers.iter().map(|layer| bytes(layer)).sum();
        Some(Download {
            name: image.name.clone(),
            done: sum(|layer| layer.done.load(Relaxed)),
            total: sum(|layer| layer.size),
        })
    }

    /// Starts the download of a layer of `size` bytes.
    pub fn begin(&self, name: &str, size: u64) -> LayerDownload<'_> {
        let layer = Arc::new(LayerProgress {
            size,
            done: AtomicU64::new(0),
        });
        let mut images = self.locked();
        let position = images.iter().position(|image| image.name == name);
        let position = position.unwrap_or_else(|| {
            images.push(ImageProgress {
                name: name.to_owned(),
                layers: Vec::new(),
                running: 0,
            });
            images.len() - 1
        });
        images[position].layers.push(layer.clone());
        images[position].running += 1;
        LayerDownload {
            progress: self,
            name: name.to_owned(),
            layer,
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<ImageProgress>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LayerDownload<'_> {
    /// Records that `done` bytes have been downloaded.
    pub fn set_done(&self, done: u64) {
        self.layer.done.store(done.min(self.layer.size), Relaxed);
    }
}

impl Drop for LayerDownload<'_> {
    fn drop(&mut self) {
        let mut images = self.progress.locked();
        if let Some(position) = images.iter().position(|image| image.name == self.name) {
            images[position].running -= 1;
            if images[position].running == 0 {
                images.remove(position);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_progress_of_an_image_includes_all_layers_until_the_last_has_ended() {
        let progress = DownloadProgress::default();
        assert_eq!(progress.oldest(), None);
        let (one, two) = (progress.begin("a", 10), progress.begin("a", 20));
        let other = progress.begin("b", 5);
        one.set_done(10);
        two.set_done(4);
        drop(one);
        let expected = |name: &str, done, total| {
            let name = name.to_owned();
            Some(Download { name, done, total })
        };
        assert_eq!(progress.oldest(), expected("a", 14, 30));
        drop(two);
        assert_eq!(progress.oldest(), expected("b", 0, 5));
        drop(other);
        assert_eq!(progress.oldest(), None);
    }
}
