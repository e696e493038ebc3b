//! A process and all that it started, and they, and so on.

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs;

/// Kills a process and all below it.
pub fn kill(root: i32) {
    // All are stopped before any is killed, so that none can start another or be
    // lost from the tree. Stopping takes effect a little later, hence again, until
    // there is nothing new.
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

/// One that is gone meanwhile has no need of a signal.
fn send<'a>(processes: impl IntoIterator<Item = &'a i32>, signal: Signal) {
    for process in processes {
        let _ = signal::kill(Pid::from_raw(*process), signal);
    }
}

/// A process and all below it.
fn tree(root: i32) -> BTreeSet<i32> {
    let mut found = BTreeSet::new();
    let mut open = vec![root];
    while let Some(process) = open.pop() {
        found.insert(process);
        open.extend(children(process));
    }
    found
}

/// The children of a process; none if it is gone.
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
