//! ```
//! println!("the crate speaks");
//! ```

/// ```
/// assert_eq!(new_docs::add(1, 2), renamed::add(2, 1));
/// ```
pub fn add(a: u32, b: u32) -> u32 {
    a + b
}

/// ```
/// println!("before");
/// assert_eq!(new_docs::add(1, 2), 4);
/// ```
pub fn fails() {}

/// ```should_panic
/// panic!("wanted");
/// ```
///
/// ```should_panic
/// println!("calm");
/// ```
///
/// ```should_panic
/// std::process::abort();
/// ```
///
/// ```should_panic
/// fn main() {
///     panic!("wanted by a main function");
/// }
/// ```
///
/// ```should_panic
/// fn main() {
///     println!("calm in a main function");
/// }
/// ```
pub fn panics() {}

/// ```no_run
/// loop {}
/// ```
pub fn only_compiled() {}

/// ```compile_fail
/// let wrong: u32 = "";
/// ```
///
/// ```compile_fail,E0308
/// let wrong: u32 = "";
/// ```
///
/// ```compile_fail
/// let right: u32 = 1;
/// ```
///
/// ```compile_fail,E0001
/// let wrong: u32 = "";
/// ```
pub fn not_compiled() {}

/// ```ignore
/// println!("ran all the same");
/// ```
///
/// ```ignore
/// wrong
/// ```
pub fn ignored() {}

/// ```
/// println!("the last words");
/// std::process::exit(0);
/// ```
///
/// ```
/// std::process::exit(3);
/// ```
///
/// ```
/// std::process::abort();
/// ```
///
/// ```
/// fn deeper(level: u64) -> u64 {
///     std::hint::black_box(if level == u64::MAX { 0 } else { deeper(level + 1) + 1 })
/// }
/// deeper(1);
/// ```
///
/// ```
/// Err(std::io::Error::other("an error is a failure"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn ends() {}

/// ```standalone_crate
/// assert_eq!(new_docs::add(1, 2), 3);
/// ```
///
/// ```test_harness
/// #[test]
/// fn inner() {
///     assert_eq!(new_docs::add(1, 2), 3);
/// }
/// ```
///
/// ```edition2018
/// let gen = 1;
/// assert_eq!(gen, 1);
/// ```
pub fn special() {}

/// ```
/// std::fs::write("written.txt", "one").unwrap();
/// let _server = std::net::TcpListener::bind("127.0.0.1:45454").unwrap();
/// assert_eq!(std::fs::read_to_string("written.txt").unwrap(), "one");
/// ```
///
/// ```
/// std::fs::write("written.txt", "two").unwrap();
/// let _server = std::net::TcpListener::bind("127.0.0.1:45454").unwrap();
/// assert_eq!(std::fs::read_to_string("written.txt").unwrap(), "two");
/// ```
pub fn serves() {}

/// ```
/// assert_eq!(std::env::var("CARGO_PKG_NAME").unwrap(), "new-docs");
/// assert_eq!(env!("CARGO_PKG_VERSION"), "0.1.0");
/// assert!(std::path::Path::new("src/lib.rs").is_file());
/// ```
pub fn surroundings() {}

pub struct Thing;

impl PartialEq<
    u32,
> for Thing {
    /// ```
    /// assert!(new_docs::Thing == 1);
    /// ```
    fn eq(&self, _: &u32) -> bool {
        true
    }
}

macro_rules! from {
    ($($source:ty),*) => {
        $(impl From<$source> for Thing {
            /// ```
            #[doc = concat!("let _ = new_docs::Thing::from(0 as ", stringify!($source), ");")]
            /// ```
            fn from(_: $source) -> Self {
                Self
            }
        })*
    };
}

from!(u8, u16);

#[cfg(test)]
mod tests {
    #[test]
    fn unit() {}
}
