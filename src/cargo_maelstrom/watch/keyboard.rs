//! The keyboard: keys that are read while tests run or changes are awaited.

use super::keys::{KeyReader, TypedKey};
use crate::process::KeyMode;
use nix::unistd::{Pid, getpgid, getpgrp, getppid, getsid};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;
use tokio::net::unix::pipe::Receiver;

/// How often a process in the background looks whether it is in the foreground again.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// The keyboard of the controlling terminal.
pub struct Keyboard {
    mode: KeyMode,
    terminal: Receiver,
    reader: KeyReader,
    keys: VecDeque<TypedKey>,
    /// Whether the process was in the background when a key was awaited.
    was_in_background: bool,
    /// Whether the terminal is gone.
    is_closed: bool,
}

impl Keyboard {
    /// Makes the terminal send keys at once. `None`: the program is not called at a terminal. Must be
    /// called within a runtime.
    pub fn open() -> Option<Self> {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return None;
        }
        // Not stdin itself, as all programs that have it would not block either.
        let mut options = File::options();
        options.read(true).custom_flags(nix::libc::O_NONBLOCK);
        let terminal = options.open("/dev/tty").ok()?;
        Some(Self {
            mode: KeyMode::enter(&terminal).ok()?,
            // It is read in the way of a pipe.
            terminal: Receiver::from_owned_fd_unchecked(terminal.into()).ok()?,
            reader: KeyReader::default(),
            keys: VecDeque::new(),
            was_in_background: false,
            is_closed: false,
        })
    }

    /// Waits for a key, for ever if the terminal is gone. May be cancelled and called again.
    pub async fn next(&mut self) -> TypedKey {
        loop {
            if let Some(key) = self.keys.pop_front() {
                return key;
            }
            if self.is_closed {
                std::future::pending::<()>().await;
            }
            if !self.mode.is_in_foreground() {
                // Reading would stop the process.
                self.was_in_background = true;
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            }
            if std::mem::take(&mut self.was_in_background) {
                self.resume();
            }
            if self.terminal.readable().await.is_err() {
                self.is_closed = true;
                continue;
            }
            if !self.mode.is_in_foreground() {
                continue;
            }
            let mut chunk = [0; 1024];
            match self.terminal.try_read(&mut chunk) {
                Ok(0) => self.is_closed = true,
                Ok(length) => self.keys.extend(self.reader.take(&chunk[..length])),
                Err(error) => {
                    let is_usual = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted];
                    self.is_closed = !is_usual.contains(&error.kind());
                }
            }
        }
    }

    /// Makes the terminal send keys again after a stop.
    pub fn resume(&self) {
        // An error means that the terminal is gone.
        let _ = self.mode.set();
    }
}

/// Whether there is a shell that continues this process after a stop. A terminal does not stop a
/// process group without one, which is orphaned.
pub fn has_job_control() -> bool {
    let (group, session) = (getpgrp(), getsid(None));
    let mut ancestor = getppid();
    loop {
        match getpgid(Some(ancestor)) {
            Ok(other) if other != group => return getsid(Some(ancestor)) == session,
            Ok(_) => {}
            Err(_) => return false,
        }
        match parent_of(ancestor) {
            Some(parent) => ancestor = parent,
            None => return false,
        }
    }
}

fn parent_of(process: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name of the program may have parentheses and spaces.
    let (_, fields) = stat.rsplit_once(") ")?;
    let parent = fields.split(' ').nth(1)?.parse().ok()?;
    (parent > 0).then(|| Pid::from_raw(parent))
}
