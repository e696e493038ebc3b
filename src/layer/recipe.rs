//! Recipes: layer specs with placeholders and relative paths resolved.
//!
//! A recipe contains everything that determines the layer, and nothing else. So it is the key
//! for layers that are built already, and tests of two packages share a layer unless it depends
//! on the package.

use super::base::BaseRecipe;
use super::{LayerContext, LayerProblem, SourceView};
use crate::spec::{
    BasePart, CommandLine, CommandSpec, ImageReference, LayerSpec, Mount, Network, PrefixOptions,
    SymlinkSpec, environment,
};
use crate::store::Digest;
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Recipe {
    Tar {
        tar: Utf8PathBuf,
    },
    Glob {
        pattern: String,
        project_dir: Utf8PathBuf,
        /// Not searched unless the pattern starts in it.
        target_dir: Utf8PathBuf,
        prefix: PrefixOptions,
    },
    Paths {
        paths: Vec<Utf8PathBuf>,
        project_dir: Utf8PathBuf,
        prefix: PrefixOptions,
    },
    Stubs {
        stubs: Vec<Utf8PathBuf>,
    },
    Symlinks {
        symlinks: Vec<SymlinkSpec>,
    },
    SharedLibraries {
        binaries: Vec<Utf8PathBuf>,
        library_path: Vec<Utf8PathBuf>,
        prefix: PrefixOptions,
    },
    Files {
        files: BTreeMap<Utf8PathBuf, String>,
    },
    Programs {
        programs: Vec<String>,
        path_variable: Option<OsString>,
        library_path: Vec<Utf8PathBuf>,
        project_dir: Utf8PathBuf,
    },
    Source {
        directories: Vec<Utf8PathBuf>,
        /// Directories that are left out.
        excluded: Vec<Utf8PathBuf>,
    },
    /// The part of another recipe's layer that a test sees.
    Part {
        of: Box<Recipe>,
        view: SourceView,
    },
    Binaries {
        files: Vec<Utf8PathBuf>,
    },
    Command(CommandRecipe),
    Base(BaseRecipe),
    /// All layers of an image, merged.
    Image {
        image: ImageReference,
        /// The directory of the tag file.
        project_dir: Utf8PathBuf,
    },
}

/// A command with everything that its changes depend on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct CommandRecipe {
    /// The layers below, the lowest first.
    pub below: Vec<Digest>,
    pub line: CommandLine,
    pub environment: BTreeMap<String, String>,
    /// Mounts with absolute local paths.
    pub mounts: Vec<Mount>,
    pub network: Network,
    pub working_directory: Utf8PathBuf,
    pub user: u32,
    pub group: u32,
    pub without_sources: bool,
}

impl Recipe {
    /// `below`: the layers below, the lowest first. Only `command` layers depend on them.
    pub fn new(
        layer: &LayerSpec,
        below: &[Digest],
        context: &LayerContext,
    ) -> Result<Self, LayerProblem> {
        let fill = |path: &Utf8PathBuf| context.fill(path);
        let fill_all = |paths: &[Utf8PathBuf]| -> Result<Vec<_>, _> {
            paths.iter().map(|path| context.fill(path)).collect()
        };
        let project_dir = &context.project_dir;
        Ok(match layer {
            LayerSpec::Tar { tar } => Self::Tar {
                tar: project_dir.join(fill(tar)?),
            },
            LayerSpec::Glob { glob, prefix } => Self::Glob {
                pattern: context.fill(Utf8Path::new(glob))?.into_string(),
                project_dir: project_dir.clone(),
                target_dir: context.target_dir.clone(),
                prefix: fill_prefix(prefix, context)?,
            },
            LayerSpec::Paths { paths, prefix } => Self::Paths {
                paths: fill_all(paths)?,
                project_dir: project_dir.clone(),
                prefix: fill_prefix(prefix, context)?,
            },
            LayerSpec::Stubs { stubs } => Self::Stubs {
                stubs: stubs
                    .iter()
                    .map(|stub| context.fill(Utf8Path::new(stub)))
                    .collect::<Result<_, _>>()?,
            },
            LayerSpec::Symlinks { symlinks } => Self::Symlinks {
                symlinks: symlinks
                    .iter()
                    .map(|SymlinkSpec { link, target }| {
                        let (link, target) = (fill(link)?, fill(target)?);
                        Ok(SymlinkSpec { link, target })
                    })
                    .collect::<Result<_, LayerProblem>>()?,
            },
            LayerSpec::SharedLibraryDependencies { binaries, prefix } => Self::SharedLibraries {
                binaries: fill_all(binaries)?
                    .into_iter()
                    .map(|binary| project_dir.join(binary))
                    .collect(),
                library_path: context.library_path.clone(),
                prefix: fill_prefix(prefix, context)?,
            },
            LayerSpec::Files { files } => Self::Files {
                files: files
                    .iter()
                    .map(|(path, text)| Ok((fill(path)?, text.clone())))
                    .collect::<Result<_, LayerProblem>>()?,
            },
            LayerSpec::Programs { programs } => Self::Programs {
                programs: programs
                    .iter()
                    .map(|program| Ok(context.fill(Utf8Path::new(program))?.into_string()))
                    .collect::<Result<_, LayerProblem>>()?,
                path_variable: context.path_variable.clone(),
                library_path: context.library_path.clone(),
                project_dir: project_dir.clone(),
            },
            LayerSpec::Source { source } => source_of(&project_dir.join(fill(source)?), context),
            LayerSpec::TestSource => {
                let whole = source_of(&context.workspace_dir, context);
                if context.view.is_whole() {
                    return Ok(whole);
                }
                Self::Part {
                    of: Box::new(whole),
                    view: context.view.clone(),
                }
            }
            LayerSpec::Base { base } => {
                Self::Base(BaseRecipe::new(base, context.path_variable.as_ref()))
            }
            LayerSpec::Command(command) => {
                Self::Command(CommandRecipe::new(command, below, context)?)
            }
        })
    }
}

impl CommandRecipe {
    fn new(
        spec: &CommandSpec,
        below: &[Digest],
        context: &LayerContext,
    ) -> Result<Self, LayerProblem> {
        let mounts = spec.mounts.iter().map(|mount| context.mount(mount));
        let working_directory = spec.working_directory.as_deref();
        let client = |name: &str| std::env::var(name).ok();
        Ok(Self {
            below: below.to_vec(),
            line: spec.command.clone(),
            environment: environment::expand(&spec.environment, BTreeMap::new(), &client)?,
            mounts: mounts.collect::<Result<_, _>>()?,
            network: spec.network,
            working_directory: context.fill(working_directory.unwrap_or(Utf8Path::new("/")))?,
            user: spec.user,
            group: spec.group,
            without_sources: spec.without_sources,
        })
    }
}

fn fill_prefix(
    prefix: &PrefixOptions,
    context: &LayerContext,
) -> Result<PrefixOptions, LayerProblem> {
    let fill =
        |path: &Option<Utf8PathBuf>| path.as_deref().map(|path| context.fill(path)).transpose();
    Ok(PrefixOptions {
        strip_prefix: fill(&prefix.strip_prefix)?,
        prepend_prefix: fill(&prefix.prepend_prefix)?,
        ..*prefix
    })
}

/// The source in a directory. The source of the workspace includes the directories outside of
/// it.
fn source_of(directory: &Utf8Path, context: &LayerContext) -> Recipe {
    // Collecting components removes a trailing slash.
    let directory: Utf8PathBuf = directory.components().collect();
    let mut directories = vec![directory.clone()];
    if directory == context.workspace_dir {
        let outside = context.outside_sources.iter();
        directories.extend(
            outside
                .filter(|outside| !outside.starts_with(&directory))
                .cloned(),
        );
    }
    // The build directory is usually in the target directory. The recipe then does not depend on
    // the profile.
    let mut excluded = vec![context.target_dir.clone()];
    if !context.build_dir.starts_with(&context.target_dir) {
        excluded.push(context.build_dir.clone());
    }
    excluded.retain(|path| !path.as_str().is_empty());
    Recipe::Source {
        directories,
        excluded,
    }
}

impl fmt::Display for Recipe {
    /// The layer's name in messages, as part of a sentence.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, first, others) = match self {
            Self::Tar { tar } => ("tar", tar.as_str(), 0),
            Self::Glob { pattern, .. } => ("glob", pattern.as_str(), 0),
            Self::Paths { paths, .. } => named("paths", paths.iter().map(|path| path.as_str())),
            Self::Stubs { stubs } => named("stubs", stubs.iter().map(|path| path.as_str())),
            Self::Symlinks { symlinks } => {
                named("symlinks", symlinks.iter().map(|link| link.link.as_str()))
            }
            Self::SharedLibraries { binaries, .. } => named(
                "shared_library_dependencies",
                binaries.iter().map(|path| path.as_str()),
            ),
            Self::Files { files } => named("files", files.keys().map(|path| path.as_str())),
            Self::Programs { programs, .. } => {
                named("programs", programs.iter().map(String::as_str))
            }
            Self::Source { directories, .. } => (
                "source",
                directories.first().map_or("", |path| path.as_str()),
                0,
            ),
            Self::Command(command) => {
                let line = match &command.line {
                    CommandLine::Shell(text) => text.clone(),
                    CommandLine::Words(words) => words.join(" "),
                };
                return write!(f, "the `command` layer `{}`", shortened(&line));
            }
            Self::Base(base) => named("base", base.parts.iter().map(BasePart::into_str)),
            Self::Part { of, .. } => return write!(f, "{of}"),
            Self::Image { image, .. } => return write!(f, "the image `{image}`"),
            Self::Binaries { files } => {
                let (_, first, others) = named("", files.iter().map(|path| path.as_str()));
                return match others {
                    0 => write!(f, "the layer of the test binary `{first}`"),
                    _ => write!(f, "the layer of `{first}` and {others} more binaries"),
                };
            }
        };
        match others {
            0 => write!(f, "the `{kind}` layer `{first}`"),
            _ => write!(f, "the `{kind}` layer of `{first}` and {others} more"),
        }
    }
}

fn named<'a>(
    kind: &'static str,
    mut items: impl ExactSizeIterator<Item = &'a str>,
) -> (&'static str, &'a str, usize) {
    let others = items.len().saturating_sub(1);
    (kind, items.next().unwrap_or_default(), others)
}

/// The first line of a text, cut to 60 characters.
fn shortened(text: &str) -> String {
    const LONGEST: usize = 60;
    let text = text.trim();
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(LONGEST).collect();
    if short.len() < text.len() {
        format!("{short}...")
    } else {
        short
    }
}
