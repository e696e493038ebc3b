//! Settings: their sources, the precedence of the sources, and the types of values.
//!
//! The sources of a setting are, by precedence: the command line, the program's own environment
//! variable, the variable shared by all programs, that of nextest if it has one, the profiles of the
//! repository, the configuration files (the user's first), and the default. This room has the
//! sources and the types of values; each program takes its settings from [`Values`], one by one.
//! Each setting keeps its source.
//!
//! Only [`ProcessEnvironment::of_process`] reads the environment of the process.

mod byte_size;
mod choice;
pub mod command_line;
pub mod completion;
mod error;
mod escape;
mod file;
mod list;
mod manual;
mod number;
mod period;
mod process_environment;
mod profile;
mod retries;
mod setting;
mod shown;
mod stop_after;
mod text;
mod time_limits;
mod value;
mod values;

pub use byte_size::ByteSize;
pub use choice::{CacheResults, Choice, Color, LogLevel, NoTests, Ui};
pub use command_line::{AboutArguments, CommandLineError, SharedArguments};
pub use error::ConfigError;
pub use escape::EscapeCharacter;
pub use list::List;
pub use number::{BatchTarget, SlotCount, Timeout};
pub use period::Period;
pub use process_environment::ProcessEnvironment;
pub use profile::{DEFAULT_PROFILE, ProfileName, Profiles};
pub use retries::{CountsAs, RetryBackoff, RetryTable, TestRetries};
pub use setting::{Setting, SettingSource};
pub use shown::{FinalStatusLevel, OutputTime, StatusLevel, SuccessOutput};
pub use stop_after::StopAfter;
pub use text::{DirectoryPath, FilePath, Property, VariablePattern, toml_string};
pub use time_limits::{LeakTimeout, SlowTimeout};
pub use value::{ConfigValue, Literal};
pub use values::{ConfigFile, ProgramNames, Values};
