//! Workspaces with a configuration of cargo-nextest.

use crate::fixture::Project;
use crate::need::needs_containers;
use std::fs;
use std::path::Path;

const CONFIGURATION: &str = r"
[test-groups]
serial = { max-threads = 1 }

[profile.ci]
retries = 2

[[profile.default.overrides]]
filter = 'test(first) & package(plain)'
threads-required = 2
";

/// The note of a run without a file of our own.
const NOTE: &str = "`.config/nextest.toml` has no effect; `cargo maelstrom --init` writes what it \
                        means to `maelstrom-test.toml`";

#[test]
fn plain_a_file_is_made_from_the_configuration_of_nextest() {
    let project = Project::own("plain");
    project.write(".config/nextest.toml", CONFIGURATION);
    let run = project.maelstrom(&["--init"]).exits(0);
    assert_eq!(
        run.stable,
        "wrote <root>/maelstrom-test.toml with what <root>/.config/nextest.toml says; its comments \
         name what has no counterpart\n"
    );
    let text = fs::read_to_string(project.root.join("maelstrom-test.toml")).unwrap();
    for part in [
        "[profile.default]\n# The default of cargo-nextest.\nfail-fast = true\n",
        "[profile.ci]\nretries = 2\n",
        "[groups.serial]\nmax-slots = 1\n",
        "[[directives]]\nfilter = \"name.contains(first) && package.equals(plain)\"\nslots = 2\n",
        "# How to run the tests of this workspace.\n",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    project
        .maelstrom(&["--init"])
        .exits(96)
        .says("exists; remove it first");
}

/// The configurations whose translations `directive::from_nextest` has snapshots of.
#[test]
fn plain_every_file_that_is_made_is_accepted() {
    let configurations =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cargo_maelstrom/nextest_configurations");
    let mut profiles = 0;
    for configuration in fs::read_dir(configurations).unwrap() {
        let configuration = configuration.unwrap().path();
        let project = Project::own("plain");
        let text = fs::read_to_string(&configuration).unwrap();
        project.write(".config/nextest.toml", &text);
        project.maelstrom(&["--init"]).exits(0);
        let made = fs::read_to_string(project.root.join("maelstrom-test.toml")).unwrap();
        let made: toml::Table = made.parse().unwrap();
        for profile in made["profile"].as_table().unwrap().keys() {
            let run = project.maelstrom(&["--print-config", "--test-profile", profile]);
            assert_eq!(run.code, Some(0), "{}: {run}", configuration.display());
            profiles += 1;
        }
        let run = project.maelstrom(&["--list-packages"]);
        assert_eq!(run.code, Some(0), "{}: {run}", configuration.display());
    }
    assert!(profiles > 7, "{profiles}");
}

#[test]
fn plain_a_mistake_in_the_configuration_of_nextest_is_shown_and_no_file_is_made() {
    let project = Project::own("plain");
    project.write(".config/nextest.toml", "[profile.ci]\nretries = ]\n");
    project
        .maelstrom(&["--init"])
        .exits(96)
        .says("error: .config/nextest.toml:2:11: ");
    assert!(!project.root.join("maelstrom-test.toml").exists());
}

#[test]
fn plain_a_run_says_that_the_configuration_of_nextest_has_no_effect() {
    needs_containers!();
    let project = Project::own("plain");
    project.maelstrom(&[]).exits(0).does_not_say("nextest");
    project.write(".config/nextest.toml", CONFIGURATION);
    let run = project.maelstrom(&[]).exits(0).says(NOTE);
    assert_eq!(run.stable.matches(NOTE).count(), 1, "{run}");
    project.directives("");
    project.maelstrom(&[]).exits(0).does_not_say("nextest");
}
