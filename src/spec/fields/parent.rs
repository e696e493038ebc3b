//! Reading `parent`: the container to start from.

use crate::spec::{ContainerSpec, Spanned, SpecEntry, SpecError, SpecProblem, SpecValue};
use strum::{IntoStaticStr, VariantArray};

/// A field that can be inherited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "snake_case", const_into_str)]
pub enum ContainerField {
    Environment,
    Layers,
    Mounts,
    Outputs,
    Network,
    RootOverlay,
    WorkingDirectory,
    User,
    Group,
    Init,
    Hostname,
}

impl ContainerField {
    /// Copies this field from one container to another.
    fn copy(self, from: &ContainerSpec, to: &mut ContainerSpec) {
        match self {
            Self::Environment => {
                to.environment.clone_from(&from.environment);
                if let Some(image) = from.image.as_ref().filter(|image| image.environment) {
                    image.of_container(to).environment = true;
                }
            }
            Self::Layers => {
                to.layers.clone_from(&from.layers);
                if let Some(image) = from.image.as_ref().filter(|image| image.layers) {
                    image.of_container(to).layers = true;
                }
            }
            Self::Mounts => to.mounts.clone_from(&from.mounts),
            Self::Outputs => to.outputs.clone_from(&from.outputs),
            Self::Network => to.network = from.network,
            Self::RootOverlay => to.root_overlay.clone_from(&from.root_overlay),
            Self::WorkingDirectory => {
                to.working_directory.clone_from(&from.working_directory);
                if let Some(image) = &from.image {
                    image.of_container(to).working_directory = image.working_directory;
                }
            }
            Self::User => to.user = from.user,
            Self::Group => to.group = from.group,
            Self::Init => to.init = from.init,
            Self::Hostname => to.hostname.clone_from(&from.hostname),
        }
    }
}

/// The container to start from, and the fields to inherit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParentRef {
    pub name: Spanned<String>,
    /// `None`: all.
    pub used: Option<Vec<ContainerField>>,
}

impl ParentRef {
    /// The fields that a child of `parent` inherits.
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

    pub(in crate::spec) fn gives(&self, field: ContainerField) -> bool {
        self.used.as_ref().is_none_or(|used| used.contains(&field))
    }
}

/// Reads a name, or `{ name, use }`.
pub fn read(entry: &SpecEntry) -> Result<ParentRef, SpecError> {
    match &entry.value.value {
        SpecValue::String(_) => Ok(ParentRef {
            name: entry.spanned_string()?,
            used: None,
        }),
        SpecValue::Map(map) => {
            let mut name = None;
            let mut used = None;
            for entry in map {
                match entry.name() {
                    "name" => name = Some(entry.spanned_string()?),
                    "use" => used = Some(inherited_fields(entry)?),
                    _ => return Err(entry.unknown_field(&"`parent`", ["name", "use"])),
                }
            }
            let name = name.ok_or_else(|| entry.value.missing(entry.label(), "name"))?;
            Ok(ParentRef { name, used })
        }
        _ => Err(entry
            .value
            .wrong_type(entry.label(), "the name of a container or `{ name, use }`")),
    }
}

fn inherited_fields(entry: &SpecEntry) -> Result<Vec<ContainerField>, SpecError> {
    used_fields(
        entry,
        "inheritable field",
        ContainerField::VARIANTS,
        |name| {
            match name {
                // An older spelling that is not suggested.
                "enable_writable_file_system" => "root_overlay",
                name => name,
            }
        },
    )
}

/// Reads `use`: a non-empty list of names, as [`SpecEntry::names_with`] reads them.
pub(super) fn used_fields(
    entry: &SpecEntry,
    what: &'static str,
    known: &[ContainerField],
    current_spelling: impl Fn(&str) -> &str,
) -> Result<Vec<ContainerField>, SpecError> {
    let used = entry.names_with(what, known, current_spelling)?;
    if used.is_empty() {
        return Err(entry.value.error(SpecProblem::Empty {
            label: entry.label().to_string(),
        }));
    }
    Ok(used)
}
