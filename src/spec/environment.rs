//! Computing a job's environment variables.
//!
//! A value may refer to variables: `$env{X}` is the client's variable `X`, `$prev{X}` is `X` as
//! the steps before computed it. `$env{X:-D}` has the default `D`, which is plain text. A `$` that
//! does not start such a reference is a plain `$`. In a run of `$` before `env{` or `prev{`, each
//! pair is one plain `$`, and an odd `$` at the end starts the reference.

use super::EnvironmentStep;
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;

/// An error in computing an environment.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum EnvironmentError {
    #[error(
        "failed to compute the environment variable `{variable}`: its value refers to \
         `{scope}{{{name}}}`, but {} has no variable `{name}`; set it, or give a default: \
         `{scope}{{{name}:-...}}`",
        scope.owner()
    )]
    Missing {
        scope: Scope,
        name: String,
        /// The variable whose value refers to the missing one.
        variable: String,
    },
    #[error("bad value for the environment variable `{variable}`: {error}")]
    Template {
        variable: String,
        error: TemplateError,
    },
}

/// An error in the references of a value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    #[error("`{scope}{{` has no closing `}}`; for the plain text write `${scope}{{`")]
    Unclosed { scope: Scope },
    #[error("`{scope}{{}}` names no variable; for the plain text write `${scope}{{}}`")]
    NoName { scope: Scope },
    #[error("the default in `{scope}{{{name}:-...}}` holds a reference; defaults are plain text")]
    ReferenceInDefault { scope: Scope, name: String },
}

/// The environment that a reference looks up its variable in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Client,
    Previous,
}

impl Scope {
    fn keyword(self) -> &'static str {
        match self {
            Self::Client => "env{",
            Self::Previous => "prev{",
        }
    }

    fn owner(self) -> &'static str {
        match self {
            Self::Client => "the client's environment",
            Self::Previous => "the job's environment so far",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Client => "$env",
            Self::Previous => "$prev",
        })
    }
}

/// Computes an environment: each step in turn is merged into the result so far, or replaces
/// it. The first result is `initial`; `client` looks up the client's variables.
///
/// # Errors
///
/// A reference is malformed, or its variable does not exist and it has no default.
pub fn expand(
    steps: &[EnvironmentStep],
    initial: BTreeMap<String, String>,
    client: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, EnvironmentError> {
    steps.iter().try_fold(initial, |previous, step| {
        let mut computed = BTreeMap::new();
        for (variable, value) in &step.vars {
            let value = expand_value(variable, value, &previous, client)?;
            computed.insert(variable.clone(), value);
        }
        Ok(if step.extend {
            let mut merged = previous;
            merged.extend(computed);
            merged
        } else {
            computed
        })
    })
}

/// A value that expands to `text`.
pub fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('$') {
        let after_dollars = rest[start..].trim_start_matches('$');
        let end = rest.len() - after_dollars.len();
        escaped.push_str(&rest[..end]);
        if reference_body(after_dollars).is_some() {
            escaped.push_str(&rest[start..end]);
        }
        rest = after_dollars;
    }
    escaped.push_str(rest);
    escaped
}

/// Checks the syntax of a value's references. Expanding a valid value can still fail for a
/// missing variable.
pub fn check_template(value: &str) -> Result<(), TemplateError> {
    parse(value).map(drop)
}

fn expand_value(
    variable: &str,
    value: &str,
    previous: &BTreeMap<String, String>,
    client: &dyn Fn(&str) -> Option<String>,
) -> Result<String, EnvironmentError> {
    let segments = parse(value).map_err(|error| EnvironmentError::Template {
        variable: variable.to_owned(),
        error,
    })?;
    let mut expanded = String::with_capacity(value.len());
    for segment in segments {
        match segment {
            Segment::Text(text) => expanded.push_str(text),
            Segment::Reference {
                scope,
                name,
                default,
            } => {
                let found = match scope {
                    Scope::Client => client(name),
                    Scope::Previous => previous.get(name).cloned(),
                };
                let found = found
                    .or_else(|| default.map(str::to_owned))
                    .ok_or_else(|| EnvironmentError::Missing {
                        scope,
                        name: name.to_owned(),
                        variable: variable.to_owned(),
                    })?;
                expanded.push_str(&found);
            }
        }
    }
    Ok(expanded)
}

#[derive(Debug, PartialEq, Eq)]
enum Segment<'a> {
    Text(&'a str),
    Reference {
        scope: Scope,
        name: &'a str,
        default: Option<&'a str>,
    },
}

fn parse(value: &str) -> Result<Vec<Segment<'_>>, TemplateError> {
    let mut segments = Vec::new();
    let mut rest = value;
    while let Some(start) = rest.find('$') {
        let after_dollars = rest[start..].trim_start_matches('$');
        let end = rest.len() - after_dollars.len();
        let Some((scope, body)) = reference_body(after_dollars) else {
            segments.push(Segment::Text(&rest[..end]));
            rest = after_dollars;
            continue;
        };
        let dollars = end - start;
        segments.push(Segment::Text(&rest[..start + dollars / 2]));
        if dollars.is_multiple_of(2) {
            rest = after_dollars;
        } else {
            let (inner, after) = body
                .split_once('}')
                .ok_or(TemplateError::Unclosed { scope })?;
            segments.push(reference(scope, inner)?);
            rest = after;
        }
    }
    segments.push(Segment::Text(rest));
    Ok(segments)
}

fn reference_body(text: &str) -> Option<(Scope, &str)> {
    [Scope::Client, Scope::Previous]
        .into_iter()
        .find_map(|scope| Some((scope, text.strip_prefix(scope.keyword())?)))
}

fn reference(scope: Scope, inner: &str) -> Result<Segment<'_>, TemplateError> {
    let (name, default) = match inner.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (inner, None),
    };
    if name.is_empty() {
        return Err(TemplateError::NoName { scope });
    }
    if default.is_some_and(|default| default.contains("$env{") || default.contains("$prev{")) {
        return Err(TemplateError::ReferenceInDefault {
            scope,
            name: name.to_owned(),
        });
    }
    Ok(Segment::Reference {
        scope,
        name,
        default,
    })
}

#[cfg(test)]
mod tests;
