//! In which order jobs run, and the record that the order is learned from.

pub mod history;
