use super::casd::Casd;
use crate::engine::free_port;
use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::process::Stdio;
use std::thread::yield_now;

const SLEEPER: &str = r"
    #[test] fn a() {}
    #[test] fn b() {}
    #[test] fn c() {}
    #[test] fn sleeps() {
        std::thread::sleep(std::time::Duration::from_secs(1000));
    }
";

#[test]
fn an_engine_that_cannot_be_reached_is_a_set_up_error() {
    let project = Project::own("plain");
    let remote = format!("--remote=grpc://127.0.0.1:{}", free_port());
    project
        .maelstrom(&[&remote])
        .exits(96)
        .says("error: failed to connect to the engine at grpc://127.0.0.1:")
        .says("check that the engine is running and that `remote` names it")
        .does_not_say("Ran ");
}

#[test]
fn an_interrupted_run_leaves_no_runner() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    let project = Project::own("plain");
    project.write("src/lib.rs", SLEEPER);
    let options = engine.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let mut command = project.command(&[&options[..], &["--ui=quiet"]].concat());
    let mut run = command.stderr(Stdio::piped()).spawn().unwrap();
    while engine.runners().is_empty() {
        if run.try_wait().unwrap().is_some() {
            let output = run.wait_with_output().unwrap();
            panic!("{output:?} {}", engine.log());
        }
        yield_now();
    }
    kill(Pid::from_raw(run.id() as i32), Signal::SIGINT).unwrap();
    let output = run.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{output:?}");
    while !engine.runners().is_empty() {
        yield_now();
    }
}

#[test]
fn when_a_runner_is_killed_the_job_it_ran_is_run_once_more_and_every_test_is_reported_once() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    let project = Project::own("plain");
    project.write("src/lib.rs", SLEEPER);
    let options = engine.options();
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    let json = ["--message-format=json", "--ui=quiet", "--slots=1"];
    let mut command = project.command(&[&options[..], &json].concat());
    let killer = std::thread::scope(|scope| {
        let run = scope.spawn(|| Run::of(&mut command, &project));
        let mut killed = Vec::new();
        // The runner with all four tests, and the runner with only the sleeping test.
        while killed.len() < 2 {
            for runner in engine.runners() {
                if !killed.contains(&runner) && is_sleeping(runner) {
                    kill(runner, Signal::SIGKILL).unwrap();
                    killed.push(runner);
                }
            }
            assert!(!run.is_finished(), "{}", run.join().unwrap());
            yield_now();
        }
        run.join().unwrap()
    });
    let run = killer.exits(100);
    let statuses = run.statuses();
    assert_eq!(statuses.len(), 4, "{run}");
    for name in ["a", "b", "c"] {
        assert_eq!(statuses[name], "passed", "{run}");
    }
    assert_eq!(statuses["sleeps"], "error", "{run}");
    let event = run.finished("sleeps").to_string();
    assert!(
        event.contains("the runner died twice while running this job"),
        "{event}"
    );
}

/// Whether this runner has started the sleeping test.
fn is_sleeping(runner: Pid) -> bool {
    let mut below = vec![runner.as_raw()];
    while let Some(pid) = below.pop() {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if words.windows(8).any(|part| part == b"\0sleeps\0") {
            return true;
        }
        let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
        for task in tasks.into_iter().flatten().flatten() {
            let children = std::fs::read_to_string(task.path().join("children"));
            let children = children.unwrap_or_default();
            below.extend(
                children
                    .split_whitespace()
                    .filter_map(|c| c.parse::<i32>().ok()),
            );
        }
    }
    false
}
