//! A process and its descendants.

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;

/// Kills a process and its descendants.
pub fn kill(root: i32) {
    // All processes are stopped before the first is killed, so that none can start another process
    // or leave the tree. Stopping takes effect with a delay, so the tree is searched again until
    // there are no new processes.
    let mut stopped = BTreeSet::new();
    loop {
        let found = tree(root);
        let new: Vec<_> = found.difference(&stopped).copied().collect();
        if new.is_empty() {
            break;
        }
        send(&new, Signal::SIGSTOP);
        stopped.extend(new);
    }
    send(&stopped, Signal::SIGKILL);
}

/// Sends a signal to processes. Processes that have ended are ignored.
fn send<'a>(processes: impl IntoIterator<Item = &'a i32>, signal: Signal) {
    for process in processes {
        let _ = signal::kill(Pid::from_raw(*process), signal);
    }
}

/// The ids of a process and its descendants.
fn tree(root: i32) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut open = vec![root];
    while let Some(process) = open.pop() {
        found.insert(process);
        open.extend(children(process));
    }
    found
}

/// The ids of the children of a process; empty if the process has ended.
pub fn children(process: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        let children = children.split_whitespace();
        found.extend(children.filter_map(|id| id.parse::<i32>().ok()));
    }
    found
}
