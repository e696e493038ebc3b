//! Reading `environment`: a map, or a list of `{ vars, extend }`.

use crate::spec::environment::check_template;
use crate::spec::{Entry, EnvironmentElement, Mistake, Node, Place, Problem, Value};
use std::collections::BTreeMap;

const FIELDS: [&str; 2] = ["vars", "extend"];

/// A map means one element that extends.
pub fn read(entry: &Entry) -> Result<Vec<EnvironmentElement>, Mistake> {
    match &entry.value.value {
        Value::Map(_) => Ok(vec![EnvironmentElement {
            vars: variables(entry)?,
            extend: true,
        }]),
        Value::List(elements) => elements
            .iter()
            .map(|node| element(node, Place::Element(entry.name())))
            .collect(),
        _ => Err(entry.value.wrong_type(
            entry.place(),
            "a table of variables or a list of `{ vars, extend }`",
        )),
    }
}

fn element(node: &Node, place: Place<'_>) -> Result<EnvironmentElement, Mistake> {
    let mut vars = None;
    let mut extend = None;
    for entry in node.map(place)? {
        match entry.name() {
            "vars" => vars = Some(variables(entry)?),
            "extend" => extend = Some(entry.boolean()?),
            _ => return Err(entry.unknown_field(&"an environment element", FIELDS)),
        }
    }
    let missing = |field| {
        node.mistake(Problem::Missing {
            what: place.to_string(),
            field,
        })
    };
    Ok(EnvironmentElement {
        vars: vars.ok_or_else(|| missing("vars"))?,
        extend: extend.ok_or_else(|| missing("extend"))?,
    })
}

fn variables(entry: &Entry) -> Result<BTreeMap<String, String>, Mistake> {
    entry
        .map()?
        .iter()
        .map(|variable| {
            let (name, value) = (variable.name(), &variable.value);
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(variable.mistake(Problem::VariableName {
                    name: name.to_owned(),
                }));
            }
            let place = Place::Entry {
                map: entry.name(),
                key: name,
            };
            let text = value.string(place)?;
            if text.contains('\0') {
                return Err(value.mistake(Problem::Nul {
                    place: place.to_string(),
                }));
            }
            check_template(text).map_err(|error| {
                value.mistake(Problem::VariableValue {
                    variable: name.to_owned(),
                    error,
                })
            })?;
            Ok((name.to_owned(), text.to_owned()))
        })
        .collect()
}
