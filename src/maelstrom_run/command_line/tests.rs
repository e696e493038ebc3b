use super::*;
use crate::process::ExitCode;
use clap::CommandFactory;
use std::num::NonZeroU32;

/// No configuration but these variables, two CPUs.
fn environment(variables: &[(&str, &str)]) -> ProcessEnvironment {
    let none = [("XDG_CONFIG_DIRS", "/nonexistent")];
    let variables = none.iter().chain(variables);
    ProcessEnvironment {
        variables: variables
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        cpus: NonZeroU32::new(2).unwrap(),
    }
}

fn parse(words: &[&str], variables: &[(&str, &str)]) -> Result<JobOptions, CommandLineError> {
    let words = ["maelstrom-run"].iter().chain(words).map(OsString::from);
    JobOptions::parse(words, &environment(variables))
}

fn options(words: &[&str]) -> JobOptions {
    parse(words, &[]).unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

/// The first line of the message.
fn error(words: &[&str], variables: &[(&str, &str)]) -> String {
    let error = parse(words, variables).expect_err(&format!("{words:?}"));
    assert_eq!(error.exit_code(), ExitCode::SetUp);
    error.to_string().lines().next().unwrap().to_owned()
}

/// The program and its arguments that replace those of the first job.
fn program(words: &[&str]) -> Vec<String> {
    match options(words).action {
        JobAction::One { program } => program,
        other => panic!("{words:?}: {other:?}"),
    }
}

#[test]
fn the_definition_of_the_command_line_is_sound() {
    JobArguments::command().debug_assert();
}

#[test]
fn without_arguments_all_jobs_of_standard_input_are_run() {
    assert_eq!(
        options(&[]),
        JobOptions {
            action: JobAction::All,
            file: None,
            add_programs: Vec::new(),
            slots: 2,
            inline_limit: 16 << 20,
            cache_root: std::env::temp_dir().join("maelstrom/run"),
            cache_size: 10 << 30,
            cache_results: CacheResults::Off,
            outputs_directory: "maelstrom-outputs".into(),
            outputs_limit: 1 << 30,
            images: ImageSettings::new(std::env::temp_dir().join("maelstrom/containers"), |_| None),
            remote: None,
            batch_target: Duration::from_secs(1),
            log_level: LogLevel::Warn,
        }
    );
}

#[test]
fn every_option_has_its_effect() {
    let words = "-f jobs.json --add-programs sh,ls -j 3 --inline-limit 2k --cache-root /cache --cache-size 1MiB \
                 --cache-results read --outputs-directory /outputs --outputs-limit 3k --container-image-depot-root /depot \
                 --accept-invalid-remote-container-tls-certs --batch-target 0.5 -L debug -c -";
    let words: Vec<_> = words.split(' ').collect();
    assert_eq!(
        options(&words),
        JobOptions {
            action: JobAction::All,
            file: Some("jobs.json".into()),
            add_programs: vec!["sh".into(), "ls".into()],
            slots: 3,
            inline_limit: 2000,
            cache_root: "/cache".into(),
            cache_size: 1 << 20,
            cache_results: CacheResults::Read,
            outputs_directory: "/outputs".into(),
            outputs_limit: 3000,
            images: ImageSettings {
                accept_invalid_certificates: true,
                ..ImageSettings::new("/depot", |_| None)
            },
            remote: None,
            batch_target: Duration::from_millis(500),
            log_level: LogLevel::Debug,
        }
    );
}

#[test]
fn a_dash_is_standard_input() {
    assert_eq!(options(&["-f", "-"]).file, None);
}

#[test]
fn one_job_keeps_its_program_unless_another_is_given() {
    assert_eq!(program(&["--one"]), [""; 0]);
    assert_eq!(program(&["-1"]), [""; 0]);
    assert_eq!(program(&["--one", "ls"]), ["ls"]);
    assert_eq!(program(&["-1", "ls", "/"]), ["ls", "/"]);
}

#[test]
fn a_program_has_a_name_but_its_arguments_may_be_empty() {
    assert_eq!(
        error(&["-1", ""], &[]),
        "error: the program must not be empty"
    );
    assert_eq!(program(&["-1", "ls", ""]), ["ls", ""]);
}

#[test]
fn the_first_plain_word_ends_the_options() {
    let words = ["--one", "-f", "job", "ls", "-l", "--file", "-1", "--", "-x"];
    assert_eq!(
        program(&words),
        ["ls", "-l", "--file", "-1", "--", "-x"],
        "all of these are for the program"
    );
    assert_eq!(options(&words).file, Some("job".into()));
    assert_eq!(
        program(&["--one", "--", "-odd-name", "-x"]),
        ["-odd-name", "-x"]
    );
}

#[test]
fn options_stand_before_the_program_in_any_order() {
    let words = ["--slots=3", "--one", "--file=job", "ls"];
    assert_eq!(program(&words), ["ls"]);
    assert_eq!(options(&words).slots, 3);
}

#[test]
fn a_misspelled_option_is_not_taken_for_a_program() {
    let message = "error: unexpected argument '--slot' found";
    assert_eq!(error(&["--slot=3"], &[]), message);
    assert_eq!(error(&["--one", "--slot=3"], &[]), message);
    assert_eq!(
        error(&["-1", "-x", "ls"], &[]),
        "error: unexpected argument '-x' found"
    );
}

#[test]
fn a_program_without_the_option_one_or_tty_is_refused_with_the_remedy() {
    let error = parse(&["ls", "-l"], &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "error: a program can be given only with --one or --tty; without them every job of the \
         input runs its own program\n\nUsage: maelstrom-run [OPTIONS] [PROGRAM]...\n\n\
         For more information, try '--help'.\n"
    );
}

#[test]
fn an_option_given_twice_is_refused() {
    assert_eq!(
        error(&["-f", "a", "--file", "b"], &[]),
        "error: the argument '--file <FILE>' cannot be used multiple times"
    );
}

#[test]
fn nearer_sources_win() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("config.toml");
    std::fs::write(&file, "slots = 3\n").unwrap();
    let file = ["-c", file.to_str().unwrap()];
    let shared = ("MAELSTROM_SLOTS", "4");
    let own = ("MAELSTROM_RUN_SLOTS", "5");
    let foreign = ("CARGO_MAELSTROM_SLOTS", "7");
    let slots = |words: &[&str], variables: &[(&str, &str)]| parse(words, variables).unwrap().slots;
    assert_eq!(slots(&[], &[foreign]), 2);
    assert_eq!(slots(&file, &[]), 3);
    assert_eq!(slots(&file, &[shared]), 4);
    assert_eq!(slots(&file, &[shared, own]), 5);
    assert_eq!(slots(&[&file[..], &["-j6"]].concat(), &[shared, own]), 6);
}

#[test]
fn the_usual_configuration_file_is_that_of_this_program() {
    let directory = tempfile::tempdir().unwrap();
    for (program, slots) in [("run", 3), ("cargo-maelstrom", 4)] {
        let directory = directory.path().join("maelstrom").join(program);
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("config.toml"), format!("slots = {slots}")).unwrap();
    }
    let home = ("XDG_CONFIG_HOME", directory.path().to_str().unwrap());
    assert_eq!(parse(&[], &[home]).unwrap().slots, 3);
    assert_eq!(parse(&["-c-"], &[home]).unwrap().slots, 2);
}

#[test]
fn the_cache_is_in_the_users_directory_for_caches() {
    let cache = |variables: &[(&str, &str)]| parse(&[], variables).unwrap().cache_root;
    let home = ("HOME", "/home/me");
    assert_eq!(
        cache(&[home]),
        PathBuf::from("/home/me/.cache/maelstrom/run")
    );
    assert_eq!(
        cache(&[home, ("XDG_CACHE_HOME", "/caches")]),
        PathBuf::from("/caches/maelstrom/run")
    );
    // The XDG base directory specification wants relative ones ignored.
    assert_eq!(
        cache(&[home, ("XDG_CACHE_HOME", "caches")]),
        PathBuf::from("/home/me/.cache/maelstrom/run")
    );
}

#[test]
fn the_error_of_a_bad_value_has_its_source_and_the_expected_values() {
    let slots = "expected a number of slots, at least 1";
    assert_eq!(
        error(&["--slots=0"], &[]),
        format!("error: invalid value '0' for '--slots <N>': {slots}")
    );
    for variable in ["MAELSTROM_RUN_SLOTS", "MAELSTROM_SLOTS"] {
        assert_eq!(
            error(&["-j1"], &[(variable, "many")]),
            format!("environment variable {variable}: `many` is not a value for `slots`: {slots}")
        );
    }
    assert_eq!(
        error(&["--cache-size", "big"], &[]),
        "error: invalid value 'big' for '--cache-size <SIZE>': expected a size such as `1 MiB`, \
         `512k`, `1.5GB` or a plain number of bytes"
    );
    assert_eq!(
        error(&["--cache-root="], &[]),
        "error: invalid value '' for '--cache-root <DIR>': expected the path of a directory"
    );
    assert_eq!(
        error(&["-L", "loud"], &[]),
        "error: invalid value 'loud' for '--log-level <LEVEL>'"
    );
}

#[test]
fn a_mistake_in_the_configuration_file_is_reported_with_its_position() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.toml");
    let told = |text: &str| {
        std::fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        error(&["-c", path], &[]).replace(path, "FILE")
    };
    assert_eq!(
        told("# mine\nslots = \"many\""),
        "FILE:2:9: `\"many\"` is not a value for `slots`: expected a number of slots, at least 1"
    );
    assert_eq!(
        told("timeout = 1"),
        "FILE:1:1: unknown key `timeout`; the keys are slots, inline-limit, cache-root, cache-size, cache-results, outputs-directory, outputs-limit, container-image-depot-root, accept-invalid-remote-container-tls-certs, remote, remote-header, remote-tls-ca, remote-tls-client-cert, remote-tls-client-key, remote-platform, batch-target, log-level, escape-char"
    );
    assert!(told("slots = ").starts_with("FILE:1:9: "));
    assert_eq!(
        error(&["-c", "/no/such/file"], &[]),
        "cannot read the configuration file /no/such/file: No such file or directory (os error 2); \
         name another with --config-file, or `-` for none"
    );
}

#[test]
fn the_configuration_is_printed_with_its_sources() {
    let variables = [
        ("MAELSTROM_RUN_CACHE_SIZE", "2GB"),
        ("MAELSTROM_CACHE_ROOT", "/c"),
        ("MAELSTROM_CONTAINER_IMAGE_DEPOT_ROOT", "/d"),
    ];
    let options = parse(&["-P", "-c-", "--slots=3", "--one", "ls"], &variables).unwrap();
    assert_eq!(
        options.action,
        JobAction::PrintConfig(
            "\
# configuration of maelstrom-run
slots = 3                                          # option --slots
inline-limit = \"16 MiB\"                            # default
cache-root = \"/c\"                                  # environment variable MAELSTROM_CACHE_ROOT
cache-size = \"2 GB\"                                # environment variable MAELSTROM_RUN_CACHE_SIZE
cache-results = \"off\"                              # default
outputs-directory = \"maelstrom-outputs\"            # default
outputs-limit = \"1 GiB\"                            # default
container-image-depot-root = \"/d\"                  # environment variable MAELSTROM_CONTAINER_IMAGE_DEPOT_ROOT
accept-invalid-remote-container-tls-certs = false  # default
# remote is not set                                # default
remote-header = []                                 # default
# remote-tls-ca is not set                         # default
# remote-tls-client-cert is not set                # default
# remote-tls-client-key is not set                 # default
remote-platform = []                               # default
batch-target = 1                                   # default
log-level = \"warn\"                                 # default
escape-char = '^]'                                 # default
"
            .to_owned()
        )
    );
}

#[test]
fn help_and_version_are_no_errors() {
    for word in ["-h", "--help", "-V", "--version"] {
        let error = parse(&[word], &[]).unwrap_err();
        assert_eq!(error.exit_code(), ExitCode::Success);
    }
    assert_eq!(
        parse(&["-V"], &[]).unwrap_err().to_string(),
        format!("maelstrom-run {}\n", env!("CARGO_PKG_VERSION"))
    );
}

#[test]
fn a_job_at_the_terminal_has_an_escape_character() {
    let at_terminal = |words: &[&str]| options(words).action;
    assert_eq!(
        at_terminal(&["-t"]),
        JobAction::Terminal {
            program: Vec::new(),
            escape: EscapeCharacter::DEFAULT,
        }
    );
    assert_eq!(
        at_terminal(&["--tty", "--escape-char=~", "sh", "-c", "exit"]),
        JobAction::Terminal {
            program: ["sh", "-c", "exit"].map(str::to_owned).to_vec(),
            escape: EscapeCharacter(b'~'),
        }
    );
    assert_eq!(
        error(&["--tty", "--one"], &[]),
        "error: the argument '--tty' cannot be used with '--one'"
    );
    assert_eq!(
        error(&["--tty"], &[("MAELSTROM_RUN_ESCAPE_CHAR", "ab")]),
        "environment variable MAELSTROM_RUN_ESCAPE_CHAR: `ab` is not a value for `escape-char`: \
         expected a character such as `~`, or a control character such as `^]`"
    );
}
