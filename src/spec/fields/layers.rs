//! Reading `layers`: each is a map whose one main field says what kind it is.

use super::paths::{layer_path, layer_text, made_path, plain_text};
use super::{environment, mounts, scalars};
use crate::spec::{
    Choices, CommandLine, CommandSpec, Deprecations, Entry, LayerSpec, Mistake, Mount, Network,
    Node, Place, PrefixOptions, Problem, SymlinkSpec, Value,
};
use camino::Utf8PathBuf;
use std::collections::BTreeMap;

const KINDS: [&str; 10] = [
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
];

const COMMAND_OPTIONS: [&str; 4] = ["environment", "mounts", "network", "working_directory"];

const PREFIX_OPTIONS: [&str; 4] = [
    "follow_symlinks",
    "canonicalize",
    "strip_prefix",
    "prepend_prefix",
];

pub fn read(entry: &Entry, notes: &mut Deprecations) -> Result<Vec<LayerSpec>, Mistake> {
    let place = Place::Element(entry.name());
    entry
        .list()?
        .iter()
        .map(|node| layer(node, place, notes))
        .collect()
}

fn layer(node: &Node, place: Place<'_>, notes: &mut Deprecations) -> Result<LayerSpec, Mistake> {
    let fields = node.map(place)?;
    let mut main: Option<(&str, &Entry)> = None;
    for entry in fields {
        if let Some(kind) = kind(entry)
            && let Some((_, first)) = main.replace((kind, entry))
        {
            return Err(entry.mistake(Problem::TwoLayerKinds {
                first: first.name().to_owned(),
                second: entry.name().to_owned(),
            }));
        }
    }
    let options = fields.iter().filter(|entry| kind(entry).is_none());
    let Some((kind, entry)) = main else {
        return Err(without_kind(node, options));
    };
    if kind == "command" {
        return Ok(LayerSpec::Command(command(entry, options, notes)?));
    }
    let prefix = prefix_options(kind, options)?;
    Ok(match kind {
        "tar" => LayerSpec::Tar {
            tar: layer_path(&entry.value, entry.place())?,
        },
        "glob" => LayerSpec::Glob {
            glob: glob(entry)?,
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
        _ => LayerSpec::Source {
            source: layer_path(&entry.value, entry.place())?,
        },
    })
}

/// The kind of layer that an entry says, dashes or not.
fn kind(entry: &Entry) -> Option<&'static str> {
    let name = match entry.name() {
        "shared-library-dependencies" => "shared_library_dependencies",
        name => name,
    };
    KINDS.into_iter().find(|kind| *kind == name)
}

fn without_kind<'a>(node: &Node, mut options: impl Iterator<Item = &'a Entry>) -> Mistake {
    match options.find(|entry| !PREFIX_OPTIONS.contains(&entry.name())) {
        Some(entry) if COMMAND_OPTIONS.contains(&entry.name()) => {
            node.mistake(Problem::NoCommand {
                option: entry.name().to_owned(),
            })
        }
        Some(entry) => entry.mistake(Problem::Unknown {
            what: "kind of layer",
            name: entry.name().to_owned(),
            choices: Choices::new(entry.name(), KINDS),
        }),
        None => node.mistake(Problem::NoLayerKind {
            kinds: KINDS.to_vec(),
        }),
    }
}

/// What a layer of `kind` says besides its main field.
fn prefix_options<'a>(
    kind: &'static str,
    options: impl Iterator<Item = &'a Entry>,
) -> Result<PrefixOptions, Mistake> {
    let mut prefix = PrefixOptions::default();
    for entry in options {
        if !matches!(kind, "glob" | "paths" | "shared_library_dependencies") {
            return Err(entry.mistake(Problem::NoSuchOption {
                kind,
                option: entry.name().to_owned(),
            }));
        }
        let path = || layer_path(&entry.value, entry.place());
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

fn glob(entry: &Entry) -> Result<String, Mistake> {
    let glob = layer_text(&entry.value, entry.place())?;
    match globset::Glob::new(&glob) {
        Ok(_) => Ok(glob),
        Err(error) => Err(entry.value.mistake(Problem::Glob(error.kind().to_string()))),
    }
}

fn layer_paths(entry: &Entry) -> Result<Vec<Utf8PathBuf>, Mistake> {
    let place = Place::Element(entry.name());
    entry
        .list()?
        .iter()
        .map(|node| layer_path(node, place))
        .collect()
}

fn stubs(entry: &Entry) -> Result<Vec<String>, Mistake> {
    let place = Place::Element(entry.name());
    entry
        .list()?
        .iter()
        .map(|node| made_path(node, place, true))
        .collect()
}

fn symlinks(entry: &Entry) -> Result<Vec<SymlinkSpec>, Mistake> {
    let place = Place::Element(entry.name());
    entry
        .list()?
        .iter()
        .map(|node| symlink(node, place))
        .collect()
}

fn symlink(node: &Node, place: Place<'_>) -> Result<SymlinkSpec, Mistake> {
    let mut link = None;
    let mut target = None;
    for entry in node.map(place)? {
        match entry.name() {
            "link" => link = Some(made_path(&entry.value, entry.place(), false)?.into()),
            "target" => target = Some(layer_path(&entry.value, entry.place())?),
            _ => return Err(entry.unknown_field(&"a symlink", ["link", "target"])),
        }
    }
    let missing = |field| {
        node.mistake(Problem::Missing {
            what: place.to_string(),
            field,
        })
    };
    Ok(SymlinkSpec {
        link: link.ok_or_else(|| missing("link"))?,
        target: target.ok_or_else(|| missing("target"))?,
    })
}

fn files(entry: &Entry) -> Result<BTreeMap<Utf8PathBuf, String>, Mistake> {
    let mut files = BTreeMap::new();
    for file in entry.map()? {
        let path = made_path(&file.key_node(), Place::Key(entry.name()), false)?;
        let place = Place::Entry {
            map: entry.name(),
            key: file.name(),
        };
        let content = file.value.string(place)?.to_owned();
        // Two spellings may mean one path.
        if files.insert(Utf8PathBuf::from(&path), content).is_some() {
            return Err(file.mistake(Problem::Repeated {
                what: "file",
                name: path,
            }));
        }
    }
    Ok(files)
}

fn programs(entry: &Entry) -> Result<Vec<String>, Mistake> {
    let place = Place::Element(entry.name());
    entry
        .list()?
        .iter()
        .map(|node| layer_text(node, place))
        .collect()
}

fn command<'a>(
    entry: &Entry,
    options: impl Iterator<Item = &'a Entry>,
    notes: &mut Deprecations,
) -> Result<CommandSpec, Mistake> {
    let mut spec = CommandSpec {
        command: command_line(entry)?,
        environment: Vec::new(),
        mounts: Vec::new(),
        network: Network::Disabled,
        working_directory: None,
    };
    let mut network_span = None;
    for option in options {
        match option.name() {
            "environment" => spec.environment = environment::read(option)?,
            "mounts" => spec.mounts = mounts::read(option, notes)?,
            "network" => {
                spec.network = scalars::network(option)?;
                network_span = Some(&option.value.span);
            }
            "working_directory" => {
                let path = made_path(&option.value, option.place(), false)?;
                spec.working_directory = Some(path.into());
            }
            name if PREFIX_OPTIONS.contains(&name) => {
                return Err(option.mistake(Problem::NoSuchOption {
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
        return Err(Mistake::new(span, Problem::SysWithLocalNetwork));
    }
    Ok(spec)
}

fn command_line(entry: &Entry) -> Result<CommandLine, Mistake> {
    match &entry.value.value {
        Value::String(_) => {
            plain_text(&entry.value, entry.place()).map(|text| CommandLine::Shell(text.to_owned()))
        }
        Value::List(nodes) => {
            let place = Place::Element(entry.name());
            let mut words = Vec::new();
            for node in nodes {
                let word = node.string(place)?;
                // An empty argument is one; an empty program is none.
                if words.is_empty() || word.contains('\0') {
                    plain_text(node, place)?;
                }
                words.push(word.to_owned());
            }
            if words.is_empty() {
                let place = entry.place().to_string();
                return Err(entry.value.mistake(Problem::Empty { place }));
            }
            Ok(CommandLine::Words(words))
        }
        _ => Err(entry
            .value
            .wrong_type(entry.place(), "text for a shell, or a list of words")),
    }
}
