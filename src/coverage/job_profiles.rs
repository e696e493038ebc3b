//! The files to which the programs of a job write their profiles.

use super::ProfilePattern;
use crate::executor::PROFILE_DIRECTORY;
use crate::spec::{LayerSpec, Mount};

/// The variable that names the file for the profile of an instrumented program.
pub const VARIABLE: &str = "LLVM_PROFILE_FILE";

/// What jobs get so that their profiles can be collected. The default: nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct JobProfiles {
    file_name: Option<&'static str>,
}

impl JobProfiles {
    /// Each job has few files, however many processes it starts: the processes of a program merge
    /// their profiles, in at most four files.
    pub fn merged() -> Self {
        Self {
            file_name: Some("%4m.profraw"),
        }
    }

    /// For the client's `LLVM_PROFILE_FILE`. If it asks for profiles that are always up to date, so
    /// that those of killed processes are not lost, each process has a file of its own.
    pub fn of_pattern(pattern: &ProfilePattern) -> Self {
        if pattern.is_continuous() {
            Self {
                file_name: Some("%c%p.profraw"),
            }
        } else {
            Self::merged()
        }
    }

    /// Whether jobs get nothing.
    pub fn is_empty(self) -> bool {
        self.file_name.is_none()
    }

    /// The variables in a container.
    pub fn variables(self) -> Option<(String, String)> {
        let file_name = self.file_name?;
        Some((
            VARIABLE.to_owned(),
            format!("{PROFILE_DIRECTORY}/{file_name}"),
        ))
    }

    /// The mount point of the directory.
    pub fn layer(self) -> Option<LayerSpec> {
        self.file_name.map(|_| LayerSpec::Stubs {
            stubs: vec![format!("{PROFILE_DIRECTORY}/")],
        })
    }

    /// The directory, which a test can write to in every container.
    pub fn mount(self) -> Option<Mount> {
        self.file_name.map(|_| Mount::Tmp {
            mount_point: PROFILE_DIRECTORY.into(),
        })
    }

    /// The glob of the profiles, which are outputs of the job.
    pub fn outputs(self) -> Option<String> {
        self.file_name.map(|_| format!("{PROFILE_DIRECTORY}/**"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_without_profiles_is_as_it_was() {
        let none = JobProfiles::default();
        assert!(none.is_empty() && none.layer().is_none() && none.mount().is_none());
        assert_eq!((none.variables(), none.outputs()), (None, None));
    }

    #[test]
    fn the_files_are_in_a_directory_of_the_job_whatever_the_client_names() {
        let file = |pattern: &str| {
            let profiles = JobProfiles::of_pattern(&ProfilePattern::new(pattern.into()));
            let (name, value) = profiles.variables().unwrap();
            assert_eq!(name, "LLVM_PROFILE_FILE");
            value
        };
        assert_eq!(
            file("/t/x-%p-%2m.profraw"),
            "/maelstrom-profiles/%4m.profraw"
        );
        assert_eq!(file("x"), "/maelstrom-profiles/%4m.profraw");
        assert_eq!(file("/t/%c%m"), "/maelstrom-profiles/%c%p.profraw");
    }
}
