//! Configuration values: where they come from and which source wins.
//!
//! A value is looked for on the command line, in the program's own environment variable, in the
//! variable shared by all programs, in the configuration files (nearest first), and last in its
//! default. This room knows the sources and the kinds of values; which values a program has is the
//! program's business: it takes them one by one from [`Values`], and each remembers where it was
//! found.
//!
//! Nothing here reads the process's environment except [`Surroundings::of_process`].

mod byte_size;
mod choice;
pub mod command_line;
mod error;
mod escape;
mod file;
mod list;
mod number;
mod setting;
mod surroundings;
mod text;
mod value;
mod values;

pub use byte_size::ByteSize;
pub use choice::{CacheResults, Choice, Color, LogLevel, NoTests, Ui};
pub use command_line::{CommandLineError, SharedArguments};
pub use error::ConfigError;
pub use escape::EscapeCharacter;
pub use list::List;
pub use number::{BatchTarget, Slots, StopAfter, Timeout};
pub use setting::{Setting, Source};
pub use surroundings::Surroundings;
pub use text::{Directory, FilePath, Property};
pub use value::{Literal, Value};
pub use values::{ConfigFile, Program, Values};
