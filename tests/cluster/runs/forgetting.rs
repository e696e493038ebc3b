//! An engine that has forgotten its actions after a restart, or that is
//! not restarted.

use super::casd::Casd;
use super::cluster::Running;
use super::gate::Gate;
use crate::fixture::Project;
use crate::need::needs_containers;
use std::collections::BTreeSet;
use std::thread::{scope, yield_now};

const TESTS: usize = 500;

fn begin<'a>(project: &'a Project, engine: &Casd, ui: &str) -> Running<'a> {
    let mut options = vec!["--message-format=json".to_owned(), format!("--ui={ui}")];
    options.extend(engine.options());
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    Running::start(&mut project.command(&options), project)
}

/// The source of `many` tests that wait at the gate.
fn waiting(gate: &Gate, many: usize) -> String {
    let test = |number| {
        gate.test()
            .replace(&gate.name(), &format!("{}_{number}", gate.name()))
    };
    (0..many).map(test).collect()
}

/// Waits until one of the run's tests waits at the gate. Panics if the run ends before.
#[track_caller]
fn wait_at(gate: &Gate, running: &mut Running<'_>) {
    while !gate.is_waited_at() {
        assert!(!running.has_ended(), "the run ended before its time");
        yield_now();
    }
}

#[test]
fn actions_that_an_engine_forgot_or_lost_with_their_blobs_are_executed_again() {
    needs_containers!();
    let Some(mut engine) = Casd::start() else {
        return;
    };
    let (project, gate) = (Project::own("plain"), Gate::new());
    // The test with the first name is started first, and the others wait for the engine with it.
    let waits = gate
        .test()
        .replace(&gate.name(), &format!("a_{}", gate.name()));
    let others = (1..TESTS).map(|number| format!("#[test] fn number_{number}() {{}}\n"));
    project.write("src/lib.rs", &(waits + &others.collect::<String>()));
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
    project.write("src/lib.rs", &waiting(&gate, TESTS));
    let run = scope(|scope| {
        let running = begin(&project, &engine, "quiet");
        let run = scope.spawn(|| running.end());
        while !run.is_finished() {
            if gate.is_waited_at() {
                engine.stop();
                gate.wait_for(0);
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
    let given_up = "the engine did not finish the action in";
    assert!(
        messages.iter().any(|message| message.contains(given_up)),
        "{messages:?}"
    );
}

#[test]
fn an_engine_that_is_gone_is_one_error_for_all_tests() {
    needs_containers!();
    let Some(mut engine) = Casd::start() else {
        return;
    };
    let (project, gate) = (Project::own("plain"), Gate::new());
    project.write("src/lib.rs", &waiting(&gate, 1000));
    let mut running = begin(&project, &engine, "simple");
    wait_at(&gate, &mut running);
    engine.stop();
    let run = running.end().exits(100);
    let statuses = run.statuses();
    assert_eq!(statuses.len(), 1000, "{run}");
    assert!(statuses.values().all(|status| status == "error"), "{run}");
    let run = run.says(" 1,000 tests: failed to ").says(" and 995 more\n");
    let shown = run.stderr.lines().filter(|line| !line.starts_with("PASS"));
    assert!(shown.count() < 24, "{run}");
}
