//! The kinds of targets that have test cases.

use std::fmt;

/// The kind of a test case's target, in Cargo's terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetKind {
    /// A library, of any crate type but `proc-macro`.
    Library,
    ProcMacro,
    Binary,
    Test,
    Example,
    Benchmark,
}

impl TargetKind {
    /// Cargo's name of the kind, as `cargo metadata` writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Library => "lib",
            Self::ProcMacro => "proc-macro",
            Self::Binary => "bin",
            Self::Test => "test",
            Self::Example => "example",
            Self::Benchmark => "bench",
        }
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The kinds of targets that one word of the pattern language means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetGroup {
    /// Libraries of every crate type, procedural macros included.
    Library,
    Binary,
    Test,
    Example,
    Benchmark,
}

impl TargetGroup {
    pub fn includes(self, kind: TargetKind) -> bool {
        match kind {
            TargetKind::Library | TargetKind::ProcMacro => self == Self::Library,
            TargetKind::Binary => self == Self::Binary,
            TargetKind::Test => self == Self::Test,
            TargetKind::Example => self == Self::Example,
            TargetKind::Benchmark => self == Self::Benchmark,
        }
    }
}
