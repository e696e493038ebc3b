//! Options of nextest, Cargo and libtest that do not exist here, with what to write instead.

use super::cargo_arguments::CargoMessageFormat;
use crate::config::Choice;

/// What to do about an option of another program.
enum ForeignOption {
    /// This has the same effect.
    Write(&'static str),
    /// The option is not needed. The text is the reason.
    LeaveOut(&'static str),
    /// The option has no equivalent. This is the behaviour here, or the closest alternative.
    Unsupported(&'static str),
    /// The option is written after `--`, in this form.
    AfterDashes(&'static str),
}

/// The explanation for an unknown option, which has its dashes and no value.
pub fn explanation(option: &str) -> Option<String> {
    let (owner, answer) = match (of_nextest(option), of_cargo(option), of_libtest(option)) {
        (Some(answer), ..) => ("nextest", answer),
        (_, Some(answer), _) => ("Cargo", answer),
        (.., Some(answer)) => ("libtest", answer),
        (None, None, None) => return None,
    };
    Some(match answer {
        ForeignOption::Write(instead) => {
            format!("'{option}' is an option of {owner}; write {instead}")
        }
        ForeignOption::LeaveOut(reason) => {
            format!("'{option}' is an option of {owner}; leave it out: {reason}")
        }
        ForeignOption::Unsupported(near) => {
            format!("'{option}' is an option of {owner} and is not supported here: {near}")
        }
        ForeignOption::AfterDashes(words) => format!(
            "'{option}' is an option of {owner}; write it after the dashes: `cargo maelstrom -- {words}`"
        ),
    })
}

fn of_nextest(option: &str) -> Option<ForeignOption> {
    use ForeignOption::{LeaveOut, Unsupported, Write};
    Some(match option {
        "--rerun" => Write(
            "`--failed` for the tests that failed in their last run, or were to run since and did not",
        ),
        "--platform-filter" => Write("`-E 'platform(host)'` or `-E 'platform(target)'`"),
        "--stress-count" => Write("`--repeat N`"),
        "--stress-duration" => Unsupported("`--repeat N` runs each test N times"),
        "--show-progress" => Write(
            "`--hide-progress-bar` for no progress bar, or `--ui fancy`, which has one on a terminal",
        ),
        "--max-progress-running" => {
            LeaveOut("as many running tests are shown as the terminal has room for")
        }
        "--no-output-indent" => LeaveOut("the output of tests is not indented"),
        "--no-pager" => LeaveOut("nothing is piped through a pager"),
        "--no-input-handler" => LeaveOut("no key but Ctrl-C has a meaning, except with `--watch`"),
        "--override-version-check" => LeaveOut("no configuration file asks for a version"),
        "--message-format-version" => LeaveOut("`--message-format json` has one version"),
        "--user-config-file" => Write("`-c FILE`"),
        "--tool-config-file" => {
            LeaveOut("the profiles, groups and directives are in `maelstrom-test.toml`")
        }
        "--archive-format" => LeaveOut("an archive is a tar file compressed with zstd"),
        "--zstd-level" => LeaveOut("an archive is compressed with the default level of zstd"),
        "--extract-to" | "--extract-overwrite" | "--persist-extract-tempdir" => {
            LeaveOut("an archive is unpacked into the user's cache")
        }
        "--workspace-remap" | "--target-dir-remap" | "--build-dir-remap" => LeaveOut(
            "tests of an archive find everything in their containers, at the paths where it was built",
        ),
        "--cargo-metadata" | "--binaries-metadata" => {
            Write("`--archive FILE`, with an archive that `cargo maelstrom archive` made")
        }
        _ => return None,
    })
}

fn of_cargo(option: &str) -> Option<ForeignOption> {
    use ForeignOption::{LeaveOut, Unsupported};
    Some(match option {
        "--keep-going" => {
            LeaveOut("all tests run, even after failures, unless `--fail-fast` is given")
        }
        "--future-incompat-report" => {
            Unsupported("after a build, `cargo report future-incompatibilities` prints the report")
        }
        "--unit-graph" => {
            Unsupported("`cargo test --unit-graph -Z unstable-options` prints the graph")
        }
        _ => return None,
    })
}

fn of_libtest(option: &str) -> Option<ForeignOption> {
    use ForeignOption::{AfterDashes, LeaveOut, Unsupported, Write};
    Some(match option {
        "--skip" => AfterDashes("--skip WORD"),
        "--exact" => AfterDashes("--exact NAME"),
        "--logfile" => AfterDashes("--logfile FILE"),
        "--format" => Write("`--message-format json` for JSON"),
        "--report-time" => LeaveOut("the time of each test is shown or in the JSON"),
        "--ensure-time" => Write("`--timeout SECONDS`"),
        "--shuffle" | "--shuffle-seed" => LeaveOut(
            "each test has its own process and container, so that the order does not matter",
        ),
        "--force-run-in-process" => Unsupported("each test has a process of its own"),
        "--exclude-should-panic" => {
            Unsupported("`-x PATTERN` and `-- --skip WORD` leave tests out by their names")
        }
        _ => return None,
    })
}

/// The explanation for an unknown value of `--message-format`.
pub fn message_format(value: &str) -> Option<String> {
    if value.starts_with("libtest-json") {
        return Some(format!(
            "'{value}' is a format of nextest; write `--message-format json` for JSON"
        ));
    }
    let mut formats = value.split(',');
    formats
        .all(|format| CargoMessageFormat::named(format).is_some())
        .then(|| {
            format!(
                "'{value}' is a format of the compiler's messages; write `--cargo-message-format \
                 {value}`, or `--message-format json` for JSON about tests"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cargo_maelstrom::command_line::arguments::TestArguments;
    use clap::CommandFactory;

    /// The options of `cargo nextest run` that have a name of their own.
    const NEXTEST: &str = "--no-pager --retries --flaky-result --ff --nff --rerun -R --partition --platform-filter \
        --filterset -E --ignore-default-filter --debugger --tracer --stress-count --stress-duration --failure-output \
        --success-output --status-level --final-status-level --no-output-indent --show-progress --hide-progress-bar \
        --no-input-handler --max-progress-running --message-format --message-format-version --archive-file \
        --archive-format --extract-to --extract-overwrite --persist-extract-tempdir --cargo-metadata \
        --workspace-remap --binaries-metadata --target-dir-remap --build-dir-remap --config-file --user-config-file \
        --tool-config-file --override-version-check --profile -P --cargo-profile --build-jobs --cargo-quiet \
        --cargo-verbose --cargo-message-format --test-threads --max-fail --no-tests --no-capture --run-ignored \
        --unit-graph --future-incompat-report --color -v --verbose --fail-fast --no-fail-fast --no-run";

    /// The options of `cargo test`.
    const CARGO: &str = "--no-run --no-fail-fast --future-incompat-report --message-format -q --quiet -v --verbose \
        --color --config -Z -h --help -p --package --workspace --exclude --all --lib --bins --bin --examples --example \
        --tests --test --benches --bench --all-targets --doc -F --features --all-features --no-default-features -j \
        --jobs -r --release --profile --target --target-dir --unit-graph --manifest-path \
        --ignore-rust-version --locked --offline --frozen --keep-going";

    const LIBTEST: &str = "--include-ignored --ignored --force-run-in-process --exclude-should-panic --test --bench \
        --list --logfile --no-capture --nocapture --test-threads --skip -q --quiet --exact --color --format \
        --show-output -Z --report-time --ensure-time --shuffle --shuffle-seed";

    fn exists_here(option: &str) -> bool {
        let mut command = TestArguments::command();
        command.build();
        command.get_arguments().any(|argument| {
            let long = argument.get_long_and_visible_aliases().unwrap_or_default();
            let hidden = argument.get_all_aliases().unwrap_or_default();
            let short = argument.get_short_and_visible_aliases().unwrap_or_default();
            long.iter()
                .chain(&hidden)
                .any(|name| option.strip_prefix("--") == Some(name))
                || short.iter().any(|name| option == format!("-{name}"))
        })
    }

    #[test]
    fn each_option_of_nextest_cargo_and_libtest_exists_here_or_is_explained() {
        let all = [NEXTEST, CARGO, LIBTEST].map(str::split_whitespace);
        for option in all.into_iter().flatten() {
            let answer = explanation(option);
            let exists = exists_here(option);
            assert_ne!(answer.is_some(), exists, "{option}: {answer:?}");
        }
    }

    #[test]
    fn an_explanation_names_the_program_and_the_remedy() {
        let answers = [
            "--stress-duration",
            "--stress-count",
            "--no-pager",
            "--skip",
        ];
        let answers = answers.map(|option| explanation(option).unwrap());
        assert_eq!(
            answers,
            [
                "'--stress-duration' is an option of nextest and is not supported here: `--repeat N` runs each test N times",
                "'--stress-count' is an option of nextest; write `--repeat N`",
                "'--no-pager' is an option of nextest; leave it out: nothing is piped through a pager",
                "'--skip' is an option of libtest; write it after the dashes: `cargo maelstrom -- --skip WORD`",
            ]
        );
        assert_eq!(explanation("--no-such-option"), None);
    }

    #[test]
    fn message_formats_of_other_programs_are_explained() {
        assert_eq!(
            message_format("libtest-json-plus").unwrap(),
            "'libtest-json-plus' is a format of nextest; write `--message-format json` for JSON"
        );
        for cargos in [
            "short",
            "json-render-diagnostics",
            "json-diagnostic-short,json",
        ] {
            let answer = message_format(cargos).unwrap();
            assert!(
                answer.contains(&format!("--cargo-message-format {cargos}")),
                "{answer}"
            );
        }
        assert_eq!(message_format("yaml"), None);
        assert_eq!(message_format(""), None);
    }
}
