//! Which lines the tests run: profiles of instrumented programs, and reports made of them.
//!
//! The compiler instruments a program with `-C instrument-coverage`: when such a program ends, it
//! writes a *raw profile* to the file that `LLVM_PROFILE_FILE` names. In a container, this variable
//! names files in a directory of the job's own ([`JobProfiles`]), which are outputs of the job.
//! [`ProfileCollection`] merges them in groups while other tests run, so that the raw profiles of many
//! tests are never on disk together. [`pattern`] computes where the merged profile belongs if the
//! client's own `LLVM_PROFILE_FILE` asks for it.
//!
//! For `--coverage`, [`instrument`] has Cargo compile the members of the workspace with
//! instrumentation, [`report`] calls `llvm-cov` with everything that was built and the merged
//! profile, and [`reported`] says which files belong into a report. [`cobertura`] makes one more
//! format out of [`lcov`]. [`tools`] finds the programs of LLVM.

mod cobertura;
mod collection;
mod instrument;
mod job_profiles;
mod lcov;
mod pattern;
mod report;
mod reported;
mod tools;

pub use collection::{CollectionError, ProfileCollection};
pub use instrument::{Instrumentation, run_if_compiler};
pub use job_profiles::JobProfiles;
pub use pattern::ProfilePattern;
pub use report::{
    Counted, CoverageFormat, CoverageReport, CoverageReportError, CoverageSources, CoverageTotals,
};
pub use reported::ReportedFiles;
pub use tools::{LlvmTools, MissingTools};
