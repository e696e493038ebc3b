//! Two clients at the same time in the same workspace.

use crate::need::needs_containers;
use crate::project::Project;

#[test]
fn two_runs_of_crowd_at_once_are_both_whole() {
    needs_containers!();
    let project = Project::copy("crowd");
    for _ in 0..3 {
        // The first time, nothing is built or packed yet.
        let clients = [project.start(&[]), project.start(&[])];
        for client in clients {
            client.finish().assert_all_passed(25);
        }
    }
    project.assert_nothing_is_left();
    project.assert_no_temporary_files();
}

#[test]
fn a_killed_client_does_not_disturb_another() {
    needs_containers!();
    let project = Project::copy("crowd");
    project.start(&[]).finish().assert_all_passed(25);
    let (mut doomed, other) = (project.start(&[]), project.start(&["--repeat", "3"]));
    doomed.wait_for("a test", |event| event["type"] == "test");
    doomed.kill();
    let run = other.finish();
    assert_eq!(run.status.code(), Some(0), "{run}");
    assert!(
        run.finished()
            .values()
            .all(|statuses| statuses == &["passed"; 3]),
        "{run}"
    );
    assert_eq!(run.finished().len(), 25);
    project.assert_nothing_is_left();
}
