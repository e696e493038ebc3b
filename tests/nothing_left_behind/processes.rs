//! Who is alive, as `/proc` tells.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

#[derive(Clone, Debug)]
pub struct Process {
    pub id: i32,
    pub parent: i32,
    pub command: String,
}

impl Process {
    /// A starter or a launcher, not what a launcher has become.
    pub fn is_launcher(&self) -> bool {
        self.command.starts_with("maelstrom-launcher")
    }

    /// The process of a test, or one that it forked.
    pub fn is_test(&self, name: &str) -> bool {
        self.command.contains("/target/debug/deps/") && self.command.contains(name)
    }
}

/// Processes that have `marker`, a path, in their command line, environment,
/// executable or working directory; and all below them.
pub fn of(marker: &Path) -> Vec<Process> {
    let all = all();
    let marker = marker.as_os_str().as_bytes();
    let mut found: BTreeMap<i32, Process> = BTreeMap::new();
    for process in all.values() {
        if process.id as u32 != std::process::id() && has_marker(process, marker) {
            found.insert(process.id, process.clone());
        }
    }
    loop {
        let more: Vec<_> = all
            .values()
            .filter(|p| found.contains_key(&p.parent) && !found.contains_key(&p.id))
            .cloned()
            .collect();
        if more.is_empty() {
            return found.into_values().collect();
        }
        found.extend(more.into_iter().map(|p| (p.id, p)));
    }
}

fn has_marker(process: &Process, marker: &[u8]) -> bool {
    let contains = |bytes: &[u8]| bytes.windows(marker.len()).any(|window| window == marker);
    let file = |name: &str| fs::read(format!("/proc/{}/{name}", process.id)).unwrap_or_default();
    let link = |name: &str| {
        fs::read_link(format!("/proc/{}/{name}", process.id))
            .is_ok_and(|path| contains(path.as_os_str().as_bytes()))
    };
    contains(process.command.as_bytes()) || contains(&file("environ")) || link("exe") || link("cwd")
}

/// All but zombies, which are dead.
fn all() -> BTreeMap<i32, Process> {
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|id: i32| {
            let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
            let (_, after_name) = stat.rsplit_once(") ")?;
            let mut fields = after_name.split(' ');
            let state = fields.next()?;
            let parent = fields.next()?.parse().ok()?;
            let command = fs::read(format!("/proc/{id}/cmdline")).ok()?;
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            (state != "Z" && state != "X").then_some((
                id,
                Process {
                    id,
                    parent,
                    command,
                },
            ))
        })
        .collect()
}
