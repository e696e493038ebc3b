//! What can be wrong with a specification as written, and what to do about it.

use super::{BadImageReference, PlaceholderError, Span, TemplateError};
use std::fmt;
use thiserror::Error;

/// A mistake in a document, and where.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{problem}")]
pub struct Mistake {
    pub span: Span,
    pub problem: Problem,
}

impl Mistake {
    pub fn new(span: &Span, problem: Problem) -> Self {
        Self {
            span: span.clone(),
            problem,
        }
    }
}

/// What is wrong. Messages name the remedy.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Problem {
    #[error("this is not {format}: {message}")]
    Syntax {
        format: &'static str,
        message: String,
    },
    #[error(
        "this is not UTF-8: the byte {byte:#04x} is not part of a character; save the text as UTF-8"
    )]
    NotUtf8 { byte: u8 },
    #[error("unknown {what} `{name}`; {choices}")]
    Unknown {
        what: &'static str,
        name: String,
        choices: Choices,
    },
    #[error("unknown field `{field}` of {of}; {choices}")]
    UnknownField {
        field: String,
        of: String,
        choices: Choices,
    },
    #[error("{place} must be {expected}, not {found}")]
    WrongType {
        place: String,
        expected: &'static str,
        found: &'static str,
    },
    #[error("`{field}` must be between {least} and {most}, but it is {found}")]
    OutOfRange {
        field: String,
        least: u32,
        most: u32,
        found: i128,
    },
    #[error(
        "`{field}` must be a number of seconds from 0 ({zero}) to {}",
        u32::MAX
    )]
    BadSeconds {
        field: String,
        /// What zero means.
        zero: &'static str,
    },
    #[error(
        "`priority` must be between {} and {}, but it is {found}",
        i8::MIN,
        i8::MAX
    )]
    BadPriority { found: i128 },
    #[error(
        "`containers` stands alone: an object that defines containers is no job, but it also \
         has `{field}`; make it two objects"
    )]
    BesideContainers { field: String },
    #[error("the {what} `{name}` is given twice; drop one of them")]
    Repeated { what: &'static str, name: String },
    #[error("{place} must not be empty")]
    Empty { place: String },
    #[error(
        "a job must be a table of fields, not a list; write jobs one after another, without `[`, `,` and `]`"
    )]
    JobList,
    #[error("this defines containers, but there is no job")]
    NoJob,
    #[error("a job needs the field `layers`, or an `image` or a `parent` that gives them")]
    NoLayers,
    #[error("{what} needs the field `{field}`")]
    Missing { what: String, field: &'static str },
    #[error("{place} must be a string without NUL characters")]
    Nul { place: String },

    #[error(
        "`{field}` and `added_{field}` exclude each other: the one replaces what came before, \
         the other adds to it; keep one of them"
    )]
    PlainAndAdded { field: &'static str },
    #[error(
        "`added_{field}` has nothing to add to; name {givers} that gives `{field}`, or write \
         `{field}`"
    )]
    NothingToAddTo {
        field: &'static str,
        /// What could give it.
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
         keep `root_overlay` (`\"tmp\"` means the same as `enable_writable_file_system = true`)"
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
        "only tests have the container `default`; define one with another name in `containers`, \
         or name `empty`"
    )]
    DefaultIsForTests,
    #[error("unknown container `{name}`; {}", ContainerRemedy(choices))]
    UnknownContainer { name: String, choices: Choices },
    #[error("`{name}` is the name of a built-in container; choose another name")]
    ReservedContainer { name: String },
    #[error("the container `{name}` is defined already; choose another name")]
    ContainerDefinedTwice { name: String },
    #[error(
        "these containers are each other's parents: {}; give one of them another parent or none",
        Chain(cycle)
    )]
    ParentCycle { cycle: Vec<String> },

    #[error("{0}")]
    BadImage(BadImageReference),
    #[error(
        "`image` and `parent` exclude each other: a container starts from one thing; keep one \
         of them"
    )]
    ImageAndParent,
    #[error(
        "`{option}` is for layers with a `command`, which this one lacks; add the command that \
         makes the layer"
    )]
    NoCommand { option: String },

    #[error("a layer needs one of the fields {}", Names(kinds))]
    NoLayerKind { kinds: Vec<&'static str> },
    #[error("a layer is one of `{first}` and `{second}`, not both; make it two layers")]
    TwoLayerKinds { first: String, second: String },
    #[error("a `{kind}` layer has no field `{option}`; drop it")]
    NoSuchOption { kind: &'static str, option: String },
    #[error(
        "{place} must be an absolute path in the container, but `{path}` is not; \
         start it with `/`"
    )]
    NotAbsolute { place: String, path: String },
    #[error("{place} must not contain `..`, but `{path}` does; write the path it leads to")]
    ParentComponent { place: String, path: String },
    #[error("`mount_point` must not be `/`; the root comes from the layers")]
    MountOverRoot,
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
    /// The second line on is the pattern with a caret.
    #[error("bad pattern: {message}")]
    Pattern { message: String },
    #[error("`directives` must be a list; each directive starts with `[[directives]]`")]
    DirectivesNotList,
}

/// What to do about a field that is both used and set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsedAndSetRemedy {
    /// For fields that have an `added_` form.
    Add(&'static str),
    /// For variables that may be added to an image's.
    Steps,
    Drop,
}

impl fmt::Display for UsedAndSetRemedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add(field) => write!(
                f,
                "write `added_{field}` to add to that, or leave it out of a `use`"
            ),
            Self::Steps => f.write_str(
                "write `added_environment`, or a list of `{ vars, extend }` that says of each \
                 step whether it adds to the image's variables, or leave them out of a `use`",
            ),
            Self::Drop => f.write_str("drop it from one of the two"),
        }
    }
}

/// What could have been written instead of an unknown word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choices {
    closest: Option<String>,
    all: Vec<String>,
}

impl Choices {
    pub fn new<'a>(written: &str, all: impl IntoIterator<Item = &'a str>) -> Self {
        let all: Vec<String> = all.into_iter().map(str::to_owned).collect();
        let closest = all
            .iter()
            .map(|choice| (strsim::damerau_levenshtein(written, choice), choice))
            .filter(|(distance, choice)| *distance <= choice.chars().count() / 3)
            .min()
            .map(|(_, choice)| choice.clone());
        Self { closest, all }
    }
}

impl fmt::Display for Choices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.closest {
            Some(closest) => write!(f, "did you mean `{closest}`?"),
            None if self.all.len() == 1 => write!(f, "it must be {}", Names(&self.all)),
            None => write!(f, "it must be one of {}", Names(&self.all)),
        }
    }
}

/// What to do about the name of a container that is not known.
struct ContainerRemedy<'a>(&'a Choices);

impl fmt::Display for ContainerRemedy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Choices { closest, all } = self.0;
        if closest.is_some() {
            return self.0.fmt(f);
        }
        let one_of = if all.len() == 1 { "" } else { "one of " };
        write!(
            f,
            "define it in `containers`, or name {one_of}{}",
            Names(all)
        )
    }
}

/// `` `a`, `b` ``
struct Names<'a, T>(&'a [T]);

impl<T: fmt::Display> fmt::Display for Names<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}`{name}`")?;
        }
        Ok(())
    }
}

/// `` `a` -> `b` -> `a` ``
struct Chain<'a>(&'a [String]);

impl fmt::Display for Chain<'_> {
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

/// The older spellings a document uses, each with where it is first met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deprecations {
    met: Vec<(Span, Deprecated)>,
}

impl Deprecations {
    pub fn note(&mut self, span: &Span, deprecated: Deprecated) {
        if !self.met.iter().any(|(_, met)| *met == deprecated) {
            self.met.push((span.clone(), deprecated));
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (&Span, Deprecated)> {
        self.met
            .iter()
            .map(|(span, deprecated)| (span, *deprecated))
    }
}
