//! Which tests run: Cargo's options, patterns, filters, ignored tests; and lists.

use crate::fixture;
use crate::fixture::{Project, both_streams};
use std::collections::BTreeSet;

/// A test binary or test as both Cargo and we name it: without the package, which Cargo does not
/// tell, and with `_` for `-`, which Cargo makes so.
type Names = BTreeSet<(String, String)>;

/// What `cargo test` would run: the test binaries, and the test cases in them.
fn selected_by_cargo(project: &Project, arguments: &[&str], after: &[&str]) -> (Names, Names) {
    let list = ["--no-fail-fast", "--", "--list", "--format=terse"];
    let arguments = [&["test"], arguments, &list, after].concat();
    let text = both_streams(&mut project.cargo(&arguments));
    let (mut binaries, mut cases) = (Names::new(), Names::new());
    let mut current = None;
    for line in text.lines() {
        if let Some(running) = line.trim_start().strip_prefix("Running ") {
            let (source, file) = running.rsplit_once(" (").unwrap();
            let file = file.trim_end_matches(')');
            let name = file.rsplit('/').next().unwrap().rsplit_once('-').unwrap().0;
            current = Some(name.to_owned());
            let is_unit = source.starts_with("unittests");
            binaries.insert((
                name.to_owned(),
                if is_unit { "unit" } else { "other" }.to_owned(),
            ));
        } else if let Some(library) = line.trim_start().strip_prefix("Doc-tests ") {
            current = Some(library.to_owned());
        } else if let (Some(name), Some(case)) = (&current, line.strip_suffix(": test")) {
            cases.insert((name.clone(), case.to_owned()));
        }
    }
    assert!(!binaries.is_empty(), "{text}");
    (binaries, cases)
}

/// What `cargo maelstrom` would run, without the binaries that are one test as a whole: Cargo
/// cannot tell us of those.
fn selected_by_us(project: &Project, arguments: &[&str], after: &[&str]) -> (Names, Names) {
    let split = |line: &str| {
        let mut words = line.splitn(3, ' ').skip(1);
        let (kind, target) = words.next().unwrap().split_once('/').unwrap();
        let case = words.next().unwrap_or_default().to_owned();
        (kind.to_owned(), target.replace('-', "_"), case)
    };
    let list = [arguments, &["--list", "--"], after].concat();
    let run = project.maelstrom(&list).exits(0);
    let cases = run
        .lines()
        .into_iter()
        .map(split)
        .filter(|(_, target, case)| target != case);
    let cases = cases.map(|(_, target, case)| (target, case)).collect();

    let run = project
        .maelstrom(&[arguments, &["--list-binaries"]].concat())
        .exits(0);
    let binaries = run.lines().into_iter().map(split).map(|(kind, target, _)| {
        // Cargo calls the tests in examples unit tests, as they are beside the code.
        let is_unit = ["lib", "bin", "proc-macro", "example"].contains(&kind.as_str());
        (target, if is_unit { "unit" } else { "other" }.to_owned())
    });
    (binaries.collect(), cases)
}

#[track_caller]
fn assert_same_selection(project: &Project, options: &[&[&str]]) {
    for arguments in options {
        assert_eq!(
            selected_by_us(project, arguments, &[]),
            selected_by_cargo(project, arguments, &[]),
            "with {arguments:?}"
        );
    }
}

#[test]
fn shop_selects_the_packages_that_cargo_selects() {
    let shop = Project::shared("shop");
    assert_same_selection(
        &shop,
        &[
            &[],
            &["--workspace"],
            &["-p", "shop-core"],
            &["-p", "shop-extra", "--package=shop-custom"],
            &["-p", "shop-c*"],
            &["--workspace", "--exclude", "shop-core"],
            &["--all", "--exclude=shop-c*", "--exclude", "shop-extra"],
            &["--manifest-path", "extra/Cargo.toml"],
        ],
    );
}

#[test]
fn shop_selects_the_targets_that_cargo_selects() {
    let shop = Project::shared("shop");
    assert_same_selection(
        &shop,
        &[
            &["--lib"],
            &["--bins"],
            &["--tests"],
            &["--examples"],
            &["--benches"],
            &["--test", "cli", "--test=shelf"],
            &["-p", "shop-core", "--bin", "shop-till", "--lib"],
            &["--example", "counter", "--bench", "speed"],
        ],
    );
}

#[test]
fn shop_selects_with_the_features_that_cargo_has() {
    // With other features Cargo makes the programs anew, in the same places.
    let project = Project::own("shop");
    assert_same_selection(
        &project,
        &[
            &["-p", "shop-core", "-F", "discounts"],
            &["-p", "shop-extra", "--all-features"],
        ],
    );
    let run = project
        .maelstrom(&["--list", "-p", "shop-extra", "-F", "parcels"])
        .exits(0);
    assert_eq!(
        run.lines(),
        [
            "shop-extra lib/shop_extra extra_works",
            "shop-extra lib/shop_extra sends_parcels"
        ]
    );
}

#[test]
fn shop_lists_the_tests_that_the_filters_of_cargo_leave() {
    let project = Project::shared("shop");
    for after in [
        &["sums"][..],
        &["sums", "till"],
        &["tests::sums", "--exact"],
        &["--skip", "sums", "--skip=runs"],
        &["sums", "--skip", "nested"],
        &["--ignored"],
        &["--ignored", "night"],
        &["--include-ignored", "takes"],
    ] {
        let arguments = ["-p", "shop-core"];
        assert_eq!(
            selected_by_us(&project, &arguments, after).1,
            selected_by_cargo(&project, &arguments, after).1,
            "with {after:?}"
        );
    }
}

#[test]
fn shop_selects_the_current_package_in_a_packages_directory() {
    let project = Project::shared("shop");
    let mut command = project.command(&["--list-packages"]);
    let run = fixture::Run::of(
        command.current_dir(project.root.join("extra/src")),
        &project,
    );
    assert_eq!(run.exits(0).lines(), ["shop-extra"]);
}

#[test]
fn shop_lists_everything_with_the_names_to_write_in_patterns() {
    let run = Project::shared("shop")
        .maelstrom(&["--workspace", "--list"])
        .exits(0);
    let mut lines = run.lines();
    lines.sort_unstable();
    lines.retain(|line| !line.contains("test/surroundings"));
    insta::assert_snapshot!(lines.join("\n"), @r"
    shop-core bench/speed is_fast
    shop-core bin/shop-till till_opens
    shop-core doctest/shop_core core/src/lib.rs - sum (line 3)
    shop-core example/counter counts
    shop-core lib/shop_core tests::nested::deeper::sums
    shop-core lib/shop_core tests::panics_when_the_till_is_full
    shop-core lib/shop_core tests::sums
    shop-core lib/shop_core tests::sums_nothing
    shop-core lib/shop_core tests::takes_inventory
    shop-core lib/shop_core tests::takes_inventory_at_night
    shop-core test/cli runs_the_program_known_at_build_time
    shop-core test/cli runs_the_program_known_at_run_time
    shop-custom test/nothing nothing
    shop-custom test/shelf cheese
    shop-custom test/shelf fresh bread
    shop-custom test/shelf old bread: rye
    shop-custom test/whole whole
    shop-extra lib/shop_extra extra_works
    shop-macros proc-macro/shop_macros expands_to_nothing
    ");
}

#[test]
fn shop_lists_binaries_and_packages_for_people_and_programs() {
    let project = Project::shared("shop");
    let run = project
        .maelstrom(&["--list-binaries", "--workspace"])
        .exits(0);
    insta::assert_snapshot!(run.stdout, @r"
    shop-core lib/shop_core
    shop-core bin/shop-till
    shop-core example/counter
    shop-core test/cli
    shop-core test/surroundings
    shop-core bench/speed
    shop-macros proc-macro/shop_macros
    shop-custom lib/shop_custom
    shop-custom test/nothing
    shop-custom test/shelf
    shop-custom test/whole
    shop-extra lib/shop_extra
    ");
    let run = project.maelstrom(&["--list-packages"]).exits(0);
    insta::assert_snapshot!(run.stdout, @r"
    shop-core
    shop-macros
    shop-custom
    ");
    let json = ["--message-format", "json"];
    let run = project.maelstrom(
        &[
            &json[..],
            &[
                "--list-binaries",
                "-i",
                "test && package.equals(shop-custom)",
            ],
        ]
        .concat(),
    );
    insta::assert_snapshot!(run.exits(0).stdout, @r#"
    {"type":"binary","event":"listed","package":"shop-custom","target":{"kind":"test","name":"nothing"}}
    {"type":"binary","event":"listed","package":"shop-custom","target":{"kind":"test","name":"shelf"}}
    {"type":"binary","event":"listed","package":"shop-custom","target":{"kind":"test","name":"whole"}}
    "#);
    let run = project
        .maelstrom(&[&json[..], &["--list-packages"]].concat())
        .exits(0);
    insta::assert_snapshot!(run.stdout, @r#"
    {"type":"package","event":"listed","package":"shop-core","version":"1.2.3"}
    {"type":"package","event":"listed","package":"shop-macros","version":"0.1.0"}
    {"type":"package","event":"listed","package":"shop-custom","version":"0.1.0"}
    "#);
    let run = project.maelstrom(&[&json[..], &["--list", "-p", "shop-custom", "bread"]].concat());
    insta::assert_snapshot!(run.exits(0).stdout, @r#"
    {"type":"test","event":"listed","package":"shop-custom","target":{"kind":"test","name":"shelf"},"name":"fresh bread"}
    {"type":"test","event":"listed","package":"shop-custom","target":{"kind":"test","name":"shelf"},"name":"old bread: rye"}
    "#);
}

#[test]
fn shop_lists_binaries_and_packages_without_building() {
    let project = Project::own("shop");
    project.maelstrom(&["--list-binaries"]).exits(0);
    project.maelstrom(&["--list-packages"]).exits(0);
    assert!(!project.target.join("debug").exists());
}

/// The names of the tests that a listing run prints.
fn listed(arguments: &[&str]) -> Vec<String> {
    let run = Project::shared("shop")
        .maelstrom(&[&["--list"], arguments].concat())
        .exits(0);
    let mut names: Vec<_> = run
        .lines()
        .iter()
        .map(|line| line.splitn(3, ' ').nth(2).unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn shop_several_patterns_add_up() {
    assert_eq!(
        listed(&[
            "-i",
            "package.equals(shop-custom)",
            "--include",
            "e",
            "-x",
            "n.eq(cheese)"
        ]),
        [
            "counts",
            "fresh bread",
            "nothing",
            "old bread: rye",
            "whole"
        ]
    );
    assert_eq!(
        listed(&[
            "-i",
            "n.st(tests::)",
            "-x",
            "n.c(nested)",
            "-x",
            "n.ends_with(sums)",
            "--exclude",
            "n.c(inventory)"
        ]),
        ["tests::panics_when_the_till_is_full", "tests::sums_nothing"]
    );
    assert_eq!(
        listed(&["--workspace", "-i", "library", "--exclude", "shop-core"]),
        ["expands_to_nothing", "extra_works"]
    );
}

#[test]
fn shop_patterns_and_filters_all_have_to_agree() {
    assert_eq!(
        listed(&["-i", "library", "sums", "--", "till", "--skip", "nothing"]),
        [
            "tests::nested::deeper::sums",
            "tests::panics_when_the_till_is_full",
            "tests::sums"
        ]
    );
}

#[test]
fn shop_a_name_may_hold_spaces_and_colons() {
    let project = Project::shared("shop");
    let run = project.events(&[
        "-p",
        "shop-custom",
        "--include-ignored",
        "--",
        "--exact",
        "old bread: rye",
    ]);
    assert_eq!(run.exits(0).finished("old bread: rye")["status"], "passed");
}

#[test]
fn shop_a_pattern_narrows_the_build() {
    let project = Project::own("shop");
    project
        .maelstrom(&["-i", "package.equals(shop-macros)"])
        .exits(0)
        .says("Compiling shop-macros")
        .does_not_say("Compiling shop-core")
        .does_not_say("Compiling shop-custom")
        .says("1 passed");
}

#[test]
fn shop_a_pattern_for_packages_outside_the_selection_says_how_to_select_them() {
    for arguments in [
        &["-i", "package.equals(shop-extra)"][..],
        &["-i", "package.equals(shop-extra)", "--list"],
        &["-i", "package.equals(shop-extra)", "--list-binaries"],
        &["-i", "package.equals(shop-extra)", "--list-packages"],
    ] {
        let run = Project::shared("shop").maelstrom(arguments).exits(4);
        insta::allow_duplicates! { insta::assert_snapshot!(run.stable, @"error: no selected package matches the include patterns, but the workspace has shop-extra: add `-p shop-extra`"); }
    }
}

#[test]
fn shop_a_pattern_that_no_package_can_match_builds_nothing() {
    let project = Project::own("shop");
    let run = project
        .maelstrom(&["-i", "package.equals(shop-cor)"])
        .exits(4);
    insta::assert_snapshot!(run.stable, @r"
    hint: `package.equals(shop-cor)` matches none of 4 packages; similar: `shop-core`
    error: no package of the workspace matches the include patterns; use `--no-tests pass` to make this a success
    ");
    assert!(!project.target.join("debug").exists());
}

#[test]
fn shop_ignored_tests_run_when_asked_for() {
    let project = Project::shared("shop");
    let statuses = |arguments: &[&str]| {
        let run = project.events(&[&["-p", "shop-core", "--lib", "takes"], arguments].concat());
        let statuses: Vec<_> = run.exits(0).statuses().into_values().collect();
        statuses.join(" ")
    };
    assert_eq!(statuses(&[]), "ignored ignored");
    for only in [
        &["--ignored"][..],
        &["--", "--ignored"],
        &["--run-ignored", "only"],
    ] {
        assert_eq!(statuses(only), "passed passed", "{only:?}");
        let run = project.events(&[&["-p", "shop-core", "--lib", "tests"], only].concat());
        assert_eq!(run.exits(0).statuses().len(), 2, "{only:?}");
    }
    for also in [
        &["--include-ignored"][..],
        &["--", "--include-ignored"],
        &["--run-ignored=all"],
    ] {
        assert_eq!(statuses(also), "passed passed", "{also:?}");
    }
}

#[test]
fn containers_a_directive_to_ignore_beats_include_ignored() {
    let project = Project::own("containers");
    let run = project
        .events(&["--include-ignored", "is_ignored"])
        .exits(0);
    let statuses = run.statuses();
    assert_eq!(statuses["is_ignored_here"], "ignored");
    assert_eq!(statuses["is_ignored_in_the_source"], "passed");
}

#[test]
fn shop_that_nothing_is_selected_is_an_error_unless_it_is_not() {
    let project = Project::shared("shop");
    project.maelstrom(&["-p", "shop-core", "--no-run"]).exits(0);
    let nothing = ["-p", "shop-core", "no_such_test"];
    let run = project.maelstrom(&nothing).exits(4);
    insta::assert_snapshot!(run.stable, @r"
        Finished `test` profile [unoptimized] target(s) in 0.00s
    No tests to run
    note: no test has `no_such_test` in its name; 23 test names were compared, such as `can_run_its_own_binary`
    hint: `cargo maelstrom --list` prints the names of tests
    error: no tests were run; use `--no-tests pass` to make this a success
    ");
    project
        .maelstrom(&[&nothing[..], &["--no-tests", "pass"]].concat())
        .exits(0)
        .does_not_say("warning")
        .does_not_say("note: no test");
    project
        .maelstrom(&[&nothing[..], &["--no-tests=warn"]].concat())
        .exits(0)
        .says("warning: no tests were run");
    let list = project.maelstrom(&[&nothing[..], &["--list"]].concat());
    list.exits(0).says("note: no test has `no_such_test`");
    project
        .maelstrom(&["-p", "shop-core", "name.equals(sums)"])
        .exits(4)
        .says("note: `name.equals(sums)` is compared with the names of tests; `--include 'name.equals(sums)'` uses it as a pattern");
}

/// What is said of a run with these arguments, from the first remark on.
fn remarks(project: &Project, arguments: &[&str], code: i32) -> String {
    let run = project.maelstrom(arguments).exits(code);
    let lines = run.stable.lines();
    let remarks = lines.filter(|line| line.starts_with("note:") || line.starts_with("hint:"));
    remarks.collect::<Vec<_>>().join("\n")
}

#[test]
fn shop_a_filter_that_selects_nothing_gets_similar_names() {
    let project = Project::shared("shop");
    let remarks = |arguments: &[&str]| remarks(&project, arguments, 4);
    insta::assert_snapshot!(remarks(&["surrounding"]), @r"
    note: no test has `surrounding` in its name; 29 test names were compared, such as `can_run_its_own_binary`
    hint: `surroundings` is a test target: `--test surroundings` runs its tests
    ");
    insta::assert_snapshot!(remarks(&["shop-extra"]), @r"
    note: no test has `shop-extra` in its name; 29 test names were compared, such as `can_run_its_own_binary`
    hint: `shop-extra` is a package: `-p shop-extra` runs its tests
    ");
    insta::assert_snapshot!(remarks(&["-p", "shop-core", "takes_inventry"]), @r"
    note: no test has `takes_inventry` in its name; 23 test names were compared, such as `can_run_its_own_binary`
    hint: similar test names: `tests::takes_inventory` and `tests::takes_inventory_at_night`
    ");
    insta::assert_snapshot!(remarks(&["-p", "shop-core", "-i", "name.contains(takes_inventry)"]), @r"
    note: no test matches `name.contains(takes_inventry)`; 23 tests were compared, such as `shop-core test/surroundings can_run_its_own_binary`
    hint: `name.contains(takes_inventry)` matches none of 23 test names; similar: `tests::takes_inventory` and `tests::takes_inventory_at_night`
    ");
    insta::assert_snapshot!(remarks(&["-p", "shop-core", "-i", "test.equals(clii)"]), @r"
    note: no test matches `test.equals(clii)`; none of 7 test binaries can have such a test
    hint: `test.equals(clii)` matches none of 5 targets of that kind; similar: `cli`
    ");
    insta::assert_snapshot!(remarks(&["--print-spec", "test.equals(clii)"]), @r"
    note: no test matches `test.equals(clii)`; none of 13 test binaries can have such a test
    hint: `test.equals(clii)` matches none of 5 targets of that kind; similar: `cli`
    ");
}

#[test]
fn shop_filters_that_leave_nothing_are_named() {
    let project = Project::shared("shop");
    let remarks =
        |arguments: &[&str]| remarks(&project, &[&["-p", "shop-core"], arguments].concat(), 4);
    insta::assert_snapshot!(remarks(&["--test", "cli", "-x", "test"]), @"note: `test` excludes the only test binary");
    insta::assert_snapshot!(remarks(&["--test", "cli", "-x", "name.contains(a)", "-x", "all"]), @"note: `name.contains(a)` and `all` exclude the only test binary");
    insta::assert_snapshot!(remarks(&["--test", "cli", "--", "--skip", "i", "--skip", "a"]), @"note: `--skip` with `i` and `a` leaves out all 2 tests");
    insta::assert_snapshot!(remarks(&["--test", "cli", "--ignored"]), @r"
    note: only ignored tests were selected, but none of 2 tests is ignored
    hint: drop `--ignored`, or write `--include-ignored` to run all tests
    ");
}

#[test]
fn shop_tests_that_are_all_ignored_get_the_option_that_runs_them() {
    let project = Project::shared("shop");
    insta::assert_snapshot!(remarks(&project, &["-p", "shop-core", "--lib", "takes"], 0), @"note: all 2 selected tests are marked as ignored in their source; `--ignored` runs ignored tests, `--include-ignored` all tests");
    assert_eq!(
        remarks(&project, &["-p", "shop-core", "--lib", "tests"], 0),
        ""
    );
}

#[test]
fn containers_tests_that_a_directive_ignores_get_no_option() {
    let project = Project::shared("containers");
    insta::assert_snapshot!(remarks(&project, &["is_ignored_here"], 0), @"note: the selected test is ignored by directives in `maelstrom-test.toml`");
}

#[test]
fn shop_an_exclude_pattern_that_matches_nothing_gets_a_note() {
    let project = Project::shared("shop");
    let arguments = ["-p", "shop-core", "--lib", "-x"];
    let remarks = |pattern| remarks(&project, &[&arguments[..], &[pattern]].concat(), 0);
    insta::assert_snapshot!(remarks("name.contains(take)"), @"");
    insta::assert_snapshot!(remarks("name.contains(taeks)"), @"note: the exclude pattern `name.contains(taeks)` matches none of 6 tests; similar: `tests::takes_inventory` and `tests::takes_inventory_at_night`");
}

#[test]
fn shop_builds_without_running() {
    let project = Project::shared("shop");
    let run = project
        .maelstrom(&["--no-run", "-p", "shop-macros"])
        .exits(0);
    assert_eq!(run.stdout, "");
    run.says("Finished `test` profile").does_not_say("PASS");
}

#[test]
fn shop_words_after_double_dashes_for_the_test_binary_reach_it() {
    let project = Project::shared("shop");
    let after = [
        "-p",
        "shop-core",
        "sums_nothing",
        "--",
        "-Zunstable-options",
        "--format=json",
    ];
    // libtest complains about it in words of its own.
    let run = project.maelstrom(&after).exits(100);
    assert!(
        run.stderr.contains("nightly") || run.stderr.contains("format"),
        "{run}"
    );
}
