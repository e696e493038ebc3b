//! What a job can and cannot do, tried on the kernel that runs these tests.
//!
//! Each test starts containers whose program is this very test binary: with
//! [`fixture::inside`] a test says what its job does in the container, and
//! below that what is to be seen from outside. Tests that need what not every
//! machine has print a line that begins with `SKIPPED:`.

// `fixture::inside` tells tests by the closures that they give it.
#![allow(clippy::redundant_closure)]

mod fixture;

mod binds;
mod capabilities;
mod descriptors;
mod errors;
mod files;
mod inodes;
mod kernel;
mod lost;
mod names;
mod nesting;
mod network;
mod ports;
mod processes;
mod start;
mod survivors;
