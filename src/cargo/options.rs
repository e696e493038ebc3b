//! The user's options for Cargo.
//!
//! The options are kept in their order, so that Cargo gets what the user wrote. They are parsed as
//! far as is needed to call `cargo metadata` accordingly and to select other packages.

use std::{
    env,
    ffi::{OsStr, OsString},
    io,
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::PathBuf,
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
        })
    }
}

/// The options of `cargo test` that select and build targets, in the given order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CargoOptions {
    arguments: Vec<CargoArgument>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum CargoArgument {
    /// An option of the table [`KNOWN`], by its long name (or `Z`), with its value.
    Known(&'static str, Option<OsString>),
    /// Any other argument, which is passed to Cargo unchanged.
    Other(OsString),
}

/// The known options: long name, short name, and whether a value must follow.
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

/// Other names of known options: those of this program, and older ones of Cargo.
const ALIASES: &[(&str, &str)] = &[
    ("all", "workspace"),
    ("build-jobs", "jobs"),
    ("cargo-message-format", "message-format"),
    ("cargo-profile", "profile"),
    ("cargo-timings", "timings"),
];

impl CargoOptions {
    /// Parses a command line. Never fails: unknown arguments are passed to Cargo.
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
                given.push(
                    parse_long(long, &mut arguments).unwrap_or(CargoArgument::Other(argument)),
                );
            } else if let Some(shorts) = bytes.strip_prefix(b"-") {
                match parse_shorts(shorts, &mut arguments) {
                    Some(options) => given.extend(options),
                    None => given.push(CargoArgument::Other(argument)),
                }
            } else {
                given.push(CargoArgument::Other(argument));
            }
        }
        Self { arguments: given }
    }

    /// Adds an option that takes a value, by Cargo's long name.
    pub fn push(&mut self, name: &'static str, value: &str) {
        self.arguments
            .push(CargoArgument::Known(name, Some(value.into())));
    }

    /// The command line with Cargo's names of the options.
    pub fn arguments(&self) -> Vec<OsString> {
        self.arguments_of(|_| true)
    }

    /// The arguments that are relevant for `cargo metadata --no-deps`. (`cargo metadata` has no
    /// `--target-dir`; its value is passed as `CARGO_TARGET_DIR`, with the same effect.)
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

    /// The arguments for the build, without `--message-format`, which [`super::build`] sets.
    pub(super) fn build_arguments(&self) -> Vec<OsString> {
        self.arguments_of(|name| name != "message-format")
    }

    /// Whether the option with this long name of Cargo was given.
    pub fn is_set(&self, name: &str) -> bool {
        self.arguments
            .iter()
            .any(|given| matches!(given, CargoArgument::Known(known, _) if *known == name))
    }

    /// The given values of the option with this long name of Cargo.
    pub fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a OsStr> {
        self.arguments.iter().filter_map(move |given| match given {
            CargoArgument::Known(known, value) if *known == name => value.as_deref(),
            _ => None,
        })
    }

    /// The last given value of an option, which is the effective one.
    pub fn value<'a>(&'a self, name: &'a str) -> Option<&'a OsStr> {
        self.values(name).last()
    }

    /// The values that are UTF-8. Other values cannot name a package, target or feature.
    pub(super) fn texts<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values(name).filter_map(OsStr::to_str)
    }

    /// These options with another selection of packages.
    #[must_use]
    pub(super) fn for_packages<'a>(&self, specifications: impl Iterator<Item = &'a str>) -> Self {
        const SELECTION: [&str; 3] = ["package", "exclude", "workspace"];
        let kept = self.arguments.iter().filter(
            |given| !matches!(given, CargoArgument::Known(name, _) if SELECTION.contains(name)),
        );
        let packages =
            specifications.map(|text| CargoArgument::Known("package", Some(OsString::from(text))));
        Self {
            arguments: kept.cloned().chain(packages).collect(),
        }
    }

    fn arguments_of(&self, wanted: impl Fn(&str) -> bool) -> Vec<OsString> {
        self.arguments
            .iter()
            .filter_map(|given| match given {
                CargoArgument::Known(name, value) => {
                    wanted(name).then(|| render(name, value.as_deref()))
                }
                CargoArgument::Other(argument) => wanted("").then(|| argument.clone()),
            })
            .collect()
    }
}

fn parse_long(long: &[u8], rest: &mut impl Iterator<Item = OsString>) -> Option<CargoArgument> {
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
    Some(CargoArgument::Known(name, value))
}

/// Parses `-rvp NAME`, `-pNAME` and `-p=NAME`: switches, then possibly an option with a value.
fn parse_shorts(
    shorts: &[u8],
    rest: &mut impl Iterator<Item = OsString>,
) -> Option<Vec<CargoArgument>> {
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
            given.push(CargoArgument::Known(name, value));
            return Some(given);
        }
        given.push(CargoArgument::Known(name, None));
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
            let options = CargoOptions::parse(spelling);
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
        let options = CargoOptions::parse(["-rvp", "x", "-Zbuild-std"]);
        assert_eq!(
            strings(&options.arguments()),
            ["--release", "--verbose", "--package=x", "-Zbuild-std"]
        );
    }

    #[test]
    fn our_own_names_become_cargos() {
        let options = CargoOptions::parse(["--all", "--build-jobs", "3", "--cargo-timings=json"]);
        assert_eq!(
            strings(&options.arguments()),
            ["--workspace", "--jobs=3", "--timings=json"]
        );
    }

    #[test]
    fn what_is_not_known_is_passed_on() {
        let arguments = ["--new-option=3", "-y", "word"];
        assert_eq!(
            strings(&CargoOptions::parse(arguments).arguments()),
            arguments
        );
    }

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
        let options = CargoOptions::parse(["--workspace", "--exclude", "a", "--lib", "-p", "b"]);
        assert_eq!(
            strings(&options.for_packages(["c"].into_iter()).arguments()),
            ["--lib", "--package=c"]
        );
    }

    #[test]
    fn a_missing_value_is_left_for_cargo_to_complain_about() {
        assert_eq!(
            strings(&CargoOptions::parse(["--bin"]).arguments()),
            ["--bin"]
        );
    }

    proptest! {
        #[test]
        fn what_is_rendered_means_the_same(
            arguments in proptest::collection::vec("-{0,2}[a-zF=]{0,8}", 0..8)
        ) {
            let options = CargoOptions::parse(&arguments);
            prop_assert_eq!(CargoOptions::parse(options.arguments()), options);
        }
    }
}
