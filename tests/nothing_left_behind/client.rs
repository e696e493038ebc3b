//! A running `cargo maelstrom`, and what it tells.

use crate::host;
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::unistd::Pid;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

/// A client that runs longer is killed, which fails its test.
const LIMIT: Duration = Duration::from_secs(240);

pub struct Client {
    child: Child,
    stdout: BufReader<ChildStdout>,
    stderr: Option<Collected>,
    events: Vec<Value>,
    /// Dropped when the client has ended.
    watchdog: Sender<()>,
    /// Highest resident set seen, in KiB.
    peak: u64,
}

/// A run that has ended.
pub struct Run {
    pub events: Vec<Value>,
    pub stderr: String,
    pub status: ExitStatus,
    /// Highest resident set of the client, in KiB.
    pub peak: u64,
}

impl Client {
    pub fn start(command: &mut Command) -> Self {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // SAFETY: system calls only.
        let mut child = unsafe { command.pre_exec(heed_signals) }.spawn().unwrap();
        let stderr = Collected::from(child.stderr.take().unwrap());
        Self::around(child, Some(stderr))
    }

    /// A client whose stdout is a pipe.
    pub fn around(mut child: Child, stderr: Option<Collected>) -> Self {
        Self {
            stdout: BufReader::new(child.stdout.take().unwrap()),
            watchdog: watch(child.id() as i32),
            child,
            stderr,
            events: Vec::new(),
            peak: 0,
        }
    }

    pub fn id(&self) -> i32 {
        self.child.id() as i32
    }

    /// The next event; `None` at the end.
    pub fn next(&mut self) -> Option<&Value> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        if line.is_empty() {
            return None;
        }
        if self.events.len().is_multiple_of(64) || line.contains(r#""run""#) {
            self.look_at_memory();
        }
        let event = serde_json::from_str(&line)
            .unwrap_or_else(|error| panic!("not an event: {error}: {line:?}"));
        self.events.push(event);
        self.events.last()
    }

    pub fn look_at_memory(&mut self) {
        let peak = host::status_value(self.id(), "VmHWM").unwrap_or(0);
        self.peak = self.peak.max(peak);
    }

    /// Reads up to an event; panics if it does not come.
    pub fn wait_for(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) {
        while let Some(event) = self.next() {
            if wanted(event) {
                return;
            }
        }
        let stderr = self.stderr.take().map(Collected::text);
        panic!("no {what} among {:#?}; stderr: {stderr:?}", self.events);
    }

    pub fn wait_for_start_of(&mut self, name: &str) {
        self.wait_for(name, |event| is_test(event, "started", name));
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.id()), signal).unwrap();
    }

    /// Panics with all that it told if it has ended.
    pub fn assert_has_not_ended(&mut self) {
        if let Some(status) = self.child.try_wait().unwrap() {
            let mut stdout = String::new();
            let _ = self.stdout.read_to_string(&mut stdout);
            let stderr = self.stderr.take().map(Collected::text);
            let events = &self.events;
            panic!("ended: {status}, {events:#?}, then {stdout}; stderr: {stderr:?}");
        }
    }

    /// Kills the client, and only it.
    pub fn kill(self) -> Run {
        self.signal(Signal::SIGKILL);
        self.finish()
    }

    /// Reads on to the end.
    pub fn finish(mut self) -> Run {
        let mut rest = Vec::new();
        while self.next().is_some() {}
        self.stdout.read_to_end(&mut rest).unwrap();
        let status = self.child.wait().unwrap();
        drop(self.watchdog);
        Run {
            events: self.events,
            stderr: self.stderr.map(Collected::text).unwrap_or_default(),
            status,
            peak: self.peak,
        }
    }
}

/// Signals mean to a client what they usually do, also where these tests run in the
/// background of a shell and ignore them.
pub fn heed_signals() -> io::Result<()> {
    for number in [Signal::SIGINT, Signal::SIGTERM] {
        // SAFETY: the default disposition installs no code.
        unsafe { signal(number, SigHandler::SigDfl) }?;
    }
    Ok(())
}

/// What comes out of a pipe or a terminal, read by a thread.
pub struct Collected(Receiver<Vec<u8>>);

impl Collected {
    pub fn from(mut source: impl Read + Send + 'static) -> Self {
        let (sender, receiver) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // A terminal that nobody has open any more is an error to read.
            while let Ok(length @ 1..) = source.read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self(receiver)
    }

    /// All of it; or what has come so far if somebody who should not be there any
    /// more still has it open, for whom the tests look by other means.
    fn text(self) -> String {
        let mut text = Vec::new();
        while let Ok(more) = self.0.recv_timeout(Duration::from_secs(2)) {
            text.extend(more);
        }
        String::from_utf8_lossy(&text).into_owned()
    }
}

fn watch(client: i32) -> Sender<()> {
    let (alive, ended) = mpsc::channel();
    std::thread::spawn(move || {
        if ended.recv_timeout(LIMIT) == Err(RecvTimeoutError::Timeout) {
            let _ = kill(Pid::from_raw(client), Signal::SIGKILL);
        }
    });
    alive
}

pub fn is_test(event: &Value, what: &str, name: &str) -> bool {
    event["type"] == "test" && event["event"] == what && event["name"] == name
}

impl Run {
    /// The finished event of a test; there must be one and only one.
    pub fn test(&self, name: &str) -> &Value {
        let finished: Vec<_> = self
            .events
            .iter()
            .filter(|event| is_test(event, "finished", name))
            .collect();
        let [one] = finished[..] else {
            panic!("{name} is not told of once: {finished:?}; {self}");
        };
        one
    }

    /// How often each test was told to have finished, and how.
    pub fn finished(&self) -> BTreeMap<&str, Vec<&str>> {
        let mut finished: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for event in &self.events {
            if event["type"] == "test" && event["event"] == "finished" {
                let name = event["name"].as_str().unwrap();
                finished
                    .entry(name)
                    .or_default()
                    .push(event["status"].as_str().unwrap());
            }
        }
        finished
    }

    /// Fails unless all of so many tests passed, each told of once.
    pub fn assert_all_passed(&self, count: usize) {
        let finished = self.finished();
        let odd: Vec<_> = finished
            .iter()
            .filter(|(_, statuses)| statuses.as_slice() != ["passed"])
            .collect();
        assert!(odd.is_empty(), "{odd:?}: {self}");
        assert_eq!(finished.len(), count, "{self}");
        assert_eq!(self.status.code(), Some(0), "{self}");
        self.assert_counts_add_up(count as u64);
    }

    /// The last event.
    pub fn summary(&self) -> &Value {
        let last = self
            .events
            .last()
            .unwrap_or_else(|| panic!("nothing was told: {self}"));
        assert_eq!(
            (&last["type"], &last["event"]),
            (&"run".into(), &"finished".into()),
            "{self}"
        );
        last
    }

    /// Fails unless the summary counts so many tests, and each kind as often as it
    /// was told of.
    pub fn assert_counts_add_up(&self, total: u64) {
        let summary = self.summary();
        let count = |name: &str| summary[name].as_u64().unwrap();
        let mut told: BTreeMap<&str, u64> = BTreeMap::new();
        for status in self.finished().into_values().flatten() {
            *told.entry(status).or_default() += 1;
        }
        let mut sum = count("not_run");
        for (status, field) in [
            ("passed", "passed"),
            ("failed", "failed"),
            ("timed-out", "timed_out"),
            ("error", "errors"),
            ("ignored", "ignored"),
        ] {
            assert_eq!(
                count(field),
                told.get(status).copied().unwrap_or(0),
                "{status}: {self}"
            );
            sum += count(field);
        }
        assert_eq!(sum, total, "{self}");
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.status)?;
        for event in &self.events {
            let line: String = event.to_string().chars().take(400).collect();
            writeln!(f, "{line}")?;
        }
        writeln!(f, "stderr: {}", self.stderr)
    }
}
