//! Reading `maelstrom-test.toml`.

use super::default_container::default_container;
use super::resolve::{Directive, Directives};
use super::run_fields;
use crate::filter::Pattern;
use crate::schedule::TestGroup;
use crate::spec::{
    ContainerFields, ContainerSpec, Containers, Deprecations, ImplicitBase, Node, SpecEntry,
    SpecError, SpecFormat, SpecProblem, SpecText, SpecValue, ValueLabel, decode_utf8, memory_limit,
    parse_toml, seconds,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::sync::Arc;
use std::{fs, io};
use thiserror::Error;

/// An error in a file of directives.
#[derive(Debug, Error)]
pub enum DirectiveError {
    #[error("failed to read the test directives from `{path}`: {source}")]
    Read {
        path: Utf8PathBuf,
        source: io::Error,
    },
    /// The message starts with the position, and shows the line.
    #[error("{explanation}")]
    Content { explanation: String },
}

impl Directives {
    /// Reads a file.
    pub fn load(path: &Utf8Path) -> Result<Self, DirectiveError> {
        let bytes = fs::read(path).map_err(|source| DirectiveError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::decode(path.as_str(), bytes)
    }

    fn decode(name: &str, bytes: Vec<u8>) -> Result<Self, DirectiveError> {
        match decode_utf8(bytes) {
            (text, None) => Self::parse(name, &text),
            (text, Some(error)) => Err(content_error(SpecText { name, text: &text }, &error)),
        }
    }

    /// Parses the text of a file. Messages call the file `name`.
    pub fn parse(name: &str, text: &str) -> Result<Self, DirectiveError> {
        // Some editors start a file with a byte order mark, which is not a column of the file.
        let text = text.trim_start_matches('\u{feff}');
        let named = SpecText { name, text };
        let directives = document(named).map_err(|error| content_error(named, &error))?;
        Ok(directives.of_text(text))
    }
}

fn content_error(text: SpecText<'_>, error: &SpecError) -> DirectiveError {
    let explanation = text.explain_error(error);
    DirectiveError::Content { explanation }
}

fn document(text: SpecText<'_>) -> Result<Directives, SpecError> {
    let root = parse_toml(text.text)?;
    let mut deprecations = Deprecations::default();
    let mut containers = Containers::with_default(default_container());
    let mut directives = None;
    let mut groups = Vec::new();
    for entry in root.map(ValueLabel::Document)? {
        match entry.name() {
            "containers" => containers.define(entry, SpecFormat::Toml, &mut deprecations)?,
            // Their parents can be containers further down in the file.
            "directives" => directives = Some(entry),
            "groups" => groups = run_fields::groups(entry)?,
            // `config::Profiles` reads the profiles.
            "profile" => {}
            name => {
                let known = ["containers", "directives", "groups", "profile"];
                return Err(entry.error(SpecProblem::unknown("table", name, known)));
            }
        }
    }
    let directives = match directives {
        Some(entry) => directive_list(entry)?
            .iter()
            .map(|node| directive(node, &containers, &groups, &mut deprecations))
            .collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let warnings = deprecations
        .iter()
        .map(|(span, deprecated)| text.explain(span, &deprecated))
        .collect();
    Ok(Directives::new(directives, containers, warnings))
}

/// A glob of names.
fn glob(node: &Node, label: ValueLabel<'_>) -> Result<String, SpecError> {
    let glob = node.string(label)?;
    match globset::Glob::new(glob) {
        Ok(_) => Ok(glob.to_owned()),
        Err(error) => Err(node.error(SpecProblem::Glob(error.kind().to_string()))),
    }
}

fn directive_list(entry: &SpecEntry) -> Result<&[Node], SpecError> {
    match &entry.value.value {
        SpecValue::Map(_) => Err(entry.error(SpecProblem::DirectivesNotList)),
        _ => entry.list(),
    }
}

/// The fields of a directive besides those of a container.
const NAMES: [&str; 12] = [
    "filter",
    "ignore",
    "timeout",
    "memory_limit",
    "process_limit",
    "include_shared_libraries",
    "slots",
    "retries",
    "flaky_result",
    "slow_timeout",
    "leak_timeout",
    "pass_environment",
];

fn directive(
    node: &Node,
    containers: &Containers,
    groups: &[Arc<TestGroup>],
    deprecations: &mut Deprecations,
) -> Result<Directive, SpecError> {
    let mut directive = Directive::default();
    for entry in node.map(ValueLabel::Element("directives"))? {
        match entry.name() {
            "filter" => directive.filter = Some(pattern(entry)?),
            "ignore" => directive.ignore = Some(entry.boolean()?),
            "timeout" => directive.timeout = Some(seconds(entry, "no limit")?),
            "memory_limit" => directive.memory_limit = Some(memory_limit(entry)?),
            "process_limit" => directive.process_limit = Some(entry.integer(0, u32::MAX)?),
            "include_shared_libraries" => {
                directive.include_shared_libraries = Some(entry.boolean()?);
            }
            "slots" => directive.slots = Some(entry.integer(1, u32::MAX)?),
            "retries" => directive.retries = Some(run_fields::retries(entry)?),
            "slow_timeout" | "slow-timeout" => {
                directive.slow_timeout = Some(run_fields::slow_timeout(entry)?);
            }
            "leak_timeout" | "leak-timeout" => {
                directive.leak_timeout = Some(run_fields::leak_timeout(entry)?);
            }
            // A number is the group id of the container.
            "group" if matches!(entry.value.value, SpecValue::String(_)) => {
                directive.group = Some(run_fields::group(entry, groups)?);
            }
            "flaky_result" | "flaky-result" => {
                directive.flaky_result = Some(run_fields::pass_or_fail(entry)?);
            }
            "pass_environment" => directive.pass_environment = entry.elements(glob)?,
            _ => {
                if !directive.fields.read(entry, deprecations)? {
                    let known = NAMES.into_iter().chain(ContainerFields::NAMES);
                    return Err(entry.unknown_field(&"a directive", known));
                }
            }
        }
    }
    directive.fields.finish(ImplicitBase::Candidate)?;
    if let Some(parent) = &directive.fields.parent {
        directive.base = Some(containers.inherit(parent)?);
    } else if directive.fields.image.is_some() {
        directive.base = Some(ContainerSpec::default());
    }
    // The effect of other directives on the same tests is unknown here.
    let mut container = directive.base.clone().unwrap_or_default();
    directive.fields.apply(&mut container);
    containers.check_network(&container, &directive.fields)?;
    Ok(directive)
}

fn pattern(entry: &SpecEntry) -> Result<Pattern, SpecError> {
    entry.string()?.parse().map_err(|error| {
        entry.value.error(SpecProblem::Pattern {
            message: format!("{error}"),
        })
    })
}

#[cfg(test)]
mod tests;
