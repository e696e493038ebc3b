//! Every field of a job specification, and what it means, shown by jobs that run.
//!
//! The chapter on job specifications has a table of the fields, with the names of the tests
//! here that show each. Most of them write a field twice: in JSON for `maelstrom-run`, and in
//! TOML for `cargo maelstrom`, which must make no difference. See [`both`].

mod both;
mod commands;
#[path = "../fixture/mod.rs"]
mod fixture;
#[path = "../fixture/image.rs"]
mod image;
#[path = "../fixture/need.rs"]
mod need;

mod binds;
mod directives;
mod environment;
mod identity;
mod images;
mod layers;
mod mounts;
mod network;
mod older;
mod outputs;
mod parents;
mod prefixes;
mod program;
mod root;
mod table;
mod turns;
