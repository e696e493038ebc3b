//! `image`: the container image to start from.

use super::{Field, Format};
use crate::spec::{
    Choices, Deprecated, Deprecations, Entry, ImageReference, ImageUse, Mistake, Problem, Spanned,
    Value, WorkingDirectoryUse,
};
use std::collections::BTreeSet;

/// What an image can give.
pub const FIELDS: [Field; 3] = [Field::Layers, Field::Environment, Field::WorkingDirectory];

/// The image to start from, and what to take from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRef {
    pub name: ImageReference,
    /// `None`: what is usual in that format.
    pub used: Option<BTreeSet<Field>>,
}

impl ImageRef {
    /// Whether a container written in that format gets `field` from the image.
    pub fn gives(&self, field: Field, format: Format) -> bool {
        match (&self.used, format) {
            (Some(used), _) => used.contains(&field),
            (None, Format::Toml) => FIELDS.contains(&field),
            (None, Format::Json) => [Field::Layers, Field::Environment].contains(&field),
        }
    }

    /// Whether `use` names `field`.
    pub fn uses(&self, field: Field) -> bool {
        self.used.as_ref().is_some_and(|used| used.contains(&field))
    }

    pub fn in_use(&self, format: Format) -> ImageUse {
        ImageUse {
            image: self.name.clone(),
            layers: self.gives(Field::Layers, format),
            environment: self.gives(Field::Environment, format),
            working_directory: if self.uses(Field::WorkingDirectory) {
                WorkingDirectoryUse::Required
            } else if self.gives(Field::WorkingDirectory, format) {
                WorkingDirectoryUse::IfThere
            } else {
                WorkingDirectoryUse::No
            },
        }
    }
}

/// Reads a name, or `{ name, use }`.
pub fn read(entry: &Entry, notes: &mut Deprecations) -> Result<ImageRef, Mistake> {
    match &entry.value.value {
        Value::String(_) => Ok(ImageRef {
            name: parse(&name_of(entry)?)?,
            used: None,
        }),
        Value::Map(map) => {
            let (mut name, mut tag, mut used) = (None, None, None);
            for entry in map {
                match entry.name() {
                    "name" => name = Some(name_of(entry)?),
                    "tag" => tag = Some((entry, entry.string()?)),
                    "use" => used = Some(used_fields(entry)?),
                    _ => return Err(entry.unknown_field(&"`image`", ["name", "use"])),
                }
            }
            let mut name = name.ok_or_else(|| {
                entry.value.mistake(Problem::Missing {
                    what: entry.place().to_string(),
                    field: "name",
                })
            })?;
            if let Some((entry, tag)) = tag {
                notes.note(&entry.key.span, Deprecated::ImageTag);
                name.value = format!("docker://{}:{tag}", name.value);
            }
            let name = parse(&name)?;
            Ok(ImageRef { name, used })
        }
        _ => Err(entry
            .value
            .wrong_type(entry.place(), "the name of an image or `{ name, use }`")),
    }
}

fn name_of(entry: &Entry) -> Result<Spanned<String>, Mistake> {
    Ok(Spanned {
        span: entry.value.span.clone(),
        value: entry.string()?.to_owned(),
    })
}

fn parse(name: &Spanned<String>) -> Result<ImageReference, Mistake> {
    let bad = |error| Mistake::new(&name.span, Problem::BadImage(error));
    name.value.parse().map_err(bad)
}

fn used_fields(entry: &Entry) -> Result<BTreeSet<Field>, Mistake> {
    let mut used = BTreeSet::new();
    for name in entry.strings()? {
        let mistake = |problem| Mistake::new(&name.span, problem);
        let field = FIELDS
            .into_iter()
            .find(|field| field.as_str() == name.value)
            .ok_or_else(|| {
                mistake(Problem::Unknown {
                    what: "part of an image",
                    name: name.value.to_owned(),
                    choices: Choices::new(name.value, FIELDS.map(Field::as_str)),
                })
            })?;
        if !used.insert(field) {
            return Err(mistake(Problem::Repeated {
                what: "part of an image",
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
