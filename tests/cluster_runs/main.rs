//! Runs on real engines: on `buildbox-casd`, which executes actions itself, in sandboxes of its
//! own where of our program there is only what travels in the action's input; and on BuildGrid,
//! with workers of our own.

mod casd;
mod cluster;
#[path = "../fixture/engine.rs"]
mod engine;
mod faults;
#[path = "../fixture/mod.rs"]
mod fixture;
#[path = "../fixture/need.rs"]
mod need;
mod results;
mod uploads;
#[path = "../cluster/worker.rs"]
mod worker;
