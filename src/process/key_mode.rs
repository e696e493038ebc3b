//! The mode of a terminal in which keys are read one by one.
//!
//! In this mode the terminal neither collects lines nor shows what is typed. Ctrl-C, Ctrl-Z and
//! Ctrl-\ still send signals. The original mode is restored however the process ends: by
//! [`KeyMode`]'s destructor, by the panic hook, which also runs where a panic aborts, and by
//! [`restore`], which code that exits at once calls.
//!
//! A process in the background must not change the mode of the terminal, which belongs to the
//! process in the foreground then.

use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr,
};
use std::fs::File;
use std::io;
use std::panic;
use std::sync::{Mutex, Once, PoisonError};

/// The terminal that has the mode, and its original mode.
static CHANGED: Mutex<Option<(File, Termios)>> = Mutex::new(None);

static RESTORE_ON_PANIC: Once = Once::new();

/// Keeps a terminal in the mode for keys. There is at most one of these in the process.
#[derive(Debug)]
pub struct KeyMode {
    terminal: File,
}

impl KeyMode {
    /// Sets the mode if the process is in the foreground.
    pub fn enter(terminal: &File) -> io::Result<Self> {
        RESTORE_ON_PANIC.call_once(|| {
            let report = panic::take_hook();
            panic::set_hook(Box::new(move |information| {
                restore();
                report(information);
            }));
        });
        let mode = Self {
            terminal: terminal.try_clone()?,
        };
        mode.set()?;
        Ok(mode)
    }

    /// Sets the mode if the process is in the foreground, as after a stop. The mode that the terminal
    /// has now is the one to restore.
    pub fn set(&self) -> io::Result<()> {
        if !is_in_foreground(&self.terminal) {
            return Ok(());
        }
        restore();
        let original = tcgetattr(&self.terminal)?;
        let mut modes = original.clone();
        modes
            .local_modes
            .remove(LocalModes::ICANON | LocalModes::ECHO);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        let terminal = self.terminal.try_clone()?;
        *CHANGED.lock().unwrap_or_else(PoisonError::into_inner) = Some((terminal, original));
        tcsetattr(&self.terminal, OptionalActions::Drain, &modes)?;
        Ok(())
    }

    /// Whether the process may read keys. Otherwise it would be stopped.
    pub fn is_in_foreground(&self) -> bool {
        is_in_foreground(&self.terminal)
    }
}

impl Drop for KeyMode {
    fn drop(&mut self) {
        restore();
    }
}

/// Restores the original mode of the terminal, if it was changed.
pub fn restore() {
    let mut changed = CHANGED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((terminal, original)) = changed.take()
        && is_in_foreground(&terminal)
    {
        // An error means that the terminal is gone.
        let _ = tcsetattr(&terminal, OptionalActions::Drain, &original);
    }
}

/// Whether the process may read from its terminal and change its mode.
fn is_in_foreground(terminal: &File) -> bool {
    tcgetpgrp(terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}
