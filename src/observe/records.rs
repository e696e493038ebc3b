//! The records of an observed job. Their number is limited, since a job can ask for any number of
//! files.

use super::address::AddressUse;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;

/// The most paths that are recorded.
const MOST_PATHS: usize = 50_000;

/// The most bytes of paths that are recorded.
const MOST_BYTES: usize = 16 << 20;

/// The most addresses that are recorded.
const MOST_ADDRESSES: usize = 1000;

/// What the processes of a job did with a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Uses {
    pub executed: bool,
    /// Opened for reading.
    pub opened: bool,
    /// Opened as a directory, whose entries can then be read.
    pub listed: bool,
    /// Only attributes were read.
    pub looked_at: bool,
    /// Written, created, renamed or removed.
    pub written: bool,
    /// A symbolic link at the end of the path was followed.
    pub followed: bool,
}

/// A reason why there may be facts that are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Incomplete {
    /// Calls of another ABI, such as those of 32-bit programs.
    ForeignCalls,
    /// An `io_uring`, whose operations are not seen.
    IoUring,
    /// Paths of processes that had another root or mount namespace than the job.
    OtherRoots,
    /// More files or addresses than are recorded.
    TooMany,
    /// Processes that the observer cannot see.
    Invisible,
    /// Calls of processes that the observer may not examine.
    Unexamined,
    /// Files of the machine that were not shown to a job that should see the machine's files, as
    /// their directory could not be shown.
    LeftOut,
}

/// The records of a job.
#[derive(Debug, Default)]
pub struct Records {
    pub files: HashMap<PathBuf, Uses>,
    pub addresses: BTreeSet<AddressUse>,
    pub incomplete: BTreeSet<Incomplete>,
    /// The kernel refused a listener to a process of the job, as it has one already.
    pub refused_listener: bool,
    bytes: usize,
}

impl Uses {
    /// No use.
    pub const NONE: Self = Self {
        executed: false,
        opened: false,
        listed: false,
        looked_at: false,
        written: false,
        followed: false,
    };

    pub const EXECUTED: Self = Self {
        executed: true,
        followed: true,
        ..Self::NONE
    };

    pub const OPENED: Self = Self {
        opened: true,
        followed: true,
        ..Self::NONE
    };

    /// These uses and the others.
    pub fn add(&mut self, other: Self) {
        self.executed |= other.executed;
        self.opened |= other.opened;
        self.listed |= other.listed;
        self.looked_at |= other.looked_at;
        self.written |= other.written;
        self.followed |= other.followed;
    }
}

impl Records {
    /// Records an absolute path.
    pub fn add_file(&mut self, path: PathBuf, uses: Uses) {
        if let Some(known) = self.files.get_mut(&path) {
            return known.add(uses);
        }
        let bytes = self.bytes + path.as_os_str().len();
        if self.files.len() >= MOST_PATHS || bytes > MOST_BYTES {
            self.incomplete.insert(Incomplete::TooMany);
            return;
        }
        self.bytes = bytes;
        self.files.insert(path, uses);
    }

    pub fn add_address(&mut self, address: AddressUse) {
        if self.addresses.len() < MOST_ADDRESSES || self.addresses.contains(&address) {
            self.addresses.insert(address);
        } else {
            self.incomplete.insert(Incomplete::TooMany);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::address::SocketCall;
    use std::net::SocketAddr;

    fn opened() -> Uses {
        Uses {
            opened: true,
            ..Uses::default()
        }
    }

    #[test]
    fn uses_of_one_path_are_one_record() {
        let mut records = Records::default();
        records.add_file("/a".into(), opened());
        let listed = Uses {
            listed: true,
            ..Uses::default()
        };
        records.add_file("/a".into(), listed);
        let both = Uses {
            listed: true,
            ..opened()
        };
        assert_eq!(records.files, [("/a".into(), both)].into());
    }

    #[test]
    fn records_beyond_the_limits_are_left_out_and_noted() {
        let mut records = Records::default();
        for number in 0..=MOST_PATHS {
            assert!(records.incomplete.is_empty());
            records.add_file(format!("/{number}").into(), opened());
        }
        assert_eq!(records.files.len(), MOST_PATHS);
        assert_eq!(records.incomplete, [Incomplete::TooMany].into());
        // Known paths still get further uses.
        records.add_file(
            "/1".into(),
            Uses {
                written: true,
                ..Uses::default()
            },
        );
        assert!(records.files[&PathBuf::from("/1")].written);

        let mut records = Records::default();
        for number in 0..=MOST_BYTES / 4000 {
            records.add_file(format!("/{number:04000}").into(), opened());
        }
        assert!(records.bytes <= MOST_BYTES);
        assert_eq!(records.incomplete, [Incomplete::TooMany].into());

        let mut records = Records::default();
        for port in 0..=MOST_ADDRESSES as u16 {
            let address = SocketAddr::from(([192, 0, 2, 1], port));
            records.add_address(AddressUse {
                call: SocketCall::Connect,
                address,
            });
        }
        assert_eq!(records.addresses.len(), MOST_ADDRESSES);
        assert_eq!(records.incomplete, [Incomplete::TooMany].into());
    }
}
