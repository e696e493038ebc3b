//! The name of a function says what runs it.

/// ```
/// assert_eq!(code::by_doctest(), 1);
/// ```
pub fn by_doctest() -> u32 {
    1
}

pub fn by_unit_test() -> u32 {
    2
}

pub fn by_integration_test() -> u32 {
    3
}

pub fn by_program() -> u32 {
    macros::by_compiler!()
}

pub fn by_program_left_behind() -> u32 {
    5
}

pub fn by_failed_attempt() -> u32 {
    6
}

pub fn by_nothing() -> u32 {
    7
}

#[cfg(coverage)]
pub fn by_nothing_with_cfg() -> u32 {
    8
}

#[cfg(test)]
mod tests;
