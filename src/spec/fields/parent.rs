//! `parent`: the container to start from.

use crate::spec::{Choices, ContainerSpec, Entry, Mistake, Problem, Spanned, Value};
use std::collections::BTreeSet;

/// A field that can be inherited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    Environment,
    Layers,
    Mounts,
    Network,
    RootOverlay,
    WorkingDirectory,
    User,
    Group,
    Init,
    Hostname,
}

impl Field {
    pub const ALL: [Self; 10] = [
        Self::Environment,
        Self::Layers,
        Self::Mounts,
        Self::Network,
        Self::RootOverlay,
        Self::WorkingDirectory,
        Self::User,
        Self::Group,
        Self::Init,
        Self::Hostname,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Environment => "environment",
            Self::Layers => "layers",
            Self::Mounts => "mounts",
            Self::Network => "network",
            Self::RootOverlay => "root_overlay",
            Self::WorkingDirectory => "working_directory",
            Self::User => "user",
            Self::Group => "group",
            Self::Init => "init",
            Self::Hostname => "hostname",
        }
    }

    /// Copies this field from one container to another.
    fn copy(self, from: &ContainerSpec, to: &mut ContainerSpec) {
        match self {
            Self::Environment => {
                to.environment.clone_from(&from.environment);
                if let Some(image) = from.image.as_ref().filter(|image| image.environment) {
                    image.part_of(to).environment = true;
                }
            }
            Self::Layers => {
                to.layers.clone_from(&from.layers);
                if let Some(image) = from.image.as_ref().filter(|image| image.layers) {
                    image.part_of(to).layers = true;
                }
            }
            Self::Mounts => to.mounts.clone_from(&from.mounts),
            Self::Network => to.network = from.network,
            Self::RootOverlay => to.root_overlay.clone_from(&from.root_overlay),
            Self::WorkingDirectory => {
                to.working_directory.clone_from(&from.working_directory);
                if let Some(image) = &from.image {
                    image.part_of(to).working_directory = image.working_directory;
                }
            }
            Self::User => to.user = from.user,
            Self::Group => to.group = from.group,
            Self::Init => to.init = from.init,
            Self::Hostname => to.hostname.clone_from(&from.hostname),
        }
    }
}

/// The container to start from, and what to take from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentRef {
    pub name: Spanned<String>,
    /// `None`: everything.
    pub used: Option<BTreeSet<Field>>,
}

impl ParentRef {
    /// What a container starts with that has `parent` as its parent.
    pub fn inherit(&self, parent: &ContainerSpec) -> ContainerSpec {
        let Some(used) = &self.used else {
            return parent.clone();
        };
        let mut container = ContainerSpec::default();
        for field in used {
            field.copy(parent, &mut container);
        }
        container
    }

    pub(in crate::spec) fn gives(&self, field: Field) -> bool {
        self.used.as_ref().is_none_or(|used| used.contains(&field))
    }
}

/// Reads a name, or `{ name, use }`.
pub fn read(entry: &Entry) -> Result<ParentRef, Mistake> {
    let name_of = |entry: &Entry| {
        Ok(Spanned {
            span: entry.value.span.clone(),
            value: entry.string()?.to_owned(),
        })
    };
    match &entry.value.value {
        Value::String(_) => Ok(ParentRef {
            name: name_of(entry)?,
            used: None,
        }),
        Value::Map(map) => {
            let mut name = None;
            let mut used = None;
            for entry in map {
                match entry.name() {
                    "name" => name = Some(name_of(entry)?),
                    "use" => used = Some(used_fields(entry)?),
                    _ => return Err(entry.unknown_field(&"`parent`", ["name", "use"])),
                }
            }
            let name = name.ok_or_else(|| {
                entry.value.mistake(Problem::Missing {
                    what: entry.place().to_string(),
                    field: "name",
                })
            })?;
            Ok(ParentRef { name, used })
        }
        _ => Err(entry
            .value
            .wrong_type(entry.place(), "the name of a container or `{ name, use }`")),
    }
}

fn used_fields(entry: &Entry) -> Result<BTreeSet<Field>, Mistake> {
    let mut used = BTreeSet::new();
    for name in entry.strings()? {
        let mistake = |problem| Mistake::new(&name.span, problem);
        let field = Field::ALL
            .into_iter()
            .find(|field| field.as_str() == name.value)
            .or((name.value == "enable_writable_file_system").then_some(Field::RootOverlay))
            .ok_or_else(|| {
                mistake(Problem::Unknown {
                    what: "field to use",
                    name: name.value.to_owned(),
                    choices: Choices::new(name.value, Field::ALL.map(Field::as_str)),
                })
            })?;
        if !used.insert(field) {
            return Err(mistake(Problem::Repeated {
                what: "field",
                name: name.value.to_owned(),
            }));
        }
    }
    if used.is_empty() {
        return Err(entry.value.mistake(Problem::Empty {
            place: entry.place().to_string(),
        }));
    }
    Ok(used)
}
