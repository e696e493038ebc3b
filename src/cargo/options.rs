//! The user's options for Cargo.
//!
//! The options are kept in their order, so that Cargo gets what the user wrote. They are parsed as
//! far as is needed to call `cargo metadata` accordingly and to select other packages.

use camino::Utf8PathBuf;
use std::{
    env,
    ffi::OsString,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How Cargo is called.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The Cargo to run: `$CARGO` when set.
    pub cargo: PathBuf,
    /// The directory to run Cargo in.
    pub directory: PathBuf,
    /// The user's options.
    pub options: CargoOptions,
    /// Whether Cargo's output is coloured. `None`: Cargo decides.
    pub color: Option<bool>,
    /// The program to run as the guard of Cargo: a program whose first action is to call
    /// [`run_if_guard`](super::guard::run_if_guard), usually this one. Without a guard, Cargo
    /// continues for a while if this process is killed.
    pub guard: Option<PathBuf>,
    /// Whether documentation tests are built, instead of test binaries.
    pub doctests: Option<DoctestBuild>,
    /// Variables of builds, besides those of this process.
    pub environment: Vec<(&'static str, OsString)>,
    /// Gets the targets that are built. `None`: nobody asks.
    pub built: Option<BuiltTargets>,
}

/// The targets of a build, as far as they are known. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct BuiltTargets(Arc<Mutex<Vec<BuiltTarget>>>);

/// A target of a package that Cargo has built or found up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuiltTarget {
    /// The directory of the package's manifest.
    pub package: Utf8PathBuf,
    pub src_path: Utf8PathBuf,
    /// Whether it was built as tests.
    pub is_test: bool,
    /// The executables and shared libraries.
    pub objects: Vec<Utf8PathBuf>,
}

impl BuiltTargets {
    pub(super) fn add(&self, target: BuiltTarget) {
        self.lock().push(target);
    }

    /// The targets so far.
    pub fn so_far(&self) -> Vec<BuiltTarget> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<BuiltTarget>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call of `cargo test --doc`.
#[derive(Clone, Debug)]
pub struct DoctestBuild {
    /// Variables for Cargo, which make it call another program than rustdoc.
    pub environment: Vec<(&'static str, OsString)>,
    /// Whether Cargo prints only errors and warnings.
    pub quiet: bool,
}

impl Invocation {
    /// A call of `$CARGO`, or else `cargo`, in the current directory. Fails if the current directory
    /// does not exist.
    pub fn new(options: CargoOptions) -> io::Result<Self> {
        Ok(Self {
            cargo: env::var_os("CARGO")
                .filter(|cargo| !cargo.is_empty())
                .map_or_else(|| PathBuf::from("cargo"), PathBuf::from),
            directory: env::current_dir()?,
            options,
            color: None,
            guard: None,
            doctests: None,
            environment: Vec::new(),
            built: None,
        })
    }
}

/// The options of `cargo test` that select and build targets, in the given order: Cargo's long name
/// (or `Z`), and the value if there is one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CargoOptions(Vec<(&'static str, Option<String>)>);

impl CargoOptions {
    /// Adds an option by Cargo's long name.
    pub fn push(&mut self, name: &'static str, value: Option<&str>) {
        self.0.push((name, value.map(str::to_owned)));
    }

    /// Gives an option this value in place of others.
    pub fn replace(&mut self, name: &'static str, value: &str) {
        self.0.retain(|(given, _)| *given != name);
        self.push(name, Some(value));
    }

    /// The command line.
    pub fn arguments(&self) -> Vec<String> {
        self.arguments_of(|_| true)
    }

    /// The arguments that are relevant for `cargo metadata --no-deps`. (`cargo metadata` has no
    /// `--target-dir`; its value is passed as `CARGO_TARGET_DIR`, with the same effect.)
    pub(super) fn metadata_arguments(&self) -> Vec<String> {
        const RELEVANT: [&str; 6] = [
            "manifest-path",
            "locked",
            "offline",
            "frozen",
            "config",
            "Z",
        ];
        self.arguments_of(|name| RELEVANT.contains(&name))
    }

    /// The arguments that are relevant for finding the workspace and its profiles.
    pub(super) fn location_arguments(&self) -> Vec<String> {
        self.arguments_of(|name| ["manifest-path", "config", "Z"].contains(&name))
    }

    /// The arguments for the build, without `--message-format`, which [`super::build`] sets.
    pub(super) fn build_arguments(&self) -> Vec<String> {
        self.arguments_of(|name| name != "message-format")
    }

    /// Whether the option with this long name of Cargo was given.
    pub fn is_set(&self, name: &str) -> bool {
        self.0.iter().any(|(given, _)| *given == name)
    }

    /// Whether an option was given that selects targets.
    pub fn select_targets(&self) -> bool {
        const TARGETS: [&str; 10] = [
            "lib",
            "bins",
            "bin",
            "tests",
            "test",
            "examples",
            "example",
            "benches",
            "bench",
            "all-targets",
        ];
        TARGETS.iter().any(|name| self.is_set(name))
    }

    /// The given values of the option with this long name of Cargo.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let given = self.0.iter().filter(move |(given, _)| *given == name);
        given.filter_map(|(_, value)| value.as_deref())
    }

    /// The last given value of an option, which is the effective one.
    pub fn value<'a>(&'a self, name: &'a str) -> Option<&'a str> {
        self.values(name).last()
    }

    /// These options with another selection of packages.
    #[must_use]
    pub(super) fn for_packages<'a>(&self, specifications: impl Iterator<Item = &'a str>) -> Self {
        const SELECTION: [&str; 3] = ["package", "exclude", "workspace"];
        let mut options = self.clone();
        options.0.retain(|(name, _)| !SELECTION.contains(name));
        for specification in specifications {
            options.push("package", Some(specification));
        }
        options
    }

    fn arguments_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        let options = self.0.iter().filter(|(name, _)| wanted(name));
        let words = options.map(|(name, value)| match (*name, value) {
            ("Z", value) => format!("-Z{}", value.as_deref().unwrap_or_default()),
            (name, Some(value)) => format!("--{name}={value}"),
            (name, None) => format!("--{name}"),
        });
        words.collect()
    }

    /// For tests: the options on a command line without other words.
    #[cfg(test)]
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Self {
        let mut options = Self::default();
        let mut words = words.into_iter().peekable();
        while let Some(word) = words.next() {
            let (name, value) = match word.strip_prefix("--") {
                Some(long) => match long.split_once('=') {
                    Some((name, value)) => (name, Some(value)),
                    None => (long, None),
                },
                None => match word.split_at(2) {
                    ("-p", value) => ("package", Some(value)),
                    ("-F", value) => ("features", Some(value)),
                    _ => panic!("{word}"),
                },
            };
            let value = value.filter(|value| !value.is_empty());
            let value = value.or_else(|| words.next_if(|next| !next.starts_with('-')));
            options.push(Box::leak(name.into()), value);
        }
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_gets_only_what_it_understands() {
        let options = CargoOptions::parse([
            "--release",
            "--offline",
            "-Fx",
            "--config",
            "env.A='b'",
            "--config=c.toml",
            "--manifest-path",
            "a/Cargo.toml",
            "--odd",
        ]);
        assert_eq!(
            options.metadata_arguments(),
            [
                "--offline",
                "--config=env.A='b'",
                "--config=c.toml",
                "--manifest-path=a/Cargo.toml"
            ]
        );
    }

    #[test]
    fn selecting_other_packages_keeps_the_rest() {
        let options = CargoOptions::parse(["--workspace", "--exclude", "a", "--lib", "-p", "b"]);
        assert_eq!(
            options.for_packages(["c"].into_iter()).arguments(),
            ["--lib", "--package=c"]
        );
    }
}
