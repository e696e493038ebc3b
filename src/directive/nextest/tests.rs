//! Configurations as public repositories have them.

use super::*;
use crate::config::Profiles;
use crate::directive::Directives;
use insta::assert_snapshot;

/// A configuration. `tests/cargo_maelstrom/nextest_configuration.rs` reads the files made of them back.
macro_rules! configuration {
    ($name:literal) => {
        include_str!(concat!(
            "../../../tests/cargo_maelstrom/nextest_configurations/",
            $name,
            ".toml"
        ))
    };
}

/// The file that is made of a configuration, without its first comment.
#[track_caller]
fn migrated(text: &str) -> String {
    let migrated = from_nextest(text.as_bytes().to_vec()).unwrap_or_else(|error| panic!("{error}"));
    if let Err(error) = Directives::parse("maelstrom-test.toml", &migrated) {
        panic!("{error}\n{migrated}");
    }
    if let Err(error) = Profiles::parse("maelstrom-test.toml".as_ref(), &migrated) {
        panic!("{error}\n{migrated}");
    }
    let header = comment(HEADER) + "\n";
    migrated.strip_prefix(&header).unwrap().to_owned()
}

#[test]
fn a_profile_for_continuous_integration() {
    assert_snapshot!(migrated(configuration!("ci")), @r#"
        [profile.default]
        # The default of cargo-nextest.
        fail-fast = true

        [profile.ci]
        fail-fast = false
        retries = 2
        slow-timeout = { period = "60s", terminate-after = 3 }
        failure-output = "immediate-final"
        final-status-level = "slow"
        junit-store-success-output = true
        # `junit.report-name = "all"` has no counterpart.
        junit = "target/nextest/ci/junit.xml"
        "#);
}

#[test]
fn groups_of_tests_that_share_something() {
    assert_snapshot!(migrated(configuration!("groups")), @r#"
        [profile.default]
        max-fail = "5:immediate"
        slow-timeout = "30s"

        [groups.database]
        max-slots = 1

        # Its `max-threads` was "num-cpus", which has no counterpart: write the number of tests that may
        # run at once.
        [groups."my group"]
        max-slots = 1000

        # Overrides, in the opposite order: the first one that matches a test decides in cargo-nextest,
        # and the last directive that matches it here.

        [[directives]]
        filter = "name.equals(heavy)"
        # More slots than there are: the test runs alone.
        slots = 1000
        # `priority = 100` has no counterpart: tests that failed last time start first, then the
        # longest.
        # `success-output = "immediate"` has no counterpart for single tests: profiles have such
        # settings.

        [[directives]]
        filter = "target.equals(e2e) || package.depends_on(server)"
        slots = 4
        slow_timeout = { period = "2m", terminate-after = 2, grace-period = "5s" }

        [[directives]]
        filter = "package.equals(store) && name.matches(^db::)"
        group = "database"
        retries = { backoff = "exponential", count = 3, delay = "1s", jitter = true }
        "#);
}

#[test]
fn platforms_and_overrides_of_other_profiles() {
    assert_snapshot!(migrated(configuration!("platforms")), @r#"
        [profile.default]
        # The default of cargo-nextest.
        fail-fast = true
        default-filter = "!name.contains(very_slow) && !package.globs(bench-*)"

        [profile.nightly]
        inherits = "ci"
        default-filter = "all"
        # `test-threads = -2` has no counterpart: `slots` is a number, and the number of CPUs if it is
        # not set.
        # `threads-required = 2` has no counterpart in a profile: directives have `slots`, and apply
        # with every profile.

        [profile.ci]
        slots = 8
        global-timeout = "1h"

        # Overrides, in the opposite order: the first one that matches a test decides in cargo-nextest,
        # and the last directive that matches it here.

        # Only for the platform "cfg(windows)", so that it is commented out.
        #[[directives]]
        # `default-filter = "not test(unix)"` has no counterpart for a platform: `default-filter` is a
        # setting of a profile.

        [[directives]]
        filter = "kind.equals(lib)"
        leak_timeout = { period = "500ms", result = "fail" }
        # `test-group = "@global"`, no group, has no counterpart: exclude the tests from the filters of
        # the directives with a group.

        # Only for the platform 'cfg(target_os = "macos")', so that it is commented out.
        #[[directives]]
        #filter = "name.contains(socket)"
        #retries = 3

        # Overrides of the profile `ci`. They are commented out, because directives apply with every
        # profile.

        #[[directives]]
        #filter = "name.contains(flaky)"
        #retries = 5
        #flaky_result = "fail"
        "#);
}

#[test]
fn scripts_and_versions() {
    assert_snapshot!(migrated(configuration!("scripts")), @r#"
        # `nextest-version = { required = "0.9.98", recommended = "0.9.100" }` has no counterpart: the
        # version of cargo maelstrom is not checked.

        # Setup scripts have no counterpart (database, seed). A layer `{ command = "…" }` of a container
        # makes files once, for all tests of the container; `added_environment` of a directive sets
        # variables.
        # Wrapper scripts have no counterpart (valgrind).

        # The profile `default-miri` is one that cargo-nextest chooses itself. It has no counterpart.

        [profile.default]
        # The default of cargo-nextest.
        fail-fast = true
        # `run-extra-args = ["--test-threads", "1"]` has no counterpart: arguments for the test binaries
        # are written on the command line, after `--`.
        # `bench` has no counterpart: benchmarks that are run as tests have the settings of tests.
        junit = "target/reports/default/report.xml"

        [profile.ci]
        # `archive` has no counterpart: archives have what containers have.
        junit = "target/reports/ci/report.xml"
        "#);
}

#[test]
fn what_cannot_be_translated_is_said() {
    assert_snapshot!(migrated(configuration!("mistakes")), @r#"
        # `speed` is unknown, and was left out.

        [profile.default]
        fail-fast = true
        status-level = "skip"
        # `colour = "blue"` is unknown, and was left out.

        # Overrides, in the opposite order: the first one that matches a test decides in cargo-nextest,
        # and the last directive that matches it here.

        #[[directives]]
        #filter = "package.equals(a) || name.contains[group(b]"
        # `mood = 3` is unknown, and was left out.

        # The filter cannot be translated: unknown predicate `tests` (write `test`, `package`, `deps`,
        # `rdeps`, `kind`, `binary`, `binary_id`, `platform`, `group`, `default`, `all` or `none`).
        #[[directives]]
        #filter = "tests(x)"
        #retries = 1
        "#);
}

#[test]
fn less_common_forms_of_values() {
    assert_snapshot!(migrated(configuration!("forms")), @r##"
        # The profile `default-miri` is one that cargo-nextest chooses itself. It has no counterpart.

        [profile.default]
        max-fail = "all"
        # `run-extra-args = [""" --of-two lines"""]` has no counterpart: arguments for the test binaries
        # are written on the command line, after `--`.
        slow-timeout = { period = "30y" }
        leak-timeout = "1w"
        global-timeout = "2 months"

        [profile.ci]
        # `inherits = "default-miri"` was left out: this file has no such profile.
        max-fail = 3

        [profile.nightly]
        # `inherits = "of-a-tool"` was left out: this file has no such profile.

        # Its `max-threads` was -1, which has no counterpart: write the number of tests that may run at
        # once.
        [groups.most]
        max-slots = 1000

        #[[directives]]
        # `test-group = "of-a-tool"` was left out: this file has no such group.

        # Overrides, in the opposite order: the first one that matches a test decides in cargo-nextest,
        # and the last directive that matches it here.

        # Only for the platform "cfg(windows)", so that it is commented out.
        #[[directives]]
        # `default-filter = """ not test(unix) & not test(linux) """` has no counterpart for a platform:
        # `default-filter` is a setting of a profile.

        [[directives]]
        filter = "name.contains(a) && name.contains(b)"
        # `test-group = "@tool:other:group"` was left out: this file has no such group.
        retries = 1
        "##);
}

#[test]
fn the_default_filter_in_the_filter_of_an_override() {
    assert_snapshot!(migrated(configuration!("default_filter")), @r#"
        [profile.default]
        # The default of cargo-nextest.
        fail-fast = true
        default-filter = "!name.contains(slow)"

        [[directives]]
        filter = "!(!name.contains(slow))"
        retries = 2
        "#);
}

#[test]
fn an_empty_configuration_has_the_defaults_of_nextest() {
    assert_snapshot!(migrated(""), @r"
        [profile.default]
        # The default of cargo-nextest.
        fail-fast = true
        ");
}

#[test]
fn mistakes_in_the_file_have_their_position() {
    let error = from_nextest(b"[profile.ci\nretries = 2".to_vec()).unwrap_err();
    let error = error.to_string();
    assert!(error.starts_with(".config/nextest.toml:1:12: "), "{error}");
    let error = from_nextest(b"a = \"\xff\"".to_vec()).unwrap_err();
    assert!(error.to_string().contains("nextest.toml:1:6"), "{error}");
}

#[test]
fn wrong_types_cause_no_panic() {
    for text in [
        "profile = 1",
        "[profile]\nci = 3",
        "[profile.default]\noverrides = 3\njunit = 1\nfail-fast = []\ninherits = 4",
        "[[profile.default.overrides]]\nfilter = 4\nplatform = []\nretries = 1979-05-27",
        "test-groups = 3\nscripts = []\nstore = 1",
        "[profile.a]\ninherits = 'b'\n[profile.b]\ninherits = 'a'",
    ] {
        from_nextest(text.as_bytes().to_vec()).unwrap();
    }
}
