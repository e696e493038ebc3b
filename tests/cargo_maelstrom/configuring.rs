//! Configuration values and where they come from; a first `maelstrom-test.toml`.

use crate::fixture::{Project, Run};
use std::fs;

/// The line of `--print-config` about a value.
fn printed(run: &Run, value: &str) -> String {
    let prefix = format!("{value} =");
    let line = run.stdout.lines().find(|line| line.starts_with(&prefix));
    let line = line.unwrap_or_else(|| panic!("no {value}: {run}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn plain_every_value_is_printed_with_its_source() {
    let project = Project::shared("plain");
    let depot = ["--container-image-depot-root", "/depot"];
    let run = project
        .maelstrom(&[&["--print-config", "-j", "3", "--no-fail-fast"], &depot[..]].concat())
        .exits(0);
    insta::assert_snapshot!(project.stable(&run.stdout), @r#"
    # configuration of cargo-maelstrom
    # no file <configuration>/maelstrom/cargo-maelstrom/config.toml
    # no file <configuration>/of-the-machine/maelstrom/cargo-maelstrom/config.toml
    # test-profile is not set                          # default
    # default-filter is not set                        # default
    slots = 3                                          # option --slots
    # timeout is not set                               # default
    retries = 0                                        # default
    flaky-result = "pass"                              # default
    slow-timeout = "60s"                               # default
    leak-timeout = "0.2s"                              # default
    # global-timeout is not set                        # default
    stop-after = 0                                     # option --no-fail-fast
    no-tests = "fail"                                  # default
    success-output = "never"                           # default
    failure-output = "immediate"                       # default
    # status-level is not set                          # default
    final-status-level = "flaky"                       # default
    hide-progress-bar = false                          # default
    # junit is not set                                 # default
    # junit-store-success-output is not set            # default
    # junit-store-failure-output is not set            # default
    inline-limit = "1 MiB"                             # default
    cache-size = "10 GiB"                              # default
    cache-results = "off"                              # default
    pass-environment = ["BLESS", "CARGO_LLVM_COV*", "CI", "CLICOLOR*", "COLUMNS", "FORCE_COLOR", "GITHUB_ACTIONS", "INSTA_*", "LLVM_PROFILE_FILE", "NO_COLOR", "PROPTEST_*", "QUICKCHECK_*", "RUSTFLAGS", "RUST_*", "SNAPSHOTS", "TERM", "TRY{BUILD,CMD}", "UPDATE_EXPECT"]  # default
    write-back = false                                 # default
    outputs-limit = "1 GiB"                            # default
    hermetic = false                                   # default
    container-image-depot-root = "/depot"              # option --container-image-depot-root
    accept-invalid-remote-container-tls-certs = false  # default
    # remote is not set                                # default
    remote-header = []                                 # default
    # remote-tls-ca is not set                         # default
    # remote-tls-client-cert is not set                # default
    # remote-tls-client-key is not set                 # default
    remote-platform = []                               # default
    batch-target = 1                                   # default
    ui = "auto"                                        # default
    color = "auto"                                     # default
    log-level = "warn"                                 # default
    "#);
    assert_eq!(run.stderr, "");
    assert_eq!(
        project
            .maelstrom(&[&["-P", "-j", "3", "--no-fail-fast"], &depot[..]].concat())
            .exits(0)
            .stdout,
        run.stdout
    );

    // It can be used as a configuration file.
    let file = project.configuration.join("printed.toml");
    fs::write(&file, &run.stdout).unwrap();
    let again = project
        .maelstrom(&["-P", "-c", file.to_str().unwrap()])
        .exits(0);
    assert!(
        printed(&again, "slots").contains("printed.toml:"),
        "{again}"
    );
}

#[test]
fn plain_the_nearest_source_of_a_value_wins() {
    let project = Project::shared("plain");
    let mut variables: Vec<(&str, &str)> = Vec::new();
    let slots = |variables: &[(&str, &str)], arguments: &[&str]| {
        let mut command = project.command(&[&["--print-config"], arguments].concat());
        let run = Run::of(command.envs(variables.iter().copied()), &project).exits(0);
        project.stable(&printed(&run, "slots"))
    };
    assert!(slots(&variables, &[]).ends_with("# default"));
    let write = |path: &str, text: &str| {
        let path = project.configuration.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    let file = "maelstrom/cargo-maelstrom/config.toml";
    write(&format!("of-the-machine/{file}"), "slots = 11\n");
    assert_eq!(
        slots(&variables, &[]),
        format!("slots = 11 # <configuration>/of-the-machine/{file}:1:9")
    );
    write(file, "# mine\nslots = 12\n");
    assert_eq!(
        slots(&variables, &[]),
        format!("slots = 12 # <configuration>/{file}:2:9")
    );
    variables.push(("MAELSTROM_SLOTS", "13"));
    assert_eq!(
        slots(&variables, &[]),
        "slots = 13 # environment variable MAELSTROM_SLOTS"
    );
    variables.push(("CARGO_MAELSTROM_SLOTS", "14"));
    assert_eq!(
        slots(&variables, &[]),
        "slots = 14 # environment variable CARGO_MAELSTROM_SLOTS"
    );
    assert_eq!(
        slots(&variables, &["--slots", "15"]),
        "slots = 15 # option --slots"
    );
    assert_eq!(
        slots(&variables, &["--jobs=15"]),
        "slots = 15 # option --slots"
    );
    assert_eq!(
        slots(&variables, &["-j15", "--", "--test-threads=16"]),
        "slots = 16 # option --test-threads"
    );
    assert_eq!(
        slots(
            &[("CARGO_MAELSTROM_SLOTS", "")],
            &["-c", "-", "--nocapture"]
        ),
        "slots = 1 # option --nocapture"
    );

    write("other.toml", "slots = 17\n");
    let other = project.configuration.join("other.toml");
    let other = other.to_str().unwrap();
    assert_eq!(
        slots(&[], &["-c", other]),
        "slots = 17 # <configuration>/other.toml:1:9"
    );
    assert!(slots(&[], &["--config-file", "-"]).ends_with("# default"));
}

#[test]
fn unlistable_values_of_files_and_variables_are_in_force() {
    let project = Project::shared("unlistable");
    let file = project.configuration.join("config.toml");
    fs::write(&file, "ui = 'quiet'\nslots = 1\nstop-after = 1\n").unwrap();
    let tests = [
        "--test=babbles",
        "--test=exits",
        "-c",
        file.to_str().unwrap(),
    ];
    let run = project.maelstrom(&tests).exits(100);
    run.says("1 error\n").says("stopped after 1 failure");
    let mut command = project.command(&tests);
    Run::of(command.env("MAELSTROM_STOP_AFTER", "0"), &project)
        .exits(100)
        .says("2 errors");
}

#[test]
fn configuration_can_be_printed_outside_of_a_workspace() {
    let project = Project::shared("plain");
    let mut command = project.command(&["--print-config"]);
    Run::of(command.current_dir(&project.configuration), &project).exits(0);
}

#[test]
fn plain_a_mistake_in_the_configuration_names_its_source() {
    let project = Project::own("plain");
    let file = project.configuration.join("bad.toml");
    let with_file = |text: &str| {
        fs::write(&file, text).unwrap();
        project
            .maelstrom(&["-c", file.to_str().unwrap()])
            .exits(96)
            .stable
    };
    let with_variable = |name: &str, value: &str| {
        // Even if another source wins.
        let mut command = project.command(&["-j", "1", "--ui", "quiet"]);
        Run::of(command.env(name, value), &project).exits(96).stable
    };
    let messages = [
        with_file("slots = 'many'\n"),
        with_file("\n  ui = \"curses\"\n"),
        with_file("slot = 3\n"),
        with_file("slots = \n"),
        with_file("timeout = -1\n"),
        with_file("cache-size = '10 XB'\n"),
        with_variable("CARGO_MAELSTROM_SLOTS", "0"),
        with_variable("MAELSTROM_UI", "loud"),
        project
            .maelstrom(&["-c", "no-such-file.toml"])
            .exits(96)
            .stable,
        project.maelstrom(&["--slots", "none"]).exits(96).stable,
        project.maelstrom(&["--timeout=soon"]).exits(96).stable,
        project.maelstrom(&["--ui=loud"]).exits(96).stable,
    ];
    insta::assert_snapshot!(messages.join(""), @r#"
    error: <configuration>/bad.toml:1:9: `'many'` is not a value for `slots`: expected a number of slots, at least 1
    error: <configuration>/bad.toml:2:8: `"curses"` is not a value for `ui`: expected one of `auto`, `fancy`, `simple`, `quiet`
    error: <configuration>/bad.toml:1:1: unknown key `slot`; did you mean `slots`?
    error: <configuration>/bad.toml:1:9: string values must be quoted, expected literal string
    error: <configuration>/bad.toml:1:11: `-1` is not a value for `timeout`: expected a number of seconds, 0 for no timeout
    error: <configuration>/bad.toml:1:14: `'10 XB'` is not a value for `cache-size`: expected a size such as `1 MiB`, `512k`, `1.5GB` or a plain number of bytes
    error: environment variable CARGO_MAELSTROM_SLOTS: `0` is not a value for `slots`: expected a number of slots, at least 1
    error: environment variable MAELSTROM_UI: `loud` is not a value for `ui`: expected one of `auto`, `fancy`, `simple`, `quiet`
    error: cannot read the configuration file no-such-file.toml: No such file or directory (os error 2); name another with --config-file, or `-` for none
    error: invalid value 'none' for '--slots <N>': expected a number of slots, at least 1

    For more information, try '--help'.
    error: invalid value 'soon' for '--timeout <SECONDS>': expected a number of seconds, 0 for no timeout

    For more information, try '--help'.
    error: invalid value 'loud' for '--ui <UI>'
      [possible values: auto, fancy, simple, quiet]

    For more information, try '--help'.
    "#);
    assert!(!project.target.exists(), "nothing was built");
}

#[test]
fn plain_a_starter_file_is_written_once() {
    let project = Project::own("plain");
    let file = project.root.join("maelstrom-test.toml");
    let mut command = project.command(&["--init"]);
    let run = Run::of(command.current_dir(project.root.join("src")), &project).exits(0);
    assert_eq!(run.stable, "wrote <root>/maelstrom-test.toml\n");
    let text = fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("[[directives]]") && text.starts_with('#'),
        "{text}"
    );
    assert!(!project.target.exists(), "nothing was built");

    fs::write(&file, "# precious\n").unwrap();
    let run = project.maelstrom(&["--init"]).exits(96);
    insta::assert_snapshot!(run.stable, @"error: `<root>/maelstrom-test.toml` exists; remove it first to get a new one");
    assert_eq!(fs::read_to_string(&file).unwrap(), "# precious\n");

    // As it is written, and with all that is commented out, it is a good file.
    fs::write(&file, &text).unwrap();
    let run = project.maelstrom(&["first"]).exits(0);
    run.says("1 passed").does_not_say("warning");
}
