//! What `--init` writes.

/// A `maelstrom-test.toml` to start from: it changes nothing until some of its
/// lines are uncommented.
pub const STARTER: &str = include_str!("starter.toml");

#[cfg(test)]
mod tests;
