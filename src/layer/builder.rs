//! Builds layers, each recipe once.

use super::assembly::{Assembly, HostFile, ReadOptions, Trust};
use super::command::RunningCommands;
use super::image_base::{ImageBase, ImageCache};
use super::recipe::Recipe;
use super::{LayerContent, LayerContext, LayerError, LayerProblem, Manifest};
use super::{base, braces, command, flatten, glob, image, paths, source, tar};
use crate::image::{Download, Images};
use crate::libraries::{self, Closure, Libraries, LibraryError, SearchContext};
use crate::spec::{LayerSpec, PrefixOptions};
use crate::store::{Digest, Import, Store};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::File;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// The number of attempts to build a layer whose content is missing from the store.
const ATTEMPTS: u32 = 3;

/// The name of the cache of unpacked tar files. Renamed when the cached value changes.
const UNPACKED_TAR: &str = "tar-2";

/// A layer that is in the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltLayer {
    /// The digest of the manifest. It names the tree in the store.
    pub digest: Digest,
    /// Whether the layer includes the layers below, and replaces them.
    includes_below: bool,
    /// Warnings to show once.
    pub warnings: Vec<String>,
}

/// A stack of layers that are in the store.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LayerStack {
    /// The layer with all files of the image.
    pub image: Option<Digest>,
    /// The lowest layer first.
    pub layers: Vec<Digest>,
    /// The layers that many containers share or that change often, which are not merged with
    /// others: sources and the base.
    pub unmerged: Vec<Digest>,
    /// The layers of sources.
    sources: Vec<Digest>,
    /// Warnings to show once.
    pub warnings: Vec<String>,
}

impl LayerStack {
    /// Takes the layers of sources off the stack.
    fn take_sources(&mut self) -> Vec<Digest> {
        let sources = std::mem::take(&mut self.sources);
        self.layers.retain(|layer| !sources.contains(layer));
        self.unmerged.retain(|layer| !sources.contains(layer));
        sources
    }

    /// Adds layers of sources on top.
    fn add_sources(&mut self, sources: &[Digest]) {
        self.layers.extend(sources);
        self.unmerged.extend(sources);
        self.sources.extend(sources);
    }
}

/// Builds layers, and keeps the results for one run, in which files of the host are assumed not
/// to change. Threads may share it. A thread that asks for a layer that another thread is
/// building waits for the result.
pub struct LayerBuilder {
    store: Store,
    pub(super) images: Images,
    pub(super) image_cache: ImageCache,
    libraries: Libraries,
    layers: Mutex<HashMap<Recipe, LayerCell>>,
    commands: RunningCommands,
}

/// The result of building a recipe, once it was built.
type LayerCell = Arc<OnceLock<Result<BuiltLayer, LayerError>>>;

impl LayerBuilder {
    pub fn new(store: Store, images: Images) -> Self {
        Self {
            store,
            images,
            image_cache: ImageCache::default(),
            libraries: Libraries::new(),
            layers: Mutex::default(),
            commands: RunningCommands::new(),
        }
    }

    /// A builder with the same store and images, which reads files of the host again.
    #[must_use]
    pub fn afresh(&self) -> Self {
        Self::new(self.store.clone(), self.images.clone())
    }

    /// The name in messages of the `command` layer that was started first, if any is running.
    pub fn running_command(&self) -> Option<String> {
        self.commands.longest()
    }

    /// The download of an image that started first, if any is running.
    pub fn download(&self) -> Option<Download> {
        self.images.download()
    }

    /// Cancels downloads, and kills the commands of `command` layers. Their layers become
    /// errors. Waits up to 15 s until the commands have ended.
    pub fn cancel(&self) {
        self.images.cancel();
        self.commands.cancel();
    }

    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Builds layers on top of one another and of the base.
    pub fn build_all<'a>(
        &self,
        base: &ImageBase,
        layers: impl IntoIterator<Item = &'a LayerSpec>,
        context: &LayerContext,
    ) -> Result<LayerStack, LayerError> {
        let mut stack = LayerStack {
            image: base.layer,
            layers: base.layer.into_iter().collect(),
            warnings: base.warnings.clone(),
            ..LayerStack::default()
        };
        for layer in layers {
            let above = match layer {
                LayerSpec::Command(command) if command.without_sources => stack.take_sources(),
                _ => Vec::new(),
            };
            let mut built = self.build_on(&stack.layers, layer, context)?;
            if built.includes_below {
                stack.layers.clear();
                stack.unmerged.clear();
                stack.sources.clear();
                stack.image = stack.image.map(|_| built.digest);
            } else {
                built.digest = self.rebase_onto_image(built.digest, stack.image)?;
            }
            match layer {
                LayerSpec::Source { .. } | LayerSpec::TestSource => {
                    stack.add_sources(&[built.digest]);
                }
                LayerSpec::Base { .. } => {
                    stack.unmerged.push(built.digest);
                    stack.layers.push(built.digest);
                }
                _ => stack.layers.push(built.digest),
            }
            stack.add_sources(&above);
            stack.warnings.extend(built.warnings);
        }
        Ok(stack)
    }

    /// Builds a layer that does not depend on layers below.
    pub fn build(
        &self,
        layer: &LayerSpec,
        context: &LayerContext,
    ) -> Result<BuiltLayer, LayerError> {
        self.build_on(&[], layer, context)
    }

    fn build_on(
        &self,
        below: &[Digest],
        layer: &LayerSpec,
        context: &LayerContext,
    ) -> Result<BuiltLayer, LayerError> {
        match Recipe::new(layer, below, context) {
            Ok(recipe) => self.build_recipe(&recipe),
            Err(problem) => Err(LayerError::new(&layer_name(layer), problem)),
        }
    }

    /// Builds a layer of executables that Cargo built, at their own paths. The store shares the
    /// files with the target directory where that is safe.
    pub fn build_binaries(&self, files: &[Utf8PathBuf]) -> Result<BuiltLayer, LayerError> {
        self.build_recipe(&Recipe::Binaries {
            files: files.to_vec(),
        })
    }

    /// Merges neighbouring small layers, the lowest first. The layers in `apart` stay as they
    /// are.
    pub fn merge_small_layers(&self, layers: &[Digest], apart: &[Digest]) -> Vec<Digest> {
        flatten::merge_small_layers(&self.store, layers, apart)
    }

    pub(super) fn build_recipe(&self, recipe: &Recipe) -> Result<BuiltLayer, LayerError> {
        let name = recipe.to_string();
        let cell = {
            let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(layers.entry(recipe.clone()).or_default())
        };
        cell.get_or_init(|| match self.build_uncached(recipe) {
            Ok(mut built) => {
                // The warnings of the recipe that it is a part of are prefixed already.
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

    fn build_uncached(&self, recipe: &Recipe) -> Result<BuiltLayer, LayerProblem> {
        let mut attempt = 1;
        let mut trust = Trust::Remembered;
        loop {
            let result = self.build_once(recipe, trust);
            match result {
                Err(problem) if problem.is_missing_blob() && attempt < ATTEMPTS => {
                    attempt += 1;
                    trust = Trust::Nothing;
                }
                result => return result,
            }
        }
    }

    fn build_once(&self, recipe: &Recipe, trust: Trust) -> Result<BuiltLayer, LayerProblem> {
        let mut assembly = Assembly::new(&self.store, trust);
        self.assemble(recipe, &mut assembly)?;
        Ok(BuiltLayer {
            digest: self.store.add_tree(&assembly.content.manifest)?,
            includes_below: assembly.content.includes_below,
            warnings: assembly.content.warnings,
        })
    }

    /// The loaders and shared libraries that binaries need.
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

    /// As [`Libraries::needed_in`].
    pub fn built_libraries(
        &self,
        binaries: &[Utf8PathBuf],
        directories: &[Utf8PathBuf],
    ) -> Result<BTreeSet<Utf8PathBuf>, LayerError> {
        let built = self.libraries.needed_in(binaries, directories);
        built.map_err(|error| LayerError::new("the layer of libraries that Cargo built", error))
    }

    /// Programs by name, with everything that they need to start.
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

    fn assemble(&self, recipe: &Recipe, assembly: &mut Assembly<'_>) -> Result<(), LayerProblem> {
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
                    assembly
                        .content
                        .warnings
                        .push("no file matches the pattern".to_owned());
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
                let link = paths::in_container(symlink.link.as_std_path())?;
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
                assembly.add_text(paths::in_container(path.as_std_path())?, text)
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
            Recipe::Source {
                directories,
                excluded,
            } => source::add(directories, excluded, assembly),
            Recipe::Part { of, view } => {
                let whole = match assembly.trust {
                    Trust::Remembered => self.build_recipe(of).map_err(LayerError::into_problem)?,
                    Trust::Nothing => self.build_once(of, Trust::Nothing)?,
                };
                let manifest = self.store.manifest(&whole.digest);
                assembly.content.manifest =
                    view.of(&manifest.ok_or(LayerProblem::LayersEvicted)?)?;
                assembly.content.warnings = whole.warnings;
                Ok(())
            }
            Recipe::Binaries { files } => add_binaries(files, assembly),
            Recipe::Base(base) => base::add(base, &self.libraries, assembly),
            Recipe::Image { image, project_dir } => {
                let image = self.find_image(image, project_dir)?;
                let unpacked = match assembly.trust {
                    Trust::Remembered => image::unpack(assembly.store, &image)?,
                    Trust::Nothing => image::unpack_uncached(assembly.store, &image)?,
                };
                assembly.content = unpacked;
                assembly
                    .content
                    .warnings
                    .extend(image.warnings.iter().cloned());
                Ok(())
            }
            Recipe::Command(command) => {
                let trusted = assembly.trust == Trust::Remembered;
                let name = recipe.to_string();
                assembly.content =
                    command::run(command, &name, assembly.store, trusted, &self.commands)?;
                Ok(())
            }
        }
    }
}

/// The name in messages of a layer that could not be made a recipe.
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
) -> Result<(), LayerProblem> {
    let files = written
        .map(|written| paths::place(written, project_dir, prefix))
        .collect::<Result<Vec<_>, _>>()?;
    let reading = ReadOptions {
        follow: prefix.follow_symlinks,
        how: Import::Copy,
    };
    assembly.add_host_files(&files, reading)
}

fn add_stubs(stub: &str, assembly: &mut Assembly<'_>) -> Result<(), LayerProblem> {
    for path in braces::expand(stub)? {
        let to = paths::in_container(Path::new(&path))?;
        if path.ends_with('/') {
            assembly.add_directory(to)?;
        } else {
            assembly.add_text(to, "")?;
        }
    }
    Ok(())
}

fn add_binaries(files: &[Utf8PathBuf], assembly: &mut Assembly<'_>) -> Result<(), LayerProblem> {
    let files = files
        .iter()
        .map(|file| {
            paths::must_exist(file.as_std_path())?;
            let (host, to) = (file.into(), paths::in_container(file.as_std_path())?);
            Ok(HostFile { host, to })
        })
        .collect::<Result<Vec<_>, LayerProblem>>()?;
    let reading = ReadOptions {
        follow: true,
        how: Import::LinkIfSafe,
    };
    assembly.add_host_files(&files, reading)
}

/// Adds libraries and programs. They are copied, as a package manager may write to its files.
pub(super) fn add_closure(
    closure: &Closure,
    prefix: &PrefixOptions,
    assembly: &mut Assembly<'_>,
) -> Result<(), LayerProblem> {
    let mut files = Vec::new();
    for (path, entry) in closure {
        let name = match entry.file() {
            Some(file) if prefix.canonicalize => file,
            _ => path,
        };
        let to = paths::in_layer(name, prefix)?;
        match entry {
            libraries::ClosureEntry::Symlink { target, .. }
                if !prefix.canonicalize && !prefix.follow_symlinks =>
            {
                assembly.add_symlink(to, target)?;
            }
            libraries::ClosureEntry::Directory => assembly.add_directory(to)?,
            libraries::ClosureEntry::File(host)
            | libraries::ClosureEntry::Symlink { file: host, .. } => {
                let host = host.clone();
                files.push(HostFile { host, to });
            }
        }
    }
    let reading = ReadOptions {
        follow: true,
        how: Import::Copy,
    };
    assembly.add_host_files(&files, reading)
}

/// Unpacks a tar file, unless its result is cached.
fn add_tar(path: &Utf8Path, assembly: &mut Assembly<'_>) -> Result<(), LayerProblem> {
    paths::must_exist(path.as_std_path())?;
    let store = assembly.store;
    let key = store.hash_file(path.as_std_path())?.to_string();
    if assembly.trust == Trust::Remembered
        && let Some(content) = LayerContent::cached(store, UNPACKED_TAR, &key)
    {
        assembly.content = content;
        return Ok(());
    }
    let file = File::open(path).map_err(|cause| LayerProblem::Read {
        path: path.into(),
        cause,
    })?;
    assembly.content = tar::unpack(store, file, path.as_std_path(), Manifest::new())?;
    assembly.content.cache(store, UNPACKED_TAR, &key)?;
    Ok(())
}

#[cfg(test)]
mod tests;
