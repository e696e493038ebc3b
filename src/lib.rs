//! Runs tests and other jobs, each in its own rootless micro-container.
//!
//! The programs are `cargo maelstrom`, `maelstrom-run` and `maelstrom-worker`. A program of your own can run
//! jobs as well, on this machine: it describes each by a [`JobSpec`], and awaits its
//! [`Outcome`] from a [`Client`].
//!
//! ```standalone_crate
//! use maelstrom::{Client, ClientSettings, ContainerSpec, JobSpec, LayerSpec, Status};
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     // Containers are made by processes that are this program, too.
//!     maelstrom::run_if_launcher();
//!     let cache = tempfile::tempdir()?;
//!     let job = JobSpec {
//!         arguments: vec!["-c".into(), "echo hello from $HOSTNAME; exit 3".into()],
//!         ..JobSpec::new(
//!             "/bin/sh",
//!             ContainerSpec {
//!                 layers: vec![LayerSpec::Programs { programs: vec!["sh".into()] }],
//!                 hostname: "inside".into(),
//!                 ..ContainerSpec::default()
//!             }
//!             .with_variable("HOSTNAME", "inside"),
//!         )
//!     };
//!     let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//!     runtime.block_on(async {
//!         let client = Client::start(&ClientSettings::new(cache.path())?).await?;
//!         let outcome = client.run(&job, 1 << 20).await?;
//!         assert_eq!(outcome.stdout.to_vec(), b"hello from inside\n");
//!         assert_eq!(outcome.status, Status::Exited(3));
//!         Ok(())
//!     })
//! }
//! ```
//!
//! Jobs may as well be read from JSON, as `maelstrom-run` reads them, and any number can run
//! at the same time: as many as there are slots do.
//!
//! ```standalone_crate
//! use maelstrom::{Client, ClientSettings, JobSpec};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # maelstrom::run_if_launcher();
//! # let cache = tempfile::tempdir()?;
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let echo = |word: &str| {
//!     JobSpec::from_json(&format!(
//!         r#"{{ "layers": [{{ "programs": ["echo"] }}], "program": "echo", "arguments": ["{word}"] }}"#
//!     ))
//! };
//! let client = Client::start(&ClientSettings::new(cache.path())?).await?;
//! let (one, two) = (echo("one")?, echo("two")?);
//! let (one, two) = tokio::try_join!(client.run(&one, 1024), client.run(&two, 1024))?;
//! assert_eq!([one.stdout.to_vec(), two.stdout.to_vec()], [b"one\n", b"two\n"]);
//!
//! let mistake = JobSpec::from_json(r#"{ "layers": [], "programm": "echo" }"#).unwrap_err();
//! assert!(mistake.to_string().starts_with("1:17: unknown field `programm`"), "{mistake}");
//! # Ok(())
//! # })
//! # }
//! ```
//!
//! The rooms of the house, from the top floor down. Arrows point down only: a room may use the
//! rooms below it, and none above.

// The order is the message.
#![cfg_attr(rustfmt, rustfmt_skip)]

pub mod cargo_maelstrom;  // cargo maelstrom: its command line, its loop
pub mod maelstrom_run;    // maelstrom-run: its command line, its stream of jobs
pub mod maelstrom_worker; // maelstrom-worker: its command line, its leases
pub mod test_job;         // from a test case to a job, and what its outcome means
pub mod report;           // what people and programs see
pub mod archive;          // tests packed with their containers, to run on other machines
pub mod session;          // jobs in, outcomes out
pub mod foreground;       // a job at the user's terminal
pub mod coverage;         // which lines tests run: profiles and reports
pub mod doctest;          // the documentation tests of libraries
pub mod listing;          // the test cases of a test binary
pub mod needs;            // what a test needs of this machine besides its container
pub mod directive;        // maelstrom-test.toml
pub mod cargo;            // talking to Cargo: metadata, build, environment of tests
pub mod layer;            // from layer specs to trees in the store
pub mod executor;         // from a job to its outcome
pub mod observe;          // what one run of a job asks for
pub mod schedule;         // what runs next, and what is remembered for that
pub mod libraries;        // what an executable needs to start: loader and shared libraries
pub mod image;            // container images: what they are called, where they are, what is in them
pub mod engine;           // a client of the Remote Execution API
pub mod container;        // namespaces, mounts, system calls
pub mod store;            // content by digest, on disk
pub mod cachedir;         // which directories are caches, and which are refused
pub mod filter;           // the pattern language
pub mod spec;             // what a job is
pub mod config;           // configuration values and where they come from
pub mod process;          // signals, the log, exit codes, errors as text

#[cfg(test)]
mod house;

pub use session::{Client, ClientError, ClientSettings};
pub use executor::{Outcome, Status};
pub use layer::ContainerError;
pub use spec::{ContainerSpec, JobSpec, LayerSpec};

/// Becomes what runs jobs, if this process was executed for that, and then never returns.
/// Must be the first thing a program does that has a [`Client`], while it has one thread:
/// jobs are run by processes that are the program itself, here and on other machines.
pub fn run_if_launcher() {
    container::run_if_launcher();
    executor::remote::runner::run_if_runner();
}
