//! `--filterset`: expressions of cargo-nextest's language, as patterns of the workspace.

use super::SetUpError;
use crate::cargo::Workspace;
use crate::filter::{Filterset, FiltersetTerms, Pattern, TestBinaryName, WorkspaceNames};

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
) -> Result<Vec<Pattern>, SetUpError> {
    let terms = FiltersetTerms {
        names: Some(names(workspace)),
        ..FiltersetTerms::default()
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
