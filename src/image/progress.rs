//! How far downloads have come.

use super::Download;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The downloads that go on, oldest first.
#[derive(Debug, Default)]
pub struct Progress {
    images: Mutex<Vec<Image>>,
}

/// The parts of an image that are downloaded, until the last of them has ended.
#[derive(Debug)]
struct Image {
    name: String,
    parts: Vec<Arc<Part>>,
    going_on: usize,
}

#[derive(Debug)]
struct Part {
    /// In bytes.
    size: u64,
    /// In bytes.
    done: AtomicU64,
}

/// The download of a part, which ends when this is dropped.
#[derive(Debug)]
pub struct Going<'a> {
    progress: &'a Progress,
    name: String,
    part: Arc<Part>,
}

impl Progress {
    pub fn oldest(&self) -> Option<Download> {
        let images = self.locked();
        let image = images.first()?;
        let sum = |bytes: fn(&Part) -> u64| image.parts.iter().map(|part| bytes(part)).sum();
        Some(Download {
            name: image.name.clone(),
            done: sum(|part| part.done.load(Relaxed)),
            total: sum(|part| part.size),
        })
    }

    /// A part of an image begins, of `size` bytes.
    pub fn begin(&self, name: &str, size: u64) -> Going<'_> {
        let part = Arc::new(Part {
            size,
            done: AtomicU64::new(0),
        });
        let mut images = self.locked();
        let position = images.iter().position(|image| image.name == name);
        let position = position.unwrap_or_else(|| {
            images.push(Image {
                name: name.to_owned(),
                parts: Vec::new(),
                going_on: 0,
            });
            images.len() - 1
        });
        images[position].parts.push(part.clone());
        images[position].going_on += 1;
        Going {
            progress: self,
            name: name.to_owned(),
            part,
        }
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Image>> {
        self.images.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Going<'_> {
    /// So many bytes of it are there.
    pub fn set(&self, done: u64) {
        self.part.done.store(done.min(self.part.size), Relaxed);
    }
}

impl Drop for Going<'_> {
    fn drop(&mut self) {
        let mut images = self.progress.locked();
        if let Some(position) = images.iter().position(|image| image.name == self.name) {
            images[position].going_on -= 1;
            if images[position].going_on == 0 {
                images.remove(position);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_counts_with_all_its_parts_until_the_last_has_ended() {
        let progress = Progress::default();
        assert_eq!(progress.oldest(), None);
        let (one, two) = (progress.begin("a", 10), progress.begin("a", 20));
        let other = progress.begin("b", 5);
        one.set(10);
        two.set(4);
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
