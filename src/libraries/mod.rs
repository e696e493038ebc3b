//! What an executable needs from the host to start: its loader, its shared
//! libraries, and for programs called by name the files behind the name.
//!
//! The search is done as the loader in the container would do it, without
//! running anything: `search` and `lookup` are `ld.so(8)` and musl's loader
//! retold, `elf` reads the few hundred bytes of a file that matter, `loader`
//! knows what is built into a loader, `cache` reads `/etc/ld.so.cache`, `program`
//! follows names, symlinks and `#!` lines. Touch nothing here that needs to
//! write: the result is a [`Closure`], a plain map that others turn into a layer.
//!
//! # Where the loader in the container looks
//!
//! A container has neither `/etc/ld.so.cache` nor the host's directory symlinks
//! (`/lib -> usr/lib`). So that the loader finds there what it finds here:
//!
//! - A library is a regular file **at the very path the loader opens**, with
//!   `..` folded; symlinks on the way (`libz.so.1 -> libz.so.1.2.13`, a merged
//!   `/usr`) are resolved to the file's content. The loader itself is at the
//!   path that the executable names.
//! - A library known from `ld.so.cache` alone is at its own path, and where that
//!   is no directory that the loader searches by itself, a symlink in the first
//!   one it does search leads to it. (A cache made for the container would do
//!   too, but two layers could not both bring one.)
//! - `$ORIGIN` is the directory a library was opened from, and for an executable
//!   that of its resolved path. Where it differs between host and container
//!   (because of such a symlink, or of a directory symlink on the way to the
//!   executable) libraries found through it get symlinks too. The loader learns
//!   an executable's from `/proc`, which has to be mounted where it is used.
//! - `glibc-hwcaps` variants for newer processors are left out where there is a
//!   baseline library, so that a layer is right on every machine and the same
//!   wherever it was made. Variants of before glibc 2.33 are never used.
//! - What glibc opens by itself while running is there if the host has it:
//!   `libgcc_s.so.1` (for `pthread_exit`, `pthread_cancel` and `backtrace`) and,
//!   for glibc before 2.34, `libnss_files.so.2` and `libnss_dns.so.2`.
//!
//! Libraries that a program opens with `dlopen(3)` are not found, nor is
//! `LD_PRELOAD`; such files have to be named in a layer.

mod built;
mod cache;
mod closure;
mod elf;
mod error;
mod hwcaps;
mod loader;
mod lookup;
mod memo;
mod program;
mod search;
mod token;

#[cfg(test)]
mod tests;

pub use closure::{Closure, Conflict, Entry};
pub use error::{
    LibraryError, MissingLibraries, MissingLibrary, MissingProgram, MissingPrograms, SearchedIn,
};

use camino::Utf8PathBuf;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What besides the files themselves decides where libraries are found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SearchContext {
    /// `LD_LIBRARY_PATH` as it will be in the container, in order.
    pub library_path: Vec<Utf8PathBuf>,
    /// Where relative names and search directories start; without it relative
    /// search directories are passed over, as they mean nothing.
    pub working_directory: Option<Utf8PathBuf>,
    /// The cache that `ldconfig(8)` wrote; by default the one built into the
    /// loader, most often `/etc/ld.so.cache`.
    pub cache: Option<Utf8PathBuf>,
}

/// Finds libraries, and remembers what it has read: files are read again only
/// when their inode, size or time of modification has changed. To be shared by
/// threads and calls, as all binaries of a workspace need the same libraries.
#[derive(Debug, Default)]
pub struct Libraries {
    objects: memo::Memo<Option<Arc<elf::Object>>>,
    loaders: memo::Memo<loader::GlibcPaths>,
    caches: memo::Memo<cache::LdCache>,
}

impl Libraries {
    pub fn new() -> Self {
        Self::default()
    }

    /// The loaders and shared libraries that `binaries` need to start, without
    /// the binaries, which are taken to be in the container at the paths given
    /// (or, of a symlink, at the path of the file it leads to). Of files that are
    /// not ELF or statically linked: nothing. Where libraries are missing, the
    /// error names all of them.
    pub fn closure(
        &self,
        binaries: &[Utf8PathBuf],
        context: &SearchContext,
    ) -> Result<Closure, LibraryError> {
        search::closure(
            self,
            binaries.iter().map(|path| path.as_std_path()),
            context,
        )
    }

    /// The loader that a program names; `None` if it needs none.
    pub fn loader(&self, program: &Path) -> Result<Option<PathBuf>, LibraryError> {
        search::loader(self, program)
    }

    /// Programs as they would be found in `path` (a value of `PATH`, by default
    /// `/usr/local/bin:/usr/bin:/bin`), or at the path given if a name has a
    /// slash, with everything that they need to start: see [`programs`].
    pub fn programs(
        &self,
        names: &[String],
        path: Option<&OsStr>,
        context: &SearchContext,
    ) -> Result<Closure, LibraryError> {
        program::programs(self, names, path, context)
    }
}

/// [`Libraries::closure`] with nothing remembered.
pub fn closure(binaries: &[Utf8PathBuf], context: &SearchContext) -> Result<Closure, LibraryError> {
    Libraries::new().closure(binaries, context)
}

/// [`Libraries::programs`] with nothing remembered.
///
/// Each program is at the path where it was found. If that is a symlink, so are
/// the files along the chain, down to the file that the kernel will run: a
/// program may look at its name as well as at `/proc/self/exe`. Where `/bin` and
/// `/usr/bin` (or their `sbin`s) are one directory, the program is in both; `sh`
/// is at `/bin/sh` in any case, where scripts and `system(3)` look for it. A
/// script brings the interpreter of its `#!` line and, if that is `env`, the
/// program that `env` runs.
///
/// Data files of a program are not part of this.
pub fn programs(
    names: &[String],
    path: Option<&OsStr>,
    context: &SearchContext,
) -> Result<Closure, LibraryError> {
    Libraries::new().programs(names, path, context)
}
