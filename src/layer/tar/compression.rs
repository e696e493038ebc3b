//! Detects the compression of an archive by its first bytes, as file names are unreliable.

use super::TarError;
use flate2::bufread::MultiGzDecoder;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;

const SIZE: usize = 128 * 1024;

/// The uncompressed archive.
pub(super) fn decompress<'a>(
    mut archive: impl Read + Send + 'a,
    name: &Path,
) -> Result<Box<dyn Read + Send + 'a>, TarError> {
    let read_error = |cause| TarError::Read {
        archive: name.to_owned(),
        cause,
    };
    let mut start = Vec::new();
    archive
        .by_ref()
        .take(6)
        .read_to_end(&mut start)
        .map_err(read_error)?;
    let unknown = |format| {
        Err(TarError::UnknownCompression {
            archive: name.to_owned(),
            format,
        })
    };
    let first = start.clone();
    let whole = BufReader::with_capacity(SIZE, Cursor::new(start).chain(archive));
    match first.as_slice() {
        [0x1f, 0x8b, ..] => Ok(Box::new(MultiGzDecoder::new(whole))),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = zstd::Decoder::with_buffer(whole).map_err(read_error)?;
            Ok(Box::new(decoder))
        }
        [0xfd, b'7', b'z', b'X', b'Z', 0] => unknown("xz"),
        [b'B', b'Z', b'h', ..] => unknown("bzip2"),
        _ => Ok(Box::new(whole)),
    }
}
