//! Parsing a configuration file: keys and values with their positions.

use super::{error::ConfigError, setting::SettingSource, value::Literal};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

/// A parsed configuration file.
#[derive(Debug)]
pub struct ParsedConfigFile {
    pub path: PathBuf,
    /// In the order of the file.
    pub entries: Vec<ConfigEntry>,
}

/// `key = value`
#[derive(Debug)]
pub struct ConfigEntry {
    pub key: String,
    /// The position of the key.
    pub key_source: SettingSource,
    pub value: Literal,
    /// The position of the value.
    pub value_source: SettingSource,
    /// The text of the value; of several lines, only the first.
    pub text: String,
}

impl ParsedConfigFile {
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::Unreadable {
            path: path.to_owned(),
            error,
        })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let document = parse(path, text)?;
        Ok(Self {
            path: path.to_owned(),
            entries: entries(path, text, document.get_ref()),
        })
    }
}

/// Parses the text of a file.
pub fn parse<'a>(path: &Path, text: &'a str) -> Result<Spanned<DeTable<'a>>, ConfigError> {
    DeTable::parse(text).map_err(|error| ConfigError::Syntax {
        at: position(path, text, error.span().unwrap_or_default().start),
        message: error.message().replace('\n', "; "),
    })
}

/// The entries of a table of the file, in the order of the file.
pub fn entries(path: &Path, text: &str, table: &DeTable<'_>) -> Vec<ConfigEntry> {
    let mut keys: Vec<_> = table.iter().collect();
    keys.sort_by_key(|(key, _)| key.span().start);
    let entry = |(key, value): (&Spanned<Cow<'_, str>>, &Spanned<DeValue<'_>>)| ConfigEntry {
        key: key.get_ref().to_string(),
        key_source: position(path, text, key.span().start),
        value: literal(value.get_ref()),
        value_source: position(path, text, value.span().start),
        text: first_line(text.get(value.span()).unwrap_or_default()),
    };
    keys.into_iter().map(entry).collect()
}

/// The position of a byte of the file.
pub fn position(path: &Path, text: &str, start: usize) -> SettingSource {
    let before = text.get(..start).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    SettingSource::File {
        path: path.to_owned(),
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

fn literal(value: &DeValue<'_>) -> Literal {
    match value {
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or(Literal::Other, Literal::Integer),
        DeValue::Float(number) => number
            .as_str()
            .parse()
            .map_or(Literal::Other, Literal::Float),
        DeValue::Boolean(value) => Literal::Boolean(*value),
        DeValue::String(text) => Literal::Text(text.to_string()),
        DeValue::Array(items) => {
            Literal::List(items.iter().map(|item| literal(item.get_ref())).collect())
        }
        DeValue::Table(table) => {
            let entry = |(key, value): (&Spanned<DeString<'_>>, &Spanned<DeValue<'_>>)| {
                (key.get_ref().to_string(), literal(value.get_ref()))
            };
            Literal::Table(table.iter().map(entry).collect())
        }
        DeValue::Datetime(_) => Literal::Other,
    }
}

fn first_line(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let more = if lines.next().is_some() { " …" } else { "" };
    format!("{first}{more}")
}
