//! From TOML text to a tree of values with positions.

use super::{Entry, Map, Mistake, Node, Problem, Span, Spanned, Value};
use toml::de::{DeTable, DeValue};

/// Reads a TOML document; its root is always a map.
pub fn parse_toml(text: &str) -> Result<Node, Mistake> {
    let document = DeTable::parse(text).map_err(|error| {
        Mistake::new(
            &error.span().unwrap_or_default(),
            Problem::Syntax {
                format: "TOML",
                message: error.message().to_owned(),
            },
        )
    })?;
    Ok(Node {
        span: document.span(),
        value: Value::Map(map(document.get_ref())?),
    })
}

fn map(table: &DeTable<'_>) -> Result<Map, Mistake> {
    let entries = table.iter().map(|(key, value)| {
        Ok(Entry {
            key: Spanned {
                span: key.span(),
                value: key.get_ref().to_string(),
            },
            value: node(value.get_ref(), value.span())?,
        })
    });
    Map::new(entries.collect::<Result<_, _>>()?)
}

fn node(value: &DeValue<'_>, span: Span) -> Result<Node, Mistake> {
    let out_of_range = || {
        Mistake::new(
            &span,
            Problem::Syntax {
                format: "TOML",
                message: "the number is too large".to_owned(),
            },
        )
    };
    let value = match value {
        DeValue::String(string) => Value::String(string.to_string()),
        DeValue::Integer(integer) => Value::Integer(
            i128::from_str_radix(integer.as_str(), integer.radix()).map_err(|_| out_of_range())?,
        ),
        DeValue::Float(float) => Value::Float(float.as_str().parse().map_err(|_| out_of_range())?),
        DeValue::Boolean(boolean) => Value::Boolean(*boolean),
        DeValue::Datetime(_) => Value::Date,
        DeValue::Array(array) => Value::List(
            array
                .iter()
                .map(|element| node(element.get_ref(), element.span()))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => Value::Map(map(table)?),
    };
    Ok(Node { span, value })
}
