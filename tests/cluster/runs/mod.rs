//! Runs of tests: on `buildbox-casd`, which executes actions itself, in its own sandboxes,
//! where our program exists only in the action's input; and on BuildGrid,
//! with workers of our own.

mod cancelling;
mod casd;
mod cluster;
mod connections;
mod coverage;
mod credentials;
mod doctests;
mod engines;
mod faults;
mod forgetting;
mod full_disk;
mod gate;
mod groups;
mod hosts;
mod known;
mod libraries;
mod limits;
mod outputs;
mod results;
mod retries;
mod second_looks;
mod secrets;
mod timings;
mod uploads;
mod workers;
