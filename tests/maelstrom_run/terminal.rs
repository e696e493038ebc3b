//! `maelstrom-run --tty`, called from an interactive shell at a real pseudo-terminal.

use crate::fixture;
use crate::need::needs_containers;
use nix::fcntl::OFlag;
use nix::libc;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::termios::{Termios, tcgetattr};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Long enough for anything that happens at all.
const LONG: Duration = Duration::from_secs(60);

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

/// Both sides of a terminal. No other test's shell may get one of them on its way: a terminal
/// whose owner is gone hangs up only when nobody has that side any more.
fn pseudo_terminal() -> (File, File) {
    let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let slave = File::options()
        .read(true)
        .write(true)
        .custom_flags(OFlag::O_NOCTTY.bits())
        .open(ptsname_r(&master).unwrap())
        .unwrap();
    (File::from(OwnedFd::from(master)), slave)
}

/// Somebody at a terminal with a shell of this machine.
struct User {
    directory: tempfile::TempDir,
    shell: Child,
    terminal: File,
    /// Keeps what the shell has found in the terminal readable.
    slave: File,
    output: mpsc::Receiver<Vec<u8>>,
    seen: String,
}

impl User {
    /// Sits down at a terminal of 24 lines of 80 characters.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("shell.json"), SHELL).unwrap();
        let (master, slave) = pseudo_terminal();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let mut command = Command::new("bash");
        command
            .args(["--norc", "--noprofile", "-i"])
            .current_dir(directory.path())
            .env("PS1", "host> ")
            .env("TERM", "vt220")
            .env("HISTFILE", "/dev/null")
            .env("RUN", env!("CARGO_BIN_EXE_maelstrom-run"))
            .env("CACHE", directory.path().join("cache"))
            .stdin(end())
            .stdout(end())
            .stderr(end());
        let sit_down = || {
            nix::unistd::setsid()?;
            rustix::process::ioctl_tiocsctty(std::io::stdin())?;
            Ok(())
        };
        // SAFETY: system calls only.
        let shell = unsafe { command.pre_exec(sit_down) }.spawn().unwrap();
        drop(command);
        let mut screen = master.try_clone().unwrap();
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(length @ 1..) = screen.read(&mut chunk) {
                if sender.send(chunk[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        let mut user = Self {
            directory,
            shell,
            terminal: master,
            slave,
            output,
            seen: String::new(),
        };
        user.resize(24, 80);
        user.wait_for("host> ");
        user.enter("bind 'set enable-bracketed-paste off'");
        user.wait_for("host> ");
        user
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

    fn type_keys(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    fn enter(&mut self, line: &str) {
        self.type_keys(line);
        // As Ctrl-J: the same in every mode of the terminal.
        self.type_keys("\n");
        // What is printed from here on comes after the terminal's echo of the line.
        let end = line.get(line.len().saturating_sub(6)..).unwrap_or(line);
        self.wait_for(end);
    }

    /// Waits until this is printed after all that was waited for before.
    fn wait_for(&mut self, text: &str) {
        self.seen_before(text);
    }

    /// Enters a line at the job's prompt until this is printed: what it tells of comes
    /// some time.
    fn repeat_until(&mut self, line: &str, text: &str) {
        let started = Instant::now();
        loop {
            assert!(started.elapsed() < LONG, "{line} never printed {text}");
            self.enter(line);
            if self.seen_before("job> ").contains(text) {
                return;
            }
        }
    }

    /// What is printed before this.
    fn seen_before(&mut self, text: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(text) {
                let before = self.seen[..at].to_owned();
                self.seen.drain(..at + text.len());
                return before;
            }
            match self.output.recv_timeout(LONG) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(error) => panic!("waited for {text:?}, saw {:?}: {error}", self.seen),
            }
        }
    }

    fn resize(&mut self, rows: u16, columns: u16) {
        let size = Winsize {
            ws_row: rows,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(self.terminal.as_fd(), size).unwrap();
    }

    fn modes(&self) -> Termios {
        tcgetattr(&self.slave).unwrap()
    }

    /// The exit code of the last command of the shell outside.
    fn expect_code(&mut self, code: i32) {
        self.enter("echo code=$?.");
        self.wait_for(&format!("code={code}."));
        self.wait_for("host> ");
    }
}

impl Drop for User {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
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
