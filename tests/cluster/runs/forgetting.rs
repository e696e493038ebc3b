//! An engine that knows nothing any more of what it was executing when it is started again, or is
//! not started again.

use super::casd::Casd;
use super::cluster::Running;
use super::gate::Gate;
use crate::fixture::Project;
use crate::need::needs_containers;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::thread::{scope, yield_now};

const TESTS: usize = 500;

fn begin<'a>(project: &'a Project, engine: &Casd, ui: &str) -> Running<'a> {
    let mut options = vec!["--message-format=json".to_owned(), format!("--ui={ui}")];
    options.extend(engine.options());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Running::start(&mut project.command(&options), project)
}

/// Waits until one of the run's tests waits; panics if none ever will.
#[track_caller]
fn wait_at(gate: &Gate, running: &mut Running<'_>) {
    while !gate.is_waited_at() {
        assert!(!running.has_ended(), "the run ended before its time");
        yield_now();
    }
}

#[test]
fn what_an_engine_forgot_or_lost_with_its_blobs_is_executed_again() {
    needs_containers!();
    let Some(mut engine) = Casd::start() else {
        return;
    };
    let (project, gate) = (Project::own("plain"), Gate::new());
    let mut tests = String::new();
    for number in 1..TESTS {
        let _ = writeln!(tests, "#[test] fn number_{number}() {{}}");
    }
    project
        .write("src/lib.rs", &tests)
        .write("tests/more.rs", &gate.test());
    let mut running = begin(&project, &engine, "quiet");
    wait_at(&gate, &mut running);
    engine.stop();
    gate.wait_for(0);
    engine.start_again();
    wait_at(&gate, &mut running);
    engine.stop();
    engine.lose_blobs();
    engine.start_again();
    let _opened = gate.open();
    let run = running.end().exits(0);
    let statuses = run.statuses();
    assert_eq!(statuses.len(), TESTS, "{run}");
    assert!(statuses.values().all(|status| status == "passed"), "{run}");
}

#[test]
fn an_engine_that_does_nothing_but_restart_is_given_up_with_one_message() {
    needs_containers!();
    let Some(mut engine) = Casd::start() else {
        return;
    };
    let (project, gate) = (Project::own("plain"), Gate::new());
    let mut tests = String::new();
    for number in 0..TESTS {
        let name = format!("{}_{number}", gate.name());
        tests += &gate.test().replace(&gate.name(), &name);
    }
    project.write("src/lib.rs", &tests);
    let run = scope(|scope| {
        let running = begin(&project, &engine, "quiet");
        let run = scope.spawn(|| running.end());
        while !run.is_finished() {
            if gate.is_waited_at() {
                engine.stop();
                engine.start_again();
            }
            yield_now();
        }
        run.join().unwrap()
    });
    let run = run.exits(100);
    let statuses = run.statuses();
    assert_eq!(statuses.len(), TESTS, "{run}");
    assert!(statuses.values().all(|status| status == "error"), "{run}");
    let events = run.of_tests("finished");
    let messages: BTreeSet<_> = events.iter().map(|e| e["message"].to_string()).collect();
    assert_eq!(messages.len(), 1, "{messages:?}");
    let message = messages.first().unwrap();
    assert!(
        message.contains("the engine did not finish it in"),
        "{message}"
    );
}

#[test]
fn an_engine_that_is_gone_is_one_error_of_all_tests() {
    needs_containers!();
    let Some(mut engine) = Casd::start() else {
        return;
    };
    let (project, gate) = (Project::own("plain"), Gate::new());
    let mut tests = gate.test();
    for number in 1..1000 {
        let _ = writeln!(tests, "#[test] fn number_{number}() {{}}");
    }
    project.write("src/lib.rs", &tests);
    let mut running = begin(&project, &engine, "simple");
    wait_at(&gate, &mut running);
    engine.stop();
    let run = running.end().exits(100);
    let statuses = run.statuses();
    assert_eq!(statuses.len(), 1000, "{run}");
    let errors = statuses
        .values()
        .filter(|status| *status == "error")
        .count();
    assert!(
        run.stderr.contains(&format!(" {errors} tests: failed to ")),
        "{run}"
    );
    assert!(
        run.stderr.contains(&format!("and {} more\n", errors - 5)),
        "{run}"
    );
    let shown = run.stderr.lines().filter(|line| !line.starts_with("PASS"));
    assert!(shown.count() < 24, "{run}");
}
