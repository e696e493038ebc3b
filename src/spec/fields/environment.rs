//! Reading `environment`: a map, or a list of `{ vars, extend }`.

use super::strings::text;
use crate::spec::environment::check_template;
use crate::spec::{
    EnvironmentStep, Node, SpecEntry, SpecError, SpecProblem, SpecValue, ValueLabel,
};
use std::collections::BTreeMap;

/// A map is read as one step with `extend = true`.
pub fn read(entry: &SpecEntry) -> Result<Vec<EnvironmentStep>, SpecError> {
    match &entry.value.value {
        SpecValue::Map(_) => Ok(vec![EnvironmentStep {
            vars: variables(entry)?,
            extend: true,
        }]),
        SpecValue::List(_) => entry.elements(step),
        _ => Err(entry.value.wrong_type(
            entry.label(),
            "a table of variables or a list of `{ vars, extend }`",
        )),
    }
}

fn step(node: &Node, label: ValueLabel<'_>) -> Result<EnvironmentStep, SpecError> {
    let mut vars = None;
    let mut extend = None;
    for entry in node.map(label)? {
        match entry.name() {
            "vars" => vars = Some(variables(entry)?),
            "extend" => extend = Some(entry.boolean()?),
            _ => return Err(entry.unknown_field(&"an environment step", ["vars", "extend"])),
        }
    }
    Ok(EnvironmentStep {
        vars: vars.ok_or_else(|| node.missing(label, "vars"))?,
        extend: extend.ok_or_else(|| node.missing(label, "extend"))?,
    })
}

fn variables(entry: &SpecEntry) -> Result<BTreeMap<String, String>, SpecError> {
    entry
        .map()?
        .iter()
        .map(|variable| {
            let name = variable.name();
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(variable.error(SpecProblem::VariableName {
                    name: name.to_owned(),
                }));
            }
            let label = ValueLabel::Entry {
                map: entry.name(),
                key: name,
            };
            let template = text(&variable.value, label)?;
            check_template(template).map_err(|error| {
                variable.value.error(SpecProblem::VariableValue {
                    variable: name.to_owned(),
                    error,
                })
            })?;
            Ok((name.to_owned(), template.to_owned()))
        })
        .collect()
}
