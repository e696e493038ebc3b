//! The options that the user gave for Cargo.
//!
//! Kept as given, in order, so that Cargo sees what the user wrote; understood as
//! far as needed to ask the same question of `cargo metadata` and to select other
//! packages.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::PathBuf,
};

/// How Cargo is called: which, where, and with what.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// The Cargo to run: `$CARGO` when set.
    pub cargo: PathBuf,
    /// The directory to run it in.
    pub directory: PathBuf,
    /// The user's options.
    pub options: Options,
    /// Whether Cargo's output is coloured; `None` lets Cargo decide.
    pub color: Option<bool>,
    /// A program that calls [`run_if_guard`](super::guard::run_if_guard) first thing: this one,
    /// mostly. It runs Cargo, which without it goes on for a while if we are killed.
    pub guard: Option<PathBuf>,
}

impl Invocation {
    /// `$CARGO`, or `cargo`, in the current directory. Fails if that is gone.
    pub fn new(options: Options) -> io::Result<Self> {
        Ok(Self {
            cargo: env::var_os("CARGO")
                .filter(|cargo| !cargo.is_empty())
                .map_or_else(|| PathBuf::from("cargo"), PathBuf::from),
            directory: env::current_dir()?,
            options,
            color: None,
            guard: None,
        })
    }
}

/// The options of `cargo test` that choose and build, in the order given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    given: Vec<Given>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    /// An option known here, under Cargo's long name (or `Z`).
    Known(&'static str, Option<OsString>),
    /// Anything else, for Cargo to understand.
    Other(OsString),
}

/// Long name, short name, whether a value must follow.
const KNOWN: &[(&str, Option<u8>, bool)] = &[
    ("package", Some(b'p'), true),
    ("exclude", None, true),
    ("workspace", None, false),
    ("lib", None, false),
    ("bins", None, false),
    ("bin", None, true),
    ("tests", None, false),
    ("test", None, true),
    ("examples", None, false),
    ("example", None, true),
    ("benches", None, false),
    ("bench", None, true),
    ("all-targets", None, false),
    ("features", Some(b'F'), true),
    ("all-features", None, false),
    ("no-default-features", None, false),
    ("release", Some(b'r'), false),
    ("profile", None, true),
    ("target", None, true),
    ("target-dir", None, true),
    ("manifest-path", None, true),
    ("locked", None, false),
    ("offline", None, false),
    ("frozen", None, false),
    ("config", None, true),
    ("Z", Some(b'Z'), true),
    ("jobs", Some(b'j'), true),
    ("ignore-rust-version", None, false),
    ("keep-going", None, false),
    ("message-format", None, true),
    ("timings", None, false),
    ("color", None, true),
    ("verbose", Some(b'v'), false),
    ("quiet", Some(b'q'), false),
];

/// Names of this program, and older ones of Cargo's, for options above.
const ALIASES: &[(&str, &str)] = &[
    ("all", "workspace"),
    ("build-jobs", "jobs"),
    ("cargo-message-format", "message-format"),
    ("cargo-profile", "profile"),
    ("cargo-timings", "timings"),
];

impl Options {
    /// Understands a command line. Never fails: what is not known here is passed on
    /// for Cargo to judge.
    pub fn parse<I>(arguments: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<OsString>,
    {
        let mut arguments = arguments.into_iter().map(Into::into);
        let mut given = Vec::new();
        while let Some(argument) = arguments.next() {
            let bytes = argument.as_bytes();
            if let Some(long) = bytes.strip_prefix(b"--") {
                given.push(parse_long(long, &mut arguments).unwrap_or(Given::Other(argument)));
            } else if let Some(shorts) = bytes.strip_prefix(b"-") {
                match parse_shorts(shorts, &mut arguments) {
                    Some(options) => given.extend(options),
                    None => given.push(Given::Other(argument)),
                }
            } else {
                given.push(Given::Other(argument));
            }
        }
        Self { given }
    }

    /// Adds an option that takes a value, by Cargo's long name.
    pub fn push(&mut self, name: &'static str, value: &str) {
        self.given.push(Given::Known(name, Some(value.into())));
    }

    /// The command line again, under Cargo's names.
    pub fn arguments(&self) -> Vec<OsString> {
        self.arguments_of(|_| true)
    }

    /// What `cargo metadata --no-deps` has to know of it. (It has no `--target-dir`:
    /// that one is passed as `CARGO_TARGET_DIR`, which Cargo treats alike.)
    pub(super) fn metadata_arguments(&self) -> Vec<OsString> {
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

    /// The build's command line, without what we set ourselves.
    pub(super) fn build_arguments(&self) -> Vec<OsString> {
        self.arguments_of(|name| name != "message-format")
    }

    /// Whether the option was given, by its long name in Cargo.
    pub fn is_set(&self, name: &str) -> bool {
        self.given
            .iter()
            .any(|given| matches!(given, Given::Known(known, _) if *known == name))
    }

    /// The values given for an option, by its long name in Cargo.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a OsStr> {
        self.given.iter().filter_map(move |given| match given {
            Given::Known(known, value) if *known == name => value.as_deref(),
            _ => None,
        })
    }

    /// The last value given for an option, which is the one that counts.
    pub fn value<'a>(&'a self, name: &'a str) -> Option<&'a OsStr> {
        self.values(name).last()
    }

    /// The values as text; one that is none can name no package, target or feature.
    pub(super) fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(name).filter_map(OsStr::to_str)
    }

    /// These options with the selection of packages replaced.
    #[must_use]
    pub(super) fn for_packages<'a>(&self, specifications: impl Iterator<Item = &'a str>) -> Self {
        const SELECTION: [&str; 3] = ["package", "exclude", "workspace"];
        let kept = self
            .given
            .iter()
            .filter(|given| !matches!(given, Given::Known(name, _) if SELECTION.contains(name)));
        let packages =
            specifications.map(|text| Given::Known("package", Some(OsString::from(text))));
        Self {
            given: kept.cloned().chain(packages).collect(),
        }
    }

    fn arguments_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<OsString> {
        self.given
            .iter()
            .filter_map(|given| match given {
                Given::Known(name, value) => wanted(name).then(|| render(name, value.as_deref())),
                Given::Other(argument) => wanted("").then(|| argument.clone()),
            })
            .collect()
    }
}

fn parse_long(long: &[u8], rest: &mut impl Iterator<Item = OsString>) -> Option<Given> {
    let (name, value) = match long.iter().position(|byte| *byte == b'=') {
        Some(at) => (
            &long[..at],
            Some(OsString::from_vec(long[at + 1..].to_vec())),
        ),
        None => (long, None),
    };
    let name = std::str::from_utf8(name).ok()?;
    let name = ALIASES
        .iter()
        .find(|(alias, _)| *alias == name)
        .map_or(name, |(_, name)| name);
    let (name, _, takes_value) = KNOWN
        .iter()
        .find(|(known, ..)| *known == name && known.len() > 1)?;
    let value = if *takes_value {
        value.or_else(|| rest.next())
    } else {
        value
    };
    Some(Given::Known(name, value))
}

/// `-rvp NAME`, `-pNAME`, `-p=NAME`: switches, then possibly one with a value.
fn parse_shorts(shorts: &[u8], rest: &mut impl Iterator<Item = OsString>) -> Option<Vec<Given>> {
    let mut given = Vec::new();
    for (at, short) in shorts.iter().enumerate() {
        let (name, _, takes_value) = KNOWN.iter().find(|(_, known, _)| *known == Some(*short))?;
        if *takes_value {
            let value = &shorts[at + 1..];
            let value = value.strip_prefix(b"=").unwrap_or(value);
            let value = if value.is_empty() {
                rest.next()
            } else {
                Some(OsString::from_vec(value.to_vec()))
            };
            given.push(Given::Known(name, value));
            return Some(given);
        }
        given.push(Given::Known(name, None));
    }
    (!given.is_empty()).then_some(given)
}

fn render(name: &str, value: Option<&OsStr>) -> OsString {
    let mut argument = OsString::from(if name.len() == 1 { "-" } else { "--" });
    argument.push(name);
    if let Some(value) = value {
        if name.len() > 1 {
            argument.push("=");
        }
        argument.push(value);
    }
    argument
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn strings(arguments: &[OsString]) -> Vec<&str> {
        arguments.iter().filter_map(|a| a.to_str()).collect()
    }

    #[test]
    fn every_spelling_of_an_option_means_the_same() {
        for spelling in [
            &["-p", "x"][..],
            &["-px"],
            &["-p=x"],
            &["--package", "x"],
            &["--package=x"],
        ] {
            let options = Options::parse(spelling);
            assert_eq!(
                options.texts("package").collect::<Vec<_>>(),
                ["x"],
                "{spelling:?}"
            );
            assert_eq!(strings(&options.arguments()), ["--package=x"]);
        }
    }

    #[test]
    fn switches_may_be_joined_and_the_last_take_a_value() {
        let options = Options::parse(["-rvp", "x", "-Zbuild-std"]);
        assert_eq!(
            strings(&options.arguments()),
            ["--release", "--verbose", "--package=x", "-Zbuild-std"]
        );
    }

    #[test]
    fn our_own_names_become_cargos() {
        let options = Options::parse(["--all", "--build-jobs", "3", "--cargo-timings=json"]);
        assert_eq!(
            strings(&options.arguments()),
            ["--workspace", "--jobs=3", "--timings=json"]
        );
    }

    #[test]
    fn what_is_not_known_is_passed_on() {
        let arguments = ["--new-option=3", "-y", "word"];
        assert_eq!(strings(&Options::parse(arguments).arguments()), arguments);
    }

    #[test]
    fn metadata_gets_only_what_it_understands() {
        let options = Options::parse([
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
            strings(&options.metadata_arguments()),
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
        let options = Options::parse(["--workspace", "--exclude", "a", "--lib", "-p", "b"]);
        assert_eq!(
            strings(&options.for_packages(["c"].into_iter()).arguments()),
            ["--lib", "--package=c"]
        );
    }

    #[test]
    fn a_missing_value_is_left_for_cargo_to_complain_about() {
        assert_eq!(strings(&Options::parse(["--bin"]).arguments()), ["--bin"]);
    }

    proptest! {
        #[test]
        fn what_is_rendered_means_the_same(
            arguments in proptest::collection::vec("-{0,2}[a-zF=]{0,8}", 0..8)
        ) {
            let options = Options::parse(&arguments);
            prop_assert_eq!(Options::parse(options.arguments()), options);
        }
    }
}
