//! Runs tests and other jobs, each in its own rootless micro-container.
//!
//! The rooms of the house, in the order data flows through them. Arrows point
//! down only: a room may use the rooms below it (and `spec`, which is pure data).

pub mod cli;
pub mod config;
pub mod cargo;
pub mod listing;
pub mod filter;
pub mod directive;
pub mod spec;
pub mod layer;
pub mod store;
pub mod schedule;
pub mod executor;
pub mod container;
pub mod report;
