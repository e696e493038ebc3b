//! Runs on a real engine: `buildbox-casd`, which executes actions itself, in sandboxes of its
//! own. Of our program there is only what travels in the action's input.

mod casd;
mod faults;
#[path = "../fixture/mod.rs"]
mod fixture;
#[path = "../fixture/need.rs"]
mod need;
mod results;
mod uploads;
