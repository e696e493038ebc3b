//! Profiles of settings in `maelstrom-test.toml`, and the tests that they select by default.

use crate::fixture::{Project, Run};
use std::fs;

/// Three tests in a library and one in a test target.
fn plain() -> Project {
    let project = Project::own("plain");
    project.write("tests/slow.rs", "#[test]\nfn takes_long() {}\n");
    project
}

/// A run with variables in the environment.
fn with_variables(project: &Project, variables: &[(&str, &str)], arguments: &[&str]) -> Run {
    let mut command = project.command(arguments);
    Run::of(command.envs(variables.iter().copied()), project)
}

/// The line of `--print-config` about `slots`, without the blanks.
fn slots(run: Run) -> String {
    let run = run.exits(0);
    let line = run.stdout.lines().find(|line| line.starts_with("slots ="));
    let words: Vec<_> = line.unwrap().split_whitespace().collect();
    words.join(" ")
}

#[test]
fn plain_a_profile_is_a_source_of_settings_between_environment_and_configuration() {
    let project = plain();
    project.directives(
        "[profile.default]\nslots = 3\n[profile.ci]\nui = \"quiet\"\n[profile.big]\ninherits = \"ci\"\nslots = 5\n",
    );
    let file = project.configuration.join("file.toml");
    fs::write(&file, "slots = 2\ntimeout = 7\n").unwrap();
    let file = file.to_str().unwrap();
    let print = |variables: &[(&str, &str)], arguments: &[&str]| {
        let arguments = [&["-P", "-c", file], arguments].concat();
        let run = with_variables(&project, variables, &arguments);
        project.stable(&slots(run))
    };
    let by_default = "slots = 3 # <root>/maelstrom-test.toml:2:9";
    assert_eq!(print(&[], &[]), by_default);
    assert_eq!(print(&[], &["--test-profile", "ci"]), by_default);
    let big = "slots = 5 # <root>/maelstrom-test.toml:7:9";
    assert_eq!(print(&[], &["--test-profile=big"]), big);
    assert_eq!(print(&[("NEXTEST_PROFILE", "big")], &[]), big);
    let both = [("NEXTEST_PROFILE", "ci"), ("MAELSTROM_TEST_PROFILE", "big")];
    assert_eq!(print(&both, &[]), big);
    assert_eq!(
        print(&[("MAELSTROM_SLOTS", "6")], &["--test-profile=big"]),
        "slots = 6 # environment variable MAELSTROM_SLOTS"
    );
    assert_eq!(print(&both, &["-j7"]), "slots = 7 # option --slots");

    // The file is that of the workspace, wherever the program is called.
    fs::create_dir(project.root.join("src/deep")).unwrap();
    let mut below = project.command(&["-P", "--test-profile=big"]);
    let run = Run::of(below.current_dir(project.root.join("src/deep")), &project);
    assert_eq!(project.stable(&slots(run)), big);
}

#[test]
fn plain_tests_run_with_the_settings_of_the_profile_and_are_told_its_name() {
    let project = plain();
    project.write(
        "src/lib.rs",
        "#[test]\nfn names_the_profile() { println!(\"in {}\", std::env::var(\"NEXTEST_PROFILE\").unwrap()); }\n\
         #[test]\nfn fails() { panic!() }\n\
         #[test]\nfn fails_too() { panic!() }\n",
    );
    project.directives(
        "[profile.default]\nhermetic = true\nslots = 1\n\
         [profile.ci]\nsuccess-output = \"immediate\"\nmax-fail = 1\njunit = \"target/results.xml\"\n\
         junit-store-failure-output = false\n",
    );
    let by_default = project.maelstrom(&["--lib"]).exits(100);
    let by_default = by_default.says("2 failed").does_not_say("in default\n");
    assert!(
        !project.root.join("target/results.xml").exists(),
        "{by_default}"
    );

    // Paths are relative to the file.
    let mut below = project.command(&["--lib", "--test-profile", "ci", "names", "--no-fail-fast"]);
    let run = Run::of(below.current_dir(project.root.join("src")), &project).exits(0);
    run.says("in ci\n").says("1 passed");
    let report = project.root.join("target/results.xml");
    let xml = fs::read_to_string(&report).unwrap();
    assert!(xml.contains("in ci"), "{xml}");

    let run = project.maelstrom(&["--lib", "--test-profile", "ci", "fails"]);
    run.exits(100).says("1 failed").says("1 not run");
    let xml = fs::read_to_string(&report).unwrap();
    assert!(
        xml.contains("panicked") && !xml.contains("<system-err>"),
        "{xml}"
    );

    // A setting of a profile asks for nothing that a list does not have.
    project.maelstrom(&["--test-profile=ci", "--list"]).exits(0);
}

#[test]
fn plain_tests_outside_of_the_default_filter_are_not_selected() {
    let project = plain();
    let filter = |filter: &str| {
        let text = format!(
            "[profile.default]\ndefault-filter = \"{filter}\"\n[profile.all]\ndefault-filter = \"all\"\n"
        );
        project.directives(&text);
    };
    let left_out = "not selected by the default filter of `maelstrom-test.toml`; `--ignore-default-filter` selects them too\n";
    filter("!test && !name.equals(second)");
    let run = project.maelstrom(&[]).exits(0);
    run.says("2 passed\n")
        .says(&format!(
            "note: 1 test and 1 whole test binary were {left_out}"
        ))
        .does_not_say("takes_long");
    for arguments in [&["--ignore-default-filter"][..], &["--test-profile", "all"]] {
        let run = project.maelstrom(arguments).exits(0);
        run.says("4 passed\n").does_not_say(left_out);
    }
    // Tests that other filters leave out anyway are not counted.
    let run = project
        .maelstrom(&["--lib", "--", "--skip", "second"])
        .exits(0);
    run.says("2 passed\n").does_not_say(left_out);
    let run = project.maelstrom(&["--lib"]).exits(0);
    run.says(&format!("note: 1 test was {left_out}"));

    let list = project.maelstrom(&["--list"]).exits(0);
    assert_eq!(
        list.lines(),
        ["plain lib/plain first", "plain lib/plain third"]
    );
    let binaries = |arguments: &[&str]| {
        let run = project.maelstrom(&[&["--list-binaries"], arguments].concat());
        run.exits(0).lines().len()
    };
    assert_eq!(binaries(&[]), 1);
    assert_eq!(binaries(&["--ignore-default-filter"]), 2);
    // These name their tests.
    let specification = project.maelstrom(&["--print-spec", "n.eq(second)"]);
    assert!(specification.exits(0).stdout.contains("second"));

    let remarks = |arguments: &[&str]| {
        let run = project.maelstrom(arguments).exits(4);
        let lines = run
            .stable
            .lines()
            .skip_while(|line| !line.starts_with("note"));
        lines.collect::<Vec<_>>().join("\n")
    };
    insta::assert_snapshot!(remarks(&["second"]), @r"
    note: the default filter `!test && !name.equals(second)` of `maelstrom-test.toml` leaves out 1 test and 1 whole test binary, which all other filters select
    hint: `--ignore-default-filter` selects them too
    error: no tests were run; use `--no-tests pass` to make this a success
    ");
    insta::assert_snapshot!(remarks(&["--lib", "--test", "slow", "-i", "test"]), @r"
    note: the default filter `!test && !name.equals(second)` of `maelstrom-test.toml` leaves out 1 whole test binary, which all other filters select
    hint: `--ignore-default-filter` selects them too
    error: no tests were run; use `--no-tests pass` to make this a success
    ");
    filter("none");
    insta::assert_snapshot!(remarks(&[]), @r"
    note: the default filter `none` of `maelstrom-test.toml` leaves out 3 whole test binaries, which all other filters select
    hint: `--ignore-default-filter` selects them too
    error: no tests were run; use `--no-tests pass` to make this a success
    ");
}

#[test]
fn plain_mistakes_about_profiles_are_errors_before_the_build() {
    let project = plain();
    let error = |text: &str, arguments: &[&str], variables: &[(&str, &str)]| {
        project.directives(text);
        let run = with_variables(&project, variables, arguments).exits(96);
        assert!(!project.target.join("debug").exists(), "{run}");
        run.stable.trim_end().to_owned()
    };
    let nightly = "[profile.nightly]\nslots = 2\n";
    insta::assert_snapshot!(error(nightly, &["--test-profile", "ci"], &[]), @"error: option --test-profile: there is no profile `ci` in <root>/maelstrom-test.toml; the profiles are default, nightly");
    insta::assert_snapshot!(error(nightly, &[], &[("NEXTEST_PROFILE", "nihgtly")]), @"error: environment variable NEXTEST_PROFILE: there is no profile `nihgtly` in <root>/maelstrom-test.toml; did you mean `nightly`? the profiles are default, nightly");
    insta::assert_snapshot!(error("[profile.ci]\nslots = 2\n hermtic = true\n", &[], &[]), @"error: <root>/maelstrom-test.toml:3:2: unknown key `hermtic`; did you mean `hermetic`?");
    insta::assert_snapshot!(error("[profile.ci]\ndefault-filter = \"nme.equals(a)\"\n", &[], &[]), @r#"
    error: <root>/maelstrom-test.toml:2:18: `"nme.equals(a)"` is not a value for `default-filter`: unknown selector `nme` (before a `.` write `name`, `package`, `binary`, `test`, `example`, `benchmark`, `doctest`, `kind`, `target` or `binary_id`)
      nme.equals(a)
      ^
    "#);
    insta::assert_snapshot!(error("[profile.ci\n", &[], &[]), @r"
    error: <root>/maelstrom-test.toml:1:12: this is not TOML: unclosed table, expected `]`
      |
    1 | [profile.ci
      |            ^
    ");
    insta::assert_snapshot!(error("[profiles.ci]\n", &[], &[]), @r"
    error: <root>/maelstrom-test.toml:1:2: unknown table `profiles`; did you mean `profile`?
      |
    1 | [profiles.ci]
      |  ^^^^^^^^
    ");

    fs::remove_file(project.root.join("maelstrom-test.toml")).unwrap();
    let run = project.maelstrom(&["--test-profile", "ci"]).exits(96);
    insta::assert_snapshot!(run.stable, @"error: option --test-profile: there is no profile `ci` in <root>/maelstrom-test.toml; the profiles are default");
    project
        .maelstrom(&["--test-profile=default", "--list-packages"])
        .exits(0);
    let outside = project.temporary().join("outside");
    fs::create_dir(&outside).unwrap();
    let run = Run::of(
        project.command(&["--test-profile=ci"]).current_dir(outside),
        &project,
    );
    run.exits(96).says("error: could not find `Cargo.toml`");
}

#[test]
fn plain_a_profile_of_the_test_file_is_not_taken_for_one_of_cargo() {
    let project = plain();
    project.directives("[profile.ci]\nslots = 2\n");
    for arguments in [&["--profile", "ci"][..], &["--profile=ci", "--doc"]] {
        let run = project.maelstrom(arguments).exits(96);
        assert_eq!(
            run.stable,
            "error: Cargo has no profile `ci`, but maelstrom-test.toml has a profile of this name: write `--test-profile \
             ci` instead of `--profile ci`\n"
        );
    }
    // One that Cargo has is that of Cargo.
    let defined = [("CARGO_PROFILE_CI_INHERITS", "dev")];
    let run = with_variables(&project, &defined, &["--profile", "ci", "--lib", "first"]);
    run.exits(0).says("Finished `ci` profile");
    let run = project.maelstrom(&["--profile", "other"]);
    run.exits(101).says("profile `other` is not defined");
}

#[test]
fn plain_a_profile_of_nextest_is_not_taken_for_one_of_cargo() {
    let project = plain();
    project.write(".config/nextest.toml", "[profile.ci]\nretries = 2\n");
    let run = project.maelstrom(&["--profile", "ci"]).exits(96);
    assert_eq!(
        run.stable,
        "error: Cargo has no profile `ci`, but <root>/.config/nextest.toml has one for cargo-nextest: `cargo \
         maelstrom --init` writes the profiles of this file to maelstrom-test.toml, and `--test-profile ci` chooses \
         one of them\n"
    );
    let run = project.maelstrom(&["--profile", "other"]);
    run.exits(101).says("profile `other` is not defined");
    let file = project.root.join(".config/nextest.toml");
    let run = project.maelstrom(&["--config-file", file.to_str().unwrap()]);
    assert_eq!(
        run.exits(96).stable,
        "error: <root>/.config/nextest.toml:1:2: a configuration file has no profiles; they are in \
         maelstrom-test.toml, which `cargo maelstrom --init` makes from a configuration of cargo-nextest\n"
    );
}

#[test]
fn plain_the_profiles_are_those_of_a_workspace_that_is_elsewhere() {
    let project = Project::own("plain");
    project.write(
        "member/Cargo.toml",
        "[package]\nname = \"member\"\nversion = \"0.1.0\"\nedition = \"2021\"\nworkspace = \"../root\"\n",
    );
    project.write("member/src/lib.rs", "");
    project.write(
        "root/Cargo.toml",
        "[workspace]\nmembers = [\"../member\"]\nresolver = \"2\"\n",
    );
    project.write("root/maelstrom-test.toml", "profile.default.slots = 9\n");
    let mut command = project.command(&["-P"]);
    let run = Run::of(command.current_dir(project.root.join("member")), &project);
    assert_eq!(
        project.stable(&slots(run)),
        "slots = 9 # <root>/root/maelstrom-test.toml:1:25"
    );
}
