//! Reads the parts of an ELF file that a loader needs to find its libraries.
//!
//! Only the headers, the dynamic section and the strings that it names are read: a few kilobytes
//! of a debug binary of a hundred megabytes. See elf(5).

use object::elf::{self, DF_1_NODEFLIB, FileHeader32, FileHeader64};
use object::read::elf::{Dyn, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};
use object::{Endianness, read};
use std::ffi::OsString;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

/// The properties that a loader compares before it loads a library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Architecture {
    pub(super) is_64: bool,
    pub(super) big_endian: bool,
    pub(super) machine: elf::Machine,
}

/// A library that a file needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NeededLibrary {
    pub(super) name: OsString,
    /// Whether the program starts without the library.
    pub(super) optional: bool,
}

/// The contents of an ELF file that affect the search for its libraries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Object {
    pub(super) architecture: Architecture,
    /// `PT_INTERP`: the path of the loader.
    pub(super) interpreter: Option<PathBuf>,
    pub(super) soname: Option<OsString>,
    /// `DT_NEEDED`, `DT_FILTER` and `DT_AUXILIARY` in order.
    pub(super) dependencies: Vec<NeededLibrary>,
    pub(super) rpath: Option<OsString>,
    pub(super) runpath: Option<OsString>,
    /// `DF_1_NODEFLIB`: default directories are not searched for the libraries of this file.
    pub(super) no_default_directories: bool,
}

/// Why a file that begins like an ELF file could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ElfError {
    #[error("{0}")]
    Format(#[from] read::Error),
    #[error("the dynamic string table is in no segment")]
    NoStringTable,
    #[error("a string lies outside of the dynamic string table")]
    NoString,
}

/// The longest string that is read, in bytes.
const LONGEST_STRING: u64 = 1 << 20;

impl Object {
    /// `None`: the file is not ELF.
    pub(super) fn read(file: impl Read + Seek) -> Result<Option<Self>, ElfError> {
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

    fn parse<'data, Elf, R>(data: R) -> Result<Self, ElfError>
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
    ) -> Result<(), ElfError>
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
            let table = table.ok_or(ElfError::NoStringTable)?;
            string_at(data, table, size, offset)
        };
        for (tag, value) in entries() {
            match tag {
                elf::DT_NEEDED | elf::DT_FILTER | elf::DT_AUXILIARY => {
                    self.dependencies.push(NeededLibrary {
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

/// The string at `offset` of the table at `table`. Most strings are short, so a string is first
/// read in small pieces. The search paths of some distributions are longer than that.
fn string_at<'data, R: ReadRef<'data>>(
    data: R,
    table: u64,
    size: u64,
    offset: u64,
) -> Result<OsString, ElfError> {
    if offset >= size {
        return Err(ElfError::NoString);
    }
    let start = table.checked_add(offset).ok_or(ElfError::NoString)?;
    let end = table.checked_add(size).ok_or(ElfError::NoString)?;
    if let Ok(string) = data.read_bytes_at_until(start..end, 0) {
        return Ok(OsString::from_vec(string.to_vec()));
    }
    let bytes = data
        .read_bytes_at(start, (end - start).min(LONGEST_STRING))
        .map_err(|()| ElfError::NoString)?;
    let length = bytes
        .iter()
        .position(|&byte| byte == 0)
        .ok_or(ElfError::NoString)?;
    Ok(OsString::from_vec(bytes[..length].to_vec()))
}
