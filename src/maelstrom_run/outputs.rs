//! Copying the outputs of jobs.

use crate::executor::{JobOutputs, OutputPlaces, SavedOutputs};
use crate::process::to_stderr;
use std::path::PathBuf;
use std::sync::Arc;

/// Copies the outputs of each job to a directory of its own.
#[derive(Clone)]
pub struct JobOutputCopier {
    places: Arc<OutputPlaces>,
    directory: PathBuf,
}

impl JobOutputCopier {
    /// `directory` gets a directory for each job with outputs, named by the job's number. `limit`:
    /// the size of a job's outputs that are copied, in bytes.
    pub fn new(directory: PathBuf, limit: u64) -> Self {
        Self {
            places: Arc::new(OutputPlaces::new(
                None,
                Vec::new(),
                // The directory is the user's, and may have other files.
                false,
                limit,
            )),
            directory,
        }
    }

    /// Copies the outputs of a job on another thread, and says on stderr what was copied.
    pub async fn copy(&self, number: u64, outputs: Option<Arc<JobOutputs>>) {
        let Some(outputs) = outputs else { return };
        let directory = self.directory.join(number.to_string());
        let (places, to) = (self.places.clone(), directory.clone());
        let name = format!("job {number} of the input");
        let saving = tokio::task::spawn_blocking(move || places.save(&outputs, &name, &to));
        let saved = saving.await.unwrap_or_else(|error| SavedOutputs {
            problems: vec![error.to_string()],
            ..SavedOutputs::default()
        });
        for problem in &saved.problems {
            to_stderr(format_args!(
                "warning: outputs of job {number} of the input: {problem}"
            ));
        }
        let files = match saved.other_files.len() {
            0 => return,
            1 => "1 output".to_owned(),
            count => format!("{count} outputs"),
        };
        to_stderr(format_args!(
            "note: {files} of job {number} of the input copied to {}",
            directory.display()
        ));
    }
}
