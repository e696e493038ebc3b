//! Reads `/etc/ld.so.cache`, in which ldconfig(8) records the paths of libraries.
//!
//! The format is glibc's own (`sysdeps/generic/dl-cache.h`), in the byte order of the machine.
//! The new format begins with a magic string, which contains the version, and a count. Entries
//! follow, of flags, name, path, operating system version and hardware capabilities. Names and
//! paths are offsets from the magic string. A cache in the new format may follow one in the old
//! format (aligned to 8), which old loaders read.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

const OLD_MAGIC: &[u8] = b"ld.so-1.7.0\0";
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;
const NEW_MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const NEW_HEADER: usize = 48;
const NEW_ENTRY: usize = 24;
/// The capability bit of a library in a `glibc-hwcaps` directory.
const HWCAPS_DIRECTORY: u64 = 1 << 62;

/// The low byte of an entry's flags for a library for glibc.
const ELF_LIBC6: u32 = 3;
/// The low byte of an entry's flags for a library without a C library.
const ELF: u32 = 1;

/// The libraries of a cache by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LdCache {
    libraries: HashMap<OsString, Candidates>,
}

/// The files for one name, of all architectures, in the cache's order.
#[derive(Debug, Default, PartialEq, Eq)]
struct Candidates {
    baseline: Vec<PathBuf>,
    /// Files in `glibc-hwcaps` directories.
    variants: Vec<PathBuf>,
}

impl LdCache {
    /// Parses the readable entries of a cache. A loader ignores a damaged cache in the same way.
    pub(super) fn parse(bytes: &[u8]) -> Self {
        if bytes.starts_with(OLD_MAGIC) {
            Self::parse_old(bytes).unwrap_or_default()
        } else {
            Self::parse_new(bytes).unwrap_or_default()
        }
    }

    /// The files that may be the library `name`, in order of preference: baseline libraries,
    /// then variants for the `levels` of the processor.
    pub(super) fn lookup(&self, name: &OsStr, levels: &[&str]) -> Vec<&Path> {
        let Some(candidates) = self.libraries.get(name) else {
            return Vec::new();
        };
        let variants = levels.iter().flat_map(|level| {
            let in_level = move |path: &&PathBuf| hwcaps_level(path) == Some(OsStr::new(level));
            candidates.variants.iter().filter(in_level)
        });
        let all = candidates.baseline.iter().chain(variants);
        all.map(PathBuf::as_path).collect()
    }

    fn parse_old(bytes: &[u8]) -> Option<Self> {
        let count = u32_at(bytes, OLD_MAGIC.len())? as usize;
        let end = OLD_HEADER.checked_add(count.checked_mul(OLD_ENTRY)?)?;
        let appended = bytes.get(end.checked_next_multiple_of(8)?..);
        if let Some(new) = appended.and_then(Self::parse_new) {
            return Some(new);
        }
        let strings = bytes.get(end..)?;
        let mut cache = Self::default();
        for entry in bytes.get(OLD_HEADER..end)?.chunks_exact(OLD_ENTRY) {
            cache.add(strings, entry, 0);
        }
        Some(cache)
    }

    fn parse_new(bytes: &[u8]) -> Option<Self> {
        if !bytes.starts_with(NEW_MAGIC) {
            return None;
        }
        let count = u32_at(bytes, NEW_MAGIC.len())? as usize;
        let end = NEW_HEADER.checked_add(count.checked_mul(NEW_ENTRY)?)?;
        let mut cache = Self::default();
        for entry in bytes.get(NEW_HEADER..end)?.chunks_exact(NEW_ENTRY) {
            let capabilities = entry.get(16..24)?.try_into().ok()?;
            cache.add(bytes, entry, u64::from_ne_bytes(capabilities));
        }
        Some(cache)
    }

    /// Adds an entry that begins with flags, name and path. The architecture is read from the
    /// file later.
    fn add(&mut self, strings: &[u8], entry: &[u8], capabilities: u64) {
        let string = |at| string_at(strings, u32_at(entry, at)? as usize);
        let (Some(flags), Some(name), Some(path)) = (u32_at(entry, 0), string(4), string(8)) else {
            return;
        };
        if !matches!(flags & 0xff, ELF | ELF_LIBC6) {
            return;
        }
        let candidates = self.libraries.entry(name).or_default();
        if capabilities == 0 {
            candidates.baseline.push(path.into());
        } else if capabilities & HWCAPS_DIRECTORY != 0 {
            candidates.variants.push(path.into());
        }
    }
}

/// The level in a path: `x86-64-v3` for `/lib/glibc-hwcaps/x86-64-v3/libz.so.1`.
fn hwcaps_level(path: &Path) -> Option<&OsStr> {
    path.parent()?.file_name()
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

fn string_at(bytes: &[u8], at: usize) -> Option<OsString> {
    let rest = bytes.get(at..)?;
    let length = rest.iter().position(|&byte| byte == 0)?;
    Some(OsStr::from_bytes(&rest[..length]).to_owned())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub(in super::super) struct CacheEntry<'a> {
        flags: u32,
        name: &'a str,
        path: &'a str,
        capabilities: u64,
    }

    pub(in super::super) const fn cache_entry<'a>(
        name: &'a str,
        path: &'a str,
        capabilities: u64,
    ) -> CacheEntry<'a> {
        CacheEntry {
            flags: 0x303,
            name,
            path,
            capabilities,
        }
    }

    /// A cache as ldconfig(8) writes it.
    pub(in super::super) fn new_format(lines: &[CacheEntry]) -> Vec<u8> {
        let mut entries = Vec::new();
        let mut strings = Vec::new();
        let strings_start = NEW_HEADER + lines.len() * NEW_ENTRY;
        for line in lines {
            let mut offset = |text: &str| {
                let at = strings_start + strings.len();
                strings.extend(text.bytes());
                strings.push(0);
                at as u32
            };
            let (name, path) = (offset(line.name), offset(line.path));
            for value in [line.flags, name, path, 0] {
                entries.extend(value.to_ne_bytes());
            }
            entries.extend(line.capabilities.to_ne_bytes());
        }
        let mut bytes = NEW_MAGIC.to_vec();
        bytes.extend((lines.len() as u32).to_ne_bytes());
        bytes.extend((strings.len() as u32).to_ne_bytes());
        bytes.extend([0; 20]);
        bytes.extend(entries);
        bytes.extend(strings);
        bytes
    }

    fn old_format(name: &str, path: &str) -> Vec<u8> {
        let mut bytes = OLD_MAGIC.to_vec();
        for value in [1, 3, 0, name.len() as u32 + 1] {
            bytes.extend(value.to_ne_bytes());
        }
        bytes.extend(name.bytes().chain([0]).chain(path.bytes()).chain([0]));
        bytes
    }

    fn lookup(bytes: &[u8], name: &str, levels: &[&str]) -> Vec<String> {
        let cache = LdCache::parse(bytes);
        let found = cache.lookup(OsStr::new(name), levels);
        found.iter().map(|p| p.display().to_string()).collect()
    }

    #[test]
    fn the_new_format_is_read() {
        let bytes = new_format(&[cache_entry("liba.so.1", "/x/liba.so.1", 0)]);
        assert_eq!(lookup(&bytes, "liba.so.1", &[]), ["/x/liba.so.1"]);
        assert!(lookup(&bytes, "libb.so.1", &[]).is_empty());
    }

    #[test]
    fn the_old_format_is_read_if_no_new_one_follows() {
        let bytes = old_format("liba.so.1", "/old/liba.so.1");
        assert_eq!(lookup(&bytes, "liba.so.1", &[]), ["/old/liba.so.1"]);
    }

    #[test]
    fn the_new_format_is_read_if_it_follows_the_old_one() {
        // The strings of the old cache come after both caches and are missing here, as only its
        // length matters.
        let mut bytes = OLD_MAGIC.to_vec();
        bytes.extend(1u32.to_ne_bytes());
        bytes.extend([0; OLD_ENTRY]);
        bytes.resize(bytes.len().next_multiple_of(8), 0);
        bytes.extend(new_format(&[cache_entry("liba.so.1", "/new/liba.so.1", 0)]));
        assert_eq!(lookup(&bytes, "liba.so.1", &[]), ["/new/liba.so.1"]);
    }

    #[test]
    fn the_library_for_any_processor_comes_before_its_variants() {
        let variant = HWCAPS_DIRECTORY | 1;
        let bytes = new_format(&[
            cache_entry(
                "liba.so.1",
                "/lib/glibc-hwcaps/x86-64-v3/liba.so.1",
                variant,
            ),
            cache_entry("liba.so.1", "/lib/haswell/liba.so.1", 4),
            cache_entry("liba.so.1", "/lib/liba.so.1", 0),
        ]);
        assert_eq!(
            lookup(&bytes, "liba.so.1", &["x86-64-v3", "x86-64-v2"]),
            ["/lib/liba.so.1", "/lib/glibc-hwcaps/x86-64-v3/liba.so.1"]
        );
        assert_eq!(
            lookup(&bytes, "liba.so.1", &["x86-64-v2"]),
            ["/lib/liba.so.1"]
        );
    }

    #[test]
    fn an_entry_with_an_invalid_offset_is_skipped() {
        let mut bytes = new_format(&[
            cache_entry("liba.so.1", "/a", 0),
            cache_entry("libb.so.1", "/b", 0),
        ]);
        bytes[NEW_HEADER + 4..NEW_HEADER + 8].copy_from_slice(&[0xff; 4]);
        assert!(lookup(&bytes, "liba.so.1", &[]).is_empty());
        assert_eq!(lookup(&bytes, "libb.so.1", &[]), ["/b"]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..256),
            magic in prop_oneof![Just(OLD_MAGIC), Just(NEW_MAGIC), Just(&b""[..])],
        ) {
            let bytes = [magic, bytes.as_slice()].concat();
            LdCache::parse(&bytes);
        }

        #[test]
        fn a_damaged_cache_is_read_without_a_panic(
            at in 0usize..200,
            value: u8,
            length in 0usize..400,
            old: bool,
        ) {
            let mut bytes = new_format(&[
                cache_entry("liba.so.1", "/lib/liba.so.1", 0),
                cache_entry("liba.so.1", "/lib/glibc-hwcaps/x86-64-v2/liba.so.1", HWCAPS_DIRECTORY),
            ]);
            if old {
                let mut both = old_format("libold.so.1", "/lib/libold.so.1");
                both.extend(bytes);
                bytes = both;
            }
            let at = at % bytes.len();
            bytes[at] = value;
            bytes.truncate(length);
            LdCache::parse(&bytes);
        }
    }
}
