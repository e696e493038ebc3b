//! The bytes between a client and its launcher.
//!
//! A message is a sequence of integers and strings. Integers are in native byte order, as both
//! ends are the same program on the same machine. A string has its length before it and a NUL
//! after it, so that the launcher passes strings to the kernel without copying them.

use std::ffi::CStr;
use std::io;

/// Builds a message.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_ne_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_ne_bytes());
    }

    /// Fails for a string with a NUL byte, which no system call accepts.
    pub fn string(&mut self, value: &[u8]) -> io::Result<()> {
        if value.contains(&0) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("{:?} has a NUL byte", String::from_utf8_lossy(value)),
            ));
        }
        self.u32(value.len() as u32);
        self.bytes.extend_from_slice(value);
        self.bytes.push(0);
        Ok(())
    }

    /// Writes the number of items, then each item with `write`.
    pub fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T) -> io::Result<()>,
    ) -> io::Result<()> {
        self.u32(items.len() as u32);
        for item in items {
            write(self, item)?;
        }
        Ok(())
    }

    /// The message with its length before it, as it is sent.
    pub fn framed(self) -> Vec<u8> {
        let mut framed = Vec::with_capacity(self.bytes.len() + 4);
        framed.extend_from_slice(&(self.bytes.len() as u32).to_ne_bytes());
        framed.extend_from_slice(&self.bytes);
        framed
    }
}

/// Reads a message.
#[derive(Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub fn u32(&mut self) -> io::Result<u32> {
        Ok(u32::from_ne_bytes(self.take()?))
    }

    pub fn u64(&mut self) -> io::Result<u64> {
        Ok(u64::from_ne_bytes(self.take()?))
    }

    pub fn string(&mut self) -> io::Result<&'a CStr> {
        let length = self.u32()? as usize;
        let (string, rest) = self
            .bytes
            .split_at_checked(length + 1)
            .ok_or_else(malformed)?;
        self.bytes = rest;
        CStr::from_bytes_with_nul(string).map_err(|_| malformed())
    }

    pub fn list<T>(
        &mut self,
        mut read: impl FnMut(&mut Self) -> io::Result<T>,
    ) -> io::Result<Vec<T>> {
        let length = self.u32()?;
        (0..length).map(|_| read(self)).collect()
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let (head, rest) = self.bytes.split_first_chunk().ok_or_else(malformed)?;
        self.bytes = rest;
        Ok(*head)
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed launcher message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut writer = Writer::default();
        writer.u32(7);
        writer.u64(u64::MAX);
        writer
            .list(["a", ""].iter(), |w, s| w.string(s.as_bytes()))
            .unwrap();
        let framed = writer.framed();
        let mut reader = Reader::new(&framed[4..]);
        assert_eq!(reader.u32().unwrap(), 7);
        assert_eq!(reader.u64().unwrap(), u64::MAX);
        assert_eq!(reader.list(Reader::string).unwrap(), [c"a", c""]);
        assert!(reader.u32().is_err());
    }

    #[test]
    fn a_string_holding_a_nul_is_refused() {
        assert!(Writer::default().string(b"a\0b").is_err());
    }

    #[test]
    fn a_cut_message_is_an_error() {
        let mut writer = Writer::default();
        writer.string(b"hello").unwrap();
        let framed = writer.framed();
        assert!(Reader::new(&framed[4..framed.len() - 1]).string().is_err());
    }
}
