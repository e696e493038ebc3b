//! Why a command ended before it had a result.

use super::coverage::CoverageError;
use super::foreground::ForegroundError;
use super::test_run::RunError;
use super::unselected::Remark;
use super::watch::WatchError;
use crate::archive::ArchiveError;
use crate::cargo::CargoError;
use crate::directive::{DirectiveError, FILE_NAME};
use crate::filter::PatternError;
use crate::layer::ContainerError;
use crate::needs::KnownNeedsError;
use crate::report::ReportError;
use crate::schedule::history::{HistoryError, RecordedHistoryError};
use crate::session::ClientError;
use crate::store::StoreError;
use camino::Utf8PathBuf;
use std::io;
use std::path::PathBuf;

/// An error that prevents the run. It is shown to the user with its causes.
#[derive(Debug, thiserror::Error)]
pub enum SetUpError {
    #[error(transparent)]
    Cargo(#[from] CargoError),
    #[error(transparent)]
    Directives(#[from] DirectiveError),
    #[error("bad pattern for {option}: {source}")]
    Pattern {
        option: &'static str,
        source: PatternError,
    },
    #[error("bad filterset for --filterset: {source}")]
    Filterset { source: PatternError },
    #[error(
        "the pattern `{0}` asks for dependencies of packages, which only Cargo knows, and tests of an \
         archive are selected without Cargo; name the packages with `package`"
    )]
    DependenciesOfArchive(String),
    #[error("no package of the workspace matches the include patterns")]
    NoPackageMatches(Vec<Remark>),
    #[error(
        "Cargo has no profile `{name}`, but {FILE_NAME} has a profile of this name: write \
         `--test-profile {name}` instead of `--profile {name}`"
    )]
    NotAProfileOfCargo { name: String },
    #[error(
        "Cargo has no profile `{name}`, but {file} has one for cargo-nextest: `cargo maelstrom \
         --init` writes the profiles of this file to {FILE_NAME}, and `--test-profile {name}` \
         chooses one of them"
    )]
    ProfileOfNextest { name: String, file: Utf8PathBuf },
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    RecordedHistory(#[from] RecordedHistoryError),
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    #[error("the archive was not written: failed to make the container of {test}")]
    Unarchivable {
        test: String,
        source: ContainerError,
    },
    #[error(transparent)]
    KnownNeeds(#[from] KnownNeedsError),
    #[error(transparent)]
    Run(#[from] RunError),
    #[error(transparent)]
    Session(#[from] ClientError),
    #[error("`{0}` exists; remove it first to get a new one")]
    Exists(Utf8PathBuf),
    #[error("failed to read `{path}`")]
    Read {
        path: Utf8PathBuf,
        source: io::Error,
    },
    #[error("failed to write `{path}`")]
    Write {
        path: Utf8PathBuf,
        source: io::Error,
    },
    #[error(
        "`{option}` is for one test, and {count} tests {which}; give the whole name of one, or choose \
         its package or target with options such as `-p` and `--test`:\n{candidates}"
    )]
    NotOneTest {
        option: &'static str,
        count: usize,
        /// What they have in common.
        which: String,
        /// A line for each.
        candidates: String,
    },
    #[error("failed to write `{path}`, to which this would be added; add it yourself:\n\n{text}")]
    WriteLearned {
        path: Utf8PathBuf,
        source: io::Error,
        text: String,
    },
    #[error(
        "failed to remove `{path}`, the executables of documentation tests; remove it yourself"
    )]
    RemoveExecutables {
        path: Utf8PathBuf,
        source: io::Error,
    },
    #[error("failed to remove images that are not used from `{}`", path.display())]
    RemoveImages { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Foreground(#[from] ForegroundError),
    #[error(transparent)]
    Coverage(#[from] CoverageError),
    #[error(transparent)]
    Report(#[from] ReportError),
    #[error("failed to start `{program}`")]
    StartProgram { program: String, source: io::Error },
    #[error("failed to start")]
    Start(#[source] io::Error),
}
