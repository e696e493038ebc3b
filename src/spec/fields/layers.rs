//! Reading `layers`: each is a map with one main field, which is the layer's kind.

use super::strings::{created_path, layer_glob, layer_path, layer_text, non_empty, text};
use super::{environment, mounts, scalars};
use crate::spec::{
    BasePart, CommandLine, CommandSpec, Deprecations, LayerSpec, Mount, Network, Node,
    PrefixOptions, SpecEntry, SpecError, SpecProblem, SpecValue, SymlinkSpec, ValueLabel,
};
use camino::Utf8PathBuf;
use std::collections::BTreeMap;
use strum::VariantArray;

const KINDS: [&str; 11] = [
    "tar",
    "glob",
    "paths",
    "stubs",
    "symlinks",
    "shared_library_dependencies",
    "files",
    "programs",
    "source",
    "command",
    "base",
];

const COMMAND_OPTIONS: [&str; 7] = [
    "environment",
    "mounts",
    "network",
    "working_directory",
    "user",
    "group",
    "without_sources",
];

const PREFIX_OPTIONS: [&str; 4] = [
    "follow_symlinks",
    "canonicalize",
    "strip_prefix",
    "prepend_prefix",
];

pub fn read(
    entry: &SpecEntry,
    deprecations: &mut Deprecations,
) -> Result<Vec<LayerSpec>, SpecError> {
    entry.elements(|node, label| layer(node, label, deprecations))
}

fn layer(
    node: &Node,
    label: ValueLabel<'_>,
    deprecations: &mut Deprecations,
) -> Result<LayerSpec, SpecError> {
    let fields = node.map(label)?;
    let mut main: Option<(&str, &SpecEntry)> = None;
    for entry in fields {
        if let Some(kind) = kind(entry)
            && let Some((_, first)) = main.replace((kind, entry))
        {
            return Err(entry.error(SpecProblem::TwoLayerKinds {
                first: first.name().to_owned(),
                second: entry.name().to_owned(),
            }));
        }
    }
    let options = fields.iter().filter(|entry| kind(entry).is_none());
    let Some((kind, entry)) = main else {
        return Err(no_kind_error(node, options));
    };
    if kind == "command" {
        return Ok(LayerSpec::Command(command(entry, options, deprecations)?));
    }
    let prefix = prefix_options(kind, options)?;
    Ok(match kind {
        "tar" => LayerSpec::Tar {
            tar: layer_path(&entry.value, entry.label())?,
        },
        "glob" => LayerSpec::Glob {
            glob: layer_glob(&entry.value, entry.label())?,
            prefix,
        },
        "paths" => LayerSpec::Paths {
            paths: layer_paths(entry)?,
            prefix,
        },
        "stubs" => LayerSpec::Stubs {
            stubs: stubs(entry)?,
        },
        "symlinks" => LayerSpec::Symlinks {
            symlinks: symlinks(entry)?,
        },
        "shared_library_dependencies" => LayerSpec::SharedLibraryDependencies {
            binaries: layer_paths(entry)?,
            prefix,
        },
        "files" => LayerSpec::Files {
            files: files(entry)?,
        },
        "programs" => LayerSpec::Programs {
            programs: programs(entry)?,
        },
        "base" => LayerSpec::Base {
            base: entry.elements(base_part)?,
        },
        _ => LayerSpec::Source {
            source: layer_path(&entry.value, entry.label())?,
        },
    })
}

/// The kind of layer that the field's name stands for, with underscores or dashes.
fn kind(entry: &SpecEntry) -> Option<&'static str> {
    let name = match entry.name() {
        "shared-library-dependencies" => "shared_library_dependencies",
        name => name,
    };
    KINDS.into_iter().find(|kind| *kind == name)
}

fn no_kind_error<'a>(node: &Node, mut options: impl Iterator<Item = &'a SpecEntry>) -> SpecError {
    match options.find(|entry| !PREFIX_OPTIONS.contains(&entry.name())) {
        Some(entry) if COMMAND_OPTIONS.contains(&entry.name()) => {
            node.error(SpecProblem::NoCommand {
                option: entry.name().to_owned(),
            })
        }
        Some(entry) => entry.error(SpecProblem::unknown("kind of layer", entry.name(), KINDS)),
        None => node.error(SpecProblem::NoLayerKind {
            kinds: KINDS.to_vec(),
        }),
    }
}

/// The fields besides the main field of a layer of `kind`.
fn prefix_options<'a>(
    kind: &'static str,
    options: impl Iterator<Item = &'a SpecEntry>,
) -> Result<PrefixOptions, SpecError> {
    let mut prefix = PrefixOptions::default();
    for entry in options {
        if !matches!(kind, "glob" | "paths" | "shared_library_dependencies") {
            return Err(entry.error(SpecProblem::NoSuchOption {
                kind,
                option: entry.name().to_owned(),
            }));
        }
        let path = || layer_path(&entry.value, entry.label());
        match entry.name() {
            "follow_symlinks" => prefix.follow_symlinks = entry.boolean()?,
            "canonicalize" => prefix.canonicalize = entry.boolean()?,
            "strip_prefix" => prefix.strip_prefix = Some(path()?),
            "prepend_prefix" => prefix.prepend_prefix = Some(path()?),
            _ => return Err(entry.unknown_field(&"a layer", PREFIX_OPTIONS)),
        }
    }
    Ok(prefix)
}

fn layer_paths(entry: &SpecEntry) -> Result<Vec<Utf8PathBuf>, SpecError> {
    entry.elements(layer_path)
}

fn stubs(entry: &SpecEntry) -> Result<Vec<String>, SpecError> {
    entry.elements(|node, label| created_path(node, label, true))
}

fn symlinks(entry: &SpecEntry) -> Result<Vec<SymlinkSpec>, SpecError> {
    entry.elements(symlink)
}

fn symlink(node: &Node, label: ValueLabel<'_>) -> Result<SymlinkSpec, SpecError> {
    let mut link = None;
    let mut target = None;
    for entry in node.map(label)? {
        match entry.name() {
            "link" => link = Some(created_path(&entry.value, entry.label(), false)?.into()),
            "target" => target = Some(layer_path(&entry.value, entry.label())?),
            _ => return Err(entry.unknown_field(&"a symlink", ["link", "target"])),
        }
    }
    let missing = |field| node.missing(label, field);
    Ok(SymlinkSpec {
        link: link.ok_or_else(|| missing("link"))?,
        target: target.ok_or_else(|| missing("target"))?,
    })
}

fn files(entry: &SpecEntry) -> Result<BTreeMap<Utf8PathBuf, String>, SpecError> {
    let mut files = BTreeMap::new();
    for file in entry.map()? {
        let path = created_path(&file.key_node(), ValueLabel::Key(entry.name()), false)?;
        let label = ValueLabel::Entry {
            map: entry.name(),
            key: file.name(),
        };
        let content = file.value.string(label)?.to_owned();
        // Two keys can be different spellings of one path.
        if files.insert(Utf8PathBuf::from(&path), content).is_some() {
            return Err(file.error(SpecProblem::Repeated {
                what: "file",
                name: path,
            }));
        }
    }
    Ok(files)
}

fn programs(entry: &SpecEntry) -> Result<Vec<String>, SpecError> {
    entry.elements(layer_text)
}

fn base_part(node: &Node, label: ValueLabel<'_>) -> Result<BasePart, SpecError> {
    node.named("part of the base", BasePart::VARIANTS, node.string(label)?)
}

fn command<'a>(
    entry: &SpecEntry,
    options: impl Iterator<Item = &'a SpecEntry>,
    deprecations: &mut Deprecations,
) -> Result<CommandSpec, SpecError> {
    let mut spec = CommandSpec {
        command: command_line(entry)?,
        environment: Vec::new(),
        mounts: Vec::new(),
        network: Network::Disabled,
        working_directory: None,
        user: 0,
        group: 0,
        without_sources: false,
    };
    let mut network_span = None;
    for option in options {
        match option.name() {
            "environment" => spec.environment = environment::read(option)?,
            "mounts" => spec.mounts = mounts::read(option, deprecations)?,
            "network" => {
                spec.network = scalars::network(option)?;
                network_span = Some(&option.value.span);
            }
            "working_directory" => {
                let path = created_path(&option.value, option.label(), false)?;
                spec.working_directory = Some(path.into());
            }
            "user" => spec.user = option.integer(0, u32::MAX - 1)?,
            "group" => spec.group = option.integer(0, u32::MAX - 1)?,
            "without_sources" => spec.without_sources = option.boolean()?,
            name if PREFIX_OPTIONS.contains(&name) => {
                return Err(option.error(SpecProblem::NoSuchOption {
                    kind: "command",
                    option: name.to_owned(),
                }));
            }
            _ => return Err(option.unknown_field(&"a `command` layer", COMMAND_OPTIONS)),
        }
    }
    let sys = |mount: &Mount| matches!(mount, Mount::Sys { .. });
    if let Some(span) = network_span
        && spec.network == Network::Local
        && spec.mounts.iter().any(sys)
    {
        return Err(SpecError::new(span, SpecProblem::SysWithLocalNetwork));
    }
    Ok(spec)
}

fn command_line(entry: &SpecEntry) -> Result<CommandLine, SpecError> {
    match &entry.value.value {
        SpecValue::String(_) => {
            non_empty(&entry.value, entry.label()).map(|text| CommandLine::Shell(text.to_owned()))
        }
        SpecValue::List(nodes) => {
            let words = nodes.iter().enumerate().map(|(index, node)| {
                let label = ValueLabel::Element(entry.name());
                // Arguments may be empty, but not the program.
                let word = if index == 0 {
                    non_empty(node, label)?
                } else {
                    text(node, label)?
                };
                Ok(word.to_owned())
            });
            let words: Vec<_> = words.collect::<Result<_, _>>()?;
            if words.is_empty() {
                let label = entry.label().to_string();
                return Err(entry.value.error(SpecProblem::Empty { label }));
            }
            Ok(CommandLine::Words(words))
        }
        _ => Err(entry
            .value
            .wrong_type(entry.label(), "text for a shell, or a list of words")),
    }
}
