//! Actions on real engines, run by real workers, and runs of tests that are made of such
//! actions.

mod access;
mod blobs;
mod bot;
mod chapter;
mod client;
#[path = "../fixture/engine.rs"]
mod engine;
mod executions;
mod faults;
#[path = "../fixture/mod.rs"]
mod fixture;
mod hosts;
mod invalid_actions;
mod isolation;
#[path = "../fixture/llvm.rs"]
mod llvm;
mod log;
#[path = "../fixture/need.rs"]
mod need;
mod proxy;
mod results;
#[path = "../fixture/rounds.rs"]
mod rounds;
mod runs;
mod transfers;
mod worker;

/// Returns from the test unless there is an engine here.
macro_rules! needs_engine {
    () => {
        if !crate::engine::is_there() {
            return;
        }
    };
}
pub(crate) use needs_engine;

/// Returns from the test unless there are an engine and containers here.
macro_rules! needs_cluster {
    () => {
        crate::needs_engine!();
        crate::need::needs_containers!();
    };
}
pub(crate) use needs_cluster;
