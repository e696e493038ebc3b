//! The reasons for a run, and what they mean for its options.

use super::ChangedFiles;
use super::TestOptions;
use crate::config::{CacheResults, Setting};
use std::path::PathBuf;

/// The changed files that a line names.
const SHOWN: usize = 3;

/// Files whose changes may add or remove dependencies.
const OF_CARGO: [&str; 3] = ["Cargo.toml", "Cargo.lock", "config.toml"];

/// What is wanted next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wish {
    /// The first run.
    First,
    /// A run, as files changed.
    Changed(ChangedFiles),
    /// A run of all tests, whatever their earlier results.
    All,
    /// A run of the tests that failed.
    Failed,
    /// A run with another filter.
    Filtered,
    Quit,
}

impl Wish {
    /// This one, if the other one follows before a run has started.
    pub fn and(self, later: Self) -> Self {
        match (self, later) {
            (Self::Changed(mut files), Self::Changed(more)) => {
                files.paths.extend(more.paths);
                files.paths.sort();
                files.paths.dedup();
                files.is_incomplete |= more.is_incomplete;
                Self::Changed(files)
            }
            // Tests that a change affects are not all among those that failed.
            (Self::Changed(files), Self::Failed) => Self::Changed(files),
            (Self::All, Self::Changed(_)) => Self::All,
            (_, later) => later,
        }
    }

    /// Whether packages outside of the workspace may be needed that were not needed before.
    pub fn may_change_places(&self) -> bool {
        let is_of_cargo = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default();
            OF_CARGO.iter().any(|of_cargo| name == *of_cargo)
        };
        match self {
            Self::Changed(files) => files.is_incomplete || files.paths.iter().any(is_of_cargo),
            _ => false,
        }
    }

    /// The options of the run.
    pub fn options(&self, given: &TestOptions, filter: &Filter) -> TestOptions {
        let mut options = given.clone();
        options.selection.names.filters.clone_from(&filter.0);
        let cache = &mut options.settings.cache_results;
        match self {
            Self::All => *cache = Setting::given("--watch", CacheResults::Off),
            _ if cache.overrides_directives() => {}
            _ => *cache = Setting::given("--watch", CacheResults::Auto),
        }
        options.failed_only |= *self == Self::Failed;
        options
    }

    /// A label and a text that say why tests run. `None`: they run for the first time.
    pub fn announcement(
        &self,
        roots: &[PathBuf],
        filter: &Filter,
    ) -> Option<(&'static str, String)> {
        let of_filter = filter.of_tests();
        match self {
            Self::First | Self::Quit => None,
            Self::Changed(files) => Some(("Changed", names(files, roots))),
            Self::All => Some(("Running", format!("all tests{of_filter}"))),
            Self::Failed => Some((
                "Running",
                format!("the tests{of_filter} that failed in their last run"),
            )),
            Self::Filtered if filter.0.is_empty() => {
                Some(("Running", "without a filter".to_owned()))
            }
            Self::Filtered => Some(("Running", format!("tests{of_filter}"))),
        }
    }
}

/// The names of changed files, relative to the first of the directories, that of the workspace, if they
/// are below it.
fn names(files: &ChangedFiles, roots: &[PathBuf]) -> String {
    let name = |path: &PathBuf| {
        let relative = roots.first().and_then(|root| path.strip_prefix(root).ok());
        relative.unwrap_or(path).display().to_string()
    };
    let mut names: Vec<_> = files.paths.iter().take(SHOWN).map(name).collect();
    let more = files.paths.len() - names.len();
    if files.is_incomplete {
        names.push("more files than the kernel reports".to_owned());
    } else if more > 0 {
        names.push(format!("and {more} more"));
    }
    names.join(", ")
}

/// The words of which the name of a test must contain one. None: all tests are selected.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter(Vec<String>);

impl Filter {
    pub fn new(words: &[String]) -> Self {
        Self(words.to_vec())
    }

    /// The words of a line.
    pub fn of_text(text: &str) -> Self {
        Self(text.split_whitespace().map(ToOwned::to_owned).collect())
    }

    pub fn text(&self) -> String {
        self.0.join(" ")
    }

    /// The end of "tests …": which tests.
    fn of_tests(&self) -> String {
        if self.0.is_empty() {
            return String::new();
        }
        let words: Vec<_> = self.0.iter().map(|word| format!("`{word}`")).collect();
        format!(" with {} in their name", words.join(" or "))
    }

    /// A sentence about what is awaited.
    pub fn state(&self, roots: &[PathBuf]) -> String {
        let place = match roots {
            [] => String::new(),
            [root] => format!(" in {}", root.display()),
            [root, _] => format!(" in {} and another directory", root.display()),
            [root, more @ ..] => {
                format!(
                    " in {} and {} other directories",
                    root.display(),
                    more.len()
                )
            }
        };
        let tests = self.of_tests();
        let separator = if tests.is_empty() { "" } else { "; tests" };
        format!("Waiting for a change{place}{separator}{tests}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(paths: &[&str]) -> Wish {
        Wish::Changed(ChangedFiles {
            paths: paths.iter().map(PathBuf::from).collect(),
            is_incomplete: false,
        })
    }

    fn said(wish: &Wish, filter: &str) -> String {
        let filter = Filter::of_text(filter);
        let announcement = wish.announcement(&["/ws".into()], &filter);
        announcement.map_or_else(String::new, |(label, text)| format!("{label} {text}"))
    }

    #[test]
    fn a_run_says_why_it_runs() {
        let four = changed(&["/ws/a", "/ws/b/c", "/other/d", "/ws/e"]);
        assert_eq!(said(&four, ""), "Changed a, b/c, /other/d, and 1 more");
        assert_eq!(said(&Wish::All, ""), "Running all tests");
        assert_eq!(
            said(&Wish::Failed, "x"),
            "Running the tests with `x` in their name that failed in their last run"
        );
        assert_eq!(
            said(&Wish::Filtered, " x  y "),
            "Running tests with `x` or `y` in their name"
        );
        assert_eq!(said(&Wish::Filtered, " "), "Running without a filter");
        assert_eq!(said(&Wish::First, "x"), "");
    }

    #[test]
    fn what_is_wanted_later_does_not_leave_out_what_was_wanted_before() {
        let both = changed(&["/ws/b"]).and(changed(&["/ws/a", "/ws/b"]));
        assert_eq!(both, changed(&["/ws/a", "/ws/b"]));
        assert_eq!(changed(&["/ws/a"]).and(Wish::Failed), changed(&["/ws/a"]));
        assert_eq!(Wish::All.and(changed(&["/ws/a"])), Wish::All);
        assert_eq!(Wish::Failed.and(changed(&["/a"])), changed(&["/a"]));
        assert_eq!(Wish::All.and(Wish::Quit), Wish::Quit);
    }

    #[test]
    fn manifests_may_add_packages() {
        assert!(changed(&["/ws/a/Cargo.toml"]).may_change_places());
        assert!(!changed(&["/ws/a/src/lib.rs"]).may_change_places());
    }
}
