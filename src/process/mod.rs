//! Parts that every program needs: signals, keys, the log, exit codes, lines on stdout and stderr,
//! errors as text, suggestions for mistyped names, files that are replaced at once, and command
//! lines.

mod closest;
mod exit_code;
mod interrupts;
mod key_mode;
mod log;
mod messages;
mod replace_file;
mod shell_words;

pub use closest::closest;
pub use exit_code::ExitCode;
pub use interrupts::{Interrupt, Interrupts, end_at_next};
pub use key_mode::{KeyMode, restore as restore_terminal};
pub use log::start_log;
pub use messages::{error_chain, to_stderr, to_stdout};
pub use replace_file::replace_file;
pub use shell_words::{command_line, split_command_line};
