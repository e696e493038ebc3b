//! However a run ends, and whatever its tests do, nothing of it stays: no
//! process, no mount, no temporary file after the next run, and every test is
//! told of exactly once.
//!
//! The real binary runs small real workspaces. Processes are found by the
//! workspace's own temporary directory, which all of them have in their command
//! line, environment or executable's path.

mod client;
mod host;
#[path = "../fixture/need.rs"]
mod need;
mod processes;
mod project;

mod documentation_tests;
mod full_disk;
mod interrupts;
mod killed_client;
mod killed_launcher;
mod memory;
mod output;
mod second_looks;
mod two_clients;
mod unruly_tests;
mod watching;
