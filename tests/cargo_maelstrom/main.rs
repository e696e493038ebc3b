//! `cargo maelstrom` as people use it: the real program on real workspaces, in real containers.

#[path = "../fixture/browser.rs"]
mod browser;
#[path = "../fixture/debian.rs"]
mod debian;
#[path = "../fixture/mod.rs"]
mod fixture;
#[path = "../fixture/image.rs"]
mod image;
#[path = "../fixture/llvm.rs"]
mod llvm;
#[path = "../fixture/need.rs"]
mod need;
#[path = "../fixture/rounds.rs"]
mod rounds;
#[path = "../fixture/user.rs"]
mod user;

mod archives;
mod cache_directories;
mod cached_results;
mod completions;
mod configuring;
mod containers;
mod cookbook;
mod coverage;
mod distribution;
mod doctests;
mod environment;
mod errors;
mod failed;
mod filtersets;
mod foreground;
mod groups;
mod learning;
mod libraries;
mod limits;
mod nextest_configuration;
mod observing;
mod output;
mod outputs;
mod parity;
mod partitions;
mod print_spec;
mod profiles;
mod retries;
mod running;
mod second_look;
mod selecting;
mod shim;
mod shown;
mod time_limits;
mod timings;
mod toolchain;
mod watching;
