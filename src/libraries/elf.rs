//! The parts of an ELF file that a loader looks at before it maps anything.
//!
//! Of a file only the headers, the dynamic section and the strings it names are
//! read: a few kilobytes of a debug binary of a hundred megabytes. See `elf(5)`.

use object::elf::{self, DF_1_NODEFLIB, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, read};
use std::ffi::OsString;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// What a loader checks before it takes a library for its own kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Architecture {
    pub(super) is_64: bool,
    pub(super) big_endian: bool,
    pub(super) machine: elf::Machine,
}

/// A library asked for by another file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Dependency {
    pub(super) name: OsString,
    /// Whether the program starts without it.
    pub(super) optional: bool,
}

/// An ELF file, as far as finding its libraries goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) architecture: Architecture,
    /// `PT_INTERP`: the loader.
    pub(super) interpreter: Option<PathBuf>,
    pub(super) soname: Option<OsString>,
    /// `DT_NEEDED`, `DT_FILTER` and `DT_AUXILIARY` in order.
    pub(super) dependencies: Vec<Dependency>,
    pub(super) rpath: Option<OsString>,
    pub(super) runpath: Option<OsString>,
    /// `DF_1_NODEFLIB`: not to be looked for in default directories.
    pub(super) no_default_directories: bool,
}

/// What is wrong with a file that begins like an ELF file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    #[error("{0}")]
    Format(#[from] read::Error),
    #[error("the dynamic string table is in no segment")]
    NoStringTable,
    #[error("a string lies outside of the dynamic string table")]
    NoString,
}

/// Longer search paths than this are not believed.
const LONGEST_STRING: u64 = 1 << 20;

impl Object {
    /// `None` if it is no ELF file at all.
    pub(super) fn read(file: impl Read + Seek) -> Result<Option<Self>, Damage> {
        let data = ReadCache::new(file);
        let Ok(identification) = (&data).read_bytes_at(0, 16) else {
            return Ok(None);
        };
        if !identification.starts_with(&elf::ELFMAG) {
            return Ok(None);
        }
        if identification[4] == elf::ELFCLASS64.0 {
            Self::parse::<FileHeader64<Endianness>, _>(&data).map(Some)
        } else {
            Self::parse::<FileHeader32<Endianness>, _>(&data).map(Some)
        }
    }

    fn parse<'data, Elf, R>(data: R) -> Result<Self, Damage>
    where
        Elf: FileHeader<Endian = Endianness>,
        R: ReadRef<'data>,
    {
        let header = Elf::parse(data)?;
        let endian = header.endian()?;
        let segments = header.program_headers(endian, data)?;
        let mut object = Self {
            architecture: Architecture {
                is_64: header.is_class_64(),
                big_endian: header.is_big_endian(),
                machine: header.e_machine(endian),
            },
            interpreter: None,
            soname: None,
            dependencies: Vec::new(),
            rpath: None,
            runpath: None,
            no_default_directories: false,
        };
        for segment in segments {
            if let Some(interpreter) = segment.interpreter(endian, data)? {
                let interpreter = OsString::from_vec(interpreter.to_vec());
                object.interpreter = Some(PathBuf::from(interpreter));
            }
            if let Some(dynamic) = segment.dynamic(endian, data)? {
                object.read_dynamic::<Elf, R>(endian, data, segments, dynamic)?;
            }
        }
        Ok(object)
    }

    fn read_dynamic<'data, Elf, R>(
        &mut self,
        endian: Endianness,
        data: R,
        segments: &[Elf::ProgramHeader],
        dynamic: &[Elf::Dyn],
    ) -> Result<(), Damage>
    where
        Elf: FileHeader<Endian = Endianness>,
        R: ReadRef<'data>,
    {
        let entries = || {
            dynamic
                .iter()
                .map(|entry| (entry.tag(endian), entry.val(endian)))
                .take_while(|(tag, _)| *tag != elf::DT_NULL)
        };
        let value_of = |wanted| {
            entries()
                .find(|(tag, _)| *tag == wanted)
                .map_or(0, |(_, value)| value)
        };
        let address = value_of(elf::DT_STRTAB);
        let size = value_of(elf::DT_STRSZ);
        let table = segments.iter().find_map(|segment| {
            let in_segment = address.checked_sub(segment.p_vaddr(endian).into())?;
            let (offset, length) = segment.file_range(endian);
            (segment.p_type(endian) == elf::PT_LOAD && in_segment < length)
                .then(|| offset.checked_add(in_segment))?
        });
        let string = |offset| {
            let table = table.ok_or(Damage::NoStringTable)?;
            string_at(data, table, size, offset)
        };
        for (tag, value) in entries() {
            match tag {
                elf::DT_NEEDED | elf::DT_FILTER | elf::DT_AUXILIARY => {
                    self.dependencies.push(Dependency {
                        name: string(value)?,
                        optional: tag == elf::DT_AUXILIARY,
                    });
                }
                elf::DT_SONAME => self.soname = Some(string(value)?),
                elf::DT_RPATH => self.rpath = Some(string(value)?),
                elf::DT_RUNPATH => self.runpath = Some(string(value)?),
                elf::DT_FLAGS_1 => {
                    self.no_default_directories = value & DF_1_NODEFLIB.0 != 0;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// The string at `offset` of the table at `table`. Most are short, so they are
/// looked for piecemeal; search paths of some distributions are not.
fn string_at<'data, R: ReadRef<'data>>(
    data: R,
    table: u64,
    size: u64,
    offset: u64,
) -> Result<OsString, Damage> {
    if offset >= size {
        return Err(Damage::NoString);
    }
    let start = table.checked_add(offset).ok_or(Damage::NoString)?;
    let end = table.checked_add(size).ok_or(Damage::NoString)?;
    if let Ok(string) = data.read_bytes_at_until(start..end, 0) {
        return Ok(OsString::from_vec(string.to_vec()));
    }
    let bytes = data
        .read_bytes_at(start, (end - start).min(LONGEST_STRING))
        .map_err(|()| Damage::NoString)?;
    let length = bytes
        .iter()
        .position(|&byte| byte == 0)
        .ok_or(Damage::NoString)?;
    Ok(OsString::from_vec(bytes[..length].to_vec()))
}
