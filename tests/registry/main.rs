//! Images of registries: a real one, Debian's `docker-registry` with TLS and a password, and
//! one that fails in every way there is.
//!
//! The same images are had from files of this machine, too. All is driven through [`maelstrom::image::Images`]. Layers are downloaded and verified here,
//! not unpacked.

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
mod real;
mod tags;
mod tokens;
