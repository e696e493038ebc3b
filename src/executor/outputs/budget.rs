//! The limits of the size of outputs.

use std::path::Path;

/// The directory of a job for files that are appended to files of the client.
pub const APPENDED_DIRECTORY: &str = "/maelstrom-appended";

/// The directory of a job for the profiles of its instrumented programs.
pub const PROFILE_DIRECTORY: &str = "/maelstrom-profiles";

/// The size of a job's files that are appended to files of the client, in bytes. The limits of other
/// outputs do not concern them: `cargo insta` deletes snapshots for which a line is missing.
const MOST_APPENDED: u64 = 64 << 20;

/// The number of bytes that may still be copied for a job.
#[derive(Clone, Copy, Debug)]
pub struct SizeBudget {
    /// What `left` was at first.
    limit: u64,
    left: u64,
    left_of_appended: u64,
    /// What is left for all jobs of a batch.
    left_of_batch: u64,
}

/// A file that does not fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverLimit {
    pub message: String,
    /// Whether no later file is copied, so that the message is about them, too.
    pub is_end: bool,
}

/// Whether a file of a job is appended to one of the client.
pub fn is_appended(path: &Path) -> bool {
    path.starts_with(APPENDED_DIRECTORY)
}

/// Whether a file of a job is the profile of an instrumented program.
pub fn is_profile(path: &Path) -> bool {
    path.starts_with(PROFILE_DIRECTORY)
}

impl SizeBudget {
    /// `limit`: the size of the job's outputs; `left_of_batch`: the size that is left for all jobs
    /// of its batch, both in bytes.
    pub fn new(limit: u64, left_of_batch: u64) -> Self {
        Self {
            limit,
            left: limit,
            left_of_appended: MOST_APPENDED,
            left_of_batch,
        }
    }

    /// Takes the bytes of a file with this path in the job.
    pub fn take(&mut self, path: &Path, size: u64) -> Result<(), OverLimit> {
        let shown = path.display();
        if is_appended(path) {
            let left = self.left_of_appended.checked_sub(size);
            self.left_of_appended = left.ok_or_else(|| OverLimit {
                message: format!(
                    "{shown} was not appended to your file: it has {size} bytes, and at most \
                     {MOST_APPENDED} of a job are appended"
                ),
                is_end: false,
            })?;
            return Ok(());
        }
        let Some(left) = self.left.checked_sub(size) else {
            return Err(OverLimit {
                message: format!(
                    "{shown} and later outputs were not copied: together they exceed the limit of \
                     {} bytes; raise `outputs-limit`",
                    self.limit
                ),
                is_end: true,
            });
        };
        let Some(left_of_batch) = self.left_of_batch.checked_sub(size) else {
            return Err(OverLimit {
                message: format!(
                    "{shown} and later outputs were not copied: the jobs of one batch wrote more \
                     than is copied; raise `outputs-limit`"
                ),
                is_end: true,
            });
        };
        (self.left, self.left_of_batch) = (left, left_of_batch);
        Ok(())
    }

    /// The number of bytes that may still be copied for the batch.
    pub fn left_of_batch(&self) -> u64 {
        self.left_of_batch
    }
}
