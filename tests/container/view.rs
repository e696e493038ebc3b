//! Jobs whose root is laid over the view of the machine: they see the machine's files below those of
//! their layers, and change or reach nothing of the machine.

use crate::fixture::{Slot, inside};
use maelstrom::container::MachineView;
use std::process::Command;

#[test]
fn programs_of_the_machine_run() {
    inside("job", || {
        println!(
            "{}",
            std::fs::read_to_string("/proc/self/mountinfo").unwrap()
        );
        let output = Command::new("/usr/bin/git").arg("--version").output();
        assert!(output.unwrap().status.success());
    });
    let mut slot = Slot::with_machine(MachineView::default());
    let ran = slot.job("job").run();
    println!("{}", ran.stdout);
    ran.succeeds();
}
