//! `LLVM_PROFILE_FILE` of the client: a path with placeholders, which the runtime of an instrumented
//! program replaces.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Path, PathBuf};

/// The path with placeholders, which is absolute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfilePattern {
    path: PathBuf,
}

/// What the placeholders stand for.
#[derive(Clone, Debug)]
pub struct Replacements {
    /// `%p`.
    pub process: u32,
    /// `%h`.
    pub host: String,
    /// `%t`, without the slash that follows it.
    pub temporary: PathBuf,
    /// `%m`, `%Nm` and `%b`: a name that no other file has.
    pub unique: String,
}

/// A part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(&'a [u8]),
    Process,
    Host,
    Temporary,
    /// `%m`, `%Nm` or `%b`, which tells programs from one another.
    Program,
    Continuous,
}

impl ProfilePattern {
    /// The pattern in the variable of this process. Empty counts as unset, as for the runtime.
    pub fn of_client() -> Option<Self> {
        let value = std::env::var_os(super::job_profiles::VARIABLE)?;
        (!value.is_empty()).then(|| Self::new(value))
    }

    /// A relative path is relative to the current directory.
    pub fn new(pattern: OsString) -> Self {
        let path = PathBuf::from(pattern);
        let starts_elsewhere = path.as_os_str().as_bytes().starts_with(b"%t");
        let path = if starts_elsewhere {
            path
        } else {
            std::path::absolute(&path).unwrap_or(path)
        };
        Self { path }
    }

    /// Whether profiles are to be up to date at any time.
    pub fn is_continuous(&self) -> bool {
        self.parts().contains(&Part::Continuous)
    }

    /// The path with everything replaced.
    pub fn replaced(&self, by: &Replacements) -> PathBuf {
        let mut path = Vec::new();
        for part in self.parts() {
            match part {
                Part::Text(text) => path.extend(text),
                Part::Process => path.extend(by.process.to_string().bytes()),
                Part::Host => path.extend(by.host.bytes()),
                Part::Temporary => {
                    path.extend(by.temporary.as_os_str().as_bytes());
                    path.push(b'/');
                }
                Part::Program => path.extend(by.unique.bytes()),
                Part::Continuous => {}
            }
        }
        OsString::from_vec(path).into()
    }

    /// The path of the file for a client, which is a file of its own if the pattern tells processes or
    /// programs from one another.
    pub fn file_of_client(&self) -> PathBuf {
        let unique = uuid::Uuid::new_v4().as_u64_pair().0;
        self.replaced(&Replacements {
            process: std::process::id(),
            host: rustix::system::uname()
                .nodename()
                .to_string_lossy()
                .into_owned(),
            temporary: std::env::temp_dir(),
            unique: format!("{unique}_0"),
        })
    }

    fn parts(&self) -> Vec<Part<'_>> {
        let mut parts = Vec::new();
        let mut rest = self.path.as_os_str().as_bytes();
        while let Some(start) = rest.iter().position(|&byte| byte == b'%') {
            let (text, from) = rest.split_at(start);
            let (part, length) = match from.get(1..) {
                Some([b'p', ..]) => (Part::Process, 2),
                Some([b'h', ..]) => (Part::Host, 2),
                Some([b't', ..]) => (Part::Temporary, 2),
                Some([b'm' | b'b', ..]) => (Part::Program, 2),
                Some([b'1'..=b'9', b'm', ..]) => (Part::Program, 3),
                Some([b'c', ..]) => (Part::Continuous, 2),
                // The runtime leaves it as it is.
                _ => (Part::Text(b"%"), 1),
            };
            parts.extend([Part::Text(text), part]);
            rest = &from[length..];
        }
        parts.push(Part::Text(rest));
        parts
    }
}

/// A path with this number before its extension.
pub fn numbered(path: &Path, number: usize) -> PathBuf {
    let mut name = path.file_stem().unwrap_or(OsStr::new("default")).to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replaced(pattern: &str) -> String {
        let by = Replacements {
            process: 12,
            host: "box".to_owned(),
            temporary: "/tmp".into(),
            unique: "77_0".to_owned(),
        };
        let path = ProfilePattern::new(pattern.into()).replaced(&by);
        path.into_os_string().into_string().unwrap()
    }

    #[test]
    fn every_placeholder_is_replaced() {
        for (pattern, path) in [
            ("/t/e-%p-%2m.profraw", "/t/e-12-77_0.profraw"),
            ("/t/%h/%m.profraw", "/t/box/77_0.profraw"),
            ("%t%c%b.profraw", "/tmp/77_0.profraw"),
            ("/t/plain.profraw", "/t/plain.profraw"),
            ("/t/100%", "/t/100%"),
            ("/t/%0m%x%%p", "/t/%0m%x%12"),
        ] {
            assert_eq!(replaced(pattern), path, "{pattern}");
        }
        let directory = std::env::current_dir().unwrap();
        assert_eq!(replaced("a/b"), directory.join("a/b").to_str().unwrap());
    }

    #[test]
    fn a_number_is_put_before_the_extension() {
        let of = |path: &str| numbered(Path::new(path), 3);
        assert_eq!(of("/t/a.b.profraw"), Path::new("/t/a.b-3.profraw"));
        assert_eq!(of("/t/a"), Path::new("/t/a-3"));
    }
}
