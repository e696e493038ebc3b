//! Portable specs: layer specs without placeholders and without searches, which depend only on
//! the files that they name. `--print-spec` writes them.

use super::builder::layer_name;
use super::recipe::{CommandRecipe, Recipe};
use super::{LayerBuilder, LayerContext, LayerError, LayerProblem};
use crate::libraries::{Closure, ClosureEntry};
use crate::spec::{
    CommandSpec, EnvironmentStep, LayerSpec, Mount, PrefixOptions, SymlinkSpec, environment,
    escape_placeholders, escaped_path,
};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;

impl LayerBuilder {
    /// The layer as specs that depend neither on the workspace nor on where libraries are
    /// searched. Paths relative to the project directory stay relative.
    pub fn portable_specs(
        &self,
        layer: &LayerSpec,
        context: &LayerContext,
    ) -> Result<Vec<LayerSpec>, LayerError> {
        let recipe = Recipe::new(layer, &[], context)
            .map_err(|problem| LayerError::new(&layer_name(layer), problem))?;
        let name = recipe.to_string();
        self.portable_recipe(recipe)
            .map_err(|problem| LayerError::new(&name, problem))
    }

    /// The layer of executables that Cargo built.
    pub fn portable_binaries(files: &[Utf8PathBuf]) -> LayerSpec {
        paths(files, true)
    }

    fn portable_recipe(&self, recipe: Recipe) -> Result<Vec<LayerSpec>, LayerProblem> {
        Ok(vec![match recipe {
            Recipe::Tar { tar } => LayerSpec::Tar {
                tar: escaped_path(&tar),
            },
            Recipe::Glob {
                pattern, prefix, ..
            } => LayerSpec::Glob {
                glob: escape_placeholders(&pattern),
                prefix: escaped_prefix(&prefix),
            },
            Recipe::Paths { paths, prefix, .. } => LayerSpec::Paths {
                paths: all_escaped(&paths),
                prefix: escaped_prefix(&prefix),
            },
            Recipe::Stubs { stubs } => LayerSpec::Stubs {
                stubs: all_escaped(&stubs)
                    .into_iter()
                    .map(Utf8PathBuf::into_string)
                    .collect(),
            },
            Recipe::Symlinks { symlinks } => LayerSpec::Symlinks {
                symlinks: symlinks
                    .iter()
                    .map(|SymlinkSpec { link, target }| SymlinkSpec {
                        link: escaped_path(link),
                        target: escaped_path(target),
                    })
                    .collect(),
            },
            Recipe::SharedLibraries {
                binaries,
                library_path,
                prefix,
            } => {
                if prefix == PrefixOptions::default() {
                    let closure = self.shared_libraries(&binaries, &library_path)?;
                    return Ok(portable_closure(&closure));
                }
                LayerSpec::SharedLibraryDependencies {
                    binaries: all_escaped(&binaries),
                    prefix: escaped_prefix(&prefix),
                }
            }
            Recipe::Files { files } => LayerSpec::Files {
                files: files
                    .into_iter()
                    .map(|(path, text)| (escaped_path(&path), text))
                    .collect(),
            },
            Recipe::Programs {
                programs,
                path_variable,
                library_path,
                project_dir,
            } => {
                let path = path_variable.as_deref();
                let closure = self.programs(&programs, path, &library_path, &project_dir)?;
                return Ok(portable_closure(&closure));
            }
            Recipe::Source { directories, .. } => {
                let sources = directories.iter().map(|directory| LayerSpec::Source {
                    source: escaped_path(directory),
                });
                return Ok(sources.collect());
            }
            // No spec describes a part of a source.
            Recipe::Part { of, .. } => return self.portable_recipe(*of),
            Recipe::Binaries { files } => paths(&files, true),
            Recipe::Command(command) => LayerSpec::Command(portable_command(command)),
            Recipe::Base(base) => LayerSpec::Base {
                base: base.parts.into_iter().collect(),
            },
            Recipe::Image { .. } => unreachable!("no layer is an image"),
        }])
    }
}

fn portable_command(command: CommandRecipe) -> CommandSpec {
    let vars: BTreeMap<_, _> = command
        .environment
        .into_iter()
        .map(|(name, value)| (name, environment::escape(&value)))
        .collect();
    let variables = (!vars.is_empty()).then_some(EnvironmentStep { vars, extend: true });
    CommandSpec {
        command: command.line,
        environment: variables.into_iter().collect(),
        mounts: command.mounts.into_iter().map(Mount::escaped).collect(),
        network: command.network,
        working_directory: Some(escaped_path(&command.working_directory)),
        user: command.user,
        group: command.group,
        without_sources: command.without_sources,
    }
}

/// The files that a library search found, at the paths where it found them.
fn portable_closure(closure: &Closure) -> Vec<LayerSpec> {
    let (mut files, mut directories, mut symlinks) = (Vec::new(), Vec::new(), Vec::new());
    for (path, entry) in closure {
        // A path that is not UTF-8 cannot be written in a spec.
        let Some(path) = Utf8Path::from_path(path).map(Utf8Path::to_owned) else {
            continue;
        };
        match entry {
            ClosureEntry::File(_) => files.push(path),
            ClosureEntry::Directory => directories.push(path),
            ClosureEntry::Symlink { target, .. } => {
                symlinks.extend(Utf8Path::from_path(target).map(|target| SymlinkSpec {
                    link: escaped_path(&path),
                    target: escaped_path(target),
                }));
            }
        }
    }
    let mut layers = vec![paths(&files, true)];
    if !directories.is_empty() {
        layers.push(paths(&directories, false));
    }
    if !symlinks.is_empty() {
        layers.push(LayerSpec::Symlinks { symlinks });
    }
    layers
}

fn paths(paths: &[Utf8PathBuf], follow_symlinks: bool) -> LayerSpec {
    LayerSpec::Paths {
        paths: all_escaped(paths),
        prefix: PrefixOptions {
            follow_symlinks,
            ..PrefixOptions::default()
        },
    }
}

fn escaped_prefix(prefix: &PrefixOptions) -> PrefixOptions {
    PrefixOptions {
        strip_prefix: prefix.strip_prefix.as_deref().map(escaped_path),
        prepend_prefix: prefix.prepend_prefix.as_deref().map(escaped_path),
        ..*prefix
    }
}

fn all_escaped(paths: &[Utf8PathBuf]) -> Vec<Utf8PathBuf> {
    paths.iter().map(|path| escaped_path(path)).collect()
}
