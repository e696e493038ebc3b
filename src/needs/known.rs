//! The needs of tests, kept from one run to the next.
//!
//! # The file
//!
//! JSON: the version of the format, and for each test case that needs something, or whose second
//! look was in vain, a [`NeedsRecord`]. A reader of another version, or of a damaged file, starts
//! with nothing known; the tests are then looked at again.

use super::Needs;
use crate::schedule::{CaseId, lock_for_saving};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The version of the format.
const VERSION: u32 = 1;

/// The most test cases that are kept.
const MOST_CASES: usize = 100_000;

/// What is known of the needs of a test case.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedsRecord {
    /// Proven needs.
    #[serde(default)]
    pub needs: Needs,
    /// The digest of the binary layer with which the test was last looked at.
    pub binary: String,
    /// The last second look did not find out what the test needs. It is not repeated for the same
    /// binary.
    #[serde(default)]
    pub in_vain: bool,
    /// What the last second look told about a failure, a paragraph each.
    #[serde(default)]
    pub notes: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum KnownNeedsError {
    #[error(
        "failed to read what tests need from `{}`; remove the file to start without it",
        .path.display()
    )]
    Read { path: PathBuf, source: io::Error },
    #[error("failed to write what tests need to `{}`", .path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// The records of all test cases, and the changes of this run.
#[derive(Clone, Debug, Default)]
pub struct KnownNeeds {
    path: PathBuf,
    records: Records,
    /// `None`: the record was removed.
    changes: BTreeMap<CaseId, Option<NeedsRecord>>,
}

type Records = BTreeMap<CaseId, NeedsRecord>;

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    tests: Records,
}

impl KnownNeeds {
    /// Reads the file. Nothing is known if there is none, or if it cannot be used.
    pub fn load(path: &Path) -> Result<Self, KnownNeedsError> {
        Ok(Self {
            path: path.to_owned(),
            records: read(path)?,
            changes: BTreeMap::new(),
        })
    }

    pub fn get(&self, case: &CaseId) -> Option<&NeedsRecord> {
        match self.changes.get(case) {
            Some(changed) => changed.as_ref(),
            None => self.records.get(case),
        }
    }

    pub fn set(&mut self, case: CaseId, record: NeedsRecord) {
        self.changes.insert(case, Some(record));
    }

    pub fn remove(&mut self, case: CaseId) {
        if self.get(&case).is_some() {
            self.changes.insert(case, None);
        }
    }

    /// Adds the changes to the file, which another client may have changed meanwhile. Does nothing
    /// if there are none.
    pub fn save(&mut self) -> Result<(), KnownNeedsError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        let write_error = |source| KnownNeedsError::Write {
            path: self.path.clone(),
            source,
        };
        let _lock = lock_for_saving(&self.path).map_err(write_error)?;
        let mut tests = read(&self.path)?;
        for (case, change) in &self.changes {
            match change {
                Some(record) => tests.insert(*case, record.clone()),
                None => tests.remove(case),
            };
        }
        while tests.len() > MOST_CASES {
            tests.pop_last();
        }
        replace(&self.path, &tests).map_err(write_error)?;
        self.records = tests;
        self.changes.clear();
        Ok(())
    }
}

fn read(path: &Path) -> Result<Records, KnownNeedsError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Records::new()),
        Err(source) => {
            let path = path.to_owned();
            return Err(KnownNeedsError::Read { path, source });
        }
    };
    let content: Option<Content> = serde_json::from_slice(&bytes).ok();
    let content = content.filter(|content| content.version == VERSION);
    Ok(content.map(|content| content.tests).unwrap_or_default())
}

fn replace(path: &Path, tests: &Records) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    let content = Content {
        version: VERSION,
        tests: tests.clone(),
    };
    let text = serde_json::to_vec(&content)?;
    file.write_all(&text)?;
    file.as_file().sync_data()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::needs::Need;

    fn case(name: &str) -> CaseId {
        CaseId::new("package", "lib", "target", name)
    }

    fn record(program: &str) -> NeedsRecord {
        NeedsRecord {
            needs: Needs([Need::Program(program.to_owned())].into()),
            binary: "digest".to_owned(),
            ..NeedsRecord::default()
        }
    }

    #[test]
    fn clients_at_the_same_time_keep_the_records_of_each_other() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("maelstrom/needs.json");
        let mut one = KnownNeeds::load(&path).unwrap();
        let mut other = KnownNeeds::load(&path).unwrap();
        one.set(case("a"), record("git"));
        one.set(case("b"), record("perl"));
        one.save().unwrap();
        other.set(case("c"), record("openssl"));
        other.save().unwrap();
        let mut all = KnownNeeds::load(&path).unwrap();
        assert_eq!(all.get(&case("a")), Some(&record("git")));
        assert_eq!(all.get(&case("c")), Some(&record("openssl")));
        all.remove(case("b"));
        assert_eq!(all.get(&case("b")), None);
        all.save().unwrap();
        let all = KnownNeeds::load(&path).unwrap();
        assert_eq!((all.records.len(), all.get(&case("b"))), (2, None));
    }

    #[test]
    fn a_file_that_cannot_be_used_counts_as_empty_and_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("needs.json");
        for text in ["{", "{\"version\":99,\"tests\":{}}"] {
            fs::write(&path, text).unwrap();
            let mut known = KnownNeeds::load(&path).unwrap();
            assert_eq!(known.get(&case("a")), None);
            known.set(case("a"), record("git"));
            known.save().unwrap();
            let known = KnownNeeds::load(&path).unwrap();
            assert_eq!(known.get(&case("a")), Some(&record("git")));
        }
    }
}
