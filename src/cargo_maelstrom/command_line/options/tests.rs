use super::*;
use crate::cargo_maelstrom::command_line::arguments::{CleanArguments, DoctorArguments};
use crate::{
    cargo_maelstrom::command_line::Request,
    config::{Color, ConfigValue, NoTests, Setting, SettingSource, SlotCount, StopAfter, Ui},
    process::ExitCode,
};
use std::ffi::OsString;
use tempfile::TempDir;

/// No configuration, two CPUs.
fn environment(variables: &[(&str, &str)]) -> ProcessEnvironment {
    let mut environment = ProcessEnvironment {
        variables: variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        cpus: NonZeroU32::new(2).unwrap(),
    };
    environment
        .variables
        .entry("XDG_CONFIG_DIRS".into())
        .or_insert("/nonexistent".into());
    environment
}

fn request(words: &[&str]) -> Result<Request, CommandLineError> {
    let words = ["/bin/cargo-maelstrom"].iter().chain(words);
    Request::parse(words.map(OsString::from), &environment(&[]))
}

fn options(words: &[&str]) -> TestOptions {
    match request(words) {
        Ok(Request::Test(options)) => *options,
        other => panic!("{words:?}: {other:?}"),
    }
}

fn error(words: &[&str]) -> String {
    let error = request(words).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::SetUp);
    error.to_string()
}

/// The message without the usage, which follows as in errors of clap.
fn usage_error(words: &[&str]) -> String {
    let text = error(words);
    let end = "\n\nUsage: cargo maelstrom [OPTIONS] [FILTER]... [-- [ARGUMENT]...]\n       cargo maelstrom doctor|clean\n\nFor \
               more information, try '--help'.\n";
    let text = text.strip_suffix(end).unwrap_or_else(|| panic!("{text}"));
    text.to_owned()
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    use clap::CommandFactory;
    TestArguments::command().debug_assert();
    DoctorArguments::command().debug_assert();
    CleanArguments::command().debug_assert();
}

#[test]
fn the_defaults_are_those_of_cargo_test() {
    let options = options(&[]);
    assert_eq!(options.action, TestAction::Run);
    assert_eq!(options.selection, Selection::default());
    assert_eq!(options.cargo, CargoArguments::default());
    assert_eq!(options.cargo_options, CargoOptions::default());
    assert_eq!(options.repeat, NonZeroU32::MIN);
    assert_eq!(options.message_format, MessageFormat::Human);
    assert_eq!(options.test_arguments, [""; 0]);
    assert!(!options.no_capture);
    let settings = options.settings;
    assert_eq!(settings.slots.value.get(), 2);
    assert_eq!(settings.slots.source, SettingSource::Default);
    assert_eq!(settings.timeout, None);
    assert_eq!(settings.stop_after.value.failures(), None);
    assert_eq!(settings.no_tests.value, NoTests::Fail);
    assert_eq!(settings.inline_limit.value.bytes(), 1 << 20);
    assert!(!settings.show_output.value);
}

#[test]
fn the_word_that_cargo_puts_first_is_dropped() {
    assert_eq!(
        options(&["maelstrom", "--lib", "a"]),
        options(&["--lib", "a"])
    );
    assert_eq!(
        options(&["maelstrom", "maelstrom"]).selection.names.filters,
        ["maelstrom"]
    );
}

#[test]
fn a_first_word_doctor_checks_the_machine() {
    for words in [&["doctor"][..], &["maelstrom", "doctor"]] {
        assert!(matches!(request(words), Ok(Request::Doctor(_))));
    }
    let Ok(Request::Doctor(doctor)) = request(&["doctor", "--color=never", "--target-dir", "t"])
    else {
        panic!("no doctor");
    };
    assert_eq!(doctor.target_dir.unwrap(), "t");
    assert_eq!(doctor.settings.color.value, Color::Never);
}

#[test]
fn doctor_is_a_filter_anywhere_else() {
    for words in [&["--", "doctor"][..], &["--lib", "doctor"]] {
        assert_eq!(options(words).selection.names.filters, ["doctor"]);
    }
}

#[test]
fn doctor_takes_no_filters() {
    assert_eq!(
        error(&["doctor", "word"]),
        "error: unexpected argument 'word' found\n\nUsage: cargo maelstrom doctor [OPTIONS]\n\nFor more information, try \
         '--help'.\n"
    );
}

#[test]
fn words_before_and_after_the_dashes_are_filters() {
    let names = options(&["a", "--lib", "b", "--", "c", "--skip", "d", "--exact"])
        .selection
        .names;
    assert_eq!(names.filters, ["a", "b", "c"]);
    assert_eq!(names.skips, ["d"]);
    assert!(names.exact);
}

#[test]
fn skip_and_exact_are_allowed_only_after_the_dashes() {
    assert_eq!(
        usage_error(&["--skip", "a"]),
        "error: '--skip' is an option of libtest; write it after the dashes: `cargo maelstrom -- --skip WORD`"
    );
    assert!(usage_error(&["--exact"]).starts_with("error: '--exact' is an option of libtest"));
}

#[test]
fn options_for_the_test_binary_are_kept() {
    let options = options(&["--", "--format", "json", "--odd", "word"]);
    assert_eq!(options.test_arguments, ["--format", "json", "--odd"]);
    assert_eq!(options.selection.names.filters, ["word"]);
}

#[test]
fn errors_after_the_dashes_have_the_format_of_those_before() {
    assert_eq!(
        usage_error(&["--", "--test-threads", "x"]),
        "error: invalid value 'x' for '--test-threads' after '--': expected a number of slots, at least 1"
    );
}

#[test]
fn patterns_are_kept_with_the_option_that_gave_them() {
    let selection = options(&[
        "-i",
        "one",
        "--exclude",
        "a",
        "-x",
        "b",
        "--include=two",
        "--exclude",
        "c",
    ])
    .selection;
    let include = |text: &str| RawPattern {
        option: "--include",
        text: text.to_owned(),
    };
    assert_eq!(selection.includes, [include("one"), include("two")]);
    assert_eq!(
        selection.exclusions,
        [
            Exclusion::PackageOrPattern("a".to_owned()),
            Exclusion::Pattern("b".to_owned()),
            Exclusion::PackageOrPattern("c".to_owned()),
        ]
    );
}

#[test]
fn options_of_cargo_are_kept_as_values_and_as_words() {
    let options = options(&[
        "-p",
        "a",
        "--test",
        "t",
        "-F",
        "x,y",
        "--manifest-path",
        "m/Cargo.toml",
        "-r",
        "--offline",
    ]);
    assert_eq!(options.cargo.package, ["a"]);
    assert_eq!(options.cargo.test, ["t"]);
    assert_eq!(options.cargo.features, ["x,y"]);
    assert_eq!(
        options.cargo.manifest_path.as_deref().unwrap(),
        "m/Cargo.toml"
    );
    assert!(options.cargo.release && options.cargo.offline && !options.cargo.locked);
    assert_eq!(
        options.cargo_options.arguments(),
        [
            "--package=a",
            "--test=t",
            "--features=x,y",
            "--manifest-path=m/Cargo.toml",
            "--release",
            "--offline"
        ]
    );
}

#[test]
fn a_word_after_a_complete_option_is_a_filter() {
    let options = options(&["-p", "a", "b", "--lib", "c"]);
    assert_eq!(options.cargo.package, ["a"]);
    assert_eq!(options.selection.names.filters, ["b", "c"]);
}

#[test]
fn ignored_tests_are_selected_before_or_after_the_dashes() {
    for (words, expected) in [
        (&[][..], RunIgnored::Default),
        (&["--ignored"], RunIgnored::Only),
        (&["--", "--ignored"], RunIgnored::Only),
        (
            &["--run-ignored", "only", "--", "--ignored"],
            RunIgnored::Only,
        ),
        (&["--include-ignored"], RunIgnored::All),
        (&["--", "--include-ignored"], RunIgnored::All),
        (&["--run-ignored=all"], RunIgnored::All),
        (&["--run-ignored", "default"], RunIgnored::Default),
    ] {
        assert_eq!(options(words).selection.ignored, expected, "{words:?}");
    }
}

#[test]
fn contradictions_about_ignored_tests_are_errors() {
    let message = "error: '--ignored', '--include-ignored' and '--run-ignored' contradict each other; give one of them";
    assert_eq!(
        usage_error(&["--", "--ignored", "--include-ignored"]),
        message
    );
    assert_eq!(
        usage_error(&["--ignored", "--", "--include-ignored"]),
        message
    );
    assert_eq!(
        usage_error(&["--run-ignored=default", "--", "--ignored"]),
        message
    );
    assert!(error(&["--ignored", "--run-ignored=all"]).contains("cannot be used with"));
}

#[test]
fn each_action_has_its_option() {
    for (words, action) in [
        (&["--list"][..], TestAction::ListTests),
        (&["-l"], TestAction::ListTests),
        (&["--list-tests"], TestAction::ListTests),
        (&["--", "--list"], TestAction::ListTests),
        (&["--list", "--", "--list"], TestAction::ListTests),
        (&["--list-binaries"], TestAction::ListBinaries),
        (&["--list-packages"], TestAction::ListPackages),
        (&["--no-run"], TestAction::Build),
        (&["--init"], TestAction::Init),
        (&["--learn"], TestAction::Learn),
    ] {
        assert_eq!(options(words).action, action, "{words:?}");
    }
}

#[test]
fn learning_is_an_action_for_ordinary_selections() {
    let options = options(&["--learn", "-p", "a", "-i", "library", "word"]);
    assert_eq!(options.action, TestAction::Learn);
    assert_eq!(options.selection.names.filters, ["word"]);
    for other in [
        "--hermetic",
        "--list",
        "--observe=a",
        "--repeat=2",
        "--no-run",
    ] {
        let message = error(&["--learn", other]);
        assert!(message.contains("cannot be used with"), "{message}");
    }
    usage_error(&["--learn", "--", "--list"]);
}

#[test]
fn tests_get_more_than_their_containers_unless_a_run_is_hermetic() {
    assert!(!options(&[]).settings.hermetic.value);
    assert!(options(&["--hermetic"]).settings.hermetic.value);
    let words = ["cargo-maelstrom"].map(OsString::from);
    let environment = environment(&[("MAELSTROM_HERMETIC", "true")]);
    let Ok(Request::Test(options)) = Request::parse(words, &environment) else {
        panic!("no options");
    };
    assert!(options.settings.hermetic.value);
}

#[test]
fn only_one_action_can_be_asked_for() {
    assert_eq!(
        error(&["--list", "--no-run"]),
        "error: the argument '--list' cannot be used with '--no-run'\n\nUsage: cargo maelstrom [OPTIONS] [FILTER]... [-- \
         [ARGUMENT]...]\n       cargo maelstrom doctor|clean\n\nFor more information, try '--help'.\n"
    );
    assert_eq!(
        usage_error(&["--init", "--", "--list"]),
        "error: '--list' after '--' contradicts another action before it; give one of them"
    );
}

#[test]
fn documentation_tests_are_run_or_listed_like_others() {
    let wanted = options(&[
        "--doc",
        "-p",
        "a",
        "one",
        "--ignored",
        "--",
        "--skip",
        "slow",
    ]);
    assert_eq!((wanted.action, wanted.doc), (TestAction::Run, true));
    assert_eq!(wanted.selection.names.filters, ["one"]);
    assert_eq!(wanted.selection.ignored, RunIgnored::Only);
    let listed = options(&["--doc", "--", "--list"]);
    assert_eq!((listed.action, listed.doc), (TestAction::ListTests, true));
    assert!(!options(&[]).doc);
    assert!(usage_error(&["--doc", "--no-run"]).contains("'--doc' cannot be used with '--no-run'"));
}

#[test]
fn slots_have_several_names() {
    for words in [
        &["-j", "3"][..],
        &["-j3"],
        &["--slots=3"],
        &["--jobs", "3"],
        &["--test-threads", "3"],
        &["--", "--test-threads=3"],
        &["-j", "8", "--", "--test-threads=3"],
    ] {
        assert_eq!(options(words).settings.slots.value.get(), 3, "{words:?}");
    }
}

#[test]
fn nocapture_means_one_slot_unless_slots_are_given() {
    for words in [
        &["--nocapture"][..],
        &["--no-capture"],
        &["--", "--nocapture"],
    ] {
        let options = options(words);
        assert!(options.no_capture);
        assert_eq!(
            options.settings.slots,
            Setting::given("--nocapture", SlotCount::ONE)
        );
    }
    let options = options(&["--nocapture", "-j2"]);
    assert_eq!(options.settings.slots.value.get(), 2);
}

#[test]
fn nocapture_wins_over_slots_in_the_environment() {
    let environment = environment(&[("MAELSTROM_SLOTS", "9")]);
    let words = ["cargo-maelstrom", "--nocapture"].map(OsString::from);
    let Ok(Request::Test(options)) = Request::parse(words, &environment) else {
        panic!("no options");
    };
    assert_eq!(options.settings.slots.value, SlotCount::ONE);
}

#[test]
fn when_to_stop_has_several_names() {
    let failures = |words| {
        let stop_after = options(words).settings.stop_after.value;
        stop_after.failures().map(NonZeroU32::get)
    };
    assert_eq!(failures(&["-s", "3"]), Some(3));
    assert_eq!(failures(&["--stop-after", "0"]), None);
    assert_eq!(failures(&["--max-fail=3"]), Some(3));
    assert_eq!(failures(&["--fail-fast"]), Some(1));
    assert_eq!(failures(&["--no-fail-fast"]), None);
    assert!(error(&["--fail-fast", "--no-fail-fast"]).contains("cannot be used with"));
}

#[test]
fn no_fail_fast_wins_over_the_environment() {
    let environment = environment(&[("MAELSTROM_STOP_AFTER", "1")]);
    for (words, expected) in [(&[][..], 1), (&["--no-fail-fast"], 0)] {
        let words = ["cargo-maelstrom"].iter().chain(words).map(OsString::from);
        let Ok(Request::Test(options)) = Request::parse(words, &environment) else {
            panic!("no options");
        };
        assert_eq!(
            Some(options.settings.stop_after.value),
            StopAfter::from_text(&expected.to_string())
        );
    }
}

#[test]
fn a_test_is_repeated_at_least_once() {
    assert_eq!(options(&["--repeat", "5"]).repeat.get(), 5);
    assert_eq!(options(&["--loop=5"]).repeat.get(), 5);
    assert_eq!(
        error(&["--repeat", "0"]),
        "error: invalid value '0' for '--repeat <N>': expected a number of times, at least 1\n\nFor more information, \
         try '--help'.\n"
    );
}

#[test]
fn quiet_is_a_way_to_show_progress() {
    assert_eq!(
        options(&["-q"]).settings.ui,
        Setting::given("--quiet", Ui::Quiet)
    );
    assert_eq!(options(&["--", "-q"]).settings.ui.value, Ui::Quiet);
    assert_eq!(options(&["--ui", "simple"]).settings.ui.value, Ui::Simple);
    assert!(error(&["-q", "--ui", "fancy"]).contains("cannot be used with"));
}

#[test]
fn words_after_the_dashes_win() {
    let options = options(&["--color=always", "--ui=fancy", "--", "--color=never", "-q"]);
    assert_eq!(options.settings.color.value, Color::Never);
    assert_eq!(options.settings.ui.value, Ui::Quiet);
    assert_eq!(options.cargo_options.arguments(), ["--color=always"]);
}

#[test]
fn show_output_stands_before_and_after_the_dashes() {
    assert!(options(&["--show-output"]).settings.show_output.value);
    assert!(options(&["--", "--show-output"]).settings.show_output.value);
}

#[test]
fn verbosity_is_counted() {
    assert_eq!(options(&["-vv"]).verbose, 2);
}

#[test]
fn the_error_of_a_bad_value_has_the_expected_values() {
    assert_eq!(
        error(&["-j", "none"]),
        "error: invalid value 'none' for '--slots <N>': expected a number of slots, at least 1\n\nFor more information, \
         try '--help'.\n"
    );
    assert_eq!(
        error(&["--inline-limit", "big"]),
        "error: invalid value 'big' for '--inline-limit <SIZE>': expected a size such as `1 MiB`, `512k`, `1.5GB` or a \
         plain number of bytes\n\nFor more information, try '--help'.\n"
    );
    assert_eq!(
        error(&["--ui", "curses"]),
        "error: invalid value 'curses' for '--ui <UI>'\n  [possible values: auto, fancy, simple, quiet]\n\nFor more \
         information, try '--help'.\n"
    );
}

#[test]
fn an_unknown_option_is_answered_with_a_similar_one() {
    assert_eq!(
        error(&["--no-failfast"]),
        "error: unexpected argument '--no-failfast' found\n\n  tip: a similar argument exists: '--no-fail-fast'\n  tip: to hand \
         '--no-failfast' to the test binaries, write '-- --no-failfast'\n\nUsage: \
         cargo maelstrom [OPTIONS] [FILTER]... [-- [ARGUMENT]...]\n       cargo maelstrom doctor|clean\n\nFor more information, \
         try '--help'.\n"
    );
}

#[test]
fn an_option_without_similar_options_gets_no_suggestion() {
    for option in ["--watch", "-w", "--completions=bash"] {
        let error = error(&[option]);
        assert!(error.starts_with("error: unexpected argument"), "{error}");
        assert!(!error.contains("similar"), "{error}");
    }
}

#[test]
fn a_junit_report_needs_tests_that_run() {
    assert_eq!(options(&[]).junit, None);
    let junit = Some("a/b.xml".into());
    assert_eq!(options(&["--junit", "a/b.xml"]).junit, junit);
    assert_eq!(options(&["--junit=a/b.xml", "--learn"]).junit, junit);
    assert_eq!(options(&["--junit=a/b.xml", "-P"]).junit, junit);
    for words in [&["--list"][..], &["--no-run"], &["--", "--list"]] {
        let error = usage_error(&[&["--junit=f"], words].concat());
        assert!(
            error.starts_with("error: '--junit' writes the results"),
            "{error}"
        );
    }
}

#[test]
fn options_of_other_programs_are_explained() {
    for option in ["--retries=1", "--retries"] {
        assert_eq!(
            usage_error(&[option, "1", "word"]),
            "error: '--retries' is an option of nextest and is not supported here: a test that fails is not tried again; `--repeat N` \
             runs each test N times"
        );
    }
    assert_eq!(
        usage_error(&["-Rlatest"]).lines().next(),
        usage_error(&["-R", "latest"]).lines().next()
    );
    assert!(usage_error(&["--timings=html"]).ends_with("write `--cargo-timings`"));
    assert!(usage_error(&["--message-format", "short"]).contains("--cargo-message-format short"));
    assert!(usage_error(&["--message-format=libtest-json"]).contains("is a format of nextest"));
    assert!(error(&["--message-format=yaml"]).contains("[possible values: human, json]"));
    // Words that look like such options are values, or are for the test binary.
    assert_eq!(options(&["--config=--retries"]).cargo.config, ["--retries"]);
    assert_eq!(options(&["--", "--retries"]).test_arguments, ["--retries"]);
}

#[test]
fn short_options_of_nextest_have_the_same_meaning() {
    for (short, long) in [("--ff", "--fail-fast"), ("--nff", "--no-fail-fast")] {
        assert_eq!(options(&[short]), options(&[long]));
    }
}

#[test]
fn usages_of_nextest_are_explained() {
    assert!(usage_error(&["run"]).starts_with("error: drop the word 'run'"));
    assert!(usage_error(&["maelstrom", "run", "--lib"]).starts_with("error: drop the word 'run'"));
    assert!(usage_error(&["-E", "all()"]).starts_with("error: '-E all()' is an option of nextest"));
    assert!(usage_error(&["-P", "ci"]).starts_with("error: '-P' prints the configuration"));
}

#[test]
fn help_and_version_are_no_errors() {
    for word in ["-h", "--help", "-V", "--version"] {
        assert_eq!(request(&[word]).unwrap_err().exit_code(), ExitCode::Success);
    }
    let version = request(&["-V"]).unwrap_err().to_string();
    assert_eq!(
        version,
        format!("cargo-maelstrom {}\n", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(
        request(&["doctor", "-h"]).unwrap_err().exit_code(),
        ExitCode::Success
    );
}

#[test]
fn observing_takes_the_only_filter_word() {
    let options = options(&["--observe", "a", "-p", "b"]);
    assert_eq!(options.action, TestAction::Observe { name: "a".into() });
    assert_eq!(options.selection.names.filters, ["a"]);
    for words in [
        &["--observe", "a", "b"][..],
        &["--observe", "a", "--", "b"],
        &["--observe", "a", "--repeat", "2"],
        &["--observe", "a", "--list"],
        &["--observe", "a", "--", "--list"],
    ] {
        assert_eq!(request(words).unwrap_err().exit_code(), ExitCode::SetUp);
    }
}

#[test]
fn the_short_help_fits_two_screens_and_groups_the_options() {
    use clap::CommandFactory;
    let mut command = TestArguments::command().term_width(110);
    let short = command.render_help().to_string();
    assert!(short.lines().count() <= 90, "{short}");
    let headings: Vec<_> = short
        .lines()
        .filter(|line| line.ends_with(':') && !line.starts_with(' '))
        .collect();
    assert_eq!(
        headings,
        [
            "Arguments:",
            "Options:",
            "Selecting tests:",
            "Building (passed to Cargo):",
            "Running:",
            "Output:",
            "Configuration:",
            "Examples:",
        ]
    );
    assert!(!short.contains("--offline"));
    let long = command.render_long_help().to_string();
    assert!(long.contains("--offline") && long.contains("--cargo-message-format"));
}

#[test]
fn the_configuration_is_printed_with_its_sources() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("config.toml");
    std::fs::write(&path, "# mine\nui = \"simple\"\ntimeout = 90\n").unwrap();
    let environment = environment(&[
        ("CARGO_MAELSTROM_CACHE_SIZE", "2GB"),
        ("MAELSTROM_NO_TESTS", "pass"),
        ("MAELSTROM_CONTAINER_IMAGE_DEPOT_ROOT", "/d"),
    ]);
    let words = [
        "cargo-maelstrom",
        "-P",
        "--fail-fast",
        "-c",
        path.to_str().unwrap(),
    ];
    let Ok(Request::Test(options)) = Request::parse(words.map(OsString::from), &environment) else {
        panic!("no options");
    };
    let TestAction::PrintConfig(printed) = options.action else {
        panic!("{:?}", options.action);
    };
    assert_eq!(
        printed.replace(path.to_str().unwrap(), "FILE"),
        "\
# configuration of cargo-maelstrom
# file FILE
slots = 2                                          # default
timeout = 90                                       # FILE:3:11
stop-after = 1                                     # option --fail-fast
no-tests = \"pass\"                                  # environment variable MAELSTROM_NO_TESTS
show-output = false                                # default
inline-limit = \"1 MiB\"                             # default
cache-size = \"2 GB\"                                # environment variable CARGO_MAELSTROM_CACHE_SIZE
cache-results = \"off\"                              # default
pass-environment = [\"BLESS\", \"CARGO_LLVM_COV*\", \"CI\", \"CLICOLOR*\", \"COLUMNS\", \"FORCE_COLOR\", \"GITHUB_ACTIONS\", \"INSTA_*\", \"LLVM_PROFILE_FILE\", \"NO_COLOR\", \"PROPTEST_*\", \"QUICKCHECK_*\", \"RUSTFLAGS\", \"RUST_*\", \"SNAPSHOTS\", \"TERM\", \"TRY{BUILD,CMD}\", \"UPDATE_EXPECT\"]  # default
write-back = false                                 # default
outputs-limit = \"1 GiB\"                            # default
hermetic = false                                   # default
container-image-depot-root = \"/d\"                  # environment variable MAELSTROM_CONTAINER_IMAGE_DEPOT_ROOT
accept-invalid-remote-container-tls-certs = false  # default
# remote is not set                                # default
remote-header = []                                 # default
# remote-tls-ca is not set                         # default
# remote-tls-client-cert is not set                # default
# remote-tls-client-key is not set                 # default
remote-platform = []                               # default
batch-target = 1                                   # default
ui = \"simple\"                                      # FILE:2:6
color = \"auto\"                                     # default
log-level = \"warn\"                                 # default
"
    );
}

#[test]
fn an_engine_has_an_address_and_properties_of_its_workers() {
    let options = options(&[
        "--remote=grpc://engine:50051/main",
        "--remote-platform=pool=large",
        "--remote-platform=OSFamily=linux",
        "--batch-target=0.5",
    ]);
    let settings = options.settings;
    let remote = settings.remote.unwrap();
    assert_eq!(
        remote.engine.endpoint.to_string(),
        "grpc://engine:50051/main"
    );
    let keys: Vec<_> = remote.properties.iter().map(|p| p.key.as_str()).collect();
    assert_eq!((keys, remote.slots), (vec!["pool", "OSFamily"], 64));
    let target = std::time::Duration::from_millis(500);
    assert_eq!(settings.batch_target.value.duration(), target);
    assert_eq!(settings.slots.value.get(), 2);
}

#[test]
fn slots_limit_the_actions_in_flight_at_an_engine() {
    let options = options(&["--remote=grpc://engine:50051", "--slots=3"]);
    assert_eq!(options.settings.remote.unwrap().slots, 3);
}

#[test]
fn an_error_in_the_configuration_is_a_set_up_error() {
    let words = ["cargo-maelstrom"].map(OsString::from);
    let environment = environment(&[("CARGO_MAELSTROM_UI", "curses")]);
    let error = Request::parse(words, &environment).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::SetUp);
    assert_eq!(
        error.to_string(),
        "environment variable CARGO_MAELSTROM_UI: `curses` is not a value for `ui`: expected one of `auto`, `fancy`, \
         `simple`, `quiet`"
    );
}

#[test]
fn every_configuration_value_has_an_option_of_its_name() {
    use clap::CommandFactory;
    let TestAction::PrintConfig(printed) = options(&["-P", "-t1", "-c-"]).action else {
        panic!("no configuration");
    };
    let command = TestArguments::command();
    let longs: Vec<_> = command
        .get_arguments()
        .filter_map(clap::Arg::get_long)
        .collect();
    for line in printed.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(' ').next().unwrap();
        assert!(longs.contains(&name), "{name}");
    }
}
