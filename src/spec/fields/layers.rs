//! Reading `layers`: each is a map whose one main field says what kind it is.

use super::paths::{layer_path, layer_text, made_path};
use crate::spec::{
    Choices, Entry, LayerSpec, Mistake, Node, Place, PrefixOptions, Problem, SymlinkSpec,
};
use camino::Utf8PathBuf;
use std::collections::BTreeMap;

/// Not supported yet, and so not suggested.
const COMMAND: &str = "command";

const KINDS: [&str; 9] = [
    "tar",
    "glob",
    "paths",
    "stubs",
    "symlinks",
    "shared_library_dependencies",
    "files",
    "programs",
    "source",
];

const PREFIX_OPTIONS: [&str; 4] = [
    "follow_symlinks",
    "canonicalize",
    "strip_prefix",
    "prepend_prefix",
];

pub fn read(entry: &Entry) -> Result<Vec<LayerSpec>, Mistake> {
    let place = Place::Element(entry.name());
    entry
        .list()?
        .iter()
        .map(|node| layer(node, place))
        .collect()
}

fn layer(node: &Node, place: Place<'_>) -> Result<LayerSpec, Mistake> {
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
    if kind == COMMAND {
        return Err(entry.mistake(Problem::CommandLayersNotSupported));
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
    KINDS
        .into_iter()
        .chain([COMMAND])
        .find(|kind| *kind == name)
}

fn without_kind<'a>(node: &Node, mut options: impl Iterator<Item = &'a Entry>) -> Mistake {
    match options.find(|entry| !PREFIX_OPTIONS.contains(&entry.name())) {
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
