//! `maelstrom-run` as people use it: the real program, real containers.

#[path = "../fixture/debian.rs"]
mod debian;
#[path = "../fixture/mod.rs"]
mod fixture;
#[path = "../fixture/need.rs"]
mod need;
#[path = "../fixture/registry.rs"]
mod registry;
#[path = "../fixture/user.rs"]
mod user;

mod command_layers;
mod job_errors;
mod jobs;
mod reference_examples;
mod terminal;
