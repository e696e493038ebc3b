use crate::action::RunnerFixture;
use maelstrom::executor::remote::{BatchEnd, OUTCOMES};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::thread::yield_now;

#[test]
fn a_killed_runner_leaves_records_of_ended_and_running_jobs() {
    let fixture = RunnerFixture::new();
    let container = fixture.container(&["sh", "sleep"]);
    let scripts = ["echo done", "sleep 1000", "echo never"];
    let action = fixture.action("action", &container, &scripts);
    let mut runner = action.command().spawn().unwrap();
    loop {
        let records = fs::read(action.directory.join(OUTCOMES)).unwrap_or_default();
        if BatchEnd::parse(&records).unwrap().running.contains(&1) {
            break;
        }
        yield_now();
    }
    kill(Pid::from_raw(runner.id() as i32), Signal::SIGKILL).unwrap();
    assert!(!runner.wait().unwrap().success());
    let ending = action.ending();
    assert_eq!(ending.ended[&0].stdout.to_vec(), b"done\n");
    assert_eq!(ending.ended.len(), 1);
    assert_eq!(ending.running.len(), 1);
}
