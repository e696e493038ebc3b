//! A CRC-32 at the end of small files. A file that a crash damaged is treated as absent.

/// Appends the checksum to `bytes`.
pub(super) fn seal(mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = crc(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    bytes
}

/// The bytes before the checksum, if it matches.
pub(super) fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let (content, sum) = bytes.split_last_chunk()?;
    (crc(content) == u32::from_le_bytes(*sum)).then_some(content)
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = flate2::Crc::new();
    crc.update(bytes);
    crc.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_or_changed_is_noticed() {
        let sealed = seal(b"content".to_vec());
        assert_eq!(unseal(&sealed), Some(b"content".as_slice()));
        for length in 0..sealed.len() {
            assert_eq!(unseal(&sealed[..length]), None, "{length}");
        }
        let mut changed = sealed;
        changed[0] ^= 1;
        assert_eq!(unseal(&changed), None);
    }
}
