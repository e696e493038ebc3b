//! `--shell`, `--debugger` and `--tracer`: a program of the user in the container of one test.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use crate::user::User;
use std::fs;
use std::io::Write;
use std::process::Stdio;

/// Tests for a debugger.
const DEBUGGED: &str = r#"
fn doubled(number: u32) -> u32 {
    number + number
}

#[test]
fn doubles() {
    assert_eq!(doubled(21), 42);
}

#[test]
fn never_ends() {
    println!("it hangs");
    loop {
        std::hint::black_box(0);
    }
}

#[test]
fn reads_nothing() {
    let mut line = String::new();
    assert_eq!(std::io::stdin().read_line(&mut line).unwrap(), 0);
    println!("the end of the input");
}

#[test]
fn has_no_git() {
    assert!(!std::path::Path::new("/usr/bin/git").exists());
}

#[test]
fn fails() {
    panic!("as a tracer sees");
}
"#;

/// Without colours and pages.
const GDB: &str = "gdb -q -ex 'set style enabled off' -ex 'set pagination off' --args";

fn debugged() -> Project {
    let project = Project::own("outcomes");
    project.write("tests/debugged.rs", DEBUGGED);
    project
}

/// Runs the program with this text as standard input.
fn run_with_input(project: &Project, arguments: &[&str], input: &str) -> Run {
    let mut command = project.command(arguments);
    command
        .env("CARGO_PROFILE_DEV_DEBUG", "2")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that reads less is no error.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    Run::that_left(child.wait_with_output().unwrap(), project)
}

/// A user in the project, with the command `m` for the program.
fn user(project: &Project) -> User {
    let mut user = User::new(|command| {
        project.prepare(command);
        command
            .env("MAELSTROM", env!("CARGO_BIN_EXE_cargo-maelstrom"))
            .env("CARGO_PROFILE_DEV_DEBUG", "2")
            .env("GDB", GDB);
    });
    user.resize(24, 200);
    user.enter(r#"m() { "$MAELSTROM" maelstrom "$@"; }"#);
    user.wait_for("host> ");
    user
}

#[test]
fn outcomes_a_shell_at_the_terminal_is_in_the_container_of_the_test() {
    needs_containers!();
    let project = Project::own("outcomes");
    let mut user = user(&project);
    let before = user.modes();
    user.enter("m --shell panics");
    // Three tests have the word in their names, and one of them is called so.
    user.wait_for("A shell in the container of outcomes test/end panics.");
    user.wait_for("The command of the test:\r\n\r\n    ");
    let command = user.seen_before("\r\n");
    assert!(
        command.ends_with(" panics --exact --nocapture"),
        "{command}"
    );
    user.wait_for("`exit` or Ctrl-D leaves");
    let prompt = format!("(panics) {} $ ", project.root.display());
    user.wait_for(&prompt);
    user.enter("test -t 0 && test -t 1 && test -t 2 && echo at a $TERM terminal of $(stty size)");
    user.wait_for("at a vt220 terminal of 24 200");
    user.wait_for(&prompt);
    user.enter("echo $CARGO_PKG_NAME $USER, $(ls)");
    user.wait_for("outcomes maelstrom, Cargo.lock Cargo.toml lib.rs");
    user.wait_for(&prompt);
    user.enter(&command);
    user.wait_for("sums are hard");
    user.wait_for("0 passed; 1 failed");
    user.wait_for(&prompt);
    // It goes to the shell, and not to this program.
    user.type_keys("\x03");
    user.wait_for(&prompt);
    user.enter("echo changed >lib.rs; cd tests; cat ../lib.rs");
    user.wait_for("changed");
    user.wait_for("/tests $ ");
    user.enter("exit 9");
    user.wait_for("host> ");
    user.expect_code(9);
    assert_eq!(user.modes(), before);
    let source = fs::read_to_string(project.root.join("lib.rs")).unwrap();
    assert_ne!(source, "changed\n");
}

#[test]
fn outcomes_the_escape_character_ends_a_shell_that_hangs() {
    needs_containers!();
    let project = Project::own("outcomes");
    let mut user = user(&project);
    let before = user.modes();
    user.enter("m --shell passes");
    user.wait_for("(passes) ");
    user.enter("trap '' INT; echo it ha''ngs; while :; do read -t 1 x; done");
    user.wait_for("it hangs");
    user.type_keys("\x1d\x03");
    user.wait_for("host> ");
    user.expect_code(130);
    assert_eq!(user.modes(), before);
}

#[test]
fn outcomes_a_shell_reads_its_commands_from_a_pipe() {
    needs_containers!();
    let project = Project::own("outcomes");
    let script =
        "pwd; read line; echo \"read $line\"\nthis\ntest -t 0 || echo no terminal; exit 5\n";
    let run = run_with_input(&project, &["--shell", "passes"], script).exits(5);
    let root = project.root.display();
    assert_eq!(run.stdout, format!("{root}\nread this\nno terminal\n"));
    let command = run.stderr.lines().find(|line| line.starts_with("    /"));
    let command = command.unwrap_or_else(|| panic!("{run}"));
    let run = run_with_input(&project, &["--shell", "passes"], command).exits(0);
    assert!(
        run.stdout.contains("all is well\ntest passes ... ok"),
        "{run}"
    );
    assert!(run.stdout.contains("1 passed; 0 failed"), "{run}");
}

#[test]
fn outcomes_neither_the_time_nor_the_processes_of_a_shell_are_limited() {
    needs_containers!();
    let project = Project::own("outcomes");
    project.directives("[[directives]]\ntimeout = 1\nprocess_limit = 1\n");
    // Longer than the time limit, with more processes than the limit.
    let script = "sleep 1.5 & wait; echo still here";
    let run = run_with_input(&project, &["--shell", "passes"], script).exits(0);
    assert_eq!(run.stdout, "still here\n");
}

#[test]
fn outcomes_a_container_without_a_shell_gets_one_of_the_machine() {
    needs_containers!();
    let project = Project::own("outcomes");
    project
        .directives("[[directives]]\nlayers = []\nmounts = []\ninclude_shared_libraries = true\n");
    let script = "echo \"in $(pwd)\"; ls /etc";
    let run = run_with_input(&project, &["--shell", "passes"], script);
    let run =
        run.says("the container has no shell, so it gets `sh`, `cat`, `env`, `ls` of this machine");
    assert!(
        run.stdout
            .starts_with(&format!("in {}\n", project.root.display())),
        "{run}"
    );
    assert!(!run.stdout.contains("passwd"), "{run}");
}

#[test]
fn outcomes_a_debugger_at_the_terminal_stops_at_lines_of_the_source() {
    needs_containers!();
    let project = debugged();
    let mut user = user(&project);
    user.enter("m --debugger \"$GDB\" --test debugged doubles");
    user.wait_for("the container shows the files of this machine too, read-only");
    user.wait_for("(gdb) ");
    user.enter("break debugged::doubled");
    user.wait_for("Breakpoint 1 at");
    user.wait_for("(gdb) ");
    user.enter("run");
    user.wait_for("Breakpoint 1, debugged::doubled (number=21) at tests/debugged.rs:3");
    user.wait_for("number + number");
    user.wait_for("(gdb) ");
    user.enter("up");
    user.wait_for("assert_eq!(doubled(21), 42);");
    user.wait_for("(gdb) ");
    user.enter("continue");
    user.wait_for("1 passed; 0 failed");
    user.wait_for("exited normally");
    user.wait_for("(gdb) ");
    user.enter("quit");
    user.wait_for("host> ");
    user.expect_code(0);
}

#[test]
fn outcomes_ctrl_c_at_a_debugger_stops_the_test_and_not_the_run() {
    needs_containers!();
    let project = debugged();
    let mut user = user(&project);
    user.enter("m --debugger \"$GDB\" never_ends");
    user.wait_for("(gdb) ");
    user.enter("set confirm off");
    user.wait_for("(gdb) ");
    user.enter("run");
    user.wait_for("it hangs");
    user.type_keys("\x03");
    user.wait_for("received signal SIGINT");
    user.wait_for("(gdb) ");
    user.enter("thread apply all backtrace");
    user.wait_for("debugged::never_ends () at tests/debugged.rs");
    user.wait_for("(gdb) ");
    user.enter("quit");
    user.wait_for("host> ");
    user.expect_code(0);
}

#[test]
fn outcomes_a_debugger_reads_its_commands_from_a_pipe() {
    needs_containers!();
    let project = debugged();
    let arguments = ["--debugger", "gdb -q --args", "-i", "name.equals(doubles)"];
    let commands = "break debugged::doubled\nrun\nlist\nkill\nquit\n";
    let run = run_with_input(&project, &arguments, commands).exits(0);
    for found in [
        "Breakpoint 1, debugged::doubled (number=21)",
        "3\t    number + number",
    ] {
        assert!(run.stdout.contains(found), "{run}");
    }
}

#[test]
fn outcomes_a_tracer_gets_the_command_of_the_test_and_no_input() {
    needs_containers!();
    let project = debugged();
    let tracer = "strace -f -e trace=execve";
    let run = run_with_input(&project, &["--tracer", tracer, "reads_nothing"], "input").exits(0);
    assert!(run.stdout.contains("the end of the input"), "{run}");
    assert!(run.stderr.contains("execve(\""), "{run}");
    assert!(
        run.stderr
            .contains(r#""reads_nothing", "--exact", "--nocapture"]"#),
        "{run}"
    );
    // Its exit code is passed on.
    let run = run_with_input(
        &project,
        &["--tracer", tracer, "--", "--exact", "fails"],
        "",
    );
    run.exits(101).says("as a tracer sees");
}

#[test]
fn outcomes_a_hermetic_test_gets_the_files_of_its_debugger_and_no_others() {
    needs_containers!();
    let project = debugged();
    let of_git = |arguments: &[&str]| {
        let test = ["--tracer", "strace -f -e trace=execve", "has_no_git"];
        run_with_input(&project, &[arguments, &test].concat(), "")
    };
    of_git(&[])
        .exits(101)
        .says("the container shows the files of this machine");
    let run = of_git(&["--hermetic"]).exits(0);
    run.says("execve(\"")
        .does_not_say("shows the files of this machine");
    let commands =
        "python print('of ' + 'Python')\nbreak debugged::doubled\nrun\nlist\nkill\nquit\n";
    let arguments = ["--hermetic", "--debugger", "gdb -q --args", "doubles"];
    let run = run_with_input(&project, &arguments, commands).exits(0);
    for found in [
        "of Python",
        "Breakpoint 1, debugged::doubled (number=21)",
        "3\t    number + number",
    ] {
        assert!(run.stdout.contains(found), "{run}");
    }
    let missing = project.maelstrom(&["--hermetic", "--tracer", "no-such-tracer", "doubles"]);
    missing
        .exits(96)
        .says("failed to make the container of outcomes test/debugged doubles")
        .says("no-such-tracer");
}

#[test]
fn outcomes_programs_that_are_not_there_are_named() {
    needs_containers!();
    let project = debugged();
    let run = project.maelstrom(&["--debugger", "no-such-debugger -x", "doubles"]);
    run.exits(96).says(
        "error: there is no `no-such-debugger` in the container of the test, and none that tests can \
         see in the directories of PATH",
    );
}

#[test]
fn outcomes_one_test_must_be_selected() {
    let project = Project::shared("outcomes");
    let run = project.maelstrom(&["--tracer", "strace"]).exits(96);
    let run = run.says("error: `--tracer` is for one test, and");
    let run = run.says("tests are selected; give the whole name of one, or choose its package");
    run.says("\n  outcomes test/end aborts\n");
    let run = project.maelstrom(&["--shell", "panic"]).exits(96);
    run.says("error: `--shell` is for one test, and");
    let run = project.maelstrom(&["--shell", "no_such_test"]).exits(4);
    run.says("no test was selected");
}

#[test]
fn outcomes_tests_for_an_engine_are_debugged_here() {
    needs_containers!();
    let project = Project::own("outcomes");
    // Nothing connects to it.
    let arguments = ["--remote", "grpc://127.0.0.1:1", "--shell", "passes"];
    let run = run_with_input(&project, &arguments, "echo here\n").exits(0);
    assert_eq!(run.stdout, "here\n");
    run.says("note: `--shell` runs on this machine, not on the engine");
}

#[test]
fn shop_tests_without_a_harness_have_a_shell_and_a_tracer() {
    needs_containers!();
    let project = Project::own("shop");
    let whole = ["-p", "shop-custom", "--test", "whole"];
    let run = run_with_input(
        &project,
        &[&["--shell", "whole"], &whole[..]].concat(),
        "echo $CARGO_PKG_NAME",
    );
    assert_eq!(run.exits(0).stdout, "shop-custom\n");
    let run = run_with_input(
        &project,
        &[&["--tracer", "strace -e trace=execve"], &whole[..]].concat(),
        "",
    );
    run.exits(0).says("execve(\"");
}

#[test]
fn documented_documentation_tests_have_a_shell_unless_they_are_only_compiled() {
    needs_containers!();
    let project = Project::own("documented");
    let doctests = |words: &[&str], input| {
        let arguments = [&["-p", "new-docs", "--doc"], words].concat();
        run_with_input(&project, &arguments, input)
    };
    let run = doctests(
        &["--shell", "new/src/lib.rs - add (line 5)"],
        "echo $CARGO_PKG_NAME\n",
    )
    .exits(0);
    assert_eq!(run.stdout, "new-docs\n");
    let command = run.stderr.lines().find(|line| line.starts_with("    /"));
    let command = command.unwrap_or_else(|| panic!("{run}")).trim();
    // The directory of a run has a name of its own.
    let name = regex::Regex::new("/run-[0-9a-f-]{36}/").unwrap();
    let command = name.replace(command, "/run-*/");
    let script = format!("{command} && echo passed\n");
    let run = doctests(&["--shell", "new/src/lib.rs - add (line 5)"], &script).exits(0);
    assert!(run.stdout.ends_with("passed\n"), "{run}");
    doctests(&["--tracer", "strace -e trace=execve", "add"], "")
        .exits(0)
        .says("execve(\"");
    let compiled = doctests(&["--shell", "only_compiled"], "");
    compiled.exits(96).says("error: rustdoc only compiles");
}

#[test]
fn outcomes_tests_of_an_archive_have_no_shell() {
    let project = Project::shared("outcomes");
    let run = project.maelstrom(&["--archive", "tests.tar.zst", "--shell", "passes"]);
    run.exits(96)
        .says("with '--archive', tests run or are listed; this action needs the workspace");
}
