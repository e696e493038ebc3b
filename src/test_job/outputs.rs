//! The outputs of tests: which files are copied out of their containers, and where to.

use super::appended::AppendedFiles;
use crate::cargo::Workspace;
use crate::coverage::ProfileCollection;
use crate::executor::{JobOutputs, OutputPlaces, SavedOutputs, WrittenSources};
use crate::filter::TestCaseName;
use std::path::PathBuf;
use std::sync::Arc;

/// The name of the directory in `target/maelstrom` for outputs that are not of the source tree.
const DIRECTORY: &str = "outputs";

/// The tests whose changes to the source tree are all copied out of their containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteBack {
    /// None. Only the files that match the container's `outputs` are copied.
    Outputs,
    /// Those whose containers have the outputs of the default container.
    DefaultContainer,
    All,
}

impl WriteBack {
    /// `all`: the setting `write-back`. Without it, the client's variables decide by which people
    /// ask test libraries to update the files that they compare with.
    pub fn decide(all: bool, variable: impl Fn(&str) -> Option<String>) -> Self {
        let is = |name: &str, values: &[&str]| {
            variable(name).is_some_and(|value| values.contains(&value.as_str()))
        };
        let is_set = |name: &str| variable(name).is_some();
        let overwrite = ["overwrite"];
        let asks = is_set("UPDATE_EXPECT")
            || is_set("BLESS")
            || is("INSTA_UPDATE", &["always", "force", "new", "unseen"])
            || is("TRYBUILD", &overwrite)
            || is("TRYCMD", &overwrite)
            || is("SNAPSHOTS", &overwrite);
        match (all, asks) {
            (true, _) => Self::All,
            (false, true) => Self::DefaultContainer,
            (false, false) => Self::Outputs,
        }
    }
}

/// Copies the outputs of tests.
#[derive(Clone, Debug)]
pub struct TestOutputs {
    places: Arc<OutputPlaces>,
    /// The directory for outputs that are not of the source tree.
    others: PathBuf,
    /// `None`: tests write no profiles.
    profiles: Option<Arc<ProfileCollection>>,
}

impl TestOutputs {
    /// `limit`: the size of the outputs of a test that are copied, in bytes. `run_id`: the
    /// identifier of the run.
    /// `written` records the files of the source tree that are written.
    pub fn new(
        workspace: &Workspace,
        limit: u64,
        appended: &AppendedFiles,
        run_id: &str,
        written: WrittenSources,
    ) -> Self {
        let not_source = std::iter::once(&workspace.target_directory)
            .chain(&workspace.build_directory)
            .map(|directory| directory.as_std_path().to_owned());
        let directory = workspace.target_directory.join("maelstrom").join(DIRECTORY);
        Self {
            places: Arc::new(
                OutputPlaces::new(
                    Some(workspace.root.as_std_path().to_owned()),
                    not_source.collect(),
                    true,
                    limit,
                )
                .appending(appended.places())
                .of_run(run_id.to_owned())
                .recording(written),
            ),
            others: directory.into(),
            profiles: None,
        }
    }

    /// Copies the outputs of tests of an archive below `directory`. There is no source tree to which
    /// they could belong.
    pub fn of_archive(directory: PathBuf, limit: u64, run_id: &str) -> Self {
        let places = OutputPlaces::new(None, Vec::new(), true, limit);
        Self {
            places: Arc::new(places.of_run(run_id.to_owned())),
            others: directory,
            profiles: None,
        }
    }

    /// Collects the profiles of tests, too.
    #[must_use]
    pub fn with_profiles(self, profiles: Option<Arc<ProfileCollection>>) -> Self {
        Self { profiles, ..self }
    }

    /// Copies the outputs of a test, if it has any, on another thread.
    pub async fn save(
        &self,
        outputs: Option<Arc<JobOutputs>>,
        case: &TestCaseName<'_>,
    ) -> SavedOutputs {
        let Some(outputs) = outputs else {
            return SavedOutputs::default();
        };
        let (places, others) = (self.places.clone(), self.others.join(directory(case)));
        let name = case.to_string();
        let profiles = self.profiles.clone();
        let saving = tokio::task::spawn_blocking(move || {
            let mut saved = places.save(&outputs, &name, &others);
            if let Some(profiles) = profiles {
                saved.problems.extend(profiles.take(&outputs));
            }
            saved
        });
        saving.await.unwrap_or_else(|error| SavedOutputs {
            problems: vec![error.to_string()],
            ..SavedOutputs::default()
        })
    }
}

/// The directory of a test: its package, its target with the target's kind, and its name.
fn directory(case: &TestCaseName<'_>) -> PathBuf {
    let target = format!("{}-{}", case.kind, case.target);
    [case.package, &target, case.name]
        .map(component)
        .iter()
        .collect()
}

/// A name as a file name.
fn component(name: &str) -> String {
    match name {
        "" | "." | ".." => "_".to_owned(),
        name => name.replace('/', "_"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::TargetKind;

    #[test]
    fn variables_that_ask_for_an_update_write_every_changed_source_back() {
        let decide = |name: &'static str, value: &'static str| {
            WriteBack::decide(false, |asked| (asked == name).then(|| value.to_owned()))
        };
        for (name, value) in [
            ("UPDATE_EXPECT", "1"),
            ("BLESS", ""),
            ("INSTA_UPDATE", "always"),
            ("INSTA_UPDATE", "unseen"),
            ("TRYBUILD", "overwrite"),
            ("TRYCMD", "overwrite"),
            ("SNAPSHOTS", "overwrite"),
        ] {
            let decided = decide(name, value);
            assert_eq!(decided, WriteBack::DefaultContainer, "{name}={value}");
        }
        for (name, value) in [
            ("INSTA_UPDATE", "auto"),
            ("INSTA_UPDATE", "no"),
            ("TRYBUILD", "wip"),
            ("TRYCMD", "dump"),
            ("SNAPSHOTS", "verify"),
        ] {
            assert_eq!(decide(name, value), WriteBack::Outputs, "{name}={value}");
        }
        assert_eq!(WriteBack::decide(true, |_| None), WriteBack::All);
    }

    #[test]
    fn the_directory_of_a_test_has_a_level_each_for_package_target_and_name() {
        let of = |name| {
            directory(&TestCaseName {
                package: "shop",
                kind: TargetKind::Test,
                target: "prices",
                name,
            })
        };
        let expected = PathBuf::from("shop/test-prices/vat::is_added");
        assert_eq!(of("vat::is_added"), expected);
        assert_eq!(of("../../x"), PathBuf::from("shop/test-prices/.._.._x"));
        assert_eq!(of(".."), PathBuf::from("shop/test-prices/_"));
    }
}
