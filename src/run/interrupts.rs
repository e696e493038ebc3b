//! Ctrl-C and SIGTERM: the first is the run's to answer, the next ends the program.

use crate::cli::ExitCode;
use crate::report::Cancellation;
use nix::sys::signal::{SigSet, SigmaskHow};
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Signals that ask for the end of a run. While this is held they do nothing by
/// themselves.
pub struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
}

impl Interrupts {
    /// Must be called within a runtime, and for the first time while there is one thread.
    pub fn watch() -> io::Result<Self> {
        // A handler is there some time before it knows what to do; a signal that came in
        // between would be lost, and so it comes afterwards.
        let mut signals = SigSet::empty();
        signals.add(nix::sys::signal::Signal::SIGINT);
        signals.add(nix::sys::signal::Signal::SIGTERM);
        let before = signals.thread_swap_mask(SigmaskHow::SIG_BLOCK)?;
        let watched = || {
            Ok(Self {
                interrupt: signal(SignalKind::interrupt())?,
                terminate: signal(SignalKind::terminate())?,
            })
        };
        let watched = watched();
        before.thread_set_mask()?;
        watched
    }

    /// For tests: signals that never come, and that change nothing for this process.
    #[cfg(test)]
    pub fn none() -> Self {
        let ignored = || signal(SignalKind::window_change()).expect("it can be watched");
        Self {
            interrupt: ignored(),
            terminate: ignored(),
        }
    }

    /// Waits for the next one. May be cancelled and called again.
    pub async fn next(&mut self) -> Cancellation {
        tokio::select! {
            _ = self.interrupt.recv() => Cancellation::Interrupted,
            _ = self.terminate.recv() => Cancellation::Terminated,
        }
    }
}

/// From now on another signal ends the program at once, whatever it is busy with:
/// a thread of its own waits for it.
pub fn end_at_next() {
    // Watched from here on, not from some time later on that thread.
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
            std::process::exit(ExitCode::Interrupted as i32);
        });
    }
}
