//! The file that the kernel opens itself when it executes another one: the interpreter of a
//! script, or the loader of a dynamically linked program.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// The number of bytes of a script that the kernel looks at.
const LINE: usize = 256;

/// The most program headers that are read.
const MOST_HEADERS: u16 = 128;

/// The program that runs an executable file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interpreter {
    /// The program of the line `#!`.
    OfScript(PathBuf),
    Loader(PathBuf),
}

/// The interpreter of an executable file. `None`: it has none, or the kernel would refuse the file.
pub fn interpreter(file: &File) -> Option<Interpreter> {
    let mut head = [0; LINE];
    let length = read_up_to(file, &mut head, 0).ok()?;
    let head = &head[..length];
    match head.strip_prefix(b"#!") {
        Some(line) => script_interpreter(line).map(Interpreter::OfScript),
        None => loader(file, head).map(Interpreter::Loader),
    }
}

fn script_interpreter(line: &[u8]) -> Option<PathBuf> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let line = line.split(|byte| *byte == b'\n').next()?;
    let line = &line[line.iter().position(|byte| !is_space(byte))?..];
    let end = line
        .iter()
        .position(|byte| is_space(byte) || matches!(byte, 0 | b'\r'));
    // A carriage return is part of the name for the kernel, which then finds no such file.
    let end = end.filter(|end| line[*end] != b'\r').unwrap_or(line.len());
    path(&line[..end])
}

/// The loader that the header `PT_INTERP` of a 64-bit little-endian ELF file names.
fn loader(file: &File, head: &[u8]) -> Option<PathBuf> {
    const INTERPRETER: u32 = 3;
    if !head.starts_with(b"\x7fELF\x02\x01") {
        return None;
    }
    let table = u64::from_le_bytes(field(head, 32)?);
    let size = u64::from(u16::from_le_bytes(field(head, 54)?));
    let count = u16::from_le_bytes(field(head, 56)?).min(MOST_HEADERS);
    for index in 0..u64::from(count) {
        let mut header = [0; 56];
        let position = table.checked_add(index.checked_mul(size)?)?;
        file.read_exact_at(&mut header, position).ok()?;
        if u32::from_le_bytes(field(&header, 0)?) != INTERPRETER {
            continue;
        }
        let mut name = [0; 4096];
        let length = usize::try_from(u64::from_le_bytes(field(&header, 32)?)).ok()?;
        let name = name.get_mut(..length)?;
        file.read_exact_at(name, u64::from_le_bytes(field(&header, 8)?))
            .ok()?;
        return path(name.split(|byte| *byte == 0).next()?);
    }
    None
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn path(name: &[u8]) -> Option<PathBuf> {
    (!name.is_empty()).then(|| OsStr::from_bytes(name).into())
}

fn read_up_to(file: &File, buffer: &mut [u8], from: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], from + done as u64) {
            Ok(0) => break,
            Ok(length) => done += length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn of(content: &[u8]) -> Option<Interpreter> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(content).unwrap();
        interpreter(&file)
    }

    #[test]
    fn the_interpreter_of_a_script_is_in_its_first_line() {
        let script = |text: &str| match of(text.as_bytes()) {
            Some(Interpreter::OfScript(path)) => path.to_str().map(str::to_owned),
            other => {
                assert_eq!(other, None);
                None
            }
        };
        assert_eq!(script("#!/bin/sh\n").as_deref(), Some("/bin/sh"));
        assert_eq!(script("#! \t/a/env b c\nx").as_deref(), Some("/a/env"));
        assert_eq!(script("#!tool").as_deref(), Some("tool"));
        assert_eq!(script("#!/bin/sh\r\n").as_deref(), Some("/bin/sh\r"));
        for none in ["#!", "#!\n", "#! \n/bin/sh", "", "echo"] {
            assert_eq!(script(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_loader_of_a_program_is_in_its_headers() {
        let this = File::open("/proc/self/exe").unwrap();
        match interpreter(&this) {
            Some(Interpreter::Loader(path)) => assert!(path.exists(), "{path:?}"),
            None if cfg!(target_feature = "crt-static") => {}
            other => panic!("{other:?}"),
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read(content in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = of(&content);
            let _ = of(&[&b"\x7fELF\x02\x01"[..], &content].concat());
        }
    }
}
