//! Images of registries: a real one, Debian's `docker-registry` with TLS and a password, and
//! one that fails in every way there is.
//!
//! The same images are had from files of this machine, too. Most is driven through
//! [`maelstrom::image::Images`], which downloads and verifies layers and does not unpack them;
//! in `programs`, the programs do all of it.

#[path = "../fixture/mod.rs"]
mod fixture;
#[path = "../fixture/need.rs"]
mod need;
#[path = "../fixture/registry.rs"]
mod registry;

mod downloader;
mod relay;
mod stub;
mod user;

mod access;
mod depot;
mod faults;
mod full_disk;
mod killed;
mod local;
mod manifests;
mod programs;
mod real;
mod tags;
mod tokens;
