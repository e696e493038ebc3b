//! `maelstrom-run --tty`, called from an interactive shell at a real pseudo-terminal.

use crate::fixture;
use crate::need::needs_containers;
use crate::user;
use nix::libc;
use std::fs;
use std::ops::{Deref, DerefMut};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// A shell with programs to look around, which announces itself.
const SHELL: &str = r#"{
    "layers": [
        { "programs": ["bash", "cat", "sleep", "stty"] },
        { "stubs": ["/dev/{null,tty}"] }
    ],
    "mounts": [{ "type": "devices", "devices": ["null", "tty"] }],
    "environment": { "PATH": "/usr/bin:/bin", "PS1": "job> " },
    "program": "bash",
    "arguments": ["--norc", "--noprofile", "-i"]
}"#;

/// Somebody at a terminal, with a directory.
struct User {
    directory: tempfile::TempDir,
    user: user::User,
}

impl Deref for User {
    type Target = user::User;

    fn deref(&self) -> &user::User {
        &self.user
    }
}

impl DerefMut for User {
    fn deref_mut(&mut self) -> &mut user::User {
        &mut self.user
    }
}

impl User {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("shell.json"), SHELL).unwrap();
        let user = user::User::new(|command| {
            command
                .current_dir(directory.path())
                .env("RUN", env!("CARGO_BIN_EXE_maelstrom-run"))
                .env("CACHE", directory.path().join("cache"));
        });
        Self { directory, user }
    }

    /// Starts the job of a file, and waits for its prompt.
    fn start(&mut self, options: &str) {
        self.run(&format!("{options} --tty --file shell.json"));
        self.wait_for("job> ");
    }

    fn run(&mut self, arguments: &str) {
        self.enter(&format!(
            "\"$RUN\" --config-file=- --cache-root \"$CACHE\" {arguments}"
        ));
    }
}

#[test]
fn a_shell_at_a_terminal_of_its_own_has_job_control() {
    needs_containers!();
    let mut user = User::new();
    user.start("");
    user.enter("test -t 0 && test -t 1 && test -t 2 && : </dev/tty && echo at a $TERM terminal");
    user.wait_for("at a vt220 terminal");
    user.wait_for("job> ");
    // What is typed before the shell has handed over the terminal may be nobody's. A trap waits
    // for the end of `read`, which therefore has a time limit of its own.
    user.enter(
        "bash -c 'trap \"echo it go\"\"es on\" CONT; echo it start''ed; while :; do read -t 1 x; done'",
    );
    user.wait_for("it started");
    user.type_keys("\x1a");
    user.wait_for("Stopped");
    user.wait_for("job> ");
    user.enter("jobs");
    user.wait_for("Stopped");
    user.wait_for("job> ");
    user.enter("fg");
    user.wait_for("it goes on");
    user.type_keys("\x03");
    user.wait_for("job> ");
    user.enter("echo interrupted=$?.");
    user.wait_for("interrupted=130.");
    user.wait_for("job> ");
    // Ends the input.
    user.type_keys("\x04");
    user.wait_for("host> ");
    user.expect_code(0);
}

#[test]
fn the_size_of_the_window_is_that_of_the_users_and_follows_it() {
    needs_containers!();
    let mut user = User::new();
    user.start("");
    user.enter("stty size");
    user.wait_for("24 80");
    user.wait_for("job> ");
    user.enter("trap 'told=yes' WINCH");
    user.wait_for("job> ");
    user.resize(40, 132);
    user.repeat_until(
        "echo told=$told, size=$(stty size).",
        "told=yes, size=40 132.",
    );
}

#[test]
fn the_escape_character_and_ctrl_c_end_the_job_and_restore_the_terminal() {
    needs_containers!();
    let mut user = User::new();
    let before = user.modes();
    user.run("--tty --file shell.json cat");
    user.enter("echoed");
    user.wait_for("echoed");
    user.type_keys("\x1d\x03");
    user.wait_for("host> ");
    assert_eq!(user.modes(), before);
    user.expect_code(130);
}

#[test]
fn the_escape_character_and_ctrl_z_suspend_until_the_user_comes_back() {
    needs_containers!();
    let mut user = User::new();
    user.start("");
    user.type_keys("\x1d\x1a");
    user.wait_for("Stopped");
    user.wait_for("host> ");
    user.enter("jobs");
    user.wait_for("Stopped");
    user.wait_for("host> ");
    user.resize(30, 90);
    user.enter("fg");
    user.wait_for("shell.json");
    user.repeat_until("echo size=$(stty size).", "size=30 90.");
    user.enter("exit 7");
    user.wait_for("host> ");
    user.expect_code(7);
}

#[test]
fn another_escape_character_leaves_the_usual_one_to_the_job() {
    needs_containers!();
    let mut user = User::new();
    user.run("--escape-char=~ --tty --file shell.json cat");
    user.type_keys("\x1d~~x\n");
    user.wait_for("^]~x");
    user.wait_for("~x");
    user.type_keys("~\x03");
    user.wait_for("host> ");
    user.expect_code(130);
}

#[test]
fn the_last_output_of_a_job_is_shown_and_its_signal_is_passed_on() {
    needs_containers!();
    let mut user = User::new();
    user.run("--tty --file shell.json bash -c 'printf last-words; kill -KILL $$; exit 3'");
    user.wait_for("last-words");
    user.wait_for("host> ");
    // Process 1 is not killed by its own.
    user.expect_code(3);
    let job = SHELL.replacen('{', "{ \"init\": true,", 1);
    fs::write(user.directory.path().join("init.json"), job).unwrap();
    user.run("--tty --file init.json bash -c 'printf last-words; kill -KILL $$'");
    user.wait_for("last-words");
    user.wait_for("host> ");
    user.expect_code(128 + libc::SIGKILL);
}

#[test]
fn the_specification_may_come_through_a_pipe() {
    needs_containers!();
    let mut user = User::new();
    user.enter("run() { \"$RUN\" --config-file=- --cache-root \"$CACHE\" \"$@\"; }");
    user.wait_for("host> ");
    user.enter("cat shell.json | run --tty");
    user.wait_for("job> ");
    user.enter("echo typed at $0");
    user.wait_for("typed at bash");
}

#[test]
fn outcomes_the_very_container_of_a_failing_test_can_be_entered() {
    needs_containers!();
    let project = fixture::Project::own("outcomes");
    let printed = project
        .command(&["--print-spec", "name.equals(panics)"])
        .output()
        .unwrap();
    assert!(printed.status.success(), "{printed:?}");
    project.write("spec.json", &String::from_utf8(printed.stdout).unwrap());
    let mut user = User::new();
    user.enter(&format!("cd '{}'", project.root.display()));
    user.wait_for("host> ");
    // As it is, it is the test.
    user.run("--tty --file spec.json");
    user.wait_for("sums are hard");
    user.wait_for("host> ");
    user.expect_code(101);
    // With a shell, one can look around, and run it by hand.
    user.run("--add-programs sh,cat,ls --tty --file spec.json sh");
    user.enter("PS1='job> '");
    user.wait_for("job> ");
    user.enter("ls && cat /etc/passwd && echo $CARGO_PKG_NAME $USER");
    user.wait_for("Cargo.toml");
    user.wait_for("maelstrom:x:1000:1000");
    user.wait_for("outcomes maelstrom");
    user.wait_for("job> ");
    user.enter("echo changed >lib.rs");
    user.wait_for("job> ");
    user.enter("exit 9");
    user.wait_for("host> ");
    user.expect_code(9);
    // What was written there is gone.
    assert_ne!(
        fs::read_to_string(project.root.join("lib.rs")).unwrap(),
        "changed\n"
    );
}

#[test]
fn the_keyboard_cannot_be_the_input_as_well() {
    let mut user = User::new();
    user.run("--tty");
    user.wait_for("error: with --tty the job reads the keyboard");
    user.wait_for("host> ");
    user.expect_code(1);
}

#[test]
fn without_a_terminal_there_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("shell.json"), SHELL).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_maelstrom-run"));
    command
        .args(["--config-file=-", "--tty", "--file", "shell.json"])
        .arg("--cache-root")
        .arg(directory.path().join("cache"))
        .current_dir(directory.path())
        .stdin(Stdio::null());
    // SAFETY: a system call only.
    unsafe { command.pre_exec(|| Ok(nix::unistd::setsid().map(drop)?)) };
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "error: --tty needs a terminal, and there is none; --one runs a job without a terminal\n"
    );
}
