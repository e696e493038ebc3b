//! Building layers, each once.

use super::assembly::{Assembly, HostFile, Reading, Trust};
use super::base::{Base, Found};
use super::command::Commands;
use super::recipe::Recipe;
use super::{LayerContext, LayerError, Manifest, PathInContainer, Problem};
use super::{braces, command, glob, image, paths, source, stack, tar};
use crate::image::{Download, Images};
use crate::libraries::{self, Closure, Libraries, LibraryError, SearchContext};
use crate::spec::{LayerSpec, PrefixOptions};
use crate::store::{Digest, Import, Store};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// How often a layer is tried whose content the store turns out to have lost.
const ATTEMPTS: u32 = 3;

/// What is cached for a tar file; to be renamed when that changes.
const UNPACKED_TAR: &str = "tar-1";

/// A layer that is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Of the manifest: names the tree in the store.
    pub digest: Digest,
    /// Whether it has the layers below in it, and so takes their place.
    whole: bool,
    /// For the user to see once.
    pub warnings: Vec<String>,
}

/// Layers on one another that are in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pile {
    /// The one that has all of an image in it.
    pub image: Option<Digest>,
    /// Bottom first.
    pub layers: Vec<Digest>,
    /// Those of them that are sources.
    pub sources: Vec<Digest>,
    /// For the user to see once.
    pub warnings: Vec<String>,
}

/// Builds layers, and remembers those that it has built: for one run, in which the
/// files of the host are taken to stay as they are. To be shared by threads; those
/// that ask for the same layer at the same time wait for one to build it.
pub struct LayerBuilder {
    store: Store,
    pub(super) images: Images,
    pub(super) found: Found,
    libraries: Libraries,
    layers: Mutex<HashMap<Recipe, Slot>>,
    commands: Commands,
}

/// What has come of a recipe, once somebody has tried.
type Slot = Arc<OnceLock<Result<Built, LayerError>>>;

impl LayerBuilder {
    pub fn new(store: Store, images: Images) -> Self {
        Self {
            store,
            images,
            found: Found::default(),
            libraries: Libraries::new(),
            layers: Mutex::default(),
            commands: Commands::new(),
        }
    }

    /// The `command` layer that has been in the making for longest, as messages call it.
    pub fn running_command(&self) -> Option<String> {
        self.commands.longest()
    }

    /// The download of an image that has gone on for longest.
    pub fn download(&self) -> Option<Download> {
        self.images.download()
    }

    /// Ends downloads, and kills the commands that run for `command` layers; the layers are
    /// then errors. Waits until nothing is left of the commands.
    pub fn end(&self) {
        self.images.cancel();
        self.commands.end();
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Builds what layer specs say, one on the other, with the base below them all.
    pub fn build_all<'a>(
        &self,
        base: &Base,
        layers: impl IntoIterator<Item = &'a LayerSpec>,
        context: &LayerContext,
    ) -> Result<Pile, LayerError> {
        let mut pile = Pile {
            image: base.layer,
            layers: base.layer.into_iter().collect(),
            warnings: base.warnings.clone(),
            ..Pile::default()
        };
        for layer in layers {
            let mut built = self.build_on(&pile.layers, layer, context)?;
            if built.whole {
                pile.layers.clear();
                pile.sources.clear();
                pile.image = pile.image.map(|_| built.digest);
            } else {
                built.digest = self.land(built.digest, pile.image)?;
            }
            if matches!(layer, LayerSpec::Source { .. } | LayerSpec::TestSource) {
                pile.sources.push(built.digest);
            }
            pile.layers.push(built.digest);
            pile.warnings.extend(built.warnings);
        }
        Ok(pile)
    }

    /// Builds what a layer spec says that does not depend on layers below.
    pub fn build(&self, layer: &LayerSpec, context: &LayerContext) -> Result<Built, LayerError> {
        self.build_on(&[], layer, context)
    }

    fn build_on(
        &self,
        below: &[Digest],
        layer: &LayerSpec,
        context: &LayerContext,
    ) -> Result<Built, LayerError> {
        match Recipe::new(layer, below, context) {
            Ok(recipe) => self.build_recipe(&recipe),
            Err(problem) => Err(LayerError::new(&layer_name(layer), problem)),
        }
    }

    /// Builds a layer of executables that Cargo made, at their own paths. They are
    /// shared with the target directory where that is safe.
    pub fn build_binaries(
        &self,
        files: &[Utf8PathBuf],
        context: &LayerContext,
    ) -> Result<Built, LayerError> {
        self.build_recipe(&Recipe::binaries(files, context))
    }

    /// Builds a layer of everything in a directory, at its own path: what a build
    /// script made.
    pub fn build_directory(&self, directory: &Utf8Path) -> Result<Built, LayerError> {
        self.build_recipe(&Recipe::Directory {
            directory: directory.to_owned(),
        })
    }

    /// The same files in as few layers as makes sense, bottom first as given; those
    /// `apart` stay as they are.
    pub fn stack(&self, layers: &[Digest], apart: &[Digest]) -> Vec<Digest> {
        stack::stack(&self.store, layers, apart)
    }

    pub(super) fn build_recipe(&self, recipe: &Recipe) -> Result<Built, LayerError> {
        let name = recipe.to_string();
        let slot = {
            let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(layers.entry(recipe.clone()).or_default())
        };
        slot.get_or_init(|| match self.cook(recipe) {
            Ok(mut built) => {
                // Those about what it is a part of say so already.
                if !matches!(recipe, Recipe::Part { .. }) {
                    for warning in &mut built.warnings {
                        *warning = format!("{name}: {warning}");
                    }
                }
                Ok(built)
            }
            Err(problem) => Err(match recipe {
                Recipe::Image { image, .. } => LayerError::of_image(image, problem),
                _ => LayerError::new(&name, problem),
            }),
        })
        .clone()
    }

    fn cook(&self, recipe: &Recipe) -> Result<Built, Problem> {
        let mut attempt = 1;
        let mut trust = Trust::Remembered;
        loop {
            let result = self.try_to_cook(recipe, trust);
            match result {
                Err(problem) if problem.is_missing_blob() && attempt < ATTEMPTS => {
                    attempt += 1;
                    trust = Trust::Nothing;
                }
                result => return result,
            }
        }
    }

    fn try_to_cook(&self, recipe: &Recipe, trust: Trust) -> Result<Built, Problem> {
        let mut assembly = Assembly::new(&self.store, trust);
        self.assemble(recipe, &mut assembly)?;
        Ok(Built {
            digest: self.store.add_tree(&assembly.manifest)?,
            whole: assembly.whole,
            warnings: assembly.warnings,
        })
    }

    /// What these need of libraries.
    pub(super) fn shared_libraries(
        &self,
        binaries: &[Utf8PathBuf],
        library_path: &[Utf8PathBuf],
    ) -> Result<Closure, LibraryError> {
        let context = SearchContext {
            library_path: library_path.to_vec(),
            ..SearchContext::default()
        };
        self.libraries.closure(binaries, &context)
    }

    /// As [`Libraries::built`].
    pub fn built_libraries(
        &self,
        binaries: &[Utf8PathBuf],
        directories: &[Utf8PathBuf],
    ) -> Result<BTreeSet<Utf8PathBuf>, LayerError> {
        let built = self.libraries.built(binaries, directories);
        built.map_err(|error| LayerError::new("the layer of libraries that Cargo built", error))
    }

    /// Programs by their names, and what they need.
    pub(super) fn programs(
        &self,
        names: &[String],
        path: Option<&OsStr>,
        library_path: &[Utf8PathBuf],
        project_dir: &Utf8Path,
    ) -> Result<Closure, LibraryError> {
        let context = SearchContext {
            library_path: library_path.to_vec(),
            working_directory: Some(project_dir.to_owned()),
            ..SearchContext::default()
        };
        self.libraries.programs(names, path, &context)
    }

    fn assemble(&self, recipe: &Recipe, assembly: &mut Assembly<'_>) -> Result<(), Problem> {
        match recipe {
            Recipe::Tar { tar } => add_tar(tar, assembly),
            Recipe::Glob {
                pattern,
                project_dir,
                target_dir,
                prefix,
            } => {
                let found = glob::find(pattern, project_dir, target_dir)?;
                if found.is_empty() {
                    assembly.warnings.push("nothing matches".to_owned());
                }
                add_paths(
                    found.iter().map(AsRef::as_ref),
                    project_dir,
                    prefix,
                    assembly,
                )
            }
            Recipe::Paths {
                paths,
                project_dir,
                prefix,
            } => add_paths(
                paths.iter().map(AsRef::as_ref),
                project_dir,
                prefix,
                assembly,
            ),
            Recipe::Stubs { stubs } => stubs
                .iter()
                .try_for_each(|stub| add_stubs(stub.as_str(), assembly)),
            Recipe::Symlinks { symlinks } => symlinks.iter().try_for_each(|symlink| {
                let link = in_layer(symlink.link.as_std_path())?;
                assembly.add_symlink(link, symlink.target.as_std_path())
            }),
            Recipe::SharedLibraries {
                binaries,
                library_path,
                prefix,
            } => {
                for binary in binaries {
                    paths::must_exist(binary.as_std_path())?;
                }
                let closure = self.shared_libraries(binaries, library_path)?;
                add_closure(&closure, prefix, assembly)
            }
            Recipe::Files { files } => files.iter().try_for_each(|(path, text)| {
                assembly.add_text(in_layer(path.as_std_path())?, text)
            }),
            Recipe::Programs {
                programs,
                path_variable,
                library_path,
                project_dir,
            } => {
                let path = path_variable.as_deref();
                let closure = self.programs(programs, path, library_path, project_dir)?;
                add_closure(&closure, &PrefixOptions::default(), assembly)
            }
            Recipe::Source { directories, never } => source::add(directories, never, assembly),
            Recipe::Part { of, view } => {
                let whole = match assembly.trust {
                    Trust::Remembered => self.build_recipe(of).map_err(LayerError::into_problem)?,
                    Trust::Nothing => self.try_to_cook(of, Trust::Nothing)?,
                };
                let manifest = self.store.manifest(&whole.digest);
                assembly.manifest = view.of(&manifest.ok_or(Problem::LostBelow)?)?;
                assembly.warnings = whole.warnings;
                Ok(())
            }
            Recipe::Binaries { files } => add_binaries(files, assembly),
            Recipe::Directory { directory } => source::add_whole(directory, assembly),
            Recipe::Image { image, project_dir } => {
                let image = self.find_image(image, project_dir)?;
                let unpacked = match assembly.trust {
                    Trust::Remembered => image::unpack(assembly.store, &image)?,
                    Trust::Nothing => image::unpack_anew(assembly.store, &image)?,
                };
                assembly.manifest = unpacked.manifest;
                assembly.warnings = unpacked.warnings;
                assembly.warnings.extend(image.warnings.iter().cloned());
                Ok(())
            }
            Recipe::Command(command) => {
                let trusted = assembly.trust == Trust::Remembered;
                let name = recipe.to_string();
                let changed =
                    command::run(command, &name, assembly.store, trusted, &self.commands)?;
                assembly.manifest = changed.manifest;
                assembly.whole = changed.whole;
                assembly.warnings = changed.warnings;
                Ok(())
            }
        }
    }
}

/// A layer in messages that has not even become a recipe.
pub(super) fn layer_name(layer: &LayerSpec) -> String {
    match layer {
        LayerSpec::Command(_) => "a `command` layer".to_owned(),
        _ => "a layer whose path has a placeholder".to_owned(),
    }
}

fn add_paths<'a>(
    written: impl Iterator<Item = &'a Path>,
    project_dir: &Utf8Path,
    prefix: &PrefixOptions,
    assembly: &mut Assembly<'_>,
) -> Result<(), Problem> {
    let files = written
        .map(|written| paths::place(written, project_dir, prefix))
        .collect::<Result<Vec<_>, _>>()?;
    let reading = Reading {
        follow: prefix.follow_symlinks,
        how: Import::Copy,
    };
    assembly.add_host_files(&files, reading)
}

fn add_stubs(stub: &str, assembly: &mut Assembly<'_>) -> Result<(), Problem> {
    for path in braces::expand(stub)? {
        let to = in_layer(Path::new(&path))?;
        if path.ends_with('/') {
            assembly.add_directory(to)?;
        } else {
            assembly.add_text(to, "")?;
        }
    }
    Ok(())
}

fn add_binaries(files: &[Utf8PathBuf], assembly: &mut Assembly<'_>) -> Result<(), Problem> {
    let files = files
        .iter()
        .map(|file| {
            paths::must_exist(file.as_std_path())?;
            let (host, to) = (file.into(), in_layer(file.as_std_path())?);
            Ok(HostFile { host, to })
        })
        .collect::<Result<Vec<_>, Problem>>()?;
    let reading = Reading {
        follow: true,
        how: Import::LinkIfSafe,
    };
    assembly.add_host_files(&files, reading)
}

/// Adds libraries and programs. They are copied: a package manager may write into
/// its files.
fn add_closure(
    closure: &Closure,
    prefix: &PrefixOptions,
    assembly: &mut Assembly<'_>,
) -> Result<(), Problem> {
    let mut files = Vec::new();
    for (path, entry) in closure {
        let name = match entry.file() {
            Some(file) if prefix.canonicalize => file,
            _ => path,
        };
        let to = paths::in_layer(name, prefix)?;
        match entry {
            libraries::Entry::Symlink { target, .. }
                if !prefix.canonicalize && !prefix.follow_symlinks =>
            {
                assembly.add_symlink(to, target)?;
            }
            libraries::Entry::Directory => assembly.add_directory(to)?,
            libraries::Entry::File(host) | libraries::Entry::Symlink { file: host, .. } => {
                let host = host.clone();
                files.push(HostFile { host, to });
            }
        }
    }
    let reading = Reading {
        follow: true,
        how: Import::Copy,
    };
    assembly.add_host_files(&files, reading)
}

/// Unpacks a tar file, unless what was in it is still known.
fn add_tar(path: &Utf8Path, assembly: &mut Assembly<'_>) -> Result<(), Problem> {
    paths::must_exist(path.as_std_path())?;
    let store = assembly.store;
    let key = store.hash_file(path.as_std_path())?.to_string();
    if assembly.trust == Trust::Remembered
        && let Some((manifest, warnings)) = known_tar(store, &key)
    {
        assembly.manifest = manifest;
        assembly.warnings = warnings;
        return Ok(());
    }
    let file = File::open(path).map_err(|cause| Problem::Read {
        path: path.into(),
        cause,
    })?;
    let unpacked = tar::unpack(store, file, path.as_std_path(), Manifest::new())?;
    let mut value = unpacked.manifest.digest().to_string();
    for warning in &unpacked.warnings {
        value.push('\n');
        value.push_str(&warning.replace('\n', " "));
    }
    store.cache(UNPACKED_TAR, &key, value.as_bytes())?;
    assembly.manifest = unpacked.manifest;
    assembly.warnings = unpacked.warnings;
    Ok(())
}

fn known_tar(store: &Store, key: &str) -> Option<(Manifest, Vec<String>)> {
    let value = String::from_utf8(store.cached(UNPACKED_TAR, key)?).ok()?;
    let mut lines = value.lines();
    let manifest = store.manifest(&lines.next()?.parse().ok()?)?;
    Some((manifest, lines.map(str::to_owned).collect()))
}

/// Where a path that is written in a spec leads.
fn in_layer(path: &Path) -> Result<PathInContainer, Problem> {
    Ok(PathInContainer::normalised(path.as_os_str().as_bytes())?)
}

#[cfg(test)]
mod tests;
