//! A document as a tree of values that know where they stand.
//!
//! TOML and JSON are both turned into this tree before anything looks at their
//! meaning, so that one reader serves both and every mistake has a position.

use super::{Choices, Mistake, Problem};
use std::fmt;
use std::ops::Range;

/// Where something stands in a document, in bytes.
pub type Span = Range<usize>;

/// Something together with where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    pub span: Span,
    pub value: T,
}

/// A value in a document.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    pub span: Span,
    pub value: Value,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    String(String),
    Date,
    List(Vec<Node>),
    Map(Map),
}

/// Keys and their values, in the order they were written; no key twice.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Map {
    entries: Vec<Entry>,
}

/// One key of a map with its value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub key: Spanned<String>,
    pub value: Node,
}

impl Map {
    /// Fails if a key occurs twice.
    pub fn new(mut entries: Vec<Entry>) -> Result<Self, Mistake> {
        let mut seen = std::collections::HashSet::new();
        entries.sort_by_key(|entry| entry.key.span.start);
        for entry in &entries {
            if !seen.insert(entry.key.value.as_str()) {
                return Err(entry.mistake(Problem::Repeated {
                    what: "field",
                    name: entry.key.value.clone(),
                }));
            }
        }
        Ok(Self { entries })
    }

    pub fn iter(&self) -> std::slice::Iter<'_, Entry> {
        self.entries.iter()
    }
}

impl<'a> IntoIterator for &'a Map {
    type Item = &'a Entry;
    type IntoIter = std::slice::Iter<'a, Entry>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl Entry {
    pub fn name(&self) -> &str {
        &self.key.value
    }

    /// What messages call this entry's value.
    pub fn place(&self) -> Place<'_> {
        Place::Field(self.name())
    }

    /// The key as a value, for where keys are paths.
    pub fn key_node(&self) -> Node {
        Node {
            span: self.key.span.clone(),
            value: Value::String(self.key.value.clone()),
        }
    }

    /// A mistake that concerns this entry as a whole; it points to the key.
    pub fn mistake(&self, problem: Problem) -> Mistake {
        Mistake::new(&self.key.span, problem)
    }

    /// The mistake that `of` has no field of this entry's name; those are `known`.
    pub fn unknown_field<'a>(
        &self,
        of: &dyn fmt::Display,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Mistake {
        self.mistake(Problem::UnknownField {
            field: self.name().to_owned(),
            of: of.to_string(),
            choices: Choices::new(self.name(), known),
        })
    }

    pub fn string(&self) -> Result<&str, Mistake> {
        self.value.string(self.place())
    }

    pub fn boolean(&self) -> Result<bool, Mistake> {
        match self.value.value {
            Value::Boolean(boolean) => Ok(boolean),
            _ => Err(self.value.wrong_type(self.place(), "true or false")),
        }
    }

    /// A whole number between `least` and `most`, both included.
    pub fn integer(&self, least: u32, most: u32) -> Result<u32, Mistake> {
        let Value::Integer(integer) = self.value.value else {
            return Err(self.value.wrong_type(self.place(), "a whole number"));
        };
        u32::try_from(integer)
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| {
                self.value.mistake(Problem::OutOfRange {
                    field: self.name().to_owned(),
                    least,
                    most,
                    found: integer,
                })
            })
    }

    pub fn list(&self) -> Result<&[Node], Mistake> {
        match &self.value.value {
            Value::List(list) => Ok(list),
            _ => Err(self.value.wrong_type(self.place(), "a list")),
        }
    }

    /// The elements of a list of strings.
    pub fn strings(&self) -> Result<Vec<Spanned<&str>>, Mistake> {
        let place = Place::Element(self.name());
        self.list()?
            .iter()
            .map(|node| {
                Ok(Spanned {
                    span: node.span.clone(),
                    value: node.string(place)?,
                })
            })
            .collect()
    }

    pub fn map(&self) -> Result<&Map, Mistake> {
        self.value.map(self.place())
    }
}

impl Node {
    /// A mistake that points to this value.
    pub fn mistake(&self, problem: Problem) -> Mistake {
        Mistake::new(&self.span, problem)
    }

    pub fn string(&self, place: Place<'_>) -> Result<&str, Mistake> {
        match &self.value {
            Value::String(string) => Ok(string),
            _ => Err(self.wrong_type(place, "a string")),
        }
    }

    pub fn map(&self, place: Place<'_>) -> Result<&Map, Mistake> {
        match &self.value {
            Value::Map(map) => Ok(map),
            _ => Err(self.wrong_type(place, "a table of fields")),
        }
    }

    pub fn wrong_type(&self, place: Place<'_>, expected: &'static str) -> Mistake {
        self.mistake(Problem::WrongType {
            place: place.to_string(),
            expected,
            found: self.value.kind(),
        })
    }
}

impl Value {
    /// What messages call such a value.
    fn kind(&self) -> &'static str {
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

/// What messages call a value by.
#[derive(Clone, Copy, Debug)]
pub enum Place<'a> {
    /// The value of a field.
    Field(&'a str),
    /// An element of the list that is the value of a field.
    Element(&'a str),
    /// A value in the map that is the value of a field.
    Entry { map: &'a str, key: &'a str },
    /// A key in the map that is the value of a field.
    Key(&'a str),
    /// The document as a whole.
    Document,
    /// A job as a whole.
    Job,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(f, "`{name}`"),
            Self::Element(name) => write!(f, "each element of `{name}`"),
            Self::Entry { map, key } => write!(f, "`{key}` in `{map}`"),
            Self::Key(map) => write!(f, "each key in `{map}`"),
            Self::Document => f.write_str("the whole"),
            Self::Job => f.write_str("a job"),
        }
    }
}
