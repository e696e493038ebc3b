//! The kinds of targets that have test cases.

/// The kind of a test case's target, in Cargo's terms. Its text is Cargo's name of the kind, as
/// `cargo metadata` writes it.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, strum::Display, strum::IntoStaticStr,
)]
#[strum(serialize_all = "kebab-case", const_into_str)]
pub enum TargetKind {
    /// A library, of any crate type but `proc-macro`.
    #[strum(serialize = "lib")]
    Library,
    ProcMacro,
    #[strum(serialize = "bin")]
    Binary,
    Test,
    Example,
    #[strum(serialize = "bench")]
    Benchmark,
    /// The documentation tests of a library.
    Doctest,
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
    /// The documentation tests of libraries.
    Doctest,
}

impl TargetGroup {
    pub fn includes(self, kind: TargetKind) -> bool {
        match kind {
            TargetKind::Library | TargetKind::ProcMacro => self == Self::Library,
            TargetKind::Binary => self == Self::Binary,
            TargetKind::Test => self == Self::Test,
            TargetKind::Example => self == Self::Example,
            TargetKind::Benchmark => self == Self::Benchmark,
            TargetKind::Doctest => self == Self::Doctest,
        }
    }
}
