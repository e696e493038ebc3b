//! The types of configuration values.

use std::path::Path;

/// A value in a configuration file.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Text(String),
    List(Vec<Self>),
    /// Keys with their values.
    Table(Vec<(String, Self)>),
    /// A date or a number of more than 64 bits. No setting has such a value.
    Other,
}

/// A type of configuration values.
pub trait ConfigValue: Sized {
    /// Whether messages must not show the value.
    const SECRET: bool = false;

    /// The expected values, as the end of a sentence: "a number of slots, at least 1".
    fn expected() -> String;

    /// Reads a value on the command line or in an environment variable.
    fn from_text(text: &str) -> Option<Self>;

    /// Reads a value in a configuration file. By default, it is a string there.
    fn from_literal(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Text(text) => Self::from_text(text),
            _ => None,
        }
    }

    /// Why a text is not a value, if that can be said better than with [`expected`](Self::expected).
    fn mistake(_text: &str) -> Option<String> {
        None
    }

    /// The value with paths that are relative to the working directory, in place of paths that are
    /// relative to `directory`.
    #[must_use]
    fn relative_to(self, _directory: &Path) -> Self {
        self
    }

    /// The value in the syntax of a configuration file.
    fn to_toml(&self) -> String;
}

impl ConfigValue for bool {
    fn expected() -> String {
        "`true` or `false`".to_owned()
    }

    /// Other programs have variables that are `1` or `0`.
    fn from_text(text: &str) -> Option<Self> {
        match text {
            "true" | "1" => Some(true),
            "false" | "0" => Some(false),
            _ => None,
        }
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Boolean(value) => Some(*value),
            _ => None,
        }
    }

    fn to_toml(&self) -> String {
        self.to_string()
    }
}
