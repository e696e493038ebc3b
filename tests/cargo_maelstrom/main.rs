//! `cargo maelstrom` as people use it: the real program on real workspaces, in real containers.

#[path = "../fixture/debian.rs"]
mod debian;
#[path = "../fixture/mod.rs"]
mod fixture;
#[path = "../fixture/image.rs"]
mod image;
#[path = "../fixture/need.rs"]
mod need;
#[path = "../fixture/rounds.rs"]
mod rounds;

mod cache_directories;
mod cached_results;
mod configuring;
mod containers;
mod distribution;
mod doctests;
mod environment;
mod errors;
mod learning;
mod libraries;
mod observing;
mod output;
mod outputs;
mod parity;
mod print_spec;
mod running;
mod second_look;
mod selecting;
mod toolchain;
