//! What a configuration value must be able to do.

/// A value as a configuration file can write it.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Integer(i64),
    Float(f64),
    Boolean(bool),
    Text(String),
    List(Vec<Self>),
    /// A date, a table, a number beyond 64 bits: nothing that any value is written as.
    Other,
}

/// A kind of configuration value.
pub trait Value: Sized {
    /// Whether messages must not show what was written.
    const SECRET: bool = false;

    /// What is expected, as the end of a sentence: "a number of slots, at least 1".
    fn expected() -> String;

    /// From the command line or an environment variable.
    fn from_text(text: &str) -> Option<Self>;

    /// From a configuration file. Unless a kind of value says otherwise, it is written there
    /// as elsewhere, as a string.
    fn from_literal(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Text(text) => Self::from_text(text),
            _ => None,
        }
    }

    /// As a configuration file would write it.
    fn to_toml(&self) -> String;
}

impl Value for bool {
    fn expected() -> String {
        "`true` or `false`".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok()
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
