//! Layers with nothing left that depends on where they are built: as somebody would write
//! them who has only the files.

use super::libraries::{Closure, Entry, SearchContext};
use super::recipe::Recipe;
use super::{LayerBuilder, LayerContext, LayerError, Problem};
use crate::spec::{
    CommandSpec, EnvironmentElement, LayerSpec, PrefixOptions, SymlinkSpec, environment,
    escape_placeholders,
};
use camino::{Utf8Path, Utf8PathBuf};

impl LayerBuilder {
    /// The same layer, for whoever knows neither the workspace nor where libraries are
    /// looked for. Paths relative to the project directory stay so.
    pub fn spell_out(
        &self,
        layer: &LayerSpec,
        context: &LayerContext,
    ) -> Result<Vec<LayerSpec>, LayerError> {
        self.try_spell_out(layer, context).map_err(|problem| {
            let name = Recipe::new(layer, &[], context);
            let name = name.map_or_else(|_| "a layer".to_owned(), |recipe| recipe.to_string());
            LayerError::new(name, problem)
        })
    }

    /// The layer of executables that Cargo made.
    pub fn spell_out_binaries(files: &[Utf8PathBuf]) -> LayerSpec {
        LayerSpec::Paths {
            paths: files.iter().map(|file| escaped(file)).collect(),
            prefix: PrefixOptions {
                follow_symlinks: true,
                ..PrefixOptions::default()
            },
        }
    }

    fn try_spell_out(
        &self,
        layer: &LayerSpec,
        context: &LayerContext,
    ) -> Result<Vec<LayerSpec>, Problem> {
        let fill = |path: &Utf8Path| context.fill(path).map(|path| escaped(&path));
        let recipe = Recipe::new(layer, &[], context)?;
        Ok(vec![match (layer, recipe) {
            (
                LayerSpec::SharedLibraryDependencies { prefix, .. },
                Recipe::SharedLibraries {
                    binaries,
                    library_path,
                    ..
                },
            ) if *prefix == PrefixOptions::default() => {
                let search = SearchContext {
                    library_path,
                    ..SearchContext::default()
                };
                let closure = self.libraries.closure(&binaries, &search)?;
                return Ok(spell_out_closure(&closure));
            }
            (_, Recipe::Source { directories, .. }) => {
                let sources = directories.iter().map(|directory| LayerSpec::Source {
                    source: escaped(directory),
                });
                return Ok(sources.collect());
            }
            (LayerSpec::Tar { tar }, _) => LayerSpec::Tar { tar: fill(tar)? },
            (LayerSpec::Glob { glob, prefix }, _) => LayerSpec::Glob {
                glob: fill(Utf8Path::new(glob))?.into_string(),
                prefix: filled_prefix(prefix, &fill)?,
            },
            (LayerSpec::Paths { paths, prefix }, _) => LayerSpec::Paths {
                paths: paths
                    .iter()
                    .map(|path| fill(path))
                    .collect::<Result<_, _>>()?,
                prefix: filled_prefix(prefix, &fill)?,
            },
            (LayerSpec::Stubs { stubs }, _) => LayerSpec::Stubs {
                stubs: stubs
                    .iter()
                    .map(|stub| fill(Utf8Path::new(stub)).map(Utf8PathBuf::into_string))
                    .collect::<Result<_, _>>()?,
            },
            (LayerSpec::Symlinks { symlinks }, _) => LayerSpec::Symlinks {
                symlinks: symlinks
                    .iter()
                    .map(|SymlinkSpec { link, target }| {
                        let (link, target) = (fill(link)?, fill(target)?);
                        Ok(SymlinkSpec { link, target })
                    })
                    .collect::<Result<_, Problem>>()?,
            },
            (LayerSpec::SharedLibraryDependencies { binaries, prefix }, _) => {
                LayerSpec::SharedLibraryDependencies {
                    binaries: binaries
                        .iter()
                        .map(|path| fill(path))
                        .collect::<Result<_, _>>()?,
                    prefix: filled_prefix(prefix, &fill)?,
                }
            }
            (LayerSpec::Files { files }, _) => LayerSpec::Files {
                files: files
                    .iter()
                    .map(|(path, text)| Ok((fill(path)?, text.clone())))
                    .collect::<Result<_, Problem>>()?,
            },
            (
                LayerSpec::Programs { .. },
                Recipe::Programs {
                    programs,
                    path_variable,
                    library_path,
                    project_dir,
                },
            ) => {
                let search = SearchContext {
                    library_path,
                    working_directory: Some(project_dir),
                    ..SearchContext::default()
                };
                let path = path_variable.as_deref();
                let closure = self.libraries.programs(&programs, path, &search)?;
                return Ok(spell_out_closure(&closure));
            }
            (LayerSpec::Programs { .. }, _) => unreachable!("programs have the recipe of some"),
            (LayerSpec::Source { source }, _) => LayerSpec::Source {
                source: fill(source)?,
            },
            (LayerSpec::Command(command), Recipe::Command(resolved)) => {
                let vars = resolved.environment.into_iter();
                let vars = vars.map(|(name, value)| (name, environment::escape(&value)));
                LayerSpec::Command(CommandSpec {
                    environment: vec![EnvironmentElement {
                        vars: vars.collect(),
                        extend: true,
                    }],
                    mounts: command
                        .mounts
                        .iter()
                        .map(|mount| Ok(context.mount(mount)?.escaped()))
                        .collect::<Result<_, Problem>>()?,
                    working_directory: command
                        .working_directory
                        .as_deref()
                        .map(fill)
                        .transpose()?,
                    ..command.clone()
                })
            }
            (LayerSpec::Command(_), _) => unreachable!("a command has the recipe of one"),
        }])
    }
}

/// Files found by a library search, at the paths where they were found.
fn spell_out_closure(closure: &Closure) -> Vec<LayerSpec> {
    let (mut files, mut directories, mut symlinks) = (Vec::new(), Vec::new(), Vec::new());
    for (path, entry) in closure {
        let Some(path) = Utf8Path::from_path(path).map(escaped) else {
            continue;
        };
        match entry {
            Entry::File(_) => files.push(path),
            Entry::Directory => directories.push(path),
            Entry::Symlink { target, .. } => {
                symlinks.extend(Utf8Path::from_path(target).map(|target| SymlinkSpec {
                    link: path,
                    target: escaped(target),
                }));
            }
        }
    }
    let paths = |paths, follow_symlinks| LayerSpec::Paths {
        paths,
        prefix: PrefixOptions {
            follow_symlinks,
            ..PrefixOptions::default()
        },
    };
    let mut layers = vec![paths(files, true)];
    if !directories.is_empty() {
        layers.push(paths(directories, false));
    }
    if !symlinks.is_empty() {
        layers.push(LayerSpec::Symlinks { symlinks });
    }
    layers
}

fn filled_prefix<E>(
    prefix: &PrefixOptions,
    fill: &impl Fn(&Utf8Path) -> Result<Utf8PathBuf, E>,
) -> Result<PrefixOptions, E> {
    Ok(PrefixOptions {
        strip_prefix: prefix.strip_prefix.as_deref().map(fill).transpose()?,
        prepend_prefix: prefix.prepend_prefix.as_deref().map(fill).transpose()?,
        ..*prefix
    })
}

fn escaped(path: &Utf8Path) -> Utf8PathBuf {
    escape_placeholders(path.as_str()).into()
}
