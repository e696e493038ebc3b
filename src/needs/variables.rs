//! Variables of the client that a test may need. Reading a variable is no system call, so a test
//! cannot be observed to do it.

use regex::bytes::RegexSet;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// Variables that say where the client is, or lead to its sessions. They mean nothing in a
/// container, or must not be known there.
const OF_CLIENT: [&str; 12] = [
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "HOME",
    "LD_PRELOAD",
    "OLDPWD",
    "PATH",
    "PWD",
    "SHLVL",
    "SSH_AUTH_SOCK",
    "TMPDIR",
    "XDG_RUNTIME_DIR",
    "_",
];

/// Parts of the names of variables that hold credentials. A test gets such a variable only if a
/// directive or a setting says so.
const OF_CREDENTIALS: [&str; 8] = [
    "ACCESS_KEY",
    "API_KEY",
    "CREDENTIAL",
    "PASSWD",
    "PASSWORD",
    "PRIVATE_KEY",
    "SECRET",
    "TOKEN",
];

/// How much of an executable is searched, in bytes.
const SEARCHED: u64 = 256 << 20;

/// Whether a variable seems to hold credentials.
pub fn may_be_secret(name: &str) -> bool {
    OF_CREDENTIALS.iter().any(|part| name.contains(part))
}

/// The client's variables that a test does not have, with their values. `has` says whether the test
/// has a variable.
pub fn client_variables(has: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    variables
        .filter(|(name, _)| !has(name) && !OF_CLIENT.contains(&name.as_str()))
        .filter(|(name, _)| name.len() > 2)
        .collect()
}

/// The names of variables that occur in executables. Each executable is read once, since tests
/// have most of them in common and a compiler has hundreds of megabytes.
#[derive(Debug)]
pub struct NamesInFiles {
    names: Vec<String>,
    /// Each of the names.
    pattern: RegexSet,
    found: Mutex<HashMap<PathBuf, BTreeSet<String>>>,
}

impl NamesInFiles {
    /// Searches these names.
    pub fn new(names: impl IntoIterator<Item = String>) -> Self {
        let names: Vec<String> = names.into_iter().collect();
        let escaped = names.iter().map(|name| regex::escape(name));
        Self {
            pattern: RegexSet::new(escaped).unwrap_or_else(|_| RegexSet::empty()),
            names,
            found: Mutex::default(),
        }
    }

    /// The names that occur in the content of a file. Blocks.
    pub fn of(&self, path: &Path) -> BTreeSet<String> {
        // Held while the file is read, so that others do not read it at the same time.
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = found.get(path) {
            return known.clone();
        }
        let mut content = Vec::new();
        let read = File::open(path).and_then(|file| file.take(SEARCHED).read_to_end(&mut content));
        let names = match read {
            Ok(_) => (self.pattern.matches(&content).into_iter())
                .map(|index| self.names[index].clone())
                .collect(),
            Err(_) => BTreeSet::new(),
        };
        found.insert(path.to_owned(), names.clone());
        names
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_variables_are_found_in_executables() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, b"\x7fELF\0SERVICE_URL\xffTOKEN\0").unwrap();
        let names = ["SERVICE_URL", "SERVICE", "OTHER"].map(str::to_owned);
        let names = NamesInFiles::new(names);
        let found = names.of(file.path());
        assert_eq!(found.iter().collect::<Vec<_>>(), ["SERVICE", "SERVICE_URL"]);
        assert!(names.of(Path::new("/nonexistent")).is_empty());
    }

    #[test]
    fn an_executable_is_searched_once() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, b"SERVICE_URL").unwrap();
        let names = NamesInFiles::new(["SERVICE_URL".to_owned()]);
        let first = names.of(file.path());
        std::fs::write(&file, b"changed").unwrap();
        assert_eq!(names.of(file.path()), first);
    }

    #[test]
    fn variables_that_may_hold_credentials_are_known_by_their_names() {
        for name in ["GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY", "DB_PASSWORD"] {
            assert!(may_be_secret(name), "{name}");
        }
        for name in ["SERVICE_URL", "LANG", "GIT_AUTHOR_NAME", "KEYBOARD"] {
            assert!(!may_be_secret(name), "{name}");
        }
    }

    #[test]
    fn variables_that_the_test_has_or_that_lead_to_the_client_are_left_out() {
        let all = client_variables(|_| false);
        assert!(all.contains_key("CARGO_MANIFEST_DIR") && !all.contains_key("PATH"));
        assert!(
            !client_variables(|name| name == "CARGO_MANIFEST_DIR")
                .contains_key("CARGO_MANIFEST_DIR")
        );
    }
}
