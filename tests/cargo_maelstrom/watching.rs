//! `--watch`: tests run again when files change or keys ask for it, at a real pseudo-terminal.

use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use crate::user::User;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

/// What is shown while no run goes on.
const WAITING: &str = "Waiting for a change in";

/// Somebody in the root of the project.
fn user_of(project: &Project) -> User {
    let user = User::new(|shell| {
        project.prepare(shell);
        shell.env("WATCH", env!("CARGO_BIN_EXE_cargo-maelstrom"));
    });
    // Whole lines are looked for.
    user.resize(40, 300);
    user
}

/// Starts the program, and waits for the end of the first run.
fn watch(project: &Project, arguments: &str) -> User {
    let mut user = user_of(project);
    start(&mut user, arguments);
    user.wait_for(WAITING);
    user
}

fn start(user: &mut User, arguments: &str) {
    user.enter(&format!(
        "\"$WATCH\" maelstrom --watch --color=never {arguments}"
    ));
}

/// Ends the program while it waits.
fn quit(user: &mut User, code: i32) {
    user.type_keys("q");
    user.wait_for("host> ");
    user.expect_code(code);
}

/// Changes this file, and fails if a run was started for something else before.
fn expect_no_run_but_for(user: &mut User, project: &Project, path: &str) {
    fs::write(project.root.join(path), "marker").unwrap();
    let before = user.seen_before(&format!("Changed {path}"));
    assert!(!before.contains("Changed "), "{before}");
    user.wait_for(WAITING);
}

#[test]
fn forest_a_change_of_one_crate_runs_only_what_depends_on_it() {
    needs_containers!();
    let project = Project::own("forest");
    let mut user = watch(&project, "--workspace");
    project.change("moss/src/lib.rs", "1", "2");
    user.wait_for("Changed moss/src/lib.rs");
    user.wait_for("Ran 1 test in");
    user.wait_for("13 passed, 12 of them cached");
    user.wait_for(WAITING);
    // The packages twig, branch and tree depend on it.
    project.change("leaf/src/lib.rs", "1", "2");
    user.wait_for("Changed leaf/src/lib.rs");
    user.wait_for("Ran 6 tests in");
    user.wait_for("13 passed, 7 of them cached");
    user.wait_for(WAITING);
    user.type_keys("\n");
    user.wait_for("Running all tests");
    user.wait_for("Ran 13 tests in");
    user.wait_for(WAITING);
    quit(&mut user, 0);
}

#[test]
fn plain_a_build_error_is_shown_and_the_next_save_goes_on() {
    needs_containers!();
    let project = Project::own("plain");
    let mut user = watch(&project, "");
    let source = fs::read_to_string(project.root.join("src/lib.rs")).unwrap();
    project.write("src/lib.rs", "compile_error!(\"not yet\");");
    user.wait_for("error: not yet");
    user.wait_for("the build failed");
    user.wait_for(WAITING);
    project.write("src/lib.rs", &source);
    user.wait_for("3 passed");
    user.wait_for(WAITING);
    // The same goes for manifests and directives.
    let manifest = fs::read_to_string(project.root.join("Cargo.toml")).unwrap();
    project.write("Cargo.toml", "[package");
    user.wait_for("Changed Cargo.toml");
    user.wait_for("error: unclosed table");
    user.wait_for(WAITING);
    project.write("Cargo.toml", &manifest);
    user.wait_for("3 passed");
    user.wait_for(WAITING);
    project.directives("[[directives");
    user.wait_for("error: ");
    user.wait_for(WAITING);
    quit(&mut user, 96);
}

#[test]
fn plain_a_broken_manifest_at_the_start_is_awaited_too() {
    needs_containers!();
    let project = Project::own("plain");
    let manifest = fs::read_to_string(project.root.join("Cargo.toml")).unwrap();
    project.write("Cargo.toml", "[package");
    let mut user = watch(&project, "");
    project.write("Cargo.toml", &manifest);
    user.wait_for("3 passed");
    user.wait_for(WAITING);
    quit(&mut user, 0);
    // No file can repair this.
    start(&mut user, "--include 'bad('");
    user.wait_for("error: bad pattern for --include");
    user.wait_for("host> ");
    user.expect_code(96);
    user.enter("CARGO=/nonexistent \"$WATCH\" maelstrom --watch --color=never");
    user.wait_for("error: could not start `/nonexistent`");
    user.wait_for("host> ");
    user.expect_code(96);
}

/// Does to a file what an editor does when it saves.
fn save(editor: &str, file: &Path, text: &str) {
    let beside = |name: &str| file.with_file_name(name);
    let name = file.file_name().unwrap().to_str().unwrap();
    match editor {
        "vim" => {
            fs::write(beside(&format!(".{name}.swp")), "swap").unwrap();
            fs::write(beside("4913"), "").unwrap();
            fs::remove_file(beside("4913")).unwrap();
            let backup = beside(&format!("{name}~"));
            fs::rename(file, &backup).unwrap();
            fs::write(file, text).unwrap();
            fs::remove_file(backup).unwrap();
        }
        "emacs" => {
            std::os::unix::fs::symlink("me@here.1", beside(&format!(".#{name}"))).unwrap();
            fs::write(beside(&format!("#{name}#")), text).unwrap();
            fs::copy(file, beside(&format!("{name}~"))).unwrap();
            fs::write(file, text).unwrap();
            fs::remove_file(beside(&format!(".#{name}"))).unwrap();
        }
        "jetbrains" => {
            let new = beside(&format!("{name}___jb_tmp___"));
            let old = beside(&format!("{name}___jb_old___"));
            fs::write(&new, text).unwrap();
            fs::rename(file, &old).unwrap();
            fs::rename(&new, file).unwrap();
            fs::remove_file(old).unwrap();
        }
        // As `sed -i`: a temporary file with any name replaces the file.
        _ => {
            let new = beside("sedY3fK1a");
            fs::write(&new, text).unwrap();
            fs::rename(new, file).unwrap();
        }
    }
}

#[test]
fn plain_saving_a_file_in_an_editor_is_one_change() {
    needs_containers!();
    let project = Project::own("plain");
    let file = project.root.join("src/lib.rs");
    let mut user = watch(&project, "");
    for editor in ["vim", "emacs", "jetbrains", "sed"] {
        save(editor, &file, &format!("#[test] fn of_{editor}() {{}}\n"));
        user.wait_for("Changed src/lib.rs\r\n");
        let shown = user.seen_before(WAITING);
        assert!(shown.contains("1 passed"), "{editor}: {shown}");
    }
    // What editors leave while a file is open is no change.
    fs::write(project.root.join("src/.lib.rs.swp"), "more").unwrap();
    fs::write(project.root.join("src/#lib.rs#"), "more").unwrap();
    expect_no_run_but_for(&mut user, &project, "other.txt");
    quit(&mut user, 0);
}

fn git(project: &Project, arguments: &[&str]) {
    let output = Command::new("git")
        .args(["-c", "user.name=me", "-c", "user.email=me@example.org"])
        .args(arguments)
        .current_dir(&project.root)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn plain_checking_out_a_thousand_files_is_one_change() {
    needs_containers!();
    let project = Project::own("plain");
    git(&project, &["init", "-q", "-b", "main"]);
    for text in ["one", "two"] {
        for number in 0..1000 {
            let path = format!("data/{}/{number}.txt", number % 10);
            project.write(&path, &format!("{text} {number}\n"));
        }
        git(&project, &["add", "--all"]);
        git(&project, &["commit", "-q", "-m", text]);
        git(&project, &["tag", text]);
    }
    let mut user = watch(&project, "");
    git(&project, &["checkout", "-q", "one"]);
    user.wait_for("Changed data/0/0.txt, data/0/10.txt, data/0/100.txt, and 997 more");
    user.wait_for(WAITING);
    expect_no_run_but_for(&mut user, &project, "other.txt");
    // A directory that appears is watched, and one that disappears is a change.
    git(&project, &["rm", "-q", "-r", "data"]);
    user.wait_for("Changed data");
    user.wait_for(WAITING);
    fs::create_dir_all(project.root.join("new/below")).unwrap();
    expect_no_run_but_for(&mut user, &project, "new/below/other.txt");
    quit(&mut user, 0);
}

#[test]
fn plain_files_that_git_ignores_and_that_programs_write_are_no_changes() {
    needs_containers!();
    let project = Project::own("plain");
    git(&project, &["init", "-q"]);
    project.write(".gitignore", "*.log\n/ignored/\n");
    project.write("ignored/file", "");
    project.write(
        "cache/CACHEDIR.TAG",
        "Signature: 8a477f597d28d172789f06886806bc55",
    );
    let mut user = watch(&project, "--junit results.xml");
    for path in ["a.log", "ignored/file", "cache/file", ".git/file"] {
        project.write(path, "text");
    }
    expect_no_run_but_for(&mut user, &project, "other.txt");
    // What is ignored no more is watched.
    project.write(".gitignore", "*.log\n");
    user.wait_for("Changed .gitignore");
    user.wait_for(WAITING);
    project.write("ignored/file", "more");
    user.wait_for("Changed ignored/file");
    user.wait_for(WAITING);
    quit(&mut user, 0);
}

#[test]
fn what_tests_and_build_scripts_write_starts_no_runs_for_ever() {
    needs_containers!();
    let project = Project::own("plain");
    project.directives("[[directives]]\nfilter = 'all'\nadded_outputs = ['written-*']\n");
    project.write(
        "build.rs",
        "fn main() { std::fs::write(\"src/made.rs\", \"pub fn made() {}\\n\").unwrap(); }\n",
    );
    project.write(
        "src/lib.rs",
        "mod made;\n#[test] fn writes() {\n    made::made();\n    let now = format!(\"{:?}\", std::time::SystemTime::now());\n    \
         std::fs::write(\"written-by-a-test\", now).unwrap();\n}\n",
    );
    let mut user = watch(&project, "--no-tests pass");
    assert!(project.root.join("written-by-a-test").exists());
    expect_no_run_but_for(&mut user, &project, "other.txt");
    // Somebody else may change the file.
    fs::write(project.root.join("written-by-a-test"), "by hand").unwrap();
    user.wait_for("Changed written-by-a-test");
    user.wait_for(WAITING);
    quit(&mut user, 0);
}

#[test]
fn scattered_packages_outside_of_the_workspace_are_watched_too() {
    needs_containers!();
    let project = Project::own_below("scattered", "workspace");
    let mut user = watch(&project, "-p scattered");
    let greeting = project.root.join("../dependency/greeting.txt");
    fs::write(greeting, "hello from elsewhere\n").unwrap();
    user.wait_for("dependency/greeting.txt");
    user.wait_for("hello from elsewhere");
    user.wait_for("1 failed");
    user.wait_for(WAITING);
    quit(&mut user, 100);
}

/// Tests of which one waits until it is killed.
fn with_a_test_that_waits() -> Project {
    let project = Project::own("plain");
    project.write(
        "src/lib.rs",
        "#[test] fn passes() {}\n#[test] fn fails() { panic!() }\n\
         #[test] fn z_waits() { loop { std::thread::park(); } }\n",
    );
    project
}

#[test]
fn keys_work_while_tests_run() {
    needs_containers!();
    let project = with_a_test_that_waits();
    let mut user = user_of(&project);
    start(&mut user, "-j1");
    user.wait_for("1 running, 0 queued");
    user.wait_for("h: help");
    user.type_keys("h");
    user.wait_for("with the exit code of the last run");
    // A filter that is left again has no effect.
    user.type_keys("/waits");
    user.wait_for("names of tests: waits");
    user.type_keys("\x1b");
    user.wait_for("show or hide this help");
    user.type_keys("h/pas");
    user.wait_for("names of tests: pas");
    user.type_keys("x\x7fses\n");
    user.wait_for("another run follows");
    user.wait_for("Running tests with `passes` in their name");
    user.wait_for("1 passed");
    user.wait_for("with `passes` in their name");
    // Without a filter, it waits again.
    user.type_keys("/\x15\n");
    user.wait_for("Running without a filter");
    user.wait_for("1 running");
    user.type_keys("f");
    user.wait_for("Running the tests that failed");
    user.wait_for("/2: 0 passed");
    user.wait_for("1 running");
    // A change ends the run, too.
    project.change("src/lib.rs", "panic!()", "panic!(\"again\")");
    user.wait_for("Changed src/lib.rs");
    user.wait_for("1 running");
    user.type_keys("q");
    user.wait_for("host> ");
    user.expect_code(130);
}

#[test]
fn the_terminal_is_restored_however_the_program_ends_or_stops() {
    needs_containers!();
    let project = with_a_test_that_waits();
    let mut user = user_of(&project);
    // What the shell gives programs, not its own mode.
    let modes = |user: &mut User| {
        user.enter("stty -a >modes; echo do''ne");
        user.wait_for("done");
        user.wait_for("host> ");
        fs::read_to_string(project.root.join("modes")).unwrap()
    };
    let before = modes(&mut user);
    let changed = user.modes();
    start(&mut user, "-j1 fails");
    user.wait_for(WAITING);
    assert_ne!(user.modes(), changed);
    user.type_keys("\x1a");
    user.wait_for("Stopped");
    user.wait_for("host> ");
    assert_eq!(modes(&mut user), before, "after Ctrl-Z");
    user.enter("fg");
    user.wait_for(WAITING);
    user.type_keys("h");
    user.wait_for("show or hide this help");
    user.type_keys("\x03");
    user.wait_for("host> ");
    user.expect_code(100);
    assert_eq!(modes(&mut user), before, "after Ctrl-C");
    // While a test runs.
    start(&mut user, "-j1 waits");
    user.wait_for("1 running, 0 queued");
    user.type_keys("\x03");
    user.wait_for("interrupted by Ctrl-C");
    user.wait_for("host> ");
    user.expect_code(130);
    assert_eq!(modes(&mut user), before, "after Ctrl-C in a run");
    user.enter("sh -c 'echo $$ >process; exec \"$WATCH\" maelstrom --watch passes'");
    user.wait_for(WAITING);
    let process = fs::read_to_string(project.root.join("process")).unwrap();
    let process = Pid::from_raw(process.trim().parse().unwrap());
    kill(process, Signal::SIGTERM).unwrap();
    user.wait_for("host> ");
    assert_eq!(modes(&mut user), before, "after SIGTERM");
}

#[test]
fn plain_without_a_terminal_changes_are_awaited_and_sigterm_ends_it() {
    needs_containers!();
    let project = Project::own("plain");
    let mut command = project.command(&["--watch", "--message-format=json"]);
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    let mut lines = BufReader::new(stderr).lines().map(Result::unwrap);
    let mut wait_for = |text: &str| lines.find(|line| line.contains(text)).expect("it goes on");
    wait_for(WAITING);
    project.write("src/lib.rs", "#[test] fn fails() { panic!() }\n");
    wait_for("Changed src/lib.rs");
    wait_for(WAITING);
    kill(Pid::from_raw(child.id() as i32), Signal::SIGTERM).unwrap();
    let run = Run::that_left(child.wait_with_output().unwrap(), &project);
    let run = run.exits(100);
    let summaries = run.all_events().into_iter();
    let summaries =
        summaries.filter(|event| event["type"] == "run" && event["event"] == "finished");
    let failed: Vec<_> = summaries
        .map(|summary| summary["failed"].as_u64())
        .collect();
    assert_eq!(failed, [Some(0), Some(1)]);
}

#[test]
fn other_actions_refuse_the_option() {
    let project = Project::shared("plain");
    for action in ["--list", "--no-run", "--learn", "--print-config"] {
        let refused = project.maelstrom(&["--watch", action]).exits(96);
        refused.says("cannot be used with");
    }
    for words in [
        &["archive", "-o", "x", "--watch"][..],
        &["-w", "--", "--list"],
    ] {
        project.maelstrom(words).exits(96).says("'--watch'");
    }
}
