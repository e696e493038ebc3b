//! Hosts in one network: network namespaces that are connected by a bridge.

use crate::worker::inside;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The prefix of all names that are created here. The process id follows it.
const PREFIX: &str = "mael";

/// Some hosts. Dropping this removes them. The machine itself is connected to the bridge too.
pub struct Hosts {
    /// The bridge's. A host's, and that of its end of the cable, is this and a number.
    name: String,
    subnet: u8,
    count: usize,
}

impl Hosts {
    /// Creates hosts; needs real root.
    pub fn new(count: usize) -> Self {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        if number == 0 {
            remove_leftovers();
        }
        let hosts = Self {
            name: format!("{PREFIX}{}-{number}", std::process::id()),
            subnet: free_subnet(),
            count,
        };
        hosts.make();
        hosts
    }

    fn make(&self) {
        let bridge = &self.name;
        let mut lines = vec![
            format!("link add {bridge} type bridge"),
            format!("address add {}/24 dev {bridge}", self.machine()),
            format!("link set {bridge} up"),
        ];
        for host in 0..self.count {
            let name = self.host(host);
            let cable = "type veth peer name eth0";
            lines.extend([
                format!("netns add {name}"),
                format!("link add {name} master {bridge} {cable} netns {name}"),
                format!("link set {name} up"),
            ]);
        }
        ip(&["-batch", "-"], &lines.join("\n"));
        for host in 0..self.count {
            let last = host + 2;
            let script = format!(
                "address add 198.18.{}.{last}/24 dev eth0\n\
                 link set lo up\n\
                 link set eth0 up\n",
                self.subnet
            );
            ip(&["-n", &self.host(host), "-batch", "-"], &script);
        }
    }

    /// The machine's address in the network of the hosts.
    pub fn machine(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.subnet, 1)
    }

    /// A command that runs `command` on a host.
    pub fn run_on(&self, host: usize, command: &Command) -> Command {
        let mut there = Command::new("ip");
        there.args(["netns", "exec", &self.host(host)]);
        inside(there, command)
    }

    /// Disconnects a host from the network.
    pub fn unplug(&self, host: usize) {
        ip(&["link", "set", &self.host(host), "down"], "");
    }

    pub fn plug_in(&self, host: usize) {
        ip(&["link", "set", &self.host(host), "up"], "");
    }

    fn host(&self, host: usize) -> String {
        format!("{}-{host}", self.name)
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        for host in 0..self.count {
            remove_host(&self.host(host));
        }
        remove_link(&self.name);
    }
}

/// A subnet of the range for network tests (198.18.0.0/16) that the machine is not in.
fn free_subnet() -> u8 {
    let addresses = output(&["-o", "-4", "address", "show"]);
    let first = std::process::id() as u8;
    (0..=u8::MAX)
        .map(|more| first.wrapping_add(more))
        .find(|subnet| !addresses.contains(&format!(" 198.18.{subnet}.")))
        .expect("some of 198.18.0.0/16 is free")
}

/// Removes the hosts of killed processes.
fn remove_leftovers() {
    let of_the_dead = |text: &str| {
        let names = text.lines().filter_map(|line| {
            let name = line.split([' ', '@']).next()?;
            let (process, _) = name.strip_prefix(PREFIX)?.split_once('-')?;
            let process: u32 = process.parse().ok()?;
            let is_alive = Path::new(&format!("/proc/{process}")).exists();
            (!is_alive).then(|| name.to_owned())
        });
        names.collect::<Vec<_>>()
    };
    for host in of_the_dead(&output(&["netns", "list"])) {
        remove_host(&host);
    }
    let links = output(&["-o", "link", "show", "type", "bridge"]);
    let names: Vec<_> = links
        .lines()
        .filter_map(|line| line.split(": ").nth(1))
        .collect();
    for bridge in of_the_dead(&names.join("\n")) {
        remove_link(&bridge);
    }
}

/// Removes a host and its network interfaces, even if a process still runs there.
fn remove_host(name: &str) {
    remove_link(name);
    let _ = Command::new("ip").args(["netns", "del", name]).output();
}

fn remove_link(name: &str) {
    let _ = Command::new("ip").args(["link", "del", name]).output();
}

fn output(arguments: &[&str]) -> String {
    let output = Command::new("ip").args(arguments).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[track_caller]
fn ip(arguments: &[&str], script: &str) -> Output {
    let mut ip = Command::new("ip")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = ip.stdin.take().unwrap();
    // A process that does not read its input has printed the reason.
    let _ = stdin.write_all(script.as_bytes());
    drop(stdin);
    let output = ip.wait_with_output().unwrap();
    assert!(output.status.success(), "ip {arguments:?}: {output:?}");
    output
}
