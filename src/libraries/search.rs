//! The libraries that a loader loads for a program: an implementation of ld.so(8).
//!
//! A loader goes through the program and its libraries breadth first. It does not search for a
//! name by which a file is loaded already (the name that was searched, its path, or its
//! `DT_SONAME`). The result for one file may therefore depend on the files loaded before, and the
//! search is repeated for every program. For other names glibc's loader searches, in this order:
//!
//! 1. the `DT_RPATH` of the file that needs the library, of the file that needs that one,
//!    and so on up to the program; not if the first file has a `DT_RUNPATH`, and
//!    without the files that have one;
//! 2. `LD_LIBRARY_PATH`;
//! 3. the `DT_RUNPATH` of the file that needs the library;
//! 4. `ld.so.cache`, without libraries in default directories if the file is
//!    flagged `DF_1_NODEFLIB`;
//! 5. the default directories, if it is not so flagged.
//!
//! musl's loader searches `LD_LIBRARY_PATH`, then the `DT_RUNPATH` or else `DT_RPATH` of the
//! file that needs the library and of all files up to the program, then the directories that its
//! own configuration names. A name with a slash is a path for both loaders. Files of another
//! class or machine are skipped.

use super::closure::fold;
use super::elf::{Architecture, Object};
use super::ld_cache::LdCache;
use super::loader::{self, GlibcPaths, Loader, MuslPaths};
use super::lookup::{Candidate, Location, LookupResult};
use super::{
    Closure, Libraries, LibraryError, MissingLibraries, MissingLibrary, SearchContext, SearchedIn,
};
use std::collections::VecDeque;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Libraries that glibc loads at run time, which no file names.
const LOADED_BY_GLIBC: [&str; 3] = ["libgcc_s.so.1", "libnss_files.so.2", "libnss_dns.so.2"];

pub(super) fn closure<'a>(
    libraries: &Libraries,
    binaries: impl Iterator<Item = &'a Path>,
    context: &SearchContext,
) -> Result<Closure, LibraryError> {
    let mut closure = Closure::default();
    let mut missing = Vec::new();
    for binary in binaries {
        let binary = match &context.working_directory {
            Some(start) => start.as_std_path().join(binary),
            None => std::path::absolute(binary).map_err(read_error(binary))?,
        };
        let Some(process) = LoadedProgram::new(libraries, context, &mut closure, &binary)? else {
            continue;
        };
        for library in process.load_all()? {
            if !missing.contains(&library) {
                missing.push(library);
            }
        }
    }
    if missing.is_empty() {
        Ok(closure)
    } else {
        Err(MissingLibraries(missing).into())
    }
}

pub(super) fn loader(
    libraries: &Libraries,
    program: &Path,
) -> Result<Option<PathBuf>, LibraryError> {
    let metadata = fs::metadata(program).map_err(read_error(program))?;
    let object = libraries.object(program, &metadata)?;
    Ok(object.and_then(|object| object.interpreter.clone()))
}

/// A program and the files that its loader loads to start it.
pub(super) struct LoadedProgram<'a> {
    pub(super) libraries: &'a Libraries,
    pub(super) context: &'a SearchContext,
    closure: &'a mut Closure,
    pub(super) architecture: Architecture,
    pub(super) loader: Loader,
    /// The program, its loader, then libraries in the order in which they were found.
    pub(super) loaded: Vec<Loaded>,
    /// The indexes of files whose dependencies have not been searched.
    pending: VecDeque<usize>,
    missing: Vec<MissingLibrary>,
}

pub(super) struct Loaded {
    pub(super) object: Arc<Object>,
    pub(super) path: Location,
    /// The names that the file is known by.
    names: Vec<OsString>,
    pub(super) needed_by: Option<usize>,
    /// The device and inode.
    identity: (u64, u64),
}

impl<'a> LoadedProgram<'a> {
    /// `None`: `binary` needs no loader.
    fn new(
        libraries: &'a Libraries,
        context: &'a SearchContext,
        closure: &'a mut Closure,
        binary: &Path,
    ) -> Result<Option<Self>, LibraryError> {
        let metadata = fs::metadata(binary).map_err(read_error(binary))?;
        let Some(object) = libraries.object(binary, &metadata)? else {
            return Ok(None);
        };
        if object.interpreter.is_none() && object.dependencies.is_empty() {
            return Ok(None);
        }
        let mut process = Self {
            libraries,
            context,
            closure,
            architecture: object.architecture,
            loader: Loader::Glibc(Arc::new(GlibcPaths::usual(object.architecture))),
            loaded: Vec::new(),
            pending: VecDeque::from([0]),
            missing: Vec::new(),
        };
        let interpreter = object
            .interpreter
            .clone()
            .or_else(|| loader::usual_loader(object.architecture, &object.dependencies));
        process.loaded.push(Loaded {
            object,
            path: program_path(binary)?,
            names: Vec::new(),
            needed_by: None,
            identity: identity(&metadata),
        });
        if let Some(interpreter) = interpreter {
            process.add_loader(binary, &interpreter)?;
        }
        Ok(Some(process))
    }

    fn add_loader(&mut self, binary: &Path, path: &Path) -> Result<(), LibraryError> {
        let Candidate::Found(object, metadata) = self.try_path(path)? else {
            self.missing.push(MissingLibrary {
                name: path.to_owned(),
                needed_by: binary.to_owned(),
                looked_in: vec![SearchedIn {
                    place: path.to_owned(),
                    because: "the loader that the program names".to_owned(),
                }],
                passed_over: Vec::new(),
            });
            return Ok(());
        };
        let file = fs::canonicalize(path).map_err(read_error(path))?;
        self.closure.add_file(path, &file)?;
        if loader::musl_architecture(path).is_some() {
            let paths = MuslPaths::of_loader(path);
            if let Some(list) = &paths.file {
                let file = fs::canonicalize(list).map_err(read_error(list))?;
                self.closure.add_file(list, &file)?;
            }
            self.loader = Loader::Musl(paths);
        } else {
            self.loader = Loader::Glibc(self.libraries.glibc_paths(
                &file,
                &metadata,
                object.architecture,
            )?);
        }
        let names = [
            Some(path.as_os_str()),
            path.file_name(),
            object.soname.as_deref(),
        ];
        self.loaded.push(Loaded {
            names: names.into_iter().flatten().map(OsStr::to_owned).collect(),
            object,
            path: Location::same(path.to_owned()),
            needed_by: Some(0),
            identity: identity(&metadata),
        });
        Ok(())
    }

    /// Adds all libraries to the closure. Returns those that are missing.
    fn load_all(mut self) -> Result<Vec<MissingLibrary>, LibraryError> {
        self.load_pending()?;
        let libc = self
            .loaded
            .iter()
            .position(|loaded| loaded.object.soname.as_deref() == Some(OsStr::new("libc.so.6")));
        if let Some(libc) = libc {
            for name in LOADED_BY_GLIBC {
                self.load(OsStr::new(name), libc, true)?;
            }
            self.load_pending()?;
        }
        Ok(self.missing)
    }

    fn load_pending(&mut self) -> Result<(), LibraryError> {
        while let Some(index) = self.pending.pop_front() {
            let object = Arc::clone(&self.loaded[index].object);
            for dependency in &object.dependencies {
                self.load(&dependency.name, index, dependency.optional)?;
            }
        }
        Ok(())
    }

    fn load(&mut self, name: &OsStr, needed_by: usize, optional: bool) -> Result<(), LibraryError> {
        if self.is_loaded(name) {
            return Ok(());
        }
        match self.look_up(name, needed_by)? {
            LookupResult::Found {
                path,
                object,
                metadata,
            } => self.add_library(name, needed_by, path, object, &metadata),
            LookupResult::NotFound { .. } if optional => Ok(()),
            LookupResult::NotFound {
                looked_in,
                passed_over,
            } => {
                self.missing.push(MissingLibrary {
                    name: PathBuf::from(name),
                    needed_by: self.loaded[needed_by].path.host.clone(),
                    looked_in,
                    passed_over,
                });
                Ok(())
            }
        }
    }

    fn is_loaded(&self, name: &OsStr) -> bool {
        let by_name = |loaded: &Loaded| loaded.names.iter().any(|known| known == name);
        match &self.loader {
            Loader::Musl(_) if loader::is_musl_itself(name.as_bytes()) => true,
            Loader::Musl(_) => self.loaded.iter().any(by_name),
            Loader::Glibc(_) => self.loaded.iter().any(|loaded| {
                by_name(loaded)
                    || loaded.path.host == name
                    || loaded.object.soname.as_deref() == Some(name)
            }),
        }
    }

    /// Adds a library. A file that is loaded already under another name is added too, as the
    /// loader opens it before it compares inodes.
    fn add_library(
        &mut self,
        name: &OsStr,
        needed_by: usize,
        path: Location,
        object: Arc<Object>,
        metadata: &Metadata,
    ) -> Result<(), LibraryError> {
        let file = fs::canonicalize(&path.host).map_err(read_error(&path.host))?;
        self.closure.add_file(&path.host, &file)?;
        self.closure
            .add_symlink(&path.container, &path.host, &file)?;
        let identity = identity(metadata);
        let known = self
            .loaded
            .iter_mut()
            .find(|loaded| loaded.identity == identity);
        if let Some(known) = known {
            known.names.push(name.to_owned());
        } else {
            self.pending.push_back(self.loaded.len());
            self.loaded.push(Loaded {
                object,
                path,
                names: vec![name.to_owned()],
                needed_by: Some(needed_by),
                identity,
            });
        }
        Ok(())
    }
}

/// The location that `$ORIGIN` of a program refers to: the path without symlinks. In the
/// container only directory symlinks of the host are missing, so the path may differ.
fn program_path(binary: &Path) -> Result<Location, LibraryError> {
    let host = fs::canonicalize(binary).map_err(read_error(binary))?;
    if binary.is_symlink() {
        Ok(Location::same(host))
    } else {
        let container = fold(binary).0;
        Ok(Location { host, container })
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn read_error(path: &Path) -> impl FnOnce(io::Error) -> LibraryError {
    let path = path.to_owned();
    move |source| LibraryError::Read { path, source }
}

impl Libraries {
    /// Reads the file at `path`. `None`: it is not ELF.
    pub(super) fn object(
        &self,
        path: &Path,
        metadata: &Metadata,
    ) -> Result<Option<Arc<Object>>, LibraryError> {
        let read = || {
            let file = File::open(path).map_err(read_error(path))?;
            match Object::read(file) {
                Ok(object) => Ok(object.map(Arc::new)),
                Err(reason) => Err(LibraryError::Damaged {
                    path: path.to_owned(),
                    reason: reason.to_string(),
                }),
            }
        };
        Ok(self.objects.get(path, metadata, read)?.as_ref().clone())
    }

    fn glibc_paths(
        &self,
        loader: &Path,
        metadata: &Metadata,
        architecture: Architecture,
    ) -> Result<Arc<GlibcPaths>, LibraryError> {
        self.loaders.get(loader, metadata, || {
            let bytes = fs::read(loader).map_err(read_error(loader))?;
            Ok(GlibcPaths::of_loader(&bytes, architecture))
        })
    }

    /// Reads the cache at `path`. `None`: it does not exist.
    pub(super) fn cache(&self, path: &Path) -> Result<Option<Arc<LdCache>>, LibraryError> {
        let Ok(metadata) = fs::metadata(path) else {
            return Ok(None);
        };
        let read = || fs::read(path).map(|bytes| LdCache::parse(&bytes));
        let cache = self.caches.get(path, &metadata, read);
        cache.map(Some).map_err(read_error(path))
    }
}
