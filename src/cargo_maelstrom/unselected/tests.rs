use super::*;
use crate::cargo_maelstrom::command_line::NameFilter;
use insta::assert_snapshot;

const NAMES: [&str; 4] = [
    "tests::sums",
    "tests::takes_nothing",
    "slow::counts",
    "slow::waits",
];

fn subject(name: &str) -> TestCaseName<'_> {
    TestCaseName {
        package: "shop-core",
        kind: TargetKind::Library,
        target: "shop_core",
        name,
    }
}

fn place(package: &str, target: Option<(TargetKind, &str)>) -> PackageOrTarget {
    PackageOrTarget {
        package: package.to_owned(),
        target: target.map(|(kind, name)| (kind, name.to_owned())),
        is_selected: package == "shop-core",
    }
}

fn offer() -> Offer<'static> {
    Offer {
        tests: NAMES.map(|name| (subject(name), false)).to_vec(),
        places: vec![
            place("shop-core", None),
            place("shop-core", Some((TargetKind::Test, "integration_tests"))),
            place("shop-core", Some((TargetKind::Binary, "till"))),
            place("shop-extra", None),
            place("shop-extra", Some((TargetKind::Test, "extras"))),
            place("shop-macros", Some((TargetKind::ProcMacro, "derive"))),
        ],
        ..Offer::default()
    }
}

fn words(filters: &[&str], skips: &[&str]) -> Selector {
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    Selector {
        names: NameFilter {
            filters: owned(filters),
            skips: owned(skips),
            exact: false,
        },
        ..Selector::default()
    }
}

fn patterns(includes: &[&str], excludes: &[&str]) -> Selector {
    let parsed = |patterns: &[&str]| patterns.iter().map(|p| p.parse().unwrap()).collect();
    Selector {
        includes: parsed(includes),
        excludes: parsed(excludes),
        ..Selector::default()
    }
}

fn text(remarks: &[Remark]) -> String {
    let lines = remarks.iter().map(|remark| match remark {
        Remark::Note(text) => format!("note: {text}\n"),
        Remark::Hint(text) => format!("hint: {text}\n"),
    });
    lines.collect()
}

fn explained(selector: &Selector) -> String {
    text(&explain(&offer(), selector))
}

fn explained_words(filters: &[&str]) -> String {
    explained(&words(filters, &[]))
}

#[test]
fn a_word_that_names_a_target_gets_the_option_for_it() {
    assert_snapshot!(explained_words(&["integration"]), @"
    note: no test has `integration` in its name; 4 test names were compared, such as `tests::sums`
    hint: `integration_tests` is a test target: `--test integration_tests` runs its tests
    ");
    assert_snapshot!(explained_words(&["extras"]), @"
    note: no test has `extras` in its name; 4 test names were compared, such as `tests::sums`
    hint: `extras` is a test target: `-p shop-extra --test extras` runs its tests
    ");
    assert_snapshot!(explained_words(&["till::sums"]), @"
    note: no test has `till::sums` in its name; 4 test names were compared, such as `tests::sums`
    hint: `till` is a binary: `--bin till sums` runs its tests with `sums` in their names
    ");
    assert_snapshot!(explained_words(&["derive"]), @"
    note: no test has `derive` in its name; 4 test names were compared, such as `tests::sums`
    hint: `derive` is the library of the package `shop-macros`: `-p shop-macros --lib` runs its tests
    ");
}

#[test]
fn a_word_that_names_a_package_gets_the_option_for_it() {
    assert_snapshot!(explained_words(&["shop_extra"]), @"
    note: no test has `shop_extra` in its name; 4 test names were compared, such as `tests::sums`
    hint: `shop-extra` is a package: `-p shop-extra` runs its tests
    ");
}

#[test]
fn a_misspelt_word_gets_similar_tests() {
    assert_snapshot!(explained_words(&["takse_nothing", "count_"]), @"
    note: no test has `takse_nothing` or `count_` in its name; 4 test names were compared, such as `tests::sums`
    hint: similar test names: `tests::takes_nothing`
    hint: similar test names: `slow::counts`
    ");
}

#[test]
fn a_word_without_similar_names_gets_the_command_that_lists_all() {
    assert_snapshot!(explained_words(&["unicode"]), @"
    note: no test has `unicode` in its name; 4 test names were compared, such as `tests::sums`
    hint: `cargo maelstrom --list` prints the names of tests
    ");
}

#[test]
fn a_part_of_a_name_is_not_enough_if_names_have_to_be_exact() {
    let mut selector = words(&["sums"], &[]);
    selector.names.exact = true;
    assert_snapshot!(explained(&selector), @"
    note: no test is called `sums` (`--exact`); 4 test names were compared, such as `tests::sums`
    hint: similar test names: `tests::sums`
    ");
}

#[test]
fn a_word_that_is_a_pattern_gets_the_option_for_it() {
    assert_snapshot!(explained_words(&["name.equals(sums)"]), @"
    note: no test has `name.equals(sums)` in its name; 4 test names were compared, such as `tests::sums`
    note: `name.equals(sums)` is compared with the names of tests; `--include 'name.equals(sums)'` uses it as a pattern
    ");
}

#[test]
fn words_are_compared_with_the_tests_that_patterns_include() {
    let selector = Selector {
        names: words(&["sums"], &[]).names,
        ..patterns(&["name.equals(slow::waits)"], &[])
    };
    assert_snapshot!(explained(&selector), @"
    note: no test has `sums` in its name; the only test name is `slow::waits`
    hint: similar test names: `tests::sums`
    ");
}

#[test]
fn a_pattern_that_matches_no_test_gets_the_names_it_was_compared_with() {
    assert_snapshot!(explained(&patterns(&["name.contains(takes_nothign)"], &[])), @"
    note: no test matches `name.contains(takes_nothign)`; 4 tests were compared, such as `shop-core lib/shop_core tests::sums`
    hint: `name.contains(takes_nothign)` matches none of 4 test names; similar: `tests::takes_nothing`
    ");
    assert_snapshot!(explained(&patterns(&["library && n.c(integration)", "n.m/^x/"], &[])), @"
    note: no test matches `library && n.c(integration)` or `n.m/^x/`; 4 tests were compared, such as `shop-core lib/shop_core tests::sums`
    hint: `name.contains(integration)` matches none of 4 test names
    hint: `integration_tests` is a test target: `test.equals(integration_tests)` selects its tests
    hint: `name.matches(^x)` matches none of 4 test names
    ");
    let mut offer = offer();
    offer.not_included = 3;
    let selector = patterns(&["test.equals(integration) && name.contains(sums)"], &[]);
    assert_snapshot!(text(&explain(&offer, &selector)), @"
    note: no test matches `test.equals(integration) && name.contains(sums)`; 4 tests were compared, and 3 test binaries cannot have such a test
    hint: `test.equals(integration)` matches none of 2 targets of that kind; similar: `integration_tests`
    ");
    offer.tests.clear();
    assert_snapshot!(text(&explain(&offer, &patterns(&["package.equals(shop-cor)"], &[]))), @"
    note: no test matches `package.equals(shop-cor)`; none of 3 test binaries can have such a test
    hint: `package.equals(shop-cor)` matches none of 3 packages; similar: `shop-core`
    ");
}

#[test]
fn the_filter_that_leaves_no_test_is_named() {
    assert_snapshot!(explained(&patterns(&[], &["library", "binary"])), @"note: `library` and `binary` exclude all 4 tests");
    let mut both = patterns(&["name.contains(slow)"], &["n.c(slow)"]);
    assert_snapshot!(explained(&both), @"note: `n.c(slow)` excludes all 2 tests that other filters select");
    both.names = words(&["waits"], &[]).names;
    assert_snapshot!(explained(&both), @"note: `n.c(slow)` excludes the only test that other filters select");
    let mut offer = offer();
    offer.excluded = 2;
    assert_snapshot!(text(&explain(&offer, &patterns(&[], &["all"]))), @"note: `all` excludes everything: 4 tests and 2 whole test binaries");
    offer.tests.clear();
    assert_snapshot!(text(&explain(&offer, &patterns(&[], &["package.equals(shop-core)"]))), @"note: `package.equals(shop-core)` excludes all 2 test binaries");
    assert_snapshot!(explained(&words(&[], &["tests", "slow"])), @"note: `--skip` with `tests` and `slow` leaves out all 4 tests");
    assert_snapshot!(explained(&words(&["slow"], &["slow"])), @"note: `--skip` with `slow` leaves out all 2 tests that other filters select");
}

#[test]
fn without_ignored_tests_a_run_of_only_ignored_tests_is_explained() {
    let mut selector = words(&["slow"], &[]);
    selector.ignored = RunIgnored::Only;
    assert_snapshot!(explained(&selector), @"
    note: only ignored tests were selected, but none of 2 tests that other filters select is ignored
    hint: drop `--ignored`, or write `--include-ignored` to run all tests
    ");
}

#[test]
fn a_build_without_tests_is_explained() {
    let mut offer = offer();
    offer.tests.clear();
    assert_snapshot!(text(&explain(&offer, &words(&[], &[]))), @"note: the built targets have no tests");
    assert_snapshot!(text(&explain(&offer, &words(&["shop-extra"], &[]))), @"
    note: the built targets have no tests
    hint: `shop-extra` is a package: `-p shop-extra` runs its tests
    ");
}

#[test]
fn ignored_tests_are_counted_by_source_and_directive() {
    let all = [(1, 0), (2, 0), (0, 1), (0, 2), (1, 2)];
    let all = all.map(|(source, directive)| all_ignored(source, directive));
    assert_snapshot!(all.join("\n"), @"
    the selected test is marked as ignored in its source; `--ignored` runs ignored tests, `--include-ignored` all tests
    all 2 selected tests are marked as ignored in their source; `--ignored` runs ignored tests, `--include-ignored` all tests
    the selected test is ignored by directives in `maelstrom-test.toml`
    all 2 selected tests are ignored by directives in `maelstrom-test.toml`
    all 3 selected tests are ignored: 1 in their source (`--include-ignored` runs them), 2 by directives in `maelstrom-test.toml`
    ");
}

#[test]
fn an_exclude_pattern_that_matches_nothing_gets_similar_names() {
    let idle = |pattern: &str| idle_exclude(&pattern.parse().unwrap(), 4, &offer());
    assert_eq!(
        idle("name.starts_with(slwo)"),
        "the exclude pattern `name.starts_with(slwo)` matches none of 4 tests; similar: `slow::counts` and `slow::waits`"
    );
    assert_eq!(
        idle("benchmark"),
        "the exclude pattern `benchmark` matches none of 4 tests"
    );
}
