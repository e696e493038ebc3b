//! Reading `image`: the image to start from.

use super::parent::used_fields;
use super::{ContainerField, SpecFormat};
use crate::spec::{
    Deprecated, Deprecations, ImageReference, ImageUse, Spanned, SpecEntry, SpecError, SpecProblem,
    SpecValue, WorkingDirectoryUse,
};

/// The fields that an image can give.
pub const FIELDS: [ContainerField; 3] = [
    ContainerField::Layers,
    ContainerField::Environment,
    ContainerField::WorkingDirectory,
];

/// The image to start from, and the parts of it to use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRef {
    pub name: ImageReference,
    /// `None`: the default of the format.
    pub used: Option<Vec<ContainerField>>,
}

impl ImageRef {
    /// Whether a container in that format gets `field` from the image.
    pub fn gives(&self, field: ContainerField, format: SpecFormat) -> bool {
        match (&self.used, format) {
            (Some(used), _) => used.contains(&field),
            (None, SpecFormat::Toml) => FIELDS.contains(&field),
            (None, SpecFormat::Json) => {
                [ContainerField::Layers, ContainerField::Environment].contains(&field)
            }
        }
    }

    /// Whether `use` names `field`.
    pub fn uses(&self, field: ContainerField) -> bool {
        self.used.as_ref().is_some_and(|used| used.contains(&field))
    }

    pub fn to_use(&self, format: SpecFormat) -> ImageUse {
        ImageUse {
            image: self.name.clone(),
            layers: self.gives(ContainerField::Layers, format),
            environment: self.gives(ContainerField::Environment, format),
            working_directory: if self.uses(ContainerField::WorkingDirectory) {
                WorkingDirectoryUse::Required
            } else if self.gives(ContainerField::WorkingDirectory, format) {
                WorkingDirectoryUse::IfPresent
            } else {
                WorkingDirectoryUse::No
            },
        }
    }
}

/// Reads a name, or `{ name, use }`.
pub fn read(entry: &SpecEntry, deprecations: &mut Deprecations) -> Result<ImageRef, SpecError> {
    match &entry.value.value {
        SpecValue::String(_) => Ok(ImageRef {
            name: parse(&entry.spanned_string()?)?,
            used: None,
        }),
        SpecValue::Map(map) => {
            let (mut name, mut tag, mut used) = (None, None, None);
            for entry in map {
                match entry.name() {
                    "name" => name = Some(entry.spanned_string()?),
                    "tag" => tag = Some((entry, entry.string()?)),
                    "use" => used = Some(used_parts(entry)?),
                    _ => return Err(entry.unknown_field(&"`image`", ["name", "use"])),
                }
            }
            let mut name = name.ok_or_else(|| entry.value.missing(entry.label(), "name"))?;
            if let Some((entry, tag)) = tag {
                deprecations.record(&entry.key.span, Deprecated::ImageTag);
                name.value = format!("docker://{}:{tag}", name.value);
            }
            let name = parse(&name)?;
            Ok(ImageRef { name, used })
        }
        _ => Err(entry
            .value
            .wrong_type(entry.label(), "the name of an image or `{ name, use }`")),
    }
}

fn used_parts(entry: &SpecEntry) -> Result<Vec<ContainerField>, SpecError> {
    used_fields(entry, "part of an image", &FIELDS, |name| name)
}

fn parse(name: &Spanned<String>) -> Result<ImageReference, SpecError> {
    let error = |error| SpecError::new(&name.span, SpecProblem::BadImage(error));
    name.value.parse().map_err(error)
}
