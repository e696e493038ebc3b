//! The `base` layer: common files of a Unix machine, copied from this machine.
//!
//! All tests share the layer. The store caches it with a list of the files and directories that
//! were examined. The cached layer is used if none of them has changed; this check takes one
//! system call for each of them.

use super::assembly::{Assembly, HostEntry, HostFile, ReadOptions, Trust};
use super::builder::add_closure;
use super::{LayerProblem, Manifest, paths};
use crate::libraries::{Closure, Libraries, SearchContext};
use crate::spec::{BasePart, PrefixOptions};
use crate::store::{Digest, Import, Store, parallel};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::slice;

/// The name of the cache of base layers. Renamed when the cached value changes.
const CACHED_BASE: &str = "base-2";

/// The directories that programs are searched in, before the client's `PATH`.
const SYSTEM_DIRECTORIES: [&str; 4] = ["/usr/bin", "/bin", "/usr/sbin", "/sbin"];

/// The utilities of POSIX.1-2024 (Shell & Utilities) that are programs, except compilers
/// (including those of message catalogues, whose libraries have 40 MB), printing, mail, and the
/// `uucp` and `sccs` families; then the programs of coreutils, findutils, diffutils, grep, sed,
/// tar, gzip, bash and procps that other programs run most often. Utilities that the
/// machine lacks are left out.
const UTILITIES: &str = "
    ar awk basename bc cal cat chgrp chmod chown cksum cmp comm compress cp csplit cut date dd df
    diff dirname du echo ed env ex expand expr false file find fold fuser gencat getconf getopt
    gettext grep head iconv id ipcrm ipcs join kill link ln locale localedef logger logname ls m4
    make mkdir mkfifo more mv ngettext nice nl nm nohup od paste patch pathchk pax pr printf
    ps pwd readlink realpath renice rm rmdir sed sh sleep sort split strings strip stty tabs tail
    tee test time timeout touch tput tr true tsort tty uname uncompress unexpand uniq unlink
    uudecode uuencode vi wc who xargs zcat
    [ b2sum base32 base64 basenc chroot dir dircolors factor groups hostid install md5sum mktemp
    nproc numfmt pinky printenv ptx sha1sum sha224sum sha256sum sha384sum sha512sum shred shuf seq
    stat sum sync tac truncate users vdir whoami yes fmt
    diff3 sdiff egrep fgrep tar bash which hostname
    gzip gunzip gzexe zcmp zdiff zegrep zfgrep zforce zgrep zless zmore znew";

/// Where OpenSSL, rustls-native-certs and openssl-probe look for trusted certificates and for
/// OpenSSL's configuration on the common distributions. `private` directories are not here.
const CERTIFICATES: [&str; 18] = [
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates/extracted",
    "/etc/crypto-policies/back-ends/opensslcnf.config",
    "/etc/certs",
    "/etc/openssl/certs",
    "/opt/etc/ssl/certs",
    "/usr/lib/ssl/certs",
    "/usr/lib/ssl/cert.pem",
    "/usr/lib/ssl/openssl.cnf",
    "/usr/share/ssl/certs",
];

const TIME_ZONES: [&str; 1] = ["/usr/share/zoneinfo"];

/// Second copies of all time zones, without and with leap seconds. Programs do not look there
/// unless they are told to, and these are a third of the files of the whole base.
const LEFT_OUT: [&str; 2] = ["/usr/share/zoneinfo/posix", "/usr/share/zoneinfo/right"];

const SYSTEM_DATA: [&str; 5] = [
    "/etc/os-release",
    "/etc/services",
    "/etc/protocols",
    "/etc/shells",
    "/etc/mime.types",
];

/// The same on every machine, so that it does not affect cached results. 32 hexadecimal digits,
/// see machine-id(5).
const MACHINE_ID: (&str, &str) = ("/etc/machine-id", "6d61656c7374726f6d00000000000001\n");

const LOCALES: [&str; 2] = ["/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8"];

const TERMINFO: [&str; 3] = ["/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo"];

const TERMINALS: &str = "
    alacritty ansi cygwin dumb foot ghostty kitty linux rxvt rxvt-unicode rxvt-unicode-256color
    screen screen-256color screen.xterm-256color tmux tmux-256color vt100 vt102 vt220 wezterm
    xterm xterm-16color xterm-256color xterm-color xterm-direct xterm-ghostty xterm-kitty";

/// The number of symlinks on a path that are followed (`MAXSYMLINKS` of the kernel).
const MAX_SYMLINKS: usize = 40;

/// How many levels of directories are searched.
const MAX_DEPTH: usize = 8;

/// Everything that the layer depends on, except the files of the machine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct BaseRecipe {
    pub parts: BTreeSet<BasePart>,
    /// The client's `PATH`, for utilities outside of the usual directories.
    pub path_variable: Option<OsString>,
    /// The files and directories in the client's variables `SSL_CERT_FILE` and `SSL_CERT_DIR`.
    pub certificates: Vec<PathBuf>,
}

impl BaseRecipe {
    pub fn new(parts: &[BasePart], path_variable: Option<&OsString>) -> Self {
        let parts: BTreeSet<_> = parts.iter().copied().collect();
        let mut certificates = Vec::new();
        if parts.contains(&BasePart::Certificates) {
            certificates.extend(std::env::var_os("SSL_CERT_FILE").map(PathBuf::from));
            let directories = std::env::var_os("SSL_CERT_DIR").unwrap_or_default();
            certificates.extend(std::env::split_paths(&directories));
            certificates.retain(|path| path.is_absolute());
        }
        Self {
            path_variable: path_variable
                .filter(|_| parts.contains(&BasePart::Utilities))
                .cloned(),
            parts,
            certificates,
        }
    }
}

pub(super) fn add(
    recipe: &BaseRecipe,
    libraries: &Libraries,
    assembly: &mut Assembly<'_>,
) -> Result<(), LayerProblem> {
    let store = assembly.store;
    let key = format!("{recipe:?}");
    if assembly.trust == Trust::Remembered
        && let Some(manifest) = remembered(store, &key)
    {
        assembly.content.manifest = manifest;
        return Ok(());
    }
    let mut search = Search {
        assembly,
        examined: BTreeMap::new(),
        added: HashSet::new(),
    };
    for part in &recipe.parts {
        search.add_part(*part, recipe, libraries)?;
    }
    let examined = search.examined;
    let mut value = assembly.content.manifest.digest().to_string();
    for (path, state) in &examined {
        let Some(path) = path.to_str().filter(|path| !path.contains('\n')) else {
            return Ok(());
        };
        let _ = write!(value, "\n{state} {path}");
    }
    store.cache(CACHED_BASE, &key, value.as_bytes())?;
    Ok(())
}

/// The cached layer, if none of the examined files has changed.
fn remembered(store: &Store, key: &str) -> Option<Manifest> {
    let value = String::from_utf8(store.cached(CACHED_BASE, key)?).ok()?;
    let mut lines = value.lines();
    let digest: Digest = lines.next()?.parse().ok()?;
    let is_unchanged = |line: &&str| {
        line.split_once(' ').is_some_and(|(state, path)| {
            state_of(fs::symlink_metadata(path).ok().as_ref()) == state
        })
    };
    let lines: Vec<&str> = lines.collect();
    let are_unchanged = parallel::map(&lines, 512, is_unchanged);
    let unchanged = are_unchanged.into_iter().all(|unchanged| unchanged);
    unchanged.then(|| store.manifest(&digest))?
}

/// The state of a file in one word, which changes if the file changes.
fn state_of(metadata: Option<&Metadata>) -> String {
    match metadata {
        None => "-".to_owned(),
        Some(metadata) => format!(
            "{}:{:o}:{}:{}.{}:{}.{}",
            metadata.ino(),
            metadata.mode(),
            metadata.size(),
            metadata.mtime(),
            metadata.mtime_nsec(),
            metadata.ctime(),
            metadata.ctime_nsec(),
        ),
    }
}

struct Search<'a, 'b> {
    assembly: &'a mut Assembly<'b>,
    /// The state of each path that was examined.
    examined: BTreeMap<PathBuf, String>,
    /// The paths that were added with everything below them.
    added: HashSet<PathBuf>,
}

impl Search<'_, '_> {
    fn add_part(
        &mut self,
        part: BasePart,
        recipe: &BaseRecipe,
        libraries: &Libraries,
    ) -> Result<(), LayerProblem> {
        let mut files = Vec::new();
        match part {
            BasePart::Utilities => {
                return self.add_utilities(recipe.path_variable.as_ref(), libraries);
            }
            BasePart::Certificates => {
                self.find_all(CERTIFICATES, &mut files)?;
                for path in &recipe.certificates {
                    // OpenSSL does not look below such a directory.
                    self.find(path, 1, &mut files)?;
                }
            }
            BasePart::Timezones => {
                self.find_all(TIME_ZONES, &mut files)?;
                // Package managers replace these files, which changes their directories. Examining
                // each file would delay every run by several milliseconds.
                let is_file = |file: &HostFile| file.host.is_file();
                for file in files.iter().filter(|file| is_file(file)) {
                    self.examined.remove(&file.host);
                }
            }
            BasePart::System => {
                self.find_all(SYSTEM_DATA, &mut files)?;
                let (path, text) = MACHINE_ID;
                self.assembly
                    .add_text(paths::in_container(Path::new(path))?, text)?;
            }
            BasePart::Terminals => {
                for directory in TERMINFO {
                    for terminal in TERMINALS.split_whitespace() {
                        let path = format!("{directory}/{}/{terminal}", &terminal[..1]);
                        self.find(Path::new(&path), 0, &mut files)?;
                    }
                }
            }
            BasePart::Locales => self.find_all(LOCALES, &mut files)?,
        }
        self.add_readable(&files)
    }

    /// Adds files, symlinks and directories. Removed and unreadable files are left out, because most
    /// tests do not need them.
    fn add_readable(&mut self, files: &[HostFile]) -> Result<(), LayerProblem> {
        let reading = ReadOptions {
            follow: false,
            how: Import::Copy,
        };
        let found = parallel::map(files, 64, |file| self.assembly.read(&file.host, reading));
        for (file, found) in files.iter().zip(found) {
            match found {
                Ok(HostEntry::Entry(entry)) => {
                    self.assembly
                        .content
                        .manifest
                        .insert(file.to.clone(), entry)?;
                }
                Ok(HostEntry::Special) => {}
                Err(error) if error.is_not_found() || error.is_permission_denied() => {
                    tracing::debug!("the base layer lacks a file: {error}");
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Adds each utility that works on this machine with its libraries.
    fn add_utilities(
        &mut self,
        path_variable: Option<&OsString>,
        libraries: &Libraries,
    ) -> Result<(), LayerProblem> {
        let mut directories: Vec<PathBuf> = SYSTEM_DIRECTORIES.map(PathBuf::from).into();
        directories.extend(std::env::split_paths(
            path_variable.unwrap_or(&OsString::new()),
        ));
        for path in &directories {
            self.examine(path);
        }
        self.examine(Path::new("/etc/ld.so.cache"));
        let path = std::env::join_paths(directories.iter().filter(|path| path.is_absolute()));
        let path = path.unwrap_or_default();
        let context = SearchContext::default();
        let mut all = Closure::default();
        let names = UTILITIES.split_whitespace().map(str::to_owned);
        // Scripts name the shell and others in `/bin`, which may be a directory of its own.
        let in_bin = UTILITIES
            .split_whitespace()
            .map(|name| format!("/bin/{name}"));
        let in_bin = in_bin.filter(|path| {
            let path = Path::new(path);
            !is_below_symlink(path) && path.is_file()
        });
        for name in names.chain(in_bin) {
            let closure = match libraries.programs(slice::from_ref(&name), Some(&path), &context) {
                Ok(closure) if !has_privileges(&closure) => closure,
                Ok(_) => continue,
                Err(error) => {
                    tracing::debug!("the base layer has no `{name}`: {error}");
                    continue;
                }
            };
            if let Err(conflict) = all.merge(closure) {
                tracing::debug!("the base layer lacks a part of `{name}`: {conflict}");
            }
        }
        for (path, entry) in &all {
            if !is_below_symlink(path) {
                self.examine(path);
            }
            if let Some(file) = entry.file() {
                self.examine(file);
            }
        }
        add_closure(&all, &PrefixOptions::default(), self.assembly)?;
        self.link_from_usual_directory(&directories)
    }

    /// Adds symlinks in `/usr/bin` to programs in unusual directories, such as those of NixOS, as
    /// the container's `PATH` does not contain these directories.
    fn link_from_usual_directory(&mut self, directories: &[PathBuf]) -> Result<(), LayerProblem> {
        for name in UTILITIES.split_whitespace() {
            let usual = ["/usr/bin", "/bin"].map(|directory| Path::new(directory).join(name));
            let mut candidates = directories.iter().map(|directory| directory.join(name));
            let mut is_there = |path: &PathBuf| {
                paths::in_container(path)
                    .is_ok_and(|path| self.assembly.content.manifest.get(&path).is_some())
            };
            if usual.iter().any(&mut is_there) {
                continue;
            }
            if let Some(found) = candidates.find(is_there) {
                self.assembly
                    .add_symlink(paths::in_container(&usual[0])?, &found)?;
            }
        }
        Ok(())
    }

    /// The metadata of a path. Records the state of the path for the cache.
    fn examine(&mut self, path: &Path) -> Option<Metadata> {
        let metadata = fs::symlink_metadata(path).ok();
        let state = state_of(metadata.as_ref());
        self.examined.insert(path.to_owned(), state);
        metadata
    }

    fn find_all<const N: usize>(
        &mut self,
        paths: [&str; N],
        files: &mut Vec<HostFile>,
    ) -> Result<(), LayerProblem> {
        paths
            .iter()
            .try_for_each(|path| self.find(Path::new(path), MAX_DEPTH, files))
    }

    /// Finds a file, or a directory with its content up to this number of levels. Symlinks are
    /// added as symlinks, including those in parent directories, together with their targets.
    /// Files that not everybody may read are left out, and so are missing files.
    fn find(
        &mut self,
        path: &Path,
        depth: usize,
        files: &mut Vec<HostFile>,
    ) -> Result<(), LayerProblem> {
        let mut paths = vec![(path.to_owned(), depth, 0)];
        while let Some((path, depth, symlinks)) = paths.pop() {
            let is_left_out = LEFT_OUT.iter().any(|left_out| path == Path::new(left_out));
            if is_left_out || symlinks > MAX_SYMLINKS || !self.added.insert(path.clone()) {
                continue;
            }
            if let Some((symlink, target)) = self.symlink_on_the_way(&path) {
                let rest = path.strip_prefix(&symlink).unwrap_or(Path::new(""));
                let directory = symlink.parent().unwrap_or(Path::new("/"));
                let next = without_dots(&directory.join(&target).join(rest));
                files.push(host_file(&symlink)?);
                paths.push((next, depth, symlinks + 1));
                continue;
            }
            let Some(metadata) = self.examine(&path) else {
                continue;
            };
            let everybody = if metadata.is_dir() { 0o005 } else { 0o004 };
            if metadata.mode() & everybody != everybody {
                continue;
            }
            if metadata.is_dir() {
                files.push(host_file(&path)?);
                if depth > 0
                    && let Ok(entries) = fs::read_dir(&path)
                {
                    let below = entries.flatten().map(|entry| entry.path());
                    paths.extend(below.map(|path| (path, depth - 1, symlinks)));
                }
            } else if metadata.is_file() {
                files.push(host_file(&path)?);
            }
        }
        Ok(())
    }

    /// The first component of a path that is a symlink, and its target. Top-level symlinks such as
    /// `/lib` count as directories, as they are directories in the container.
    fn symlink_on_the_way(&mut self, path: &Path) -> Option<(PathBuf, PathBuf)> {
        let depth = path.components().count();
        for ancestor in path
            .ancestors()
            .take(depth.saturating_sub(2))
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
        {
            let is_symlink = self.examine(ancestor)?.is_symlink();
            if is_symlink {
                return Some((ancestor.to_owned(), fs::read_link(ancestor).ok()?));
            }
        }
        None
    }
}

/// Whether the top-level directory of a path is a symlink, such as `/bin` to `usr/bin`. The path
/// with the target in its place is in the layer, too.
fn is_below_symlink(path: &Path) -> bool {
    let top = path.components().take(2).collect::<PathBuf>();
    top.is_symlink()
}

/// Whether one of the files has a set-user-ID or set-group-ID bit.
fn has_privileges(closure: &Closure) -> bool {
    closure.iter().any(|(_, entry)| {
        let metadata = entry.file().and_then(|file| fs::metadata(file).ok());
        metadata.is_some_and(|metadata| metadata.permissions().mode() & 0o6000 != 0)
    })
}

fn host_file(path: &Path) -> Result<HostFile, LayerProblem> {
    Ok(HostFile {
        host: path.to_owned(),
        to: paths::in_container(path)?,
    })
}

/// The path without `.` and `..`. No component before a `..` is a symlink.
fn without_dots(path: &Path) -> PathBuf {
    let mut whole = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => {
                whole.pop();
            }
            Component::CurDir => {}
            other => whole.push(other),
        }
    }
    whole
}

#[cfg(test)]
mod tests;
