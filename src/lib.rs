//! Runs tests and other jobs, each in its own rootless micro-container.
//!
//! The rooms of the house, in the order data flows through them. Arrows point
//! down only: a room may use the rooms below it, and `spec`, which is pure data.

// The order is the message.
#![cfg_attr(rustfmt, rustfmt_skip)]

pub mod cli;       // the command lines
pub mod config;    // configuration values and where they come from
pub mod cargo;     // talking to Cargo: metadata, build, environment of tests
pub mod listing;   // the test cases of a test binary
pub mod filter;    // the pattern language
pub mod directive; // maelstrom-test.toml
pub mod spec;      // what a job is
pub mod layer;     // from layer specs to trees in the store
pub mod store;     // content by digest, on disk
pub mod schedule;  // what runs next, and what is remembered for that
pub mod executor;  // from a job to its outcome
pub mod container; // namespaces, mounts, system calls
pub mod report;    // what people and programs see
pub mod run;       // the conductor: wires the rooms together
pub mod jobs;      // the same for maelstrom-run
