//! Actions on a real engine, run by real workers.

mod blobs;
mod client;
#[path = "../fixture/engine.rs"]
mod engine;
mod faults;
mod isolation;
mod letting_in;
#[path = "../fixture/need.rs"]
mod need;
mod results;
mod trouble;
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
