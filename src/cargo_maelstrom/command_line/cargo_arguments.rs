//! The options of Cargo. Each is defined here, because the selection of packages and targets matters
//! here too. They are passed to Cargo as they were given.

use crate::cargo::CargoOptions;
use crate::config::Choice;
use crate::config::command_line::text_value;
use camino::Utf8PathBuf;
use clap::{ArgAction, ArgMatches, parser::ValueSource};
use strum::{IntoStaticStr, VariantArray};

/// The options of Cargo. An empty string is an option without a value, for which Cargo lists the
/// possible values and fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
#[command(next_help_heading = "Building (passed to Cargo)")]
pub struct CargoArguments {
    /// Test this package
    #[arg(short, long, value_name = "SPEC", num_args = 0..=1, default_missing_value = "", action = ArgAction::Append)]
    pub package: Vec<String>,

    /// Test all packages of the workspace
    #[arg(long, alias = "all")]
    pub workspace: bool,

    /// Test the library
    #[arg(long)]
    pub lib: bool,

    /// Test all binaries
    #[arg(long)]
    pub bins: bool,

    /// Test this binary
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", action = ArgAction::Append)]
    pub bin: Vec<String>,

    /// Test all test targets
    #[arg(long)]
    pub tests: bool,

    /// Test this test target
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = "", action = ArgAction::Append)]
    pub test: Vec<String>,

    /// Test all examples
    #[arg(long, hide_short_help = true)]
    pub examples: bool,

    /// Test this example
    #[arg(long, hide_short_help = true, value_name = "NAME", num_args = 0..=1, default_missing_value = "", action = ArgAction::Append)]
    pub example: Vec<String>,

    /// Test all benches
    #[arg(long, hide_short_help = true)]
    pub benches: bool,

    /// Test this bench
    #[arg(long, hide_short_help = true, value_name = "NAME", num_args = 0..=1, default_missing_value = "", action = ArgAction::Append)]
    pub bench: Vec<String>,

    /// Test all targets
    #[arg(long)]
    pub all_targets: bool,

    /// Activate these features, separated by spaces or commas
    #[arg(short = 'F', long, action = ArgAction::Append)]
    pub features: Vec<String>,

    /// Activate all features
    #[arg(long)]
    pub all_features: bool,

    /// Do not activate the `default` feature
    #[arg(long)]
    pub no_default_features: bool,

    /// Build with optimizations
    #[arg(short, long)]
    pub release: bool,

    /// Build with this profile of Cargo's
    #[arg(long, alias = "cargo-profile", value_name = "NAME")]
    pub profile: Option<String>,

    /// Build for this target triple
    #[arg(long, value_name = "TRIPLE", num_args = 0..=1, default_missing_value = "", action = ArgAction::Append)]
    pub target: Vec<String>,

    /// Build in this directory
    #[arg(long, hide_short_help = true, value_name = "DIR")]
    pub target_dir: Option<Utf8PathBuf>,

    /// Use the package of this Cargo.toml
    #[arg(long, value_name = "PATH")]
    pub manifest_path: Option<Utf8PathBuf>,

    /// Leave Cargo.lock as it is
    #[arg(long, hide_short_help = true)]
    pub locked: bool,

    /// Do not access the network
    #[arg(long, hide_short_help = true)]
    pub offline: bool,

    /// --locked and --offline
    #[arg(long, hide_short_help = true)]
    pub frozen: bool,

    /// Ignore `rust-version` in packages
    #[arg(long, hide_short_help = true)]
    pub ignore_rust_version: bool,

    /// Override a configuration value of Cargo's
    #[arg(long, hide_short_help = true, value_name = "KEY=VALUE|PATH", action = ArgAction::Append)]
    pub config: Vec<String>,

    /// Unstable flags of Cargo's
    #[arg(short = 'Z', hide_short_help = true, value_name = "FLAG", action = ArgAction::Append)]
    pub unstable: Vec<String>,

    /// Build with N jobs (Cargo's --jobs)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub build_jobs: Option<String>,

    /// Write Cargo's report of the timings of the build
    #[arg(long, hide_short_help = true)]
    pub cargo_timings: bool,

    /// Cargo's --quiet, for Cargo only; twice: not a word of Cargo, not even errors
    #[arg(long, hide_short_help = true, action = ArgAction::Count, conflicts_with = "cargo_verbose")]
    pub cargo_quiet: u8,

    /// Cargo's --verbose, for Cargo only; twice for more
    #[arg(long, hide_short_help = true, action = ArgAction::Count)]
    pub cargo_verbose: u8,

    /// Show compiler messages in this format; the json formats go to stdout
    #[arg(long, hide_short_help = true, value_name = "FORMAT", value_parser = text_value::<CargoMessageFormat>())]
    pub cargo_message_format: Option<CargoMessageFormat>,
}

/// The format of the compiler's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum CargoMessageFormat {
    Human,
    Short,
    Json,
    #[strum(serialize = "json-diagnostic-short")]
    JsonShort,
    #[strum(serialize = "json-diagnostic-rendered-ansi")]
    JsonAnsi,
    #[strum(serialize = "json-render-diagnostics")]
    JsonRendered,
}

impl Choice for CargoMessageFormat {}

/// The id of each option in clap, and its long name in Cargo (or `Z`).
const SPELLINGS: &[(&str, &str)] = &[
    ("package", "package"),
    ("workspace", "workspace"),
    ("lib", "lib"),
    ("bins", "bins"),
    ("bin", "bin"),
    ("tests", "tests"),
    ("test", "test"),
    ("examples", "examples"),
    ("example", "example"),
    ("benches", "benches"),
    ("bench", "bench"),
    ("all_targets", "all-targets"),
    ("features", "features"),
    ("all_features", "all-features"),
    ("no_default_features", "no-default-features"),
    ("release", "release"),
    ("profile", "profile"),
    ("target", "target"),
    ("target_dir", "target-dir"),
    ("manifest_path", "manifest-path"),
    ("locked", "locked"),
    ("offline", "offline"),
    ("frozen", "frozen"),
    ("ignore_rust_version", "ignore-rust-version"),
    ("config", "config"),
    ("unstable", "Z"),
    ("build_jobs", "jobs"),
    ("cargo_timings", "timings"),
    ("cargo_quiet", "quiet"),
    ("cargo_verbose", "verbose"),
    ("verbose", "verbose"),
    ("quiet", "quiet"),
    ("color", "color"),
];

/// The options of Cargo on the command line, in their order.
pub fn options(matches: &ArgMatches) -> CargoOptions {
    let mut given: Vec<_> = SPELLINGS
        .iter()
        .flat_map(|(id, name)| occurrences(matches, id).map(move |(at, value)| (at, *name, value)))
        .collect();
    given.sort_by_key(|(index, ..)| *index);
    let is_quiet = matches.get_count("cargo_quiet") > 0;
    let mut options = CargoOptions::default();
    for (_, name, value) in given {
        // Cargo refuses `--quiet` twice, and together with `--verbose`.
        let is_refused = match name {
            "quiet" => options.is_set("quiet"),
            "verbose" => is_quiet,
            _ => false,
        };
        if !is_refused {
            options.push(name, value);
        }
    }
    options
}

/// The occurrences of an option: the index on the command line, and the value.
fn occurrences<'a>(
    matches: &'a ArgMatches,
    id: &str,
) -> impl Iterator<Item = (usize, Option<&'a str>)> {
    let is_given = matches.value_source(id) == Some(ValueSource::CommandLine);
    let indices = matches.indices_of(id).filter(|_| is_given);
    let mut indices: Vec<_> = indices.into_iter().flatten().collect();
    let is_counted = ["verbose", "cargo_quiet", "cargo_verbose"].contains(&id);
    if is_counted {
        // clap keeps only the last index of a counted switch.
        let index = indices.last().copied().unwrap_or_default();
        indices = vec![index; usize::from(matches.get_count(id))];
    }
    let is_switch = is_counted || matches.try_get_one::<bool>(id).is_ok();
    let values = matches.get_raw(id).filter(|_| !is_switch);
    // clap refuses values that are not UTF-8. An empty value stands for none.
    let values = values.into_iter().flatten().map(|value| value.to_str());
    let values = values.map(|value| value.filter(|value| !value.is_empty()));
    indices
        .into_iter()
        .zip(values.chain(std::iter::repeat(None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo_maelstrom::command_line::arguments::TestArguments;
    use clap::CommandFactory;

    fn words_of(line: &[&str]) -> Vec<String> {
        let words = ["cargo-maelstrom"].iter().chain(line);
        let matches = TestArguments::command()
            .try_get_matches_from(words)
            .unwrap();
        options(&matches).arguments()
    }

    #[test]
    fn every_option_below_the_heading_is_passed_to_cargo() {
        let command = TestArguments::command();
        let below_heading: Vec<_> = command
            .get_arguments()
            .filter(|argument| {
                argument
                    .get_help_heading()
                    .is_some_and(|heading| heading.contains("passed to Cargo"))
            })
            .map(|argument| argument.get_id().as_str())
            .collect();
        let passed: Vec<_> = SPELLINGS.iter().map(|(id, _)| *id).collect();
        assert_eq!(
            below_heading,
            // The last three also have a meaning here. The format is combined with that for reading the
            // events of the build.
            [&passed[..passed.len() - 3], &["cargo_message_format"]].concat()
        );
    }

    #[test]
    fn options_are_passed_in_order_and_in_their_long_form() {
        assert_eq!(
            words_of(&[
                "--config",
                "a=1",
                "-p",
                "one",
                "-rF",
                "x y",
                "--lib",
                "filter",
                "-ptwo",
                "--config=b=2",
                "-Z",
                "flag",
                "--all",
            ]),
            [
                "--config=a=1",
                "--package=one",
                "--release",
                "--features=x y",
                "--lib",
                "--package=two",
                "--config=b=2",
                "-Zflag",
                "--workspace"
            ]
        );
    }

    #[test]
    fn options_of_our_own_are_not_passed() {
        assert_eq!(
            words_of(&[
                "-i",
                "all",
                "-x",
                "none",
                "--exclude",
                "a",
                "-j2",
                "--list",
                "--message-format",
                "json",
                "a"
            ]),
            [""; 0]
        );
    }

    #[test]
    fn options_that_have_another_name_here_are_renamed() {
        assert_eq!(
            words_of(&[
                "--build-jobs",
                "3",
                "--cargo-timings",
                "--cargo-profile",
                "ci"
            ]),
            ["--jobs=3", "--timings", "--profile=ci"]
        );
        assert_eq!(words_of(&["--build-jobs", "-1"]), ["--jobs=-1"]);
    }

    #[test]
    fn verbosity_and_color_are_shared_with_cargo() {
        assert_eq!(
            words_of(&["-vv", "--color", "never"]),
            ["--verbose", "--verbose", "--color=never"]
        );
        assert_eq!(words_of(&["-q"]), ["--quiet"]);
        assert_eq!(words_of(&["--", "-q", "--color=always"]), [""; 0]);
    }

    #[test]
    fn a_missing_value_is_left_for_cargo_to_report() {
        assert_eq!(
            words_of(&["--bin", "--test", "--package"]),
            ["--bin", "--test", "--package"]
        );
    }

    #[test]
    fn a_path_that_is_not_unicode_is_refused() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt;
        let path = OsString::from_vec(b"--target-dir=\xff".to_vec());
        let words = [OsString::from("cargo-maelstrom"), path];
        assert!(
            TestArguments::command()
                .try_get_matches_from(words)
                .is_err()
        );
    }
}
