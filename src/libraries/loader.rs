//! The configuration of loaders, which is built in or in a file: the directories that they
//! search by default.

use super::elf::{Architecture, NeededLibrary};
use super::hardware_levels;
use object::elf;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The kinds of loaders, which search in different orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Loader {
    /// glibc's loader, ld.so(8).
    Glibc(Arc<GlibcPaths>),
    Musl(MuslPaths),
}

/// The paths built into glibc's loader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GlibcPaths {
    /// The default directories, in order. Never empty.
    pub(super) directories: Vec<PathBuf>,
    /// The path of its `ld.so.cache`, if it reads one.
    pub(super) cache: Option<PathBuf>,
}

/// The directories that musl's loader searches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MuslPaths {
    pub(super) directories: Vec<PathBuf>,
    /// The file that lists these directories, if it exists.
    pub(super) file: Option<PathBuf>,
}

impl GlibcPaths {
    /// Reads the paths from the loader's bytes, since distributions differ and no other file has
    /// them. The default directories are consecutive strings that begin and end with a slash,
    /// each followed by a zero byte.
    pub(super) fn of_loader(bytes: &[u8], architecture: Architecture) -> Self {
        let mut runs: Vec<Vec<PathBuf>> = Vec::new();
        let mut in_run = false;
        let mut cache = None;
        for string in bytes.split(|&byte| byte == 0) {
            let is_path = string.starts_with(b"/") && string.is_ascii();
            let is_directory =
                is_path && string.ends_with(b"/") && string.windows(3).any(|part| part == b"lib");
            if is_directory {
                let directory = PathBuf::from(OsStr::from_bytes(&string[..string.len() - 1]));
                match runs.last_mut() {
                    Some(run) if in_run => run.push(directory),
                    _ => runs.push(vec![directory]),
                }
            } else if is_path && string.ends_with(b"/ld.so.cache") {
                cache = Some(PathBuf::from(OsStr::from_bytes(string)));
            }
            in_run = is_directory;
        }
        // The longest run of such strings is the list, which is stored once or twice.
        match runs.into_iter().max_by_key(Vec::len) {
            Some(directories) => Self { directories, cache },
            None => Self::usual(architecture),
        }
    }

    /// The usual paths of loaders for an architecture.
    pub(super) fn usual(architecture: Architecture) -> Self {
        let multiarch = match (architecture.machine, architecture.is_64) {
            (elf::EM_X86_64, true) => Some("x86_64-linux-gnu"),
            (elf::EM_AARCH64, true) => Some("aarch64-linux-gnu"),
            (elf::EM_386, _) => Some("i386-linux-gnu"),
            (elf::EM_ARM, _) => Some("arm-linux-gnueabihf"),
            (elf::EM_RISCV, true) => Some("riscv64-linux-gnu"),
            (elf::EM_S390, true) => Some("s390x-linux-gnu"),
            (elf::EM_PPC64, _) => Some("powerpc64le-linux-gnu"),
            _ => None,
        };
        let multiarch = multiarch.map(|name| [format!("/lib/{name}"), format!("/usr/lib/{name}")]);
        let wide = ["/lib64".to_owned(), "/usr/lib64".to_owned()];
        let narrow = ["/lib".to_owned(), "/usr/lib".to_owned()];
        let wide = architecture.is_64.then_some(wide);
        let directories = multiarch.into_iter().chain(wide).chain([narrow]).flatten();
        Self {
            directories: directories.map(PathBuf::from).collect(),
            cache: Some(PathBuf::from("/etc/ld.so.cache")),
        }
    }

    /// The value of `$LIB`: the first default directory without its prefix.
    pub(super) fn lib(&self) -> Option<&[u8]> {
        let first = self.directories.first()?.as_os_str().as_bytes();
        let first = first.strip_prefix(b"/usr").unwrap_or(first);
        first.strip_prefix(b"/")
    }

    /// Whether the loader searches `directory` by default, including for variants of a library.
    pub(super) fn searches(&self, directory: &Path) -> bool {
        let is_default = |directory: &Path| self.directories.iter().any(|own| own == directory);
        let of_variants = || {
            let hwcaps = directory.parent()?;
            (hwcaps.file_name()? == "glibc-hwcaps").then(|| hwcaps.parent())?
        };
        is_default(directory) || of_variants().is_some_and(is_default)
    }
}

impl MuslPaths {
    /// Reads musl's list of directories, separated by colons or newlines. It is in
    /// `etc/ld-musl-ARCH.path` beside the loader's directory; the architecture is in the
    /// loader's name.
    pub(super) fn of_loader(path: &Path) -> Self {
        let file = musl_architecture(path).and_then(|architecture| {
            let prefix = path.parent()?.parent()?;
            Some(prefix.join(format!("etc/ld-musl-{architecture}.path")))
        });
        let read = |file: PathBuf| Some((std::fs::read(&file).ok()?, file));
        match file.and_then(read) {
            Some((list, file)) => Self {
                directories: list
                    .split(|byte| matches!(byte, b':' | b'\n'))
                    .filter(|directory| !directory.is_empty())
                    .map(|directory| PathBuf::from(OsStr::from_bytes(directory)))
                    .collect(),
                file: Some(file),
            },
            None => Self {
                directories: ["/lib", "/usr/local/lib", "/usr/lib"]
                    .map(PathBuf::from)
                    .to_vec(),
                file: None,
            },
        }
    }
}

/// The architecture in a loader's name: `x86_64` for `/lib/ld-musl-x86_64.so.1`. `None`: it is
/// not musl's loader.
pub(super) fn musl_architecture(loader: &Path) -> Option<&str> {
    let name = loader.file_name()?.to_str()?.strip_prefix("ld-musl-")?;
    name.split_once(".so").map(|(architecture, _)| architecture)
}

/// Whether a library is part of musl's loader, which contains the C library, threads,
/// mathematics and so on, and does not load a library with such a name.
pub(super) fn is_musl_itself(name: &[u8]) -> bool {
    const PARTS: [&[u8]; 7] = [
        b"c.",
        b"pthread.",
        b"rt.",
        b"m.",
        b"dl.",
        b"util.",
        b"xnet.",
    ];
    let name = name.strip_prefix(b"lib");
    name.is_some_and(|name| PARTS.iter().any(|part| name.starts_with(part)))
}

/// The usual loader for a library, which does not name one.
pub(super) fn usual_loader(
    architecture: Architecture,
    dependencies: &[NeededLibrary],
) -> Option<PathBuf> {
    let (glibc, musl) = match (architecture.machine, architecture.is_64) {
        (elf::EM_X86_64, true) => ("/lib64/ld-linux-x86-64.so.2", "x86_64"),
        (elf::EM_X86_64, false) => ("/libx32/ld-linux-x32.so.2", "x32"),
        (elf::EM_386, _) => ("/lib/ld-linux.so.2", "i386"),
        (elf::EM_AARCH64, _) => ("/lib/ld-linux-aarch64.so.1", "aarch64"),
        (elf::EM_ARM, _) => ("/lib/ld-linux-armhf.so.3", "armhf"),
        (elf::EM_RISCV, true) => ("/lib/ld-linux-riscv64-lp64d.so.1", "riscv64"),
        (elf::EM_S390, true) => ("/lib/ld64.so.1", "s390x"),
        (elf::EM_PPC64, _) => ("/lib64/ld64.so.2", "powerpc64le"),
        (elf::EM_LOONGARCH, true) => ("/lib64/ld-linux-loongarch-lp64d.so.1", "loongarch64"),
        _ => return None,
    };
    let glibc = PathBuf::from(glibc);
    let musl = PathBuf::from(format!("/lib/ld-musl-{musl}.so.1"));
    let made_for_musl = dependencies.iter().any(|dependency| {
        let name = dependency.name.as_bytes();
        name == b"libc.so" || name.starts_with(b"libc.musl-")
    });
    let preference = if made_for_musl {
        [musl, glibc]
    } else {
        [glibc, musl]
    };
    preference.into_iter().find(|loader| loader.is_file())
}

/// The possible values of `$PLATFORM`, which depends on the processor that starts the program.
pub(super) fn platforms(architecture: Architecture) -> &'static [&'static str] {
    match (architecture.machine, architecture.is_64) {
        (elf::EM_X86_64, true) if hardware_levels::levels().contains(&"x86-64-v3") => {
            &["haswell", "x86_64"]
        }
        (elf::EM_X86_64, _) => &["x86_64"],
        (elf::EM_386, _) => &["i686"],
        (elf::EM_AARCH64, _) => &["aarch64"],
        _ => &[],
    }
}
