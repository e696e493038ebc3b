//! The format of the history file, which the parent module describes.

use super::{CaseId, Durations, KEPT, TestRecord, TestRecords};
use sha2::{Digest, Sha256};

pub const VERSION: u32 = 2;

/// The version in which no test was known that was to run and did not. It is read as this one.
const WITHOUT_NOT_RUN: u32 = 1;

const MAGIC: &[u8; 8] = b"MLSTHIST";
const FAILED: u8 = 0x80;
const NOT_RUN: u8 = 0x40;

/// The reason why bytes are not a usable history.
#[derive(Debug, PartialEq, Eq)]
pub enum Unusable {
    Damaged,
    /// The bytes do not start with the magic bytes.
    Foreign,
    OtherVersion(u32),
}

pub fn encode(records: &TestRecords) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(20 + records.len() * (11 + 4 * KEPT));
    bytes.extend(MAGIC);
    bytes.extend(VERSION.to_le_bytes());
    for (id, record) in records {
        bytes.extend(id.0.to_le_bytes());
        bytes.extend(record.last_run.to_le_bytes());
        let failed = if record.failed { FAILED } else { 0 };
        let not_run = if record.not_run { NOT_RUN } else { 0 };
        bytes.push(failed | not_run | record.durations.count);
        for micros in record.durations.as_slice() {
            bytes.extend(micros.to_le_bytes());
        }
    }
    bytes.extend(checksum(&bytes));
    bytes
}

pub fn decode(bytes: &[u8]) -> Result<TestRecords, Unusable> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        // After a crash, unwritten parts of a file are missing or zeros.
        let is_unwritten = MAGIC.starts_with(bytes) || bytes.iter().all(|byte| *byte == 0);
        return Err(if is_unwritten {
            Unusable::Damaged
        } else {
            Unusable::Foreign
        });
    };
    let (version, _) = rest.split_first_chunk().ok_or(Unusable::Damaged)?;
    // Only the magic bytes and the version are the same in all versions.
    match u32::from_le_bytes(*version) {
        VERSION | WITHOUT_NOT_RUN => {}
        other => return Err(Unusable::OtherVersion(other)),
    }
    let (content, sum) = bytes.split_last_chunk().ok_or(Unusable::Damaged)?;
    if *sum != checksum(content) {
        return Err(Unusable::Damaged);
    }
    let mut rest = content.get(MAGIC.len() + 4..).ok_or(Unusable::Damaged)?;
    let mut records = TestRecords::new();
    while !rest.is_empty() {
        let (id, record) = decode_record(&mut rest).ok_or(Unusable::Damaged)?;
        records.insert(id, record);
    }
    Ok(records)
}

fn decode_record(rest: &mut &[u8]) -> Option<(CaseId, TestRecord)> {
    let id = CaseId(u64::from_le_bytes(take(rest)?));
    let last_run = u16::from_le_bytes(take(rest)?);
    let [flags] = take(rest)?;
    let count = flags & !(FAILED | NOT_RUN);
    if usize::from(count) > KEPT {
        return None;
    }
    let mut durations = Durations::default();
    for _ in 0..count {
        durations.push_micros(u32::from_le_bytes(take(rest)?));
    }
    let record = TestRecord {
        last_run,
        failed: flags & FAILED != 0,
        not_run: flags & NOT_RUN != 0,
        durations,
    };
    Some((id, record))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

fn checksum(bytes: &[u8]) -> [u8; 8] {
    let digest = Sha256::digest(bytes);
    std::array::from_fn(|i| digest[i])
}
