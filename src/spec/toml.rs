//! TOML text as a tree of values with their positions.

use super::{Node, Span, Spanned, SpecEntry, SpecError, SpecMap, SpecValue};
use toml::de::{DeTable, DeValue};

/// Reads a TOML document. Its root is always a map.
pub fn parse_toml(text: &str) -> Result<Node, SpecError> {
    let document = DeTable::parse(text).map_err(|error| {
        SpecError::syntax(&error.span().unwrap_or_default(), "TOML", error.message())
    })?;
    Ok(Node {
        span: document.span(),
        value: SpecValue::Map(map(document.get_ref())?),
    })
}

fn map(table: &DeTable<'_>) -> Result<SpecMap, SpecError> {
    let entries = table.iter().map(|(key, value)| {
        Ok(SpecEntry {
            key: Spanned {
                span: key.span(),
                value: key.get_ref().to_string(),
            },
            value: node(value.get_ref(), value.span())?,
        })
    });
    SpecMap::new(entries.collect::<Result<_, _>>()?)
}

fn node(value: &DeValue<'_>, span: Span) -> Result<Node, SpecError> {
    let too_large = || SpecError::syntax(&span, "TOML", "the number is too large");
    let value = match value {
        DeValue::String(string) => SpecValue::String(string.to_string()),
        DeValue::Integer(integer) => SpecValue::Integer(
            i128::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| too_large())?,
        ),
        DeValue::Float(float) => SpecValue::Float(float.as_str().parse().map_err(|_| too_large())?),
        DeValue::Boolean(boolean) => SpecValue::Boolean(*boolean),
        DeValue::Datetime(_) => SpecValue::Date,
        DeValue::Array(array) => SpecValue::List(
            array
                .iter()
                .map(|element| node(element.get_ref(), element.span()))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => SpecValue::Map(map(table)?),
    };
    Ok(Node { span, value })
}
