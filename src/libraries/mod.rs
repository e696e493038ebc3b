//! Finds the files of the host that an executable needs to start: its loader, its shared
//! libraries, and for a program called by name the file, symlinks and script interpreters behind
//! the name.
//!
//! The search does what the loader in the container would do, without running anything: `search`
//! and `lookup` implement ld.so(8) and musl's loader, `elf` reads the few hundred bytes of a
//! file that matter, `loader` knows the defaults built into a loader, `ld_cache` reads
//! `/etc/ld.so.cache`, and `program` follows names, symlinks and `#!` lines. This room only
//! reads files of the host. Its result is a [`Closure`], a map from which the layer room makes a
//! layer.
//!
//! # Where the loader in the container looks
//!
//! A container has neither `/etc/ld.so.cache` nor the host's directory symlinks (`/lib ->
//! usr/lib`). The closure therefore differs from the host, so that the loader in the container
//! finds the same libraries:
//!
//! - A library is a regular file **at the path that the loader opens**, with
//!   `..` folded; symlinks on the way (`libz.so.1 -> libz.so.1.2.13`, a merged
//!   `/usr`) are resolved to the file's content. The loader itself is at the
//!   path that the executable names.
//! - A library found only in `ld.so.cache` is at its own path. If its directory
//!   is not one that the loader searches by default, a symlink in the first
//!   default directory leads to it. (A cache made for the container would work
//!   too, but two layers could not both have one.)
//! - `$ORIGIN` is the directory a library was opened from, and for an executable
//!   that of its resolved path. Where it differs between host and container
//!   (because of such a symlink, or of a directory symlink in the path of the
//!   executable), libraries found through it get symlinks too. The loader reads
//!   an executable's `$ORIGIN` from `/proc`, which must be mounted for that.
//! - `glibc-hwcaps` variants for newer processors are left out if there is a
//!   baseline library, so that a layer works on every machine and is the same
//!   wherever it was built. Variants in the format before glibc 2.33 are not used.
//! - The libraries that glibc opens at run time are included if the host has them:
//!   `libgcc_s.so.1` (for `pthread_exit`, `pthread_cancel` and `backtrace`) and,
//!   for glibc before 2.34, `libnss_files.so.2` and `libnss_dns.so.2`.
//!
//! Libraries that a program opens with dlopen(3), and those in `LD_PRELOAD`, are not found. A
//! layer must name them.

mod closure;
mod dynamic_string_tokens;
mod elf;
mod error;
mod file_memo;
mod hardware_levels;
mod ld_cache;
mod loader;
mod lookup;
mod needed_in;
mod program;
mod search;

#[cfg(test)]
mod tests;

pub use closure::{Closure, ClosureEntry, Conflict};
pub use error::{
    LibraryError, MissingLibraries, MissingLibrary, MissingProgram, MissingPrograms, SearchedIn,
};

use camino::Utf8PathBuf;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The settings of a search, besides the files themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct SearchContext {
    /// `LD_LIBRARY_PATH` as it will be in the container, in order.
    pub library_path: Vec<Utf8PathBuf>,
    /// The base of relative names and search directories. Without it relative search directories
    /// are ignored.
    pub working_directory: Option<Utf8PathBuf>,
    /// The cache that ldconfig(8) wrote. `None`: the path built into the loader, usually
    /// `/etc/ld.so.cache`.
    pub cache: Option<Utf8PathBuf>,
}

/// Finds libraries. Caches what it reads from files until their inode, size or modification time
/// changes. Threads and calls should share it, as the binaries of a workspace need the same
/// libraries.
#[derive(Debug, Default)]
pub struct Libraries {
    objects: file_memo::FileMemo<Option<Arc<elf::Object>>>,
    loaders: file_memo::FileMemo<loader::GlibcPaths>,
    caches: file_memo::FileMemo<ld_cache::LdCache>,
}

impl Libraries {
    pub fn new() -> Self {
        Self::default()
    }

    /// The loaders and shared libraries that `binaries` need to start, without the binaries
    /// themselves. These are assumed to be in the container at the paths given (for a symlink,
    /// at the path of its target). Files that are not ELF or are statically linked need nothing.
    /// If libraries are missing, the error names all of them.
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

    /// The loader that a program names. `None`: it needs none.
    pub fn loader(&self, program: &Path) -> Result<Option<PathBuf>, LibraryError> {
        search::loader(self, program)
    }

    /// Programs with everything that they need to start. A name with a slash is a path. Other
    /// names are searched in `path`, a value of `PATH`, by default
    /// `/usr/local/bin:/usr/bin:/bin`. Data files of a program are not included.
    ///
    /// Each program is at the path where it was found. If that is a symlink, the closure has
    /// the whole chain of symlinks down to the file that the kernel runs, as a program may use
    /// its name as well as `/proc/self/exe`. Where `/bin` and `/usr/bin` (or their `sbin`s) are
    /// the same directory, the program is in both. `sh` is always at `/bin/sh` too, where
    /// scripts and `system(3)` expect it. A script brings the interpreter of its `#!` line. If
    /// that is `env`, it also brings the program that `env` runs.
    pub fn programs(
        &self,
        names: &[String],
        path: Option<&OsStr>,
        context: &SearchContext,
    ) -> Result<Closure, LibraryError> {
        program::programs(self, names, path, context)
    }
}
