//! `--filterset`: expressions of cargo-nextest's language, as patterns of the workspace.

use super::SetUpError;
use super::command_line::TestOptions;
use crate::cargo::Workspace;
use crate::directive::Directives;
use crate::filter::{
    Filterset, FiltersetTerms, GroupRule, Pattern, TestBinaryName, WorkspaceNames,
};

const OPTION: &str = "--filterset";

/// Reads the values of the option.
pub fn parse(texts: &[String]) -> Result<Vec<Filterset>, SetUpError> {
    let filtersets = texts.iter().map(|text| Filterset::parse(text));
    filtersets
        .map(|filterset| {
            filterset.map_err(|source| SetUpError::Filterset {
                option: OPTION,
                source,
            })
        })
        .collect()
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
    filtersets
        .iter()
        .map(|filterset| {
            let pattern = filterset.pattern(&terms);
            pattern.map_err(|source| SetUpError::Filterset {
                option: OPTION,
                source,
            })
        })
        .collect()
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
