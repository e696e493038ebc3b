//! `--filterset`: expressions of cargo-nextest's language, as patterns of the workspace.

use super::SetUpError;
use super::command_line::TestOptions;
use crate::cargo::Workspace;
use crate::directive::Directives;
use crate::filter::{
    Filterset, FiltersetTerms, GroupRule, Pattern, TestBinaryName, WorkspaceNames,
};

/// Reads the values of the option.
pub fn parse(texts: &[String]) -> Result<Vec<Filterset>, SetUpError> {
    let filtersets = texts.iter().map(|text| Filterset::parse(text));
    let filtersets: Result<_, _> = filtersets.collect();
    filtersets.map_err(|source| SetUpError::Filterset { source })
}

/// Include patterns that select the same tests.
pub fn patterns(
    filtersets: &[Filterset],
    workspace: &Workspace,
    options: &TestOptions,
    directives: &Directives,
) -> Result<Vec<Pattern>, SetUpError> {
    let default_filter = options.settings.default_filter.as_ref();
    let default_filter = default_filter.map(|filter| filter.value.0.to_string());
    let groups = directives.groups();
    let groups = groups.iter().map(|(filter, group)| GroupRule {
        filter: filter.as_deref(),
        group,
    });
    let terms = FiltersetTerms {
        default_filter: default_filter.as_deref(),
        groups: groups.collect(),
        names: Some(names(workspace)),
    };
    let patterns = filtersets.iter().map(|filterset| filterset.pattern(&terms));
    let patterns: Result<_, _> = patterns.collect();
    patterns.map_err(|source| SetUpError::Filterset { source })
}

fn names(workspace: &Workspace) -> WorkspaceNames<'_> {
    let mut names = WorkspaceNames::default();
    for package in &workspace.packages {
        names.packages.push(&package.name);
        names
            .binaries
            .extend(package.targets.iter().map(|target| TestBinaryName {
                package: &package.name,
                kind: target.kind,
                target: &target.name,
            }));
    }
    names
}
