//! A document as a tree of values with their positions.
//!
//! TOML and JSON are both parsed into this tree. The same functions then read the fields of
//! either format, and every error has a position.

use super::{SpecError, SpecProblem, Suggestions};
use std::fmt;
use std::ops::Range;

/// The byte range of a part of a document.
pub type Span = Range<usize>;

/// A value with its position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    pub span: Span,
    pub value: T,
}

/// A value in a document, with its position.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Span,
    pub value: SpecValue,
}

/// A value of TOML or JSON.
#[derive(Clone, Debug, PartialEq)]
pub enum SpecValue {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    String(String),
    Date,
    List(Vec<Node>),
    Map(SpecMap),
}

/// Keys and their values, in the order of the document. Each key occurs once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpecMap {
    entries: Vec<SpecEntry>,
}

/// One key of a map with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct SpecEntry {
    pub key: Spanned<String>,
    pub value: Node,
}

impl SpecMap {
    /// Fails if a key occurs twice.
    pub fn new(mut entries: Vec<SpecEntry>) -> Result<Self, SpecError> {
        let mut seen = std::collections::HashSet::new();
        entries.sort_by_key(|entry| entry.key.span.start);
        for entry in &entries {
            if !seen.insert(entry.name()) {
                return Err(entry.error(SpecProblem::Repeated {
                    what: "field",
                    name: entry.name().to_owned(),
                }));
            }
        }
        Ok(Self { entries })
    }

    pub fn iter(&self) -> std::slice::Iter<'_, SpecEntry> {
        self.entries.iter()
    }
}

impl<'a> IntoIterator for &'a SpecMap {
    type Item = &'a SpecEntry;
    type IntoIter = std::slice::Iter<'a, SpecEntry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl SpecEntry {
    pub fn name(&self) -> &str {
        &self.key.value
    }

    /// How messages refer to this entry's value.
    pub fn label(&self) -> ValueLabel<'_> {
        ValueLabel::Field(self.name())
    }

    /// The key as a value, for maps whose keys are paths.
    pub fn key_node(&self) -> Node {
        Node {
            span: self.key.span.clone(),
            value: SpecValue::String(self.key.value.clone()),
        }
    }

    /// An error that points to the key.
    pub fn error(&self, problem: SpecProblem) -> SpecError {
        SpecError::new(&self.key.span, problem)
    }

    /// The error that `of` has no field of this entry's name. `known` are its fields.
    pub fn unknown_field<'a>(
        &self,
        of: &dyn fmt::Display,
        known: impl IntoIterator<Item = &'a str>,
    ) -> SpecError {
        self.error(SpecProblem::UnknownField {
            field: self.name().to_owned(),
            of: of.to_string(),
            suggestions: Suggestions::new(self.name(), known),
        })
    }

    pub fn string(&self) -> Result<&str, SpecError> {
        self.value.string(self.label())
    }

    pub fn spanned_string(&self) -> Result<Spanned<String>, SpecError> {
        Ok(Spanned {
            span: self.value.span.clone(),
            value: self.string()?.to_owned(),
        })
    }

    pub fn boolean(&self) -> Result<bool, SpecError> {
        match self.value.value {
            SpecValue::Boolean(boolean) => Ok(boolean),
            _ => Err(self.value.wrong_type(self.label(), "true or false")),
        }
    }

    /// A whole number between `least` and `most`, both included.
    pub fn integer<T>(&self, least: T, most: T) -> Result<T, SpecError>
    where
        T: TryFrom<i128> + Into<i128> + Copy,
    {
        let SpecValue::Integer(integer) = self.value.value else {
            return Err(self.value.wrong_type(self.label(), "a whole number"));
        };
        let (least, most) = (least.into(), most.into());
        T::try_from(integer)
            .ok()
            .filter(|_| (least..=most).contains(&integer))
            .ok_or_else(|| {
                self.value.error(SpecProblem::OutOfRange {
                    field: self.name().to_owned(),
                    least,
                    most,
                    found: integer,
                })
            })
    }

    pub fn list(&self) -> Result<&[Node], SpecError> {
        match &self.value.value {
            SpecValue::List(list) => Ok(list),
            _ => Err(self.value.wrong_type(self.label(), "a list")),
        }
    }

    /// The elements of a list, each read by `read`, which also gets the elements' label.
    pub fn elements<T>(
        &self,
        mut read: impl FnMut(&Node, ValueLabel<'_>) -> Result<T, SpecError>,
    ) -> Result<Vec<T>, SpecError> {
        let label = ValueLabel::Element(self.name());
        self.list()?.iter().map(|node| read(node, label)).collect()
    }

    /// The elements of a list of names. Each must be one of `known` and occur once. Messages call a
    /// name a `what`.
    pub fn names<T: Named>(&self, what: &'static str, known: &[T]) -> Result<Vec<T>, SpecError> {
        self.names_with(what, known, |name| name)
    }

    /// As [`Self::names`]. `current_spelling` replaces an older spelling of a name by the current one.
    pub fn names_with<T: Named>(
        &self,
        what: &'static str,
        known: &[T],
        current_spelling: impl Fn(&str) -> &str,
    ) -> Result<Vec<T>, SpecError> {
        let mut found = Vec::new();
        let label = ValueLabel::Element(self.name());
        for node in self.list()? {
            let name = node.string(label)?;
            let value = node.named(what, known, current_spelling(name))?;
            if found.contains(&value) {
                return Err(node.error(SpecProblem::Repeated {
                    what,
                    name: name.to_owned(),
                }));
            }
            found.push(value);
        }
        Ok(found)
    }

    pub fn map(&self) -> Result<&SpecMap, SpecError> {
        self.value.map(self.label())
    }
}

/// A type whose values have names in documents.
pub trait Named: Copy + PartialEq + Into<&'static str> {}

impl<T: Copy + PartialEq + Into<&'static str>> Named for T {}

impl Node {
    /// An error that points to this value.
    pub fn error(&self, problem: SpecProblem) -> SpecError {
        SpecError::new(&self.span, problem)
    }

    /// The error that `what`, which is this value, lacks a field.
    pub fn missing(&self, what: impl fmt::Display, field: &'static str) -> SpecError {
        self.error(SpecProblem::Missing {
            what: what.to_string(),
            field,
        })
    }

    /// The one of `known` that is called `name`, which is this value. Messages call it a `what`.
    pub fn named<T: Named>(
        &self,
        what: &'static str,
        known: &[T],
        name: &str,
    ) -> Result<T, SpecError> {
        let mut all = known.iter().copied();
        all.find(|known| (*known).into() == name).ok_or_else(|| {
            let known = known.iter().map(|known| (*known).into());
            self.error(SpecProblem::unknown(what, name, known))
        })
    }

    pub fn string(&self, label: ValueLabel<'_>) -> Result<&str, SpecError> {
        match &self.value {
            SpecValue::String(string) => Ok(string),
            _ => Err(self.wrong_type(label, "a string")),
        }
    }

    pub fn map(&self, label: ValueLabel<'_>) -> Result<&SpecMap, SpecError> {
        match &self.value {
            SpecValue::Map(map) => Ok(map),
            _ => Err(self.wrong_type(label, "a table of fields")),
        }
    }

    pub fn wrong_type(&self, label: ValueLabel<'_>, expected: &'static str) -> SpecError {
        self.error(SpecProblem::WrongType {
            label: label.to_string(),
            expected,
            found: self.value.type_name(),
        })
    }
}

impl SpecValue {
    /// The value's type, as messages name it.
    fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(true) => "`true`",
            Self::Boolean(false) => "`false`",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a fraction",
            Self::String(_) => "a string",
            Self::Date => "a date",
            Self::List(_) => "a list",
            Self::Map(_) => "a table of fields",
        }
    }
}

/// How messages refer to a value.
#[derive(Clone, Copy, Debug)]
pub enum ValueLabel<'a> {
    /// The value of a field.
    Field(&'a str),
    /// An element of the list in a field.
    Element(&'a str),
    /// A value of the map in a field.
    Entry {
        map: &'a str,
        key: &'a str,
    },
    /// A key of the map in a field.
    Key(&'a str),
    Document,
    Job,
}

impl fmt::Display for ValueLabel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "`{name}`"),
            Self::Element(name) => write!(f, "each element of `{name}`"),
            Self::Entry { map, key } => write!(f, "`{key}` in `{map}`"),
            Self::Key(map) => write!(f, "each key in `{map}`"),
            Self::Document => f.write_str("the document"),
            Self::Job => f.write_str("a job"),
        }
    }
}
