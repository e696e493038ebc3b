//! The isolation of jobs, tested on the kernel of this machine.
//!
//! Each test starts containers whose program is this test binary: with
//! [`fixture::inside`] a test defines the code that its job runs in the container; the
//! code after it runs outside. Tests that need something that not every
//! machine has print a line that begins with `SKIPPED:` if the machine lacks it.

// `fixture::inside` identifies tests by the names of their closures.
#![allow(clippy::redundant_closure)]

mod fixture;

mod binds;
mod capabilities;
mod descriptors;
mod errors;
mod files;
mod inodes;
mod kernel;
mod limits;
mod lost;
mod names;
mod nesting;
mod network;
mod observed;
mod ports;
mod processes;
mod start;
mod survivors;
mod view;
