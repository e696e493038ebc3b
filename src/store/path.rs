//! Paths inside containers.

use std::borrow::Borrow;
use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// An absolute, normalised path in a container: it starts with `/` and has no
/// empty component, no `.`, no `..` and no trailing slash. Bytes, as the kernel
/// sees them. Ordered so that a directory comes before what is in it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PathInContainer(Box<[u8]>);

/// Why some bytes cannot be a [`PathInContainer`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("`{0}` is not an absolute, normalised path")]
    NotNormal(String),
    #[error("the path `{0}` has a NUL byte")]
    ZeroByte(String),
}

impl PathInContainer {
    /// The path `/`.
    pub fn root() -> Self {
        Self(Box::from(b"/".as_slice()))
    }

    /// Accepts only a path that is normalised.
    pub fn new(bytes: &[u8]) -> Result<Self, PathError> {
        let path = Self::normalised(bytes)?;
        if &*path.0 == bytes {
            Ok(path)
        } else {
            Err(PathError::NotNormal(shown(bytes)))
        }
    }

    /// Normalises a path. A relative path starts at the root, and `..` of the root is the root.
    pub fn normalised(bytes: &[u8]) -> Result<Self, PathError> {
        if bytes.contains(&0) {
            return Err(PathError::ZeroByte(shown(bytes)));
        }
        let mut path = Vec::with_capacity(bytes.len() + 1);
        for component in bytes.split(|&byte| byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => path.truncate(path.iter().rposition(|&b| b == b'/').unwrap_or(0)),
                name => {
                    path.push(b'/');
                    path.extend_from_slice(name);
                }
            }
        }
        if path.is_empty() {
            return Ok(Self::root());
        }
        Ok(Self(path.into()))
    }

    pub fn is_root(&self) -> bool {
        &*self.0 == b"/"
    }

    /// The parent directory; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        parent(&self.0).map(|parent| Self(parent.into()))
    }

    /// The path of `name` in this directory.
    pub fn join(&self, name: &[u8]) -> Result<Self, PathError> {
        Self::normalised(&[&self.0, b"/".as_slice(), name].concat())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn as_path(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0))
    }

    /// The path relative to the root.
    pub fn relative(&self) -> &Path {
        Path::new(OsStr::from_bytes(&self.0[1..]))
    }

    /// Whether the path is `directory` or below it.
    pub fn starts_with(&self, directory: &Self) -> bool {
        directory.is_root()
            || self
                .0
                .strip_prefix(&*directory.0)
                .is_some_and(|rest| rest.first().is_none_or(|&byte| byte == b'/'))
    }
}

/// The parent of a normalised path.
pub(super) fn parent(path: &[u8]) -> Option<&[u8]> {
    match path.iter().rposition(|&byte| byte == b'/')? {
        _ if path == b"/" => None,
        0 => Some(b"/"),
        slash => Some(&path[..slash]),
    }
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Borrow<[u8]> for PathInContainer {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl AsRef<Path> for PathInContainer {
    fn as_ref(&self) -> &Path {
        self.as_path()
    }
}

impl fmt::Display for PathInContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_path().display().fmt(f)
    }
}

impl fmt::Debug for PathInContainer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_path(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normalised(text: &str) -> String {
        PathInContainer::normalised(text.as_bytes())
            .unwrap()
            .to_string()
    }

    #[test]
    fn paths_are_normalised_as_from_the_root() {
        assert_eq!(normalised("a/b"), "/a/b");
        assert_eq!(normalised("/a//./b/"), "/a/b");
        assert_eq!(normalised("/a/../../b/c/.."), "/b");
        assert_eq!(normalised(""), "/");
        assert_eq!(normalised(".."), "/");
    }

    #[test]
    fn only_normal_paths_are_taken_as_they_are() {
        assert!(PathInContainer::new(b"/a/b").is_ok());
        for bad in ["", "a", "/a/", "/a//b", "/a/./b", "/../a", "/a\0"] {
            assert!(PathInContainer::new(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_parent_is_one_level_up_and_the_root_has_none() {
        let path = PathInContainer::new(b"/a/b").unwrap();
        let parent = path.parent().unwrap();
        assert_eq!(parent.to_string(), "/a");
        assert_eq!(parent.parent(), Some(PathInContainer::root()));
        assert_eq!(PathInContainer::root().parent(), None);
    }

    #[test]
    fn below_means_whole_components() {
        let path = |text: &str| PathInContainer::new(text.as_bytes()).unwrap();
        assert!(path("/a/b").starts_with(&path("/a")));
        assert!(path("/a").starts_with(&path("/a")));
        assert!(path("/a").starts_with(&PathInContainer::root()));
        assert!(!path("/ab").starts_with(&path("/a")));
    }

    proptest! {
        #[test]
        fn what_is_normalised_is_normal(bytes in proptest::collection::vec(
            prop_oneof![Just(b'/'), Just(b'.'), Just(b'a'), any::<u8>()], 0..20)
        ) {
            if let Ok(path) = PathInContainer::normalised(&bytes) {
                prop_assert_eq!(PathInContainer::new(path.as_bytes()), Ok(path));
            }
        }
    }
}
