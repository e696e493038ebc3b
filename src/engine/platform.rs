//! What every machine is told apart by, in the words of the API's lexicon.

/// The value of `OSFamily`.
pub const OS_FAMILY: &str = "linux";

/// The value of `ISA`.
pub const ISA: &str = if cfg!(target_arch = "x86_64") {
    "x86-64"
} else if cfg!(target_arch = "aarch64") {
    "arm-a64"
} else {
    std::env::consts::ARCH
};
