//! Tests with a directory that stands for the root of the file system, without a kernel.

use super::place::Place;
use super::*;
use std::fs;

/// The directory of a machine on which `/sys/fs/cgroup` is cgroup v2.
struct Machine {
    root: tempfile::TempDir,
}

impl Machine {
    /// This process is in the group `own`.
    fn with_own_group(own: &str) -> Self {
        let machine = Self::with_mounts(
            "30 20 0:25 / /sys rw - sysfs sysfs rw\n\
             31 30 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        machine.write(
            "proc/self/cgroup",
            &format!("1:name=systemd:/x\n0::{own}\n"),
        );
        machine
    }

    fn with_mounts(mounts: &str) -> Self {
        let machine = Self {
            root: tempfile::tempdir().unwrap(),
        };
        machine.write("proc/self/mountinfo", mounts);
        machine
    }

    /// A group with these controllers and processes.
    fn group(&self, path: &str, controllers: &str, processes: &[u32]) -> PathBuf {
        let directory = format!("sys/fs/cgroup{path}");
        let file = |name: &str| format!("{directory}/{name}");
        self.write(&file("cgroup.controllers"), controllers);
        self.write(&file("cgroup.subtree_control"), "");
        self.write(&file("cgroup.type"), "domain\n");
        let lines: Vec<_> = processes.iter().map(ToString::to_string).collect();
        self.write(&file("cgroup.procs"), &lines.join("\n"));
        self.root.path().join(directory.trim_end_matches('/'))
    }

    fn process(&self, number: u32, parent: u32) {
        let stat = format!("{number} (a (b) c) S {parent} 1 1 0");
        self.write(&format!("proc/{number}/stat"), &stat);
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn find(&self) -> Result<Place, String> {
        let place = Place::find(self.root.path());
        let root = self.root.path().to_str().unwrap();
        place.map_err(|error| error.to_string().replace(root, ""))
    }
}

const BOTH: &str = "cpu io memory pids";

fn own_process() -> u32 {
    std::process::id()
}

#[test]
fn the_base_is_the_own_group_if_no_other_program_is_in_it() {
    let machine = Machine::with_own_group("/user/run.scope");
    let child = u32::MAX - 1;
    machine.process(child, own_process());
    for processes in [vec![own_process()], vec![child, own_process()]] {
        let base = machine.group("/user/run.scope", BOTH, &processes);
        let to_move = true;
        assert_eq!(machine.find(), Ok(Place { base, to_move }));
    }
}

#[test]
fn processes_of_other_programs_are_not_moved() {
    let machine = Machine::with_own_group("/user/terminal.scope");
    let shell = u32::MAX - 1;
    machine.process(shell, 1);
    machine.group("/user", BOTH, &[]);
    machine.group("/user/terminal.scope", BOTH, &[shell, own_process()]);
    let refused = machine.find().unwrap_err();
    let text =
        "the control group `/sys/fs/cgroup/user/terminal.scope` has processes of other programs";
    assert_eq!(refused, text);
}

#[test]
fn in_a_container_the_topmost_group_is_delegated() {
    let machine = Machine::with_own_group("/");
    let shell = u32::MAX - 1;
    machine.process(shell, 1);
    let base = machine.group("/", BOTH, &[shell, own_process()]);
    let to_move = true;
    assert_eq!(machine.find(), Ok(Place { base, to_move }));
    // The number of a process that is not visible in the container.
    machine.group("/", BOTH, &[0, own_process()]);
    let refused = machine.find().unwrap_err();
    assert!(
        refused.ends_with("has processes of other programs"),
        "{refused}"
    );
    // As in the entry script of an image that prepares the groups.
    machine.write("proc/self/cgroup", "0::/init\n");
    machine.group("/init", "", &[shell, own_process()]);
    let base = machine.group("/", BOTH, &[]);
    let to_move = false;
    assert_eq!(machine.find(), Ok(Place { base, to_move }));
}

#[test]
fn the_topmost_group_of_the_machine_may_have_processes() {
    let machine = Machine::with_own_group("/");
    let base = machine.group("/", BOTH, &[0, 1, own_process()]);
    fs::remove_file(base.join("cgroup.type")).unwrap();
    let to_move = false;
    assert_eq!(machine.find(), Ok(Place { base, to_move }));
}

#[test]
fn a_client_that_another_one_moved_shares_its_base() {
    let machine = Machine::with_own_group("/a.scope/maelstrom-1/client");
    let shell = u32::MAX - 1;
    machine.process(shell, 1);
    machine.group("/a.scope/maelstrom-1/client", BOTH, &[shell, own_process()]);
    let base = machine.group("/a.scope/maelstrom-1", BOTH, &[]);
    let to_move = false;
    assert_eq!(machine.find(), Ok(Place { base, to_move }));
}

#[test]
fn the_reason_why_there_are_no_groups_is_told() {
    let machine = Machine::with_mounts("30 20 0:25 / /sys rw - sysfs sysfs rw\n");
    assert_eq!(machine.find().unwrap_err(), "cgroup v2 is not mounted");
    let machine = Machine::with_own_group("/../outside");
    let hidden = "the control group of this process is not visible here";
    assert_eq!(machine.find().unwrap_err(), hidden);
    let machine = Machine::with_own_group("/a");
    assert_eq!(machine.find().unwrap_err(), hidden);
    for controllers in ["", "memory", "pids"] {
        machine.group("/a", controllers, &[own_process()]);
        assert_eq!(
            machine.find().unwrap_err(),
            "the control group `/sys/fs/cgroup/a` has no controllers `memory` and `pids`"
        );
    }
    let group = machine.group("/a", BOTH, &[own_process()]);
    fs::remove_file(group.join("cgroup.subtree_control")).unwrap();
    assert_eq!(
        machine.find().unwrap_err(),
        "the control group `/sys/fs/cgroup/a` is not delegated to this user"
    );
}

#[test]
fn counts_of_events_are_found_by_their_names() {
    let text = "low 0\nhigh 0\nmax 12\noom 3\noom_kill 2\noom_group_kill 1\n";
    assert_eq!(event_count(text, "oom_kill"), 2);
    assert_eq!(event_count(text, "max"), 12);
    assert_eq!(event_count("", "max"), 0);
}

#[test]
fn groups_of_clients_that_are_gone_are_removed_and_others_stay() {
    let base = tempfile::tempdir().unwrap();
    let base = base.path();
    let (running, lock) = make_locked(base).unwrap();
    fs::create_dir(running.join("1")).unwrap();
    let gone = base.join("maelstrom-gone");
    fs::create_dir_all(gone.join("7")).unwrap();
    fs::create_dir_all(gone.join("client")).unwrap();
    // A client whose base was the group of the one that is gone.
    fs::create_dir_all(gone.join("maelstrom-nested/1")).unwrap();
    let other = base.join("other");
    fs::create_dir(&other).unwrap();
    // The base of this client, which the one that is gone had moved.
    remove_left(&gone);
    assert!(gone.exists() && !gone.join("7").exists() && !gone.join("maelstrom-nested").exists());
    remove_left(base);
    assert!(!gone.exists());
    assert!(running.join("1").exists() && other.exists());
    drop(lock);
    remove_left(base);
    assert!(!running.exists() && other.exists());
}
