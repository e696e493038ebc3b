//! A job at a pseudo-terminal that is connected to the user's terminal.
//!
//! The user's terminal is in raw mode. Every key goes to the job's terminal, which turns some of them
//! into signals for the job. Two keys after the escape character are commands for this program.

use super::keys::{Command, Keys};
use crate::config::EscapeCharacter;
use crate::executor::Output;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::pty::{OpenptyResult, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use nix::unistd::Pid;
use rustix::termios::{Winsize, isatty, tcgetwinsize, tcsetwinsize};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::rc::Rc;
use tokio::net::unix::pipe::{Receiver, Sender};
use tokio::signal::unix::{Signal as Watched, SignalKind, signal};
use tokio::sync::mpsc;

/// Size of one read, in bytes.
const CHUNK: usize = 4096;

/// The number of bytes that may wait to be read by the job. With more, no further keys are read.
const MOST_WAITING: usize = 64 * 1024;

/// The user's terminal, and its original mode.
pub struct UserTerminal {
    keyboard: File,
    screen: File,
    cooked: Termios,
}

impl UserTerminal {
    /// Standard input if it is a terminal, otherwise the controlling terminal. `None`: there is no
    /// terminal. Output goes to standard output, which may be no terminal.
    pub fn find() -> Option<Self> {
        let session = || {
            let mut options = File::options();
            options.read(true).write(true).open("/dev/tty").ok()
        };
        Self::of_stdin().or_else(|| Self::at(session()?))
    }

    /// Standard input if it is a terminal.
    pub fn of_stdin() -> Option<Self> {
        isatty(io::stdin()).then(|| Self::at(own(&io::stdin())?))?
    }

    fn at(keyboard: File) -> Option<Self> {
        let screen = own(&io::stdout())?;
        let cooked = tcgetattr(&keyboard).ok()?;
        Some(Self {
            keyboard,
            screen,
            cooked,
        })
    }

    fn make_raw(&self) -> io::Result<()> {
        let mut raw = self.cooked.clone();
        cfmakeraw(&mut raw);
        Ok(tcsetattr(&self.keyboard, SetArg::TCSADRAIN, &raw)?)
    }

    fn restore(&self) -> io::Result<()> {
        Ok(tcsetattr(&self.keyboard, SetArg::TCSADRAIN, &self.cooked)?)
    }

    fn size(&self) -> Option<Winsize> {
        tcgetwinsize(&self.keyboard).ok()
    }
}

fn own(descriptor: &dyn AsFd) -> Option<File> {
    descriptor.as_fd().try_clone_to_owned().ok().map(File::from)
}

/// Whether the job continues after typed keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterKeys {
    Continue,
    End,
}

/// The job's terminal, and the state of its connection to the user's terminal.
pub struct JobTerminal {
    user: UserTerminal,
    /// The master side of the job's terminal, for reading the output of the job.
    output: Receiver,
    /// The same, for writing the input of the job.
    input: Sender,
    keys: Keys,
    typed: mpsc::Receiver<Vec<u8>>,
    /// Typed bytes that were not written to the job's terminal yet.
    waiting: Vec<u8>,
    resized: Watched,
    continued: Watched,
}

impl JobTerminal {
    /// Opens a terminal with the settings of the user's, which is in raw mode until the result is
    /// dropped. Also returns the output for the job. Must be called within a runtime.
    pub fn open(user: UserTerminal, escape: EscapeCharacter) -> io::Result<(Self, Output)> {
        let OpenptyResult { master, slave } = openpty(None, &user.cooked)?;
        for end in [&master, &slave] {
            fcntl(end, FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC))?;
        }
        fcntl(
            &master,
            FcntlArg::F_SETFL(OFlag::O_NONBLOCK | OFlag::O_RDWR),
        )?;
        crate::container::give_to_jobs(slave.as_fd())?;
        if let Some(size) = user.size() {
            tcsetwinsize(&master, size)?;
        }
        let resized = signal(SignalKind::window_change())?;
        let continued = signal(SignalKind::from_raw(Signal::SIGCONT as i32))?;
        let keyboard = user.keyboard.try_clone()?;
        let (sender, typed) = mpsc::channel(1);
        let terminal = Self {
            user,
            output: Receiver::from_owned_fd_unchecked(master.try_clone()?)?,
            input: Sender::from_owned_fd_unchecked(master)?,
            keys: Keys::new(escape),
            typed,
            waiting: Vec::new(),
            resized,
            continued,
        };
        // After an error, dropping `terminal` restores the mode.
        terminal.user.make_raw()?;
        std::thread::Builder::new().spawn(move || read_keyboard(keyboard, &sender))?;
        Ok((terminal, Output::Terminal(Rc::new(slave))))
    }

    /// Passes on keys and output, until the user ends the job or the user's terminal is closed.
    pub async fn serve(&mut self) -> io::Result<()> {
        loop {
            let writing = !self.waiting.is_empty();
            let reading_keys = self.waiting.len() < MOST_WAITING;
            tokio::select! {
                ready = self.output.readable() => {
                    ready?;
                    // The job has the terminal open as long as this is called.
                    let _ = print(&self.output, &mut self.user.screen)?;
                }
                ready = self.input.writable(), if writing => {
                    ready?;
                    match self.input.try_write(&self.waiting) {
                        Ok(written) => drop(self.waiting.drain(..written)),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
                typed = self.typed.recv(), if reading_keys => {
                    let Some(typed) = typed else { return Ok(()) };
                    if self.take(&typed)? == AfterKeys::End {
                        // Later output starts on a new line.
                        self.user.screen.write_all(b"\r\n")?;
                        return Ok(());
                    }
                }
                _ = self.resized.recv() => self.pass_on_size()?,
                _ = self.continued.recv() => {
                    self.user.make_raw()?;
                    self.pass_on_size()?;
                }
            }
        }
    }

    /// Passes on the last output, when the job has ended.
    pub async fn finish(mut self) -> io::Result<()> {
        loop {
            self.output.readable().await?;
            if print(&self.output, &mut self.user.screen)? == PtyRead::Ended {
                return Ok(());
            }
        }
    }

    fn take(&mut self, typed: &[u8]) -> io::Result<AfterKeys> {
        for command in self.keys.take(typed) {
            match command {
                Command::Type(bytes) => self.waiting.extend(bytes),
                Command::End => return Ok(AfterKeys::End),
                Command::Suspend => {
                    self.user.restore()?;
                    // The whole process group, as the terminal itself would. SIGCONT sets the raw
                    // mode again. The kernel does not stop an orphaned process group.
                    kill(Pid::from_raw(0), Signal::SIGTSTP)?;
                    self.user.make_raw()?;
                    self.pass_on_size()?;
                }
            }
        }
        Ok(AfterKeys::Continue)
    }

    fn pass_on_size(&self) -> io::Result<()> {
        match self.user.size() {
            Some(size) => Ok(tcsetwinsize(&self.input, size)?),
            None => Ok(()),
        }
    }
}

impl Drop for JobTerminal {
    fn drop(&mut self) {
        // An error means that the terminal is closed.
        let _ = self.user.restore();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PtyRead {
    Something,
    /// No process has the job's terminal open.
    Ended,
}

/// Copies one buffer of the job's output to the screen.
fn print(output: &Receiver, screen: &mut File) -> io::Result<PtyRead> {
    let mut chunk = [0; CHUNK];
    match output.try_read(&mut chunk) {
        Ok(0) => Ok(PtyRead::Ended),
        Ok(length) => {
            screen.write_all(&chunk[..length])?;
            Ok(PtyRead::Something)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(PtyRead::Something),
        // The error when no process has the other side open: see pty(7).
        Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => Ok(PtyRead::Ended),
        Err(error) => Err(error),
    }
}

/// Reads keys until the terminal is closed, or the receiver is dropped.
fn read_keyboard(mut keyboard: File, typed: &mpsc::Sender<Vec<u8>>) {
    let mut chunk = [0; CHUNK];
    loop {
        match keyboard.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => return,
            Ok(length) => {
                if typed.blocking_send(chunk[..length].to_vec()).is_err() {
                    return;
                }
            }
        }
    }
}
