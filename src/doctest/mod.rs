//! The documentation tests of libraries: their names, the results of those that rustdoc only
//! compiles, and the executables of all others, which run in containers like other tests.
//!
//! Only Cargo knows how to call rustdoc for a library, and only rustdoc knows how to make a program
//! of a code block. Neither prints it. So this program takes the place of two programs, which
//! [`run_if_rustdoc_or_runtool`] recognizes:
//!
//! - of rustdoc, for `cargo test --doc`: the [`recorder`] saves its arguments, and ends;
//! - of the tool with which rustdoc runs executables (`--test-runtool`): the [`runtool`] keeps the
//!   executable, prints its name as a token, and fails, so that rustdoc prints the token with the
//!   name of the test.
//!
//! [`compile`] calls rustdoc in between. It reads the output of rustdoc (`output`), and finds the kept
//! executables (`kept`). The sources of those that hold many tests name these tests (`bundle`). If
//! something is not as expected, the tests are not known, and the caller has rustdoc run them.
//! [`executables`] has the directories with the executables. `key` says on what the results depend,
//! so that they can be used again.

mod bundle;
mod compile;
mod executables;
mod kept;
mod key;
mod line_file;
mod listing;
mod output;
mod recorder;
mod runtool;
mod unnamed;

pub use bundle::NUMBER;
pub use compile::{CompileError, CompiledTests, Compiler, IgnoredTests, Purpose};
pub use executables::{ExecutableDirectory, NAMES_ONLY, remove_unused};
pub use key::{DoctestIngredients, RustdocIdentity, key};
pub use listing::{Doctest, DoctestEnd};
pub use recorder::{Recorder, Recording, RustdocCall};

/// Acts as rustdoc or as the tool that runs executables, and never returns, if this process was
/// started in the place of one of them. A program that is used as one must call this before anything
/// else.
pub fn run_if_rustdoc_or_runtool() {
    recorder::run_if_recorder();
    runtool::run_if_runtool();
}
