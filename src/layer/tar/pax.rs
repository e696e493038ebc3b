//! The records of the extended headers that POSIX defines for
//! [`pax`](https://pubs.opengroup.org/onlinepubs/9799919799/utilities/pax.html).

use std::io;

/// The records that are used here. The last record of a key counts.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    /// The size of the file's content in the archive, in bytes.
    pub size: Option<u64>,
    /// The records of GNU tar for a sparse file.
    pub sparse: SparseRecords,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SparseRecords {
    /// Present from version 1.0 on.
    pub major: Option<u64>,
    pub minor: Option<u64>,
    pub name: Option<Vec<u8>>,
    /// The size of the file with its holes, in bytes.
    pub size: Option<u64>,
    /// Alternating offsets and lengths, of versions 0.0 and 0.1.
    pub map: Option<Vec<u64>>,
}

impl Pax {
    pub fn parse(mut bytes: &[u8]) -> io::Result<Self> {
        let mut pax = Self::default();
        while !bytes.is_empty() {
            let (key, value, rest) = record(bytes).ok_or_else(malformed)?;
            pax.add(key, value)?;
            bytes = rest;
        }
        Ok(pax)
    }

    fn add(&mut self, key: &[u8], value: &[u8]) -> io::Result<()> {
        let text = (!value.is_empty()).then(|| value.to_vec());
        let sparse = &mut self.sparse;
        match key {
            b"path" => self.path = text,
            b"linkpath" => self.link = text,
            b"size" => self.size = optional_number(value)?,
            b"GNU.sparse.major" => sparse.major = optional_number(value)?,
            b"GNU.sparse.minor" => sparse.minor = optional_number(value)?,
            b"GNU.sparse.name" => sparse.name = text,
            b"GNU.sparse.size" | b"GNU.sparse.realsize" => sparse.size = optional_number(value)?,
            b"GNU.sparse.offset" | b"GNU.sparse.numbytes" => {
                let map = sparse.map.get_or_insert_default();
                let is_length = key == b"GNU.sparse.numbytes";
                if is_length == map.len().is_multiple_of(2) {
                    return Err(malformed());
                }
                map.push(number(value)?);
            }
            b"GNU.sparse.map" => {
                let numbers = value.split(|&byte| byte == b',').map(number);
                sparse.map = Some(numbers.collect::<io::Result<_>>()?);
            }
            _ => {}
        }
        Ok(())
    }
}

/// Parses `<length> <key>=<value><newline>`. The length is that of the whole record, so values
/// may hold any byte. Returns key, value and the rest.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let space = bytes.iter().position(|&byte| byte == b' ')?;
    let length = usize::try_from(number(&bytes[..space]).ok()?).ok()?;
    let (record, rest) = bytes.split_at_checked(length)?;
    let record = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|&byte| byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], rest))
}

/// An empty value removes an earlier one.
fn optional_number(value: &[u8]) -> io::Result<Option<u64>> {
    (!value.is_empty()).then(|| number(value)).transpose()
}

/// A number in decimal digits.
pub(super) fn number(digits: &[u8]) -> io::Result<u64> {
    let digits = digits
        .iter()
        .all(u8::is_ascii_digit)
        .then_some(digits)
        .and_then(|digits| str::from_utf8(digits).ok());
    digits
        .and_then(|digits| digits.parse().ok())
        .ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "an extended header is malformed",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_hold_newlines_and_other_bytes() {
        let pax = Pax::parse(b"26 SCHILY.xattr.a=\n\n\xff\x00 = \n12 path=a\nb\n").unwrap();
        assert_eq!(pax.path.unwrap(), b"a\nb");
    }

    #[test]
    fn the_last_record_counts_and_an_empty_one_removes_it() {
        let pax = Pax::parse(b"9 path=a\n9 path=b\n").unwrap();
        assert_eq!(pax.path.unwrap(), b"b");
        let pax = Pax::parse(b"9 size=1\n8 size=\n").unwrap();
        assert_eq!(pax.size, None);
    }

    #[test]
    fn malformed_records_are_errors() {
        for bad in [
            "8 path=a\n",
            "11 path=a\n",
            "path=a\n",
            "9 path:a\n",
            "0 \n",
            "10 size=-1\n",
            "99999999999999999999999 path=a\n",
            "25 GNU.sparse.numbytes=1\n",
        ] {
            assert!(Pax::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }
}
