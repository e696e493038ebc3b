//! What every program needs of its own process: signals, the log, exit codes, lines on stdout and
//! stderr, and errors as text.

mod error_chain;
mod exit_code;
mod interrupts;
mod lines;
mod log;

pub use error_chain::error_chain;
pub use exit_code::ExitCode;
pub use interrupts::{Interrupt, Interrupts, end_at_next};
pub use lines::{to_stderr, to_stdout};
pub use log::start_log;
