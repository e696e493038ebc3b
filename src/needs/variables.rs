//! Variables of the client that a test may need. Reading a variable is no system call, so a test
//! cannot be observed to do it.

use regex::bytes::Regex;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

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

/// The names that occur in the content of a file. Blocks.
pub fn named_in<'a>(path: &Path, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut names = names.peekable();
    if names.peek().is_none() {
        return Vec::new();
    }
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(SEARCHED).read_to_end(&mut content));
    if read.is_err() {
        return Vec::new();
    }
    let occurs = |name: &&str| {
        let name = Regex::new(&regex::escape(name));
        name.is_ok_and(|name| name.is_match(&content))
    };
    names.filter(occurs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_variables_are_found_in_executables() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, b"\x7fELF\0SERVICE_URL\xffTOKEN\0").unwrap();
        let names = ["SERVICE_URL", "SERVICE", "OTHER"].into_iter();
        assert_eq!(named_in(file.path(), names), ["SERVICE_URL", "SERVICE"]);
        assert!(named_in(Path::new("/nonexistent"), ["A"].into_iter()).is_empty());
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
