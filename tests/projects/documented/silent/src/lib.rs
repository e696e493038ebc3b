//! ```
//! panic!("nobody runs this");
//! ```
