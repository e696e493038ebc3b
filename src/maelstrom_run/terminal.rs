//! A job at a pseudo-terminal, and the user's terminal in front of it.
//!
//! The user's terminal is raw meanwhile: every key goes to the job's terminal, which
//! makes signals of them for the job. Two keys after the escape character are for this
//! program.

use super::escape::{Command, Keys};
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

/// How many bytes may wait to be read by the job before no more keys are taken.
const MOST_WAITING: usize = 64 * 1024;

/// The user's terminal, as it was found.
pub struct UserTerminal {
    keyboard: File,
    screen: File,
    cooked: Termios,
}

impl UserTerminal {
    /// Standard input if it is a terminal, otherwise that of the session. `None`: there
    /// is none. What is printed goes to standard output, whatever that is.
    pub fn find() -> Option<Self> {
        let session = || {
            let mut options = File::options();
            options.read(true).write(true).open("/dev/tty").ok()
        };
        let own = |fd: &dyn AsFd| fd.as_fd().try_clone_to_owned().ok().map(File::from);
        let stdin = isatty(io::stdin()).then(|| own(&io::stdin())).flatten();
        let keyboard = stdin.or_else(session)?;
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

/// Whether the job is to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    GoOn,
    End,
}

/// The job's terminal and all that moves between it and the user's.
pub struct JobTerminal {
    user: UserTerminal,
    /// The other side of the job's terminal, which serves as a pipe each way.
    printed: Receiver,
    read: Sender,
    keys: Keys,
    typed: mpsc::Receiver<Vec<u8>>,
    /// Typed, but not read by the job's terminal yet.
    waiting: Vec<u8>,
    resized: Watched,
    continued: Watched,
}

impl JobTerminal {
    /// Makes a terminal that is set up as the user's, which is raw from then on, until
    /// this is dropped. Returns what the job gets as well. Must be called within a
    /// runtime.
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
            printed: Receiver::from_owned_fd_unchecked(master.try_clone()?)?,
            read: Sender::from_owned_fd_unchecked(master)?,
            keys: Keys::new(escape),
            typed,
            waiting: Vec::new(),
            resized,
            continued,
        };
        // From here on whatever goes wrong restores it.
        terminal.user.make_raw()?;
        std::thread::Builder::new().spawn(move || read_keyboard(keyboard, &sender))?;
        Ok((terminal, Output::Terminal(Rc::new(slave))))
    }

    /// Passes on what is typed and printed, until the user asks for the end or is gone.
    pub async fn serve(&mut self) -> io::Result<()> {
        loop {
            let writing = !self.waiting.is_empty();
            let reading_keys = self.waiting.len() < MOST_WAITING;
            tokio::select! {
                ready = self.printed.readable() => {
                    ready?;
                    // The job has it open as long as this is called.
                    let _ = print(&self.printed, &mut self.user.screen)?;
                }
                ready = self.read.writable(), if writing => {
                    ready?;
                    match self.read.try_write(&self.waiting) {
                        Ok(written) => drop(self.waiting.drain(..written)),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                        Err(error) => return Err(error),
                    }
                }
                typed = self.typed.recv(), if reading_keys => {
                    let Some(typed) = typed else { return Ok(()) };
                    if self.take(&typed)? == Wish::End {
                        // What comes after this program is to start on a line of its own.
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

    /// When the job has ended: passes on what it printed last.
    pub async fn finish(mut self) -> io::Result<()> {
        loop {
            self.printed.readable().await?;
            if print(&self.printed, &mut self.user.screen)? == Printed::Ended {
                return Ok(());
            }
        }
    }

    fn take(&mut self, typed: &[u8]) -> io::Result<Wish> {
        for command in self.keys.take(typed) {
            match command {
                Command::Type(bytes) => self.waiting.extend(bytes),
                Command::End => return Ok(Wish::End),
                Command::Suspend => {
                    self.user.restore()?;
                    // The whole group, as the terminal itself would. Going on, SIGCONT
                    // makes the terminal raw again; where nobody can continue us, the
                    // kernel does not stop us.
                    kill(Pid::from_raw(0), Signal::SIGTSTP)?;
                    self.user.make_raw()?;
                    self.pass_on_size()?;
                }
            }
        }
        Ok(Wish::GoOn)
    }

    fn pass_on_size(&self) -> io::Result<()> {
        match self.user.size() {
            Some(size) => Ok(tcsetwinsize(&self.read, size)?),
            None => Ok(()),
        }
    }
}

impl Drop for JobTerminal {
    fn drop(&mut self) {
        // There is nobody to tell when it is gone.
        let _ = self.user.restore();
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Printed {
    Something,
    /// Nobody can print any more.
    Ended,
}

/// Prints one buffer of what the job printed.
fn print(printed: &Receiver, screen: &mut File) -> io::Result<Printed> {
    let mut chunk = [0; CHUNK];
    match printed.try_read(&mut chunk) {
        Ok(0) => Ok(Printed::Ended),
        Ok(length) => {
            screen.write_all(&chunk[..length])?;
            Ok(Printed::Something)
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Printed::Something),
        // What a terminal says when nobody has its other side: see pty(7).
        Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => Ok(Printed::Ended),
        Err(error) => Err(error),
    }
}

/// Reads keys until the terminal is gone, or nobody wants any more.
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
