use super::*;
use crate::cargo_maelstrom::command_line::commands::{CleanArguments, DoctorArguments};
use crate::{
    cargo_maelstrom::command_line::Request,
    config::{
        Color, ConfigValue, FilePath, FinalStatusLevel, NoTests, OutputTime, Setting,
        SettingSource, SlotCount, StatusLevel, StopAfter, SuccessOutput, Ui,
    },
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
    Request::parse(words.map(OsString::from), &environment(&[]), &|_, _| {
        Ok(Profiles::default())
    })
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
    let end = "\n\nUsage: cargo maelstrom [OPTIONS] [FILTER]... [-- [ARGUMENT]...]\n       cargo maelstrom archive|doctor|clean|shim\n\nFor \
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
    assert_eq!(settings.success_output.value, SuccessOutput::NEVER);
    assert_eq!(settings.failure_output.value, OutputTime::Immediate);
}

/// The options with the profiles in this text, and whether a profile was asked for.
fn with_profiles(
    text: &str,
    words: &[&str],
    variables: &[(&str, &str)],
) -> Result<(TestOptions, bool), CommandLineError> {
    let required = std::cell::Cell::new(false);
    let read = |_: ProfileSource<'_>, is_required: bool| {
        required.set(is_required);
        Ok(Profiles::parse("/w/maelstrom-test.toml".as_ref(), text)?)
    };
    let words = ["cargo-maelstrom"].iter().chain(words).map(OsString::from);
    match Request::parse(words, &environment(variables), &read)? {
        Request::Test(options) => Ok((*options, required.get())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_profile_is_chosen_by_option_or_variable() {
    let text = "profile.a.slots = 7\nprofile.b.slots = 8";
    let own = ("CARGO_MAELSTROM_TEST_PROFILE", "b");
    let nextests = ("NEXTEST_PROFILE", "a");
    for (words, variables, slots) in [
        (&["--test-profile", "a"][..], &[own][..], 7),
        (&[], &[own, nextests], 8),
        (&[], &[nextests], 7),
        (&["--test-profile=default"], &[own], 2),
        (&[], &[], 2),
    ] {
        let (options, required) = with_profiles(text, words, variables).unwrap();
        assert_eq!(options.settings.slots.value.get(), slots, "{words:?}");
        assert_eq!(required, slots != 2, "{words:?}");
        assert_eq!(options.profile_names, ["a", "b", "default"]);
    }
    let error = with_profiles(text, &[], &[("NEXTEST_PROFILE", "c")]).unwrap_err();
    assert_eq!(error.exit_code(), ExitCode::SetUp);
    assert_eq!(
        error.to_string(),
        "environment variable NEXTEST_PROFILE: there is no profile `c` in /w/maelstrom-test.toml; the profiles are \
         a, b, default"
    );
}

#[test]
fn a_profile_can_hold_every_setting() {
    let TestAction::PrintConfig(printed) = options(&["-P"]).action else {
        panic!("no configuration");
    };
    let name = |line: &str| {
        let line = line.strip_prefix("# ").unwrap_or(line);
        let is_setting = line.contains(" = ") || line.contains(" is not set ");
        let name = line.split(' ').next().unwrap().to_owned();
        (is_setting && name != "test-profile").then_some(name)
    };
    let names: Vec<_> = printed.lines().filter_map(name).collect();
    assert!(names.len() > 25, "{names:?}");
    for name in names {
        // No setting is a date. Each is known by its name.
        let text = format!("[profile.ci]\n{name} = 2024-01-01");
        let error = with_profiles(&text, &[], &[]).unwrap_err().to_string();
        assert!(
            error.contains(&format!("` is not a value for `{name}`: expected ")),
            "{error}"
        );
    }
}

#[test]
fn the_profiles_in_the_book_and_the_starter_are_right() {
    let chapter = include_str!("../../../../docs/src/configuration.md");
    let blocks = chapter.split("```toml\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap().to_owned());
    let starter = crate::directive::STARTER.lines();
    let starter = starter.filter_map(|line| line.strip_prefix('#'));
    let starter = starter.filter(|line| !line.starts_with(' '));
    let starter = starter.collect::<Vec<_>>().join("\n");
    let texts = blocks
        .chain([starter])
        .filter(|text| text.contains("[profile."));
    let mut names = Vec::new();
    for text in texts {
        let (options, _) = with_profiles(&text, &[], &[]).unwrap();
        for name in &options.profile_names {
            with_profiles(&text, &["--test-profile", name], &[]).unwrap();
        }
        names.extend(options.profile_names);
    }
    assert_eq!(
        names,
        ["ci", "default", "nightly", "default", "ci", "default"]
    );
}

#[test]
fn the_default_filter_is_a_pattern() {
    let text = "profile.default.default-filter = \"library\"";
    let (options, _) = with_profiles(text, &["--ignore-default-filter"], &[]).unwrap();
    assert_eq!(
        options.settings.default_filter.unwrap().value.0.to_string(),
        "library"
    );
    assert!(options.ignores_default_filter);
    let text = "profile.default.default-filter = \"nme.equals(a)\"";
    let error = with_profiles(text, &[], &[]).unwrap_err().to_string();
    assert!(
        error.starts_with("/w/maelstrom-test.toml:1:34: `\"nme.equals(a)\"` is not a value for `default-filter`: unknown"),
        "{error}"
    );
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
    let Ok(Request::Test(options)) =
        Request::parse(words, &environment, &|_, _| Ok(Profiles::default()))
    else {
        panic!("no options");
    };
    assert!(options.settings.hermetic.value);
}

#[test]
fn only_one_action_can_be_asked_for() {
    assert_eq!(
        error(&["--list", "--no-run"]),
        "error: the argument '--list' cannot be used with '--no-run'\n\nUsage: cargo maelstrom [OPTIONS] [FILTER]... [-- \
         [ARGUMENT]...]\n       cargo maelstrom archive|doctor|clean|shim\n\nFor more information, try '--help'.\n"
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
    let Ok(Request::Test(options)) =
        Request::parse(words, &environment, &|_, _| Ok(Profiles::default()))
    else {
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
        let Ok(Request::Test(options)) =
            Request::parse(words, &environment, &|_, _| Ok(Profiles::default()))
        else {
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
    assert_eq!(
        options(&["--show-output"]).settings.success_output.value,
        SuccessOutput::IMMEDIATE
    );
    assert_eq!(
        options(&["--", "--show-output"])
            .settings
            .success_output
            .value,
        SuccessOutput::IMMEDIATE
    );
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
        error(&["-j", "num-cpus"]),
        "error: invalid value 'num-cpus' for '--slots <N>': the number of CPUs is the default, so leave it out\n\nFor \
         more information, try '--help'.\n"
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
fn no_error_of_a_bad_value_is_that_of_a_parser_of_numbers() {
    use clap::CommandFactory as _;
    let command = TestArguments::command();
    let options = command.get_arguments().filter_map(clap::Arg::get_long);
    for option in options {
        for value in ["x", "-1", "1.5"] {
            let message = match request(&[&format!("--{option}={value}")]) {
                Err(error) => error.to_string(),
                Ok(_) => continue,
            };
            for raw in [
                "invalid digit",
                "invalid float",
                "number too",
                " is not in ",
            ] {
                assert!(!message.contains(raw), "{message}");
            }
        }
    }
    assert_eq!(
        error(&["--retries=-1"]),
        "error: invalid value '-1' for '--retries <N>': expected a number of retries, 0 for none\n\nFor more \
         information, try '--help'.\n"
    );
}

#[test]
fn an_unknown_option_is_answered_with_a_similar_one() {
    assert_eq!(
        error(&["--no-failfast"]),
        "error: unexpected argument '--no-failfast' found\n\n  tip: a similar argument exists: '--no-fail-fast'\n  tip: to hand \
         '--no-failfast' to the test binaries, write '-- --no-failfast'\n\nUsage: \
         cargo maelstrom [OPTIONS] [FILTER]... [-- [ARGUMENT]...]\n       cargo maelstrom archive|doctor|clean|shim\n\nFor more information, \
         try '--help'.\n"
    );
}

#[test]
fn an_option_without_similar_options_gets_no_suggestion() {
    for option in ["-y", "--yawn=bash"] {
        let error = error(&[option]);
        assert!(error.starts_with("error: unexpected argument"), "{error}");
        assert!(!error.contains("similar"), "{error}");
    }
}

#[test]
fn a_junit_report_needs_tests_that_run() {
    let junit_of = |words: &[&str]| options(words).settings.junit.map(|junit| junit.value);
    assert_eq!(junit_of(&[]), None);
    let junit = Some(FilePath("a/b.xml".into()));
    assert_eq!(junit_of(&["--junit", "a/b.xml"]), junit);
    assert_eq!(junit_of(&["--junit=a/b.xml", "--learn"]), junit);
    assert_eq!(junit_of(&["--junit=a/b.xml", "-P"]), junit);
    assert_eq!(junit_of(&["--junit=a/b.xml", "--doc"]), junit);
    for words in [&["--list"][..], &["--no-run"], &["--", "--list"]] {
        let error = usage_error(&[&["--junit=f"], words].concat());
        assert!(
            error.starts_with("error: '--junit' writes the results"),
            "{error}"
        );
    }
}

#[test]
fn timings_need_tests_that_run() {
    let timings_of = |words: &[&str]| options(words).timings;
    assert_eq!(timings_of(&["--lib"]), None);
    let named = Some(TimingsFile::Named("a/b.html".into()));
    assert_eq!(timings_of(&["--timings=a/b.html"]), named);
    // The next word is a filter.
    let with_filter = options(&["--timings", "word"]);
    assert_eq!(with_filter.timings, Some(TimingsFile::Default));
    assert_eq!(with_filter.selection.names.filters, ["word"]);
    for words in [&["--list"][..], &["--no-run"], &["--observe", "name"]] {
        let error = usage_error(&[&["--timings"], words].concat());
        assert!(
            error.starts_with("error: '--timings' shows when tests ran"),
            "{error}"
        );
    }
}

#[test]
fn options_of_other_programs_are_explained() {
    for option in ["--extract-to=directory", "--extract-to"] {
        assert!(
            usage_error(&[option, "1", "word"])
                .starts_with("error: '--extract-to' is an option of nextest")
        );
    }
    assert_eq!(
        usage_error(&["-Rlatest"]).lines().next(),
        usage_error(&["-R", "latest"]).lines().next()
    );
    assert!(usage_error(&["--message-format", "short"]).contains("--cargo-message-format short"));
    assert!(usage_error(&["--message-format=libtest-json"]).contains("is a format of nextest"));
    assert!(error(&["--message-format=yaml"]).contains("[possible values: human, json]"));
    // Words that look like such options are values, or are for the test binary.
    assert_eq!(
        options(&["--config=--extract-to"]).cargo.config,
        ["--extract-to"]
    );
    assert_eq!(
        options(&["--", "--extract-to"]).test_arguments,
        ["--extract-to"]
    );
}

#[test]
fn short_options_of_nextest_have_the_same_meaning() {
    for (short, long) in [("--ff", "--fail-fast"), ("--nff", "--no-fail-fast")] {
        assert_eq!(options(&[short]), options(&[long]));
    }
}

#[test]
fn a_first_word_run_is_dropped() {
    assert_eq!(options(&["run", "--lib", "a"]), options(&["--lib", "a"]));
    assert_eq!(options(&["maelstrom", "run"]), options(&[]));
    // As in `cargo nextest run doctor`.
    for words in [&["run", "run"][..], &["--", "run"], &["--lib", "run"]] {
        assert_eq!(options(words).selection.names.filters, ["run"], "{words:?}");
    }
    assert_eq!(
        options(&["run", "doctor"]).selection.names.filters,
        ["doctor"]
    );
}

#[test]
fn options_of_nextest_about_output_have_the_same_meaning() {
    let settings = |words: &[&str]| options(words).settings;
    let shown = settings(&["--success-output=final", "--failure-output", "never"]);
    assert_eq!(shown.success_output.value.0, OutputTime::Final);
    assert_eq!(shown.failure_output.value, OutputTime::Never);
    assert_eq!(
        settings(&["--show-output"]).success_output.value,
        SuccessOutput::IMMEDIATE
    );
    let levels = settings(&["--status-level=skip", "--final-status-level=retry"]);
    assert_eq!(levels.status_level.unwrap().value, StatusLevel::Skip);
    assert_eq!(levels.final_status_level.value, FinalStatusLevel::Flaky);
    assert!(settings(&["--hide-progress-bar"]).hide_progress_bar.value);
    assert!(
        error(&["--status-level=high"])
            .contains("[possible values: none, fail, retry, slow, leak, pass, skip, all]")
    );
    let stop = settings(&["--max-fail=2:immediate"]).stop_after.value;
    assert!(stop.is_immediate() && stop.failures() == NonZeroU32::new(2));
    assert_eq!(
        settings(&["--max-fail", "all"]).stop_after.value,
        StopAfter::NEVER
    );
    assert!(options(&["--all"]).cargo.workspace);
}

#[test]
fn variables_of_nextest_about_output_follow_our_own() {
    let variables = [
        ("NEXTEST_STATUS_LEVEL", "pass"),
        ("NEXTEST_FINAL_STATUS_LEVEL", "slow"),
        ("NEXTEST_SUCCESS_OUTPUT", "final"),
        ("NEXTEST_FAILURE_OUTPUT", "immediate-final"),
        ("NEXTEST_HIDE_PROGRESS_BAR", "1"),
        ("MAELSTROM_STATUS_LEVEL", "fail"),
    ];
    let text = "profile.default.final-status-level = \"all\"";
    let (options, _) = with_profiles(text, &["--success-output=never"], &variables).unwrap();
    let settings = options.settings;
    assert_eq!(settings.status_level.unwrap().value, StatusLevel::Fail);
    assert_eq!(settings.final_status_level.value, FinalStatusLevel::Slow);
    assert_eq!(settings.success_output.value, SuccessOutput::NEVER);
    assert_eq!(settings.failure_output.value, OutputTime::ImmediateFinal);
    assert!(settings.hide_progress_bar.value);
}

#[test]
fn settings_have_the_names_of_nextest_in_profiles() {
    let text = "profile.a.fail-fast = true\nprofile.b.max-fail = \"3:immediate\"\n\
                profile.c = { show-output = true, junit = \"target/junit.xml\" }";
    let settings = |name: &str| {
        let (options, _) = with_profiles(text, &["--test-profile", name], &[]).unwrap();
        options.settings
    };
    assert_eq!(settings("a").stop_after.value, StopAfter::FIRST_FAILURE);
    assert!(settings("b").stop_after.value.is_immediate());
    let c = settings("c");
    assert_eq!(c.success_output.value, SuccessOutput::IMMEDIATE);
    assert_eq!(
        c.junit.unwrap().value,
        FilePath("/w/target/junit.xml".into())
    );
    // Only the option says that there are tests whose results can be reported.
    let list = ["--test-profile=c", "--list"];
    assert!(with_profiles(text, &list, &[]).is_ok());
}

#[test]
fn cargo_alone_is_quiet_or_verbose() {
    let words = |line: &[&str]| options(line).cargo_options.arguments();
    assert_eq!(words(&["--cargo-quiet"]), ["--quiet"]);
    assert_eq!(
        words(&["-q", "--cargo-quiet", "--cargo-quiet"]),
        ["--quiet"]
    );
    assert_eq!(words(&["-v", "--cargo-quiet"]), ["--quiet"]);
    assert_eq!(
        words(&["--cargo-verbose", "--cargo-verbose"]),
        ["--verbose"; 2]
    );
    assert_eq!(options(&["--cargo-quiet"]).settings.ui.value, Ui::Auto);
    assert_eq!(options(&["--cargo-verbose"]).verbose, 0);
}

#[test]
fn usages_of_nextest_are_explained() {
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
    assert!(short.lines().count() <= 100, "{short}");
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
            "Coverage:",
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
    let Ok(Request::Test(options)) =
        Request::parse(words.map(OsString::from), &environment, &|_, _| {
            Ok(Profiles::default())
        })
    else {
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
# test-profile is not set                          # default
# default-filter is not set                        # default
slots = 2                                          # default
timeout = 90                                       # FILE:3:11
retries = 0                                        # default
flaky-result = \"pass\"                              # default
slow-timeout = \"60s\"                               # default
leak-timeout = \"0.2s\"                              # default
# global-timeout is not set                        # default
stop-after = 1                                     # option --fail-fast
no-tests = \"pass\"                                  # environment variable MAELSTROM_NO_TESTS
success-output = \"never\"                           # default
failure-output = \"immediate\"                       # default
# status-level is not set                          # default
final-status-level = \"flaky\"                       # default
hide-progress-bar = false                          # default
# junit is not set                                 # default
# junit-store-success-output is not set            # default
# junit-store-failure-output is not set            # default
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
    let error = Request::parse(words, &environment, &|_, _| Ok(Profiles::default())).unwrap_err();
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

#[test]
fn filtersets_are_repeatable() {
    let given = options(&[
        "-E",
        "all()",
        "--filterset=test(a)",
        "--filter-expr",
        "none()",
    ]);
    assert_eq!(given.selection.filtersets, ["all()", "test(a)", "none()"]);
    let error = usage_error(&["--print-spec", "all", "-E", "all()"]);
    assert!(error.contains("cannot be used with"), "{error}");
}

#[test]
fn a_program_called_cargo_nextest_has_the_defaults_of_nextest() {
    let parse = |words: &[&str], variables: &[(&str, &str)]| {
        let words = words.iter().map(OsString::from);
        match Request::parse(words, &self::environment(variables), &|_, _| {
            Ok(Profiles::default())
        })
        .unwrap()
        {
            Request::Test(options) => *options,
            other => panic!("{other:?}"),
        }
    };
    let run = ["/shim/cargo-nextest", "nextest", "run"];
    let ours = parse(&["/bin/cargo-maelstrom", "maelstrom"], &[]);
    assert!(!ours.as_nextest && !ours.settings.hermetic.value);
    assert_eq!(ours.settings.stop_after.value, StopAfter::NEVER);
    let nextest = parse(&run, &[]);
    assert!(nextest.as_nextest && nextest.settings.hermetic.value);
    assert_eq!(nextest.settings.stop_after.value, StopAfter::FIRST_FAILURE);
    let all = parse(&[&run[..], &["--no-fail-fast"]].concat(), &[]);
    assert_eq!(all.settings.stop_after.value, StopAfter::NEVER);
    let with_needs = parse(&run, &[("CARGO_MAELSTROM_HERMETIC", "false")]);
    assert!(!with_needs.settings.hermetic.value);
}

#[test]
fn a_shim_takes_a_program_with_its_arguments() {
    let shim = request(&["shim", "--", "cargo", "mutants", "--", "--lib"]).unwrap();
    let Request::Shim(shim) = shim else {
        panic!("{shim:?}");
    };
    assert_eq!(shim.program, "cargo");
    assert_eq!(shim.arguments, ["mutants", "--", "--lib"]);
    for words in [&["shim"][..], &["shim", "--"], &["shim", "cargo"]] {
        assert_eq!(request(words).unwrap_err().exit_code(), ExitCode::SetUp);
    }
}

#[test]
fn a_program_in_the_foreground_is_for_one_test_that_words_or_patterns_select() {
    let foreground = |words: &[&str]| match options(words).action {
        TestAction::Foreground { program, name } => (program, name),
        other => panic!("{words:?}: {other:?}"),
    };
    let words = ["gdb", "--args"].map(str::to_owned).to_vec();
    let name = |name: &str| Some(name.to_owned());
    for (arguments, program, name) in [
        (&["--shell", "a"][..], ForegroundProgram::Shell, name("a")),
        (
            &["--debugger", "gdb --args", "a"],
            ForegroundProgram::Debugger(words.clone()),
            name("a"),
        ),
        (
            &["--debugger", "gdb --args", "--", "a"],
            ForegroundProgram::Debugger(words.clone()),
            name("a"),
        ),
        (
            &["--debugger", "gdb --args", "-i", "test.equals(a)"],
            ForegroundProgram::Debugger(words.clone()),
            None,
        ),
        (
            &["--tracer", "gdb --args", "a", "b"],
            ForegroundProgram::Tracer(words.clone()),
            None,
        ),
    ] {
        assert_eq!(foreground(arguments), (program, name), "{arguments:?}");
    }
    for wrong in [
        &["--shell", "a", "b"][..],
        &["--shell", "a", "--debugger", "b"],
        &["--shell", "a", "--list"],
        &["--shell", "a", "--repeat", "2"],
        &["--debugger", "gdb", "a"],
        &["--tracer", "'", "a"],
        &["--tracer", "strace", "--", "--list"],
    ] {
        assert_eq!(request(wrong).unwrap_err().exit_code(), ExitCode::SetUp);
    }
}
