//! Errors in the text of a specification. Each message names the remedy.

use super::environment::TemplateError;
use super::{BadImageReference, PlaceholderError, Span};
use crate::process::closest;
use std::fmt;
use thiserror::Error;

/// An error in a document, with its position.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct SpecError {
    pub span: Span,
    pub problem: SpecProblem,
}

impl SpecError {
    pub fn new(span: &Span, problem: SpecProblem) -> Self {
        Self {
            span: span.clone(),
            problem,
        }
    }

    /// The error that the text is not of its `format`.
    pub fn syntax(span: &Span, format: &'static str, message: &str) -> Self {
        let message = message.to_owned();
        Self::new(span, SpecProblem::Syntax { format, message })
    }
}

/// The kinds of errors in a document.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SpecProblem {
    #[error("this is not {format}: {message}")]
    Syntax {
        format: &'static str,
        message: String,
    },
    #[error(
        "this is not UTF-8: the byte {byte:#04x} is not part of a character; save the text as UTF-8"
    )]
    NotUtf8 { byte: u8 },
    #[error("unknown {what} `{name}`; {suggestions}")]
    Unknown {
        what: &'static str,
        name: String,
        suggestions: Suggestions,
    },
    #[error("unknown field `{field}` of {of}; {suggestions}")]
    UnknownField {
        field: String,
        of: String,
        suggestions: Suggestions,
    },
    #[error("{label} must be {expected}, not {found}")]
    WrongType {
        label: String,
        expected: &'static str,
        found: &'static str,
    },
    #[error("`{field}` must be between {least} and {most}, but it is {found}")]
    OutOfRange {
        field: String,
        least: i128,
        most: i128,
        found: i128,
    },
    #[error(
        "`{field}` must be a number of seconds from 0 ({zero}) to {}",
        u32::MAX
    )]
    BadSeconds {
        field: String,
        /// The meaning of zero.
        zero: &'static str,
    },
    #[error("{label} must be a time such as `60s`, `1m 30s` or `500ms`, but it is `{found}`")]
    BadPeriod { label: String, found: String },
    #[error("{label} must be a size such as `512 MiB` or a number of bytes, but it is `{found}`")]
    BadSize { label: String, found: String },
    /// The value of a field contradicts itself. `problem` is the end of a sentence that begins with
    /// the name of the field.
    #[error("`{field}` {problem}")]
    BadField {
        field: String,
        problem: &'static str,
    },
    #[error(
        "an object with `containers` defines containers and no job, but it also has `{field}`; \
         write two objects"
    )]
    BesideContainers { field: String },
    #[error("the {what} `{name}` is given twice; drop one of them")]
    Repeated { what: &'static str, name: String },
    #[error("{label} must not be empty")]
    Empty { label: String },
    #[error(
        "a job must be a table of fields, not a list; write jobs one after another, without `[`, `,` and `]`"
    )]
    JobList,
    #[error("the text defines containers, but no job")]
    NoJob,
    #[error("a job needs the field `layers`, or an `image` or a `parent` that gives them")]
    NoLayers,
    #[error("{what} needs the field `{field}`")]
    Missing { what: String, field: &'static str },
    #[error("{label} must be a string without NUL characters")]
    Nul { label: String },

    #[error(
        "`{field}` and `added_{field}` exclude each other: the first replaces the inherited \
         elements, the second adds to them; keep one of them"
    )]
    PlainAndAdded { field: String },
    #[error(
        "`added_{field}` has nothing to add to; name {givers} with `{field}`, or write `{field}`"
    )]
    NothingToAddTo {
        field: &'static str,
        /// The fields that could provide the elements to add to.
        givers: &'static str,
    },
    #[error(
        "`added_{field}` has nothing to add to, because images have no `{field}`; write `{field}`"
    )]
    AddedToImage { field: &'static str },
    #[error(
        "`added_{field}` has nothing to add to, because the {of}'s `use` leaves out `{field}`; \
         name it in `use`, or write `{field}`"
    )]
    AddedWithoutUse {
        field: &'static str,
        /// `image` or `parent`.
        of: &'static str,
    },
    #[error("`{field}` is set here and also taken from the {of}; {remedy}")]
    UsedAndSet {
        field: &'static str,
        /// `image` or `parent`.
        of: &'static str,
        remedy: UsedAndSetRemedy,
    },
    #[error(
        "`enable_writable_file_system` and `root_overlay` exclude each other; \
         keep `root_overlay` (`\"tmp\"` has the effect of `enable_writable_file_system = true`)"
    )]
    WritableTwice,
    #[error("`enable_loopback` and `network` exclude each other; keep `network`")]
    LoopbackAndNetwork,
    #[error("`type` and `fs_type` exclude each other; keep `type`")]
    MountTypeTwice,
    #[error(
        "a `sys` mount and the network `local` exclude each other: Linux lets a job mount \
         sysfs only in a network namespace of its own; drop the mount, or choose another network"
    )]
    SysWithLocalNetwork,

    #[error(
        "the container `default` is for tests only; define one with another name in \
         `containers`, or name `empty`"
    )]
    DefaultIsForTests,
    #[error("unknown container `{name}`; {}", ContainerRemedy(suggestions))]
    UnknownContainer {
        name: String,
        suggestions: Suggestions,
    },
    #[error("`{name}` is the name of a built-in container; choose another name")]
    ReservedContainer { name: String },
    #[error("the container `{name}` is already defined; choose another name")]
    ContainerDefinedTwice { name: String },
    #[error(
        "these containers are each other's parents: {}; give one of them another parent or none",
        ParentChain(cycle)
    )]
    ParentCycle { cycle: Vec<String> },

    #[error("{0}")]
    BadImage(BadImageReference),
    #[error(
        "`image` and `parent` exclude each other: a container starts from one of them; keep \
         one"
    )]
    ImageAndParent,
    #[error(
        "only a layer with the field `command` can have `{option}`; add the command that makes \
         the layer"
    )]
    NoCommand { option: String },

    #[error("a layer needs one of the fields {}", QuotedNames(kinds))]
    NoLayerKind { kinds: Vec<&'static str> },
    #[error("a layer is one of `{first}` and `{second}`, not both; make it two layers")]
    TwoLayerKinds { first: String, second: String },
    #[error("a `{kind}` layer has no field `{option}`; drop it")]
    NoSuchOption { kind: &'static str, option: String },
    #[error(
        "{label} must be an absolute path in the container, but `{path}` is not; \
         start it with `/`"
    )]
    NotAbsolute { label: String, path: String },
    #[error("{label} must not contain `..`, but `{path}` does; write the path without it")]
    ParentComponent { label: String, path: String },
    #[error("`mount_point` must not be `/`; the root comes from the layers")]
    MountOverRoot,
    #[error(
        "the name of a cache has 1 to {0} letters, digits, `-`, `_` and `.`, and does not begin \
         with `.`"
    )]
    CacheName(usize),
    #[error("a mount is either `read_only` or has `discard_changes`; drop one of them")]
    TwoKindsOfAccess,
    #[error("`upper` and `work` must be different directories on one file system")]
    UpperIsWork,
    #[error("{0}")]
    Placeholder(PlaceholderError),
    #[error("bad glob pattern: {0}")]
    Glob(String),
    #[error("`hostname` must be 1 to 64 letters, digits, `-`, `_` or `.`, but it is `{hostname}`")]
    Hostname { hostname: String },

    #[error(
        "`{name}` cannot be the name of an environment variable: it must be non-empty, without `=` and NUL"
    )]
    VariableName { name: String },
    #[error("bad value for the environment variable `{variable}`: {error}")]
    VariableValue {
        variable: String,
        error: TemplateError,
    },
    /// From its second line on, the message is the pattern with a caret below it.
    #[error("bad pattern: {message}")]
    Pattern { message: String },
    #[error("`directives` must be a list; each directive starts with `[[directives]]`")]
    DirectivesNotList,
}

impl SpecProblem {
    /// An unknown name of a `what`; the names in `known` are suggested.
    pub fn unknown<'a>(
        what: &'static str,
        name: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::Unknown {
            what,
            name: name.to_owned(),
            suggestions: Suggestions::new(name, known),
        }
    }
}

/// The remedy for a field that is set although it is taken from the image or parent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedAndSetRemedy {
    /// For fields that have an `added_` form.
    Add(&'static str),
    /// For the environment on top of an image's.
    Steps,
    /// For other fields.
    Drop,
}

impl fmt::Display for UsedAndSetRemedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(field) => write!(
                f,
                "write `added_{field}` to add to it, or a `use` without `{field}`"
            ),
            Self::Steps => f.write_str(
                "write `added_environment` or a list of `{ vars, extend }` to add to it, or a \
                 `use` without `environment`",
            ),
            Self::Drop => f.write_str("remove it here or from `use`"),
        }
    }
}

/// The known names to suggest in place of an unknown one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestions {
    closest: Option<String>,
    all: Vec<String>,
}

impl Suggestions {
    /// `closest` is the known name within a third of its length of edits, if there is one.
    pub fn new<'a>(written: &str, all: impl IntoIterator<Item = &'a str>) -> Self {
        let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
        let closest = closest(written, all.iter().map(String::as_str)).map(str::to_owned);
        Self { closest, all }
    }
}

impl fmt::Display for Suggestions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.closest {
            Some(closest) => write!(f, "did you mean `{closest}`?"),
            None if self.all.len() == 1 => write!(f, "it must be {}", QuotedNames(&self.all)),
            None => write!(f, "it must be one of {}", QuotedNames(&self.all)),
        }
    }
}

/// The remedy for an unknown name of a container.
struct ContainerRemedy<'a>(&'a Suggestions);

impl fmt::Display for ContainerRemedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Suggestions { closest, all } = self.0;
        if closest.is_some() {
            return self.0.fmt(f);
        }
        let one_of = if all.len() == 1 { "" } else { "one of " };
        write!(
            f,
            "define it in `containers`, or name {one_of}{}",
            QuotedNames(all)
        )
    }
}

/// `` `a`, `b` ``
struct QuotedNames<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for QuotedNames<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}`{name}`")?;
        }
        Ok(())
    }
}

/// `` `a` -> `b` -> `a` ``
struct ParentChain<'a>(&'a [String]);

impl fmt::Display for ParentChain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for name in self.0 {
            write!(f, "`{name}` -> ")?;
        }
        match self.0.first() {
            Some(first) => write!(f, "`{first}`"),
            None => Ok(()),
        }
    }
}

/// An older spelling that is still accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deprecated {
    DevicesList,
    EnableLoopback,
    FsType,
    ImageTag,
}

impl fmt::Display for Deprecated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DevicesList => {
                "`devices` is an older spelling; write a mount with the `type` `devices`, \
                 and this list as its `devices`"
            }
            Self::EnableLoopback => {
                "`enable_loopback` is an older spelling; write `network`: `loopback` for true, \
                 `disabled` for false"
            }
            Self::FsType => "`fs_type` is an older spelling; write `type`",
            Self::ImageTag => {
                "an image as `name` and `tag` is an older spelling; write one `name`: \
                 `docker://NAME:TAG`"
            }
        })
    }
}

/// The older spellings in a document, each with the position of its first use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deprecations {
    first_uses: Vec<(Span, Deprecated)>,
}

impl Deprecations {
    pub fn record(&mut self, span: &Span, deprecated: Deprecated) {
        if !self.first_uses.iter().any(|(_, used)| *used == deprecated) {
            self.first_uses.push((span.clone(), deprecated));
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Span, Deprecated)> {
        self.first_uses
            .iter()
            .map(|(span, deprecated)| (span, *deprecated))
    }
}
