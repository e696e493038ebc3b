//! Reading `maelstrom-test.toml`.

use super::default_container::default_container;
use super::resolve::{Directive, Directives};
use crate::filter::Pattern;
use crate::spec::{
    Beneath, Choices, ContainerFields, ContainerSpec, Containers, Deprecations, Entry, Format,
    Mistake, Node, Place, Problem, Source, Value, decode, parse_toml, seconds,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::{fs, io};
use thiserror::Error;

/// Why a file of directives cannot be used.
#[derive(Debug, Error)]
pub enum DirectiveError {
    #[error("failed to read the test directives from `{path}`: {source}")]
    Read {
        path: Utf8PathBuf,
        source: io::Error,
    },
    /// The message says where, and shows the line.
    #[error("{explanation}")]
    Mistake { explanation: String },
}

impl Directives {
    /// Reads a file, which must exist.
    pub fn load(path: &Utf8Path) -> Result<Self, DirectiveError> {
        let bytes = fs::read(path).map_err(|source| DirectiveError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::decode(path.as_str(), bytes)
    }

    fn decode(name: &str, bytes: Vec<u8>) -> Result<Self, DirectiveError> {
        match decode(bytes) {
            // Some editors put a byte order mark in front, which is no column of the file.
            (text, None) => Self::parse(name, text.trim_start_matches('\u{feff}')),
            (shown, Some(Mistake { span, problem })) => {
                let source = Source { name, text: &shown };
                let explanation = source.explain(&span, &problem);
                Err(DirectiveError::Mistake { explanation })
            }
        }
    }

    /// Understands the text of a file; `name` is what messages call the file.
    pub fn parse(name: &str, text: &str) -> Result<Self, DirectiveError> {
        let source = Source { name, text };
        document(source).map_err(|mistake| DirectiveError::Mistake {
            explanation: source.explain(&mistake.span, &mistake.problem),
        })
    }
}

fn document(source: Source<'_>) -> Result<Directives, Mistake> {
    let root = parse_toml(source.text)?;
    let mut notes = Deprecations::default();
    let mut containers = Containers::with_default(default_container());
    let mut directives = None;
    for entry in root.map(Place::Document)? {
        match entry.name() {
            "containers" => containers.define(entry, Format::Toml, &mut notes)?,
            // These may have containers as parents that stand below them.
            "directives" => directives = Some(entry),
            name => {
                return Err(entry.mistake(Problem::Unknown {
                    what: "table",
                    name: name.to_owned(),
                    choices: Choices::new(name, ["containers", "directives"]),
                }));
            }
        }
    }
    let directives = match directives {
        Some(entry) => list(entry)?
            .iter()
            .map(|node| directive(node, &containers, &mut notes))
            .collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    let warnings = notes
        .iter()
        .map(|(span, deprecated)| source.explain(span, &deprecated))
        .collect();
    Ok(Directives::new(directives, containers, warnings))
}

fn list(entry: &Entry) -> Result<&[Node], Mistake> {
    match &entry.value.value {
        Value::Map(_) => Err(entry.mistake(Problem::DirectivesNotList)),
        _ => entry.list(),
    }
}

/// The fields that only directives have.
const NAMES: [&str; 6] = [
    "filter",
    "ignore",
    "timeout",
    "include_shared_libraries",
    "slots",
    "retries",
];

fn directive(
    node: &Node,
    containers: &Containers,
    notes: &mut Deprecations,
) -> Result<Directive, Mistake> {
    let mut directive = Directive::default();
    for entry in node.map(Place::Element("directives"))? {
        match entry.name() {
            "filter" => directive.filter = Some(pattern(entry)?),
            "ignore" => directive.ignore = Some(entry.boolean()?),
            "timeout" => directive.timeout = Some(seconds(entry, "no limit")?),
            "include_shared_libraries" => {
                directive.include_shared_libraries = Some(entry.boolean()?);
            }
            "slots" => directive.slots = Some(entry.integer(1, u32::MAX)?),
            "retries" => directive.retries = Some(entry.integer(0, u32::MAX)?),
            _ => {
                if !directive.fields.read(entry, notes)? {
                    let known = NAMES.into_iter().chain(ContainerFields::NAMES);
                    return Err(entry.unknown_field(&"a directive", known));
                }
            }
        }
    }
    directive.fields.finish(Beneath::Candidate)?;
    if let Some(parent) = &directive.fields.parent {
        directive.start = Some(containers.inherit(parent)?);
    } else if directive.fields.image.is_some() {
        directive.start = Some(ContainerSpec::default());
    }
    // What other directives do to the same tests is not known here.
    let mut container = directive.start.clone().unwrap_or_default();
    directive.fields.apply(&mut container);
    containers.check_network(&container, &directive.fields)?;
    Ok(directive)
}

fn pattern(entry: &Entry) -> Result<Pattern, Mistake> {
    entry.string()?.parse().map_err(|error| {
        entry.value.mistake(Problem::Pattern {
            message: format!("{error}"),
        })
    })
}

#[cfg(test)]
mod tests;
