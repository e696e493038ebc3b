//! Looks up one library: the directories and files to search, in order.

use super::dynamic_string_tokens::Tokens;
use super::elf::Object;
use super::loader::{self, GlibcPaths, Loader, MuslPaths};
use super::search::LoadedProgram;
use super::{LibraryError, SearchedIn, hardware_levels};
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The path of a file or directory on the host and in the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Location {
    pub(super) host: PathBuf,
    pub(super) container: PathBuf,
}

impl Location {
    pub(super) fn same(path: PathBuf) -> Self {
        Self {
            host: path.clone(),
            container: path,
        }
    }

    fn join(&self, name: impl AsRef<Path>) -> Self {
        Self {
            host: self.host.join(&name),
            container: self.container.join(&name),
        }
    }

    fn directory(&self) -> Self {
        let directory = |path: &Path| path.parent().unwrap_or(Path::new("/")).to_owned();
        Self {
            host: directory(&self.host),
            container: directory(&self.container),
        }
    }
}

/// The result of looking up a library.
pub(super) enum LookupResult {
    Found {
        path: Location,
        object: Arc<Object>,
        metadata: Metadata,
    },
    NotFound {
        looked_in: Vec<SearchedIn>,
        passed_over: Vec<(PathBuf, String)>,
    },
}

/// The result of examining a path that a loader would try.
pub(super) enum Candidate {
    Absent,
    /// A file that a loader skips.
    Unfit(&'static str),
    /// A file that makes a loader stop with an error.
    Fatal(String),
    Found(Arc<Object>, Metadata),
}

/// One step of a search, with the reason shown in messages.
struct SearchStep {
    because: String,
    places: SearchPlaces,
}

enum SearchPlaces {
    Directories(Vec<Location>),
    /// Any of these files.
    Files(Vec<Location>),
    Cache(PathBuf),
}

impl LoadedProgram<'_> {
    /// Looks up the library `name`, which the file with the index `needed_by` needs.
    pub(super) fn look_up(
        &self,
        name: &OsStr,
        needed_by: usize,
    ) -> Result<LookupResult, LibraryError> {
        let mut looked_in = Vec::new();
        let mut passed_over = Vec::new();
        for step in self.steps(name, needed_by) {
            let (places, candidates) = match step.places {
                SearchPlaces::Directories(directories) => {
                    let candidates = directories
                        .iter()
                        .flat_map(|directory| files_in(directory, name))
                        .collect();
                    (directories, candidates)
                }
                SearchPlaces::Files(files) => (files.clone(), files),
                SearchPlaces::Cache(cache) => {
                    let candidates = self.in_cache(&cache, name, needed_by, &mut passed_over)?;
                    (vec![Location::same(cache)], candidates)
                }
            };
            looked_in.extend(places.into_iter().map(|place| SearchedIn {
                place: place.host,
                because: step.because.clone(),
            }));
            for path in candidates {
                let reason = match self.try_path(&path.host)? {
                    Candidate::Found(object, metadata) => {
                        return Ok(LookupResult::Found {
                            path,
                            object,
                            metadata,
                        });
                    }
                    Candidate::Absent => continue,
                    Candidate::Unfit(reason) => {
                        passed_over.push((path.host, reason.to_owned()));
                        continue;
                    }
                    Candidate::Fatal(reason) => reason,
                };
                passed_over.push((path.host, reason));
                return Ok(LookupResult::NotFound {
                    looked_in,
                    passed_over,
                });
            }
        }
        Ok(LookupResult::NotFound {
            looked_in,
            passed_over,
        })
    }

    /// Examines the file at `path` as a library for this program.
    pub(super) fn try_path(&self, path: &Path) -> Result<Candidate, LibraryError> {
        let Ok(metadata) = fs::metadata(path) else {
            return Ok(Candidate::Absent);
        };
        if !metadata.is_file() {
            return Ok(Candidate::Unfit("not a file"));
        }
        match self.libraries.object(path, &metadata) {
            Ok(Some(object)) if object.architecture == self.architecture => {
                Ok(Candidate::Found(object, metadata))
            }
            Ok(Some(_)) => Ok(Candidate::Unfit("for another architecture")),
            Ok(None) => Ok(Candidate::Fatal(
                "not an ELF file, at which the loader stops".to_owned(),
            )),
            Err(LibraryError::Damaged { reason, .. }) => {
                Ok(Candidate::Fatal(format!("damaged: {reason}")))
            }
            Err(LibraryError::Read { source, .. })
                if source.kind() == std::io::ErrorKind::PermissionDenied =>
            {
                Ok(Candidate::Unfit("not readable"))
            }
            Err(error) => Err(error),
        }
    }

    fn steps(&self, name: &OsStr, needed_by: usize) -> Vec<SearchStep> {
        if name.as_bytes().contains(&b'/') {
            let files = self.expand(name.as_bytes(), needed_by);
            return vec![SearchStep {
                because: "the name is a path".to_owned(),
                places: SearchPlaces::Files(files),
            }];
        }
        match &self.loader {
            Loader::Glibc(paths) => self.glibc_steps(paths, needed_by),
            Loader::Musl(paths) => self.musl_steps(paths, needed_by),
        }
    }

    fn glibc_steps(&self, paths: &GlibcPaths, needed_by: usize) -> Vec<SearchStep> {
        let needing = &self.loaded[needed_by].object;
        let mut steps = Vec::new();
        if needing.runpath.is_none() {
            for index in self.needed_by_chain(needed_by) {
                let object = &self.loaded[index].object;
                if let (Some(rpath), None) = (&object.rpath, &object.runpath) {
                    steps.push(self.path_step("RPATH", rpath, index));
                }
            }
        }
        steps.extend(self.library_path_step());
        if let Some(runpath) = &needing.runpath {
            steps.push(self.path_step("RUNPATH", runpath, needed_by));
        }
        let cache = self.context.cache.as_ref();
        let cache = cache.map(|path| path.as_std_path().to_owned());
        if let Some(cache) = cache.or_else(|| paths.cache.clone()) {
            steps.push(SearchStep {
                because: "the loader's cache".to_owned(),
                places: SearchPlaces::Cache(cache),
            });
        }
        if !needing.no_default_directories {
            steps.push(default_step(&paths.directories));
        }
        steps
    }

    fn musl_steps(&self, paths: &MuslPaths, needed_by: usize) -> Vec<SearchStep> {
        let mut steps = Vec::from_iter(self.library_path_step());
        for index in self.needed_by_chain(needed_by) {
            let object = &self.loaded[index].object;
            if let Some(path) = object.runpath.as_ref().or(object.rpath.as_ref()) {
                steps.push(self.path_step("RUNPATH", path, index));
            }
        }
        steps.push(default_step(&paths.directories));
        steps
    }

    /// The indexes of a file, of the file that needs it, and so on up to the program.
    fn needed_by_chain(&self, first: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(first), |&index| self.loaded[index].needed_by)
    }

    /// The step for an `RPATH` or `RUNPATH` of the file with this index.
    fn path_step(&self, kind: &str, path: &OsStr, index: usize) -> SearchStep {
        let directories = path.as_bytes().split(|&byte| byte == b':');
        SearchStep {
            because: format!("{kind} of {}", self.loaded[index].path.host.display()),
            places: SearchPlaces::Directories(
                directories
                    .flat_map(|directory| self.expand(directory, index))
                    .collect(),
            ),
        }
    }

    fn library_path_step(&self) -> Option<SearchStep> {
        let directories = &self.context.library_path;
        (!directories.is_empty()).then(|| SearchStep {
            because: "LD_LIBRARY_PATH".to_owned(),
            places: SearchPlaces::Directories(
                directories
                    .iter()
                    .flat_map(|directory| self.expand(directory.as_str().as_bytes(), 0))
                    .collect(),
            ),
        })
    }

    /// Expands the tokens in a path of the file with this index. Several paths if the path
    /// depends on the processor; none if a token has no value or the base of a relative path is
    /// unknown.
    fn expand(&self, path: &[u8], index: usize) -> Vec<Location> {
        let origin = self.loaded[index].path.directory();
        let lib = match &self.loader {
            Loader::Glibc(paths) => paths.lib(),
            Loader::Musl(_) => None,
        };
        let expand_for = |platform: Option<&str>, origin: &Path| {
            let tokens = Tokens {
                origin: Some(origin.as_os_str().as_bytes()),
                lib,
                platform: platform.map(str::as_bytes),
            };
            let expanded = PathBuf::from(OsString::from_vec(tokens.expand(path)?));
            if expanded.is_absolute() {
                return Some(expanded);
            }
            let start = self.context.working_directory.as_ref()?;
            Some(start.as_std_path().join(expanded))
        };
        let names = match &self.loader {
            Loader::Glibc(_) => loader::platforms(self.architecture),
            Loader::Musl(_) => &[],
        };
        let platforms = names.iter().copied().map(Some).chain([None]);
        let mut locations: Vec<Location> = platforms
            .filter_map(|platform| {
                Some(Location {
                    host: expand_for(platform, &origin.host)?,
                    container: expand_for(platform, &origin.container)?,
                })
            })
            .collect();
        locations.dedup();
        locations
    }

    /// The files that the cache has for `name`. As containers have no cache, a file outside of
    /// the default directories must also be in the first of these.
    fn in_cache(
        &self,
        cache: &Path,
        name: &OsStr,
        needed_by: usize,
        passed_over: &mut Vec<(PathBuf, String)>,
    ) -> Result<Vec<Location>, LibraryError> {
        let Loader::Glibc(paths) = &self.loader else {
            return Ok(Vec::new());
        };
        let cache = self.libraries.cache(cache)?;
        let found = cache.iter().flat_map(|cache| {
            let files = cache.lookup(name, hardware_levels::levels());
            files.into_iter().map(Path::to_owned)
        });
        let only_named = self.loaded[needed_by].object.no_default_directories;
        let mut locations = Vec::new();
        for host in found {
            let is_default = host.parent().is_some_and(|parent| paths.searches(parent));
            if is_default && !only_named {
                locations.push(Location::same(host));
            } else if only_named {
                let reason = "found only in the loader's cache, which containers do not have; default \
                    directories are not searched (-z nodefaultlib)";
                passed_over.push((host, reason.to_owned()));
            } else if let Some(directory) = paths.directories.first() {
                let container = directory.join(name);
                locations.push(Location { host, container });
            }
        }
        Ok(locations)
    }
}

fn default_step(directories: &[PathBuf]) -> SearchStep {
    let directories = directories.iter().cloned().map(Location::same);
    SearchStep {
        because: "a default directory".to_owned(),
        places: SearchPlaces::Directories(directories.collect()),
    }
}

/// `name` in `directory`, and its variants for newer processors, which are used if there is no
/// baseline.
fn files_in(directory: &Location, name: &OsStr) -> Vec<Location> {
    let mut files = vec![directory.join(name)];
    let variants = directory.join("glibc-hwcaps");
    if !hardware_levels::levels().is_empty() && variants.host.is_dir() {
        let levels = hardware_levels::levels().iter();
        files.extend(levels.map(|level| variants.join(level).join(name)));
    }
    files
}
