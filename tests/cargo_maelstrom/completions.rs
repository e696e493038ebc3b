//! Completions in real shells, and manual pages.

use crate::fixture::Project;
use crate::need::needs_containers;
use crate::user::User;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The workspace, of which the names of tests are known.
fn listed() -> Project {
    let project = Project::shared("shop");
    project.maelstrom(&["--workspace", "--list"]).exits(0);
    project
}

/// A user of a shell that finds the programs.
fn user(project: &Project, shell: &str, arguments: &[&str]) -> User {
    let programs = Path::new(env!("CARGO_BIN_EXE_cargo-maelstrom"));
    let path = std::env::var_os("PATH").unwrap();
    let directories = std::iter::once(programs.parent().unwrap().to_owned());
    let path = std::env::join_paths(directories.chain(std::env::split_paths(&path))).unwrap();
    let user = User::of_shell(shell, arguments, |command| {
        project.prepare(command);
        command
            .env("PATH", path)
            .env("PS1", "host> ")
            .env("HOME", project.temporary())
            .env("ZDOTDIR", project.temporary());
    });
    user.resize(24, 200);
    user
}

/// Types keys, and then has the shell print the words of the line instead of executing it.
fn expect_words(user: &mut User, keys: &str, words: &[&str]) {
    user.type_keys(keys);
    // To the start of the line.
    user.type_keys("\x01printf '<%s>' \n");
    let words: Vec<_> = words.iter().map(|word| format!("<{word}>")).collect();
    user.wait_for(&words.concat());
    user.wait_for("host> ");
}

/// What every shell completes.
fn check(user: &mut User, closing_quote: &str) {
    for (keys, words) in [
        (
            "cargo maelstrom --pack\t",
            &["cargo", "maelstrom", "--package"][..],
        ),
        (
            "cargo maelstrom -p shop-e\t",
            &["cargo", "maelstrom", "-p", "shop-extra"],
        ),
        (
            "cargo maelstrom --test=cl\t",
            &["cargo", "maelstrom", "--test=cli"],
        ),
        (
            "cargo maelstrom --color alw\t",
            &["cargo", "maelstrom", "--color", "always"],
        ),
        (
            "cargo maelstrom --lib tests::sums_n\t",
            &["cargo", "maelstrom", "--lib", "tests::sums_nothing"],
        ),
        (
            "cargo maelstrom --shell runs_the_program_known_at_b\t",
            &[
                "cargo",
                "maelstrom",
                "--shell",
                "runs_the_program_known_at_build_time",
            ],
        ),
        (
            "cargo +stable maelstrom doct\t",
            &["cargo", "+stable", "maelstrom", "doctor"],
        ),
        (
            "cargo-maelstrom --cove\t",
            &["cargo-maelstrom", "--coverage"],
        ),
        (
            "maelstrom-run --add-p\t",
            &["maelstrom-run", "--add-programs"],
        ),
        // Cargo's own completions.
        ("cargo build-i\t", &["cargo", "build-it"]),
    ] {
        expect_words(user, keys, words);
    }
    let pattern = format!("cargo maelstrom -i 'name.equals(a)|packa\t{closing_quote}");
    expect_words(
        user,
        &pattern,
        &["cargo", "maelstrom", "-i", "name.equals(a)|package."],
    );
}

#[test]
fn shop_names_are_completed_in_bash() {
    needs_containers!();
    let project = listed();
    let mut user = user(&project, "bash", &["--norc", "--noprofile", "-i"]);
    user.wait_for("host> ");
    for line in [
        "bind 'set enable-bracketed-paste off'",
        "cargos_own() { COMPREPLY=(build-it); }; complete -F cargos_own cargo",
        "source <(cargo maelstrom --completions bash)",
        "source <(maelstrom-run --completions bash)",
    ] {
        user.enter(line);
        user.wait_for("host> ");
    }
    check(&mut user, "'");
    // Parentheses need a quote.
    let keys = "cargo maelstrom -i name.eq\ta)'";
    expect_words(
        &mut user,
        keys,
        &["cargo", "maelstrom", "-i", "name.equals(a)"],
    );
}

#[test]
fn shop_names_are_completed_in_zsh() {
    needs_containers!();
    let project = listed();
    let mut user = user(&project, "zsh", &["-f", "-i"]);
    user.wait_for("host> ");
    for line in [
        "unsetopt zle_bracketed_paste; bindkey -e; autoload -Uz compinit; compinit -D",
        "cargos_own() { compadd build-it }; compdef cargos_own cargo",
        "source <(cargo maelstrom --completions zsh)",
        "source <(maelstrom-run --completions zsh)",
    ] {
        user.type_keys(line);
        user.type_keys("\n");
        user.wait_for("host> ");
    }
    check(&mut user, "'");
}

#[test]
fn shop_names_are_completed_in_fish() {
    needs_containers!();
    let project = listed();
    let mut user = user(&project, "fish", &["--private", "--no-config"]);
    user.type_keys("function fish_prompt; echo 'host> '; end; set fish_autosuggestion_enabled 0\n");
    for line in [
        "complete -c cargo -f -a build-it",
        "cargo maelstrom --completions fish | source",
        "maelstrom-run --completions fish | source",
    ] {
        user.wait_for("host> ");
        user.type_keys(line);
        user.type_keys("\n");
    }
    user.wait_for("host> ");
    check(&mut user, "'");
}

#[test]
fn manual_pages_have_no_mistakes() {
    for program in [
        env!("CARGO_BIN_EXE_cargo-maelstrom"),
        env!("CARGO_BIN_EXE_maelstrom-run"),
        env!("CARGO_BIN_EXE_maelstrom-worker"),
    ] {
        let page = Command::new(program).arg("--man").output().unwrap();
        assert!(page.status.success(), "{page:?}");
        let mandoc = |arguments: &[&str]| {
            let mut mandoc = Command::new("mandoc")
                .args(arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            mandoc
                .stdin
                .take()
                .unwrap()
                .write_all(&page.stdout)
                .unwrap();
            String::from_utf8(mandoc.wait_with_output().unwrap().stdout).unwrap()
        };
        assert_eq!(mandoc(&["-T", "lint"]), "", "{program}");
        let shown = mandoc(&["-T", "ascii"]);
        assert!(shown.contains("User Commands"), "{shown}");
    }
}

#[test]
fn a_script_and_a_page_are_printed_alone() {
    let project = Project::shared("shop");
    let run = project
        .maelstrom(&["--completions", "bash", "--workspace"])
        .exits(96);
    run.says("cannot be used with");
    let run = project.maelstrom(&["--completions", "csh"]).exits(96);
    run.says("[possible values: bash, zsh, fish]");
}
