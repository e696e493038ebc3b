//! Runs of tests: on `buildbox-casd`, which executes actions itself, in sandboxes of its own
//! where of our program there is only what travels in the action's input; and on BuildGrid,
//! with workers of our own.

mod casd;
mod faults;
mod known;
mod results;
mod uploads;
mod workers;
