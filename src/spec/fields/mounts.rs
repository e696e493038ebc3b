//! Reading `mounts`: each is a map whose `type` says what else it has.

use super::paths::{layer_path, made_path};
use crate::spec::{
    Choices, Deprecated, Deprecations, Device, Entry, Mistake, Mount, Node, Place, Problem,
};
use camino::{Utf8Component, Utf8PathBuf};

const TYPES: [&str; 7] = ["bind", "devices", "devpts", "mqueue", "proc", "sys", "tmp"];

pub fn read(entry: &Entry, notes: &mut Deprecations) -> Result<Vec<Mount>, Mistake> {
    let place = Place::Element(entry.name());
    entry
        .list()?
        .iter()
        .map(|node| mount(node, place, notes))
        .collect()
}

/// A list of names of devices.
pub fn devices(entry: &Entry) -> Result<Vec<Device>, Mistake> {
    let mut devices = Vec::new();
    for name in entry.strings()? {
        let mistake = |problem| Mistake::new(&name.span, problem);
        let device = Device::ALL
            .into_iter()
            .find(|device| device.as_str() == name.value)
            .ok_or_else(|| {
                mistake(Problem::Unknown {
                    what: "device",
                    name: name.value.to_owned(),
                    choices: Choices::new(name.value, Device::ALL.map(Device::as_str)),
                })
            })?;
        if devices.contains(&device) {
            return Err(mistake(Problem::Repeated {
                what: "device",
                name: name.value.to_owned(),
            }));
        }
        devices.push(device);
    }
    Ok(devices)
}

fn mount(node: &Node, place: Place<'_>, notes: &mut Deprecations) -> Result<Mount, Mistake> {
    let mount_type = mount_type(node, place, notes)?;
    let mut fields = Fields::default();
    for entry in node.map(place)? {
        fields.read(entry, mount_type)?;
    }
    let missing = |field| {
        node.mistake(Problem::Missing {
            what: format!("a `{mount_type}` mount"),
            field,
        })
    };
    if mount_type == "devices" {
        return Ok(Mount::Devices {
            devices: fields.devices.ok_or_else(|| missing("devices"))?,
        });
    }
    let mount_point = fields.mount_point.ok_or_else(|| missing("mount_point"))?;
    Ok(match mount_type {
        "bind" => Mount::Bind {
            mount_point,
            local_path: fields.local_path.ok_or_else(|| missing("local_path"))?,
            read_only: fields.read_only,
        },
        "devpts" => Mount::Devpts { mount_point },
        "mqueue" => Mount::Mqueue { mount_point },
        "proc" => Mount::Proc { mount_point },
        "sys" => Mount::Sys { mount_point },
        _ => Mount::Tmp { mount_point },
    })
}

/// What `type`, or `fs_type` as it was once written, says.
fn mount_type(
    node: &Node,
    place: Place<'_>,
    notes: &mut Deprecations,
) -> Result<&'static str, Mistake> {
    let mut found = None;
    for entry in node.map(place)? {
        if !matches!(entry.name(), "type" | "fs_type") {
            continue;
        }
        if entry.name() == "fs_type" {
            notes.note(&entry.key.span, Deprecated::FsType);
        }
        if found.is_some() {
            return Err(entry.mistake(Problem::MountTypeTwice));
        }
        let name = entry.string()?;
        let known = TYPES.into_iter().find(|known| *known == name);
        found = Some(known.ok_or_else(|| {
            entry.value.mistake(Problem::Unknown {
                what: "type of mount",
                name: name.to_owned(),
                choices: Choices::new(name, TYPES),
            })
        })?);
    }
    found.ok_or_else(|| {
        node.mistake(Problem::Missing {
            what: place.to_string(),
            field: "type",
        })
    })
}

/// The fields of a mount besides its type.
#[derive(Default)]
struct Fields {
    mount_point: Option<Utf8PathBuf>,
    local_path: Option<Utf8PathBuf>,
    read_only: bool,
    devices: Option<Vec<Device>>,
}

impl Fields {
    fn read(&mut self, entry: &Entry, mount_type: &str) -> Result<(), Mistake> {
        match (entry.name(), mount_type) {
            ("type" | "fs_type", _) => {}
            ("devices", "devices") => self.devices = Some(devices(entry)?),
            ("local_path", "bind") => {
                self.local_path = Some(layer_path(&entry.value, entry.place())?);
            }
            ("read_only", "bind") => self.read_only = entry.boolean()?,
            ("mount_point", _) if mount_type != "devices" => {
                self.mount_point = Some(mount_point(entry)?);
            }
            _ => {
                let known: &[&str] = match mount_type {
                    "bind" => &["type", "mount_point", "local_path", "read_only"],
                    "devices" => &["type", "devices"],
                    _ => &["type", "mount_point"],
                };
                return Err(entry.unknown_field(
                    &format_args!("a `{mount_type}` mount"),
                    known.iter().copied(),
                ));
            }
        }
        Ok(())
    }
}

fn mount_point(entry: &Entry) -> Result<Utf8PathBuf, Mistake> {
    let path = Utf8PathBuf::from(made_path(&entry.value, entry.place(), false)?);
    let is_root = !path
        .components()
        .any(|component| matches!(component, Utf8Component::Normal(_)));
    if is_root {
        return Err(entry.value.mistake(Problem::MountOverRoot));
    }
    Ok(path)
}
