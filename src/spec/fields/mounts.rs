//! Reading `mounts`: each is a map, whose other fields depend on its `type`.

use super::strings::{created_path, layer_path};
use crate::spec::{
    BindAccess, Deprecated, Deprecations, Device, Mount, Node, SpecEntry, SpecError, SpecProblem,
    ValueLabel,
};
use camino::{Utf8Component, Utf8PathBuf};
use strum::VariantArray;

const TYPES: [&str; 8] = [
    "bind", "cache", "devices", "devpts", "mqueue", "proc", "sys", "tmp",
];

/// The length of a cache's name that every file system can hold, in bytes.
const MAX_CACHE_NAME: usize = 100;

pub fn read(entry: &SpecEntry, deprecations: &mut Deprecations) -> Result<Vec<Mount>, SpecError> {
    entry.elements(|node, label| mount(node, label, deprecations))
}

/// A list of names of devices.
pub fn devices(entry: &SpecEntry) -> Result<Vec<Device>, SpecError> {
    entry.names("device", Device::VARIANTS)
}

fn mount(
    node: &Node,
    label: ValueLabel<'_>,
    deprecations: &mut Deprecations,
) -> Result<Mount, SpecError> {
    let mount_type = mount_type(node, label, deprecations)?;
    let mut fields = MountFields::default();
    for entry in node.map(label)? {
        fields.read(entry, mount_type)?;
    }
    let missing = |field| node.missing(format_args!("a `{mount_type}` mount"), field);
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
            access: fields.access,
            identity: None,
        },
        "cache" => Mount::Cache {
            mount_point,
            name: fields.name.ok_or_else(|| missing("name"))?,
        },
        "devpts" => Mount::Devpts { mount_point },
        "mqueue" => Mount::Mqueue { mount_point },
        "proc" => Mount::Proc { mount_point },
        "sys" => Mount::Sys { mount_point },
        _ => Mount::Tmp { mount_point },
    })
}

/// The value of `type`, or of `fs_type`, its older spelling.
fn mount_type(
    node: &Node,
    label: ValueLabel<'_>,
    deprecations: &mut Deprecations,
) -> Result<&'static str, SpecError> {
    let mut found = None;
    for entry in node.map(label)? {
        if !matches!(entry.name(), "type" | "fs_type") {
            continue;
        }
        if entry.name() == "fs_type" {
            deprecations.record(&entry.key.span, Deprecated::FsType);
        }
        if found.is_some() {
            return Err(entry.error(SpecProblem::MountTypeTwice));
        }
        let name = entry.string()?;
        let known = TYPES.into_iter().find(|known| *known == name);
        found = Some(known.ok_or_else(|| {
            let problem = SpecProblem::unknown("type of mount", name, TYPES);
            entry.value.error(problem)
        })?);
    }
    found.ok_or_else(|| node.missing(label, "type"))
}

/// The fields of a mount besides its type.
#[derive(Default)]
struct MountFields {
    mount_point: Option<Utf8PathBuf>,
    local_path: Option<Utf8PathBuf>,
    access: BindAccess,
    name: Option<String>,
    devices: Option<Vec<Device>>,
}

impl MountFields {
    fn set_access(&mut self, entry: &SpecEntry, access: BindAccess) -> Result<(), SpecError> {
        if entry.boolean()? {
            if self.access != BindAccess::ReadWrite {
                return Err(entry.error(SpecProblem::TwoKindsOfAccess));
            }
            self.access = access;
        }
        Ok(())
    }

    fn read(&mut self, entry: &SpecEntry, mount_type: &str) -> Result<(), SpecError> {
        match (entry.name(), mount_type) {
            ("type" | "fs_type", _) => {}
            ("devices", "devices") => self.devices = Some(devices(entry)?),
            ("local_path", "bind") => {
                self.local_path = Some(layer_path(&entry.value, entry.label())?);
            }
            ("read_only", "bind") => self.set_access(entry, BindAccess::ReadOnly)?,
            ("discard_changes", "bind") => self.set_access(entry, BindAccess::DiscardChanges)?,
            ("name", "cache") => self.name = Some(cache_name(entry)?),
            ("mount_point", _) if mount_type != "devices" => {
                self.mount_point = Some(mount_point(entry)?);
            }
            _ => {
                let known: &[&str] = match mount_type {
                    "bind" => &[
                        "type",
                        "mount_point",
                        "local_path",
                        "read_only",
                        "discard_changes",
                    ],
                    "cache" => &["type", "mount_point", "name"],
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

fn cache_name(entry: &SpecEntry) -> Result<String, SpecError> {
    let name = entry.string()?;
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if name.is_empty()
        || name.len() > MAX_CACHE_NAME
        || name.starts_with('.')
        || !name.chars().all(is_plain)
    {
        return Err(entry.value.error(SpecProblem::CacheName(MAX_CACHE_NAME)));
    }
    Ok(name.to_owned())
}

fn mount_point(entry: &SpecEntry) -> Result<Utf8PathBuf, SpecError> {
    let path = Utf8PathBuf::from(created_path(&entry.value, entry.label(), false)?);
    let is_root = !path
        .components()
        .any(|component| matches!(component, Utf8Component::Normal(_)));
    if is_root {
        return Err(entry.value.error(SpecProblem::MountOverRoot));
    }
    Ok(path)
}
