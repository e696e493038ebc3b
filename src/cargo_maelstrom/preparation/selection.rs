//! The patterns that select tests: those of the command line, and the default filter.

use crate::cargo::Workspace;
use crate::cargo_maelstrom::command_line::{RawPattern, TestAction, TestOptions, divide};
use crate::cargo_maelstrom::selector::Selector;
use crate::cargo_maelstrom::{SetUpError, filtersets};
use crate::directive::Directives;
use crate::filter::{Filterset, Pattern};

/// The patterns and filtersets of the command line that can be read before the workspace is known.
pub struct ParsedSelection {
    includes: Vec<Pattern>,
    filtersets: Vec<Filterset>,
}

impl ParsedSelection {
    pub fn of(options: &TestOptions) -> Result<Self, SetUpError> {
        Ok(Self {
            includes: patterns(&options.selection.includes)?,
            filtersets: filtersets::parse(&options.selection.filtersets)?,
        })
    }

    /// The selector, and the values of `--exclude` that name packages.
    pub fn selector(
        self,
        options: &TestOptions,
        workspace: &Workspace,
        directives: &Directives,
    ) -> Result<(Selector, Vec<String>), SetUpError> {
        let mut includes = self.includes;
        includes.extend(filtersets::patterns(
            &self.filtersets,
            workspace,
            options,
            directives,
        )?);
        let exclusions = divide(&options.selection.exclusions, |text| {
            !workspace.members_named(text).is_empty() || is_only_a_package_name(text)
        });
        let selector = Selector {
            includes,
            excludes: patterns(&exclusions.patterns)?,
            names: options.selection.names.clone(),
            ignored: options.selection.ignored,
            default_filter: default_filter(options),
        };
        Ok((selector, exclusions.packages))
    }
}

/// Whether this can be the name of a package and is no pattern. Cargo warns if there is no such package.
fn is_only_a_package_name(text: &str) -> bool {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.chars().all(is_of_name) && text.parse::<Pattern>().is_err()
}

pub fn patterns(raw: &[RawPattern]) -> Result<Vec<Pattern>, SetUpError> {
    raw.iter()
        .map(|raw| {
            raw.text.parse().map_err(|source| SetUpError::Pattern {
                option: raw.option,
                source,
            })
        })
        .collect()
}

/// The pattern of the tests that are selected by default. `None`: it does not limit the selection.
fn default_filter(options: &TestOptions) -> Option<Pattern> {
    // The other actions are about tests that the command line names.
    let by_default = matches!(
        options.action,
        TestAction::Run
            | TestAction::Learn
            | TestAction::ListTests
            | TestAction::ListBinaries
            | TestAction::Archive { .. }
    );
    let filter = options.settings.default_filter.as_ref();
    let filter = filter.filter(|_| by_default && !options.ignores_default_filter);
    filter.map(|filter| filter.value.0.clone())
}
