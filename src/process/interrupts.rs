//! Ctrl-C and SIGTERM: the first signal cancels the run, the second ends the program.

use super::{ExitCode, key_mode};
use nix::sys::signal::{SigSet, SigmaskHow};
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// A signal that cancels a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// SIGINT: Ctrl-C.
    Interrupted,
    /// SIGTERM.
    Terminated,
    /// Not a signal: another run follows (see [`Interrupts::or`]).
    Superseded,
    /// Not a signal: the user ends the program by a key (see [`Interrupts::or`]).
    Quit,
}

/// Watches the signals that cancel a run. From the first call of [`watch`](Self::watch), these
/// signals do not end the process.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    /// What another part of the program sends in place of a signal.
    other: Option<oneshot::Receiver<Interrupt>>,
}

impl Interrupts {
    /// Starts to watch. Must be called within a runtime; the first call, while the process has a
    /// single thread.
    pub fn watch() -> io::Result<Self> {
        // The handler is installed some time before its receiver exists. A signal in between would
        // be lost, so signals are blocked until then.
        let mut signals = SigSet::empty();
        signals.add(nix::sys::signal::Signal::SIGINT);
        signals.add(nix::sys::signal::Signal::SIGTERM);
        let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let watched = || {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
                other: None,
            })
        };
        let watched = watched();
        before.thread_set_mask()?;
        watched
    }

    /// For tests: waits for signals that never arrive, and does not change the handling of signals.
    #[cfg(test)]
    pub fn none() -> Self {
        let ignored = || signal(SignalKind::window_change()).expect("it can be watched");
        Self {
            interrupt: ignored(),
            terminate: ignored(),
            other: None,
        }
    }

    /// Counts what another part of the program sends as a signal.
    #[must_use]
    pub fn or(mut self, other: Option<oneshot::Receiver<Interrupt>>) -> Self {
        self.other = other;
        self
    }

    /// Waits for the next signal. May be cancelled and called again.
    pub async fn next(&mut self) -> Interrupt {
        tokio::select! {
            _ = self.interrupt.recv() => Interrupt::Interrupted,
            _ = self.terminate.recv() => Interrupt::Terminated,
            interrupt = sent(&mut self.other) => interrupt,
        }
    }
}

/// Waits for what is sent, for ever if nothing is.
async fn sent(other: &mut Option<oneshot::Receiver<Interrupt>>) -> Interrupt {
    if let Some(receiver) = other {
        let received = receiver.await;
        *other = None;
        if let Ok(interrupt) = received {
            return interrupt;
        }
    }
    std::future::pending().await
}

/// Makes another signal end the program at once. A thread waits for the signal.
pub fn end_at_next() {
    // Signals are watched from here on, not only when the thread has started.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let Ok(runtime) = runtime else { return };
    let watched = {
        let _within = runtime.enter();
        Interrupts::watch()
    };
    if let Ok(mut interrupts) = watched {
        std::thread::spawn(move || {
            runtime.block_on(interrupts.next());
            key_mode::restore();
            std::process::exit(ExitCode::Interrupted.number().into());
        });
    }
}
