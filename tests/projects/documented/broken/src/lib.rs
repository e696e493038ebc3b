//! One test that does not compile keeps the others from sharing an executable.

/// ```
/// let wrong: u32 = "it does not compile";
/// ```
///
/// ```
/// println!("right");
/// ```
///
/// ```should_panic
/// panic!("wanted");
/// ```
///
/// ```no_run
/// let wrong: u32 = "";
/// ```
pub fn mixed() {}
