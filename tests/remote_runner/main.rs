//! The runner of a batch, without an engine: what would be an action's input is laid out in
//! a directory, and the action's command run there, on this machine and in a container that
//! has nothing else.

mod action;
mod contained;
mod killed;
mod results;
