//! Prints nothing, whatever it is asked.

fn main() {}
