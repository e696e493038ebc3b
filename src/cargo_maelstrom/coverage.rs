//! The profiles of a run: the build with instrumentation, and the report when all tests have ended.
//!
//! Profiles are collected if `--coverage` asks for a report, or if `LLVM_PROFILE_FILE` of this process
//! asks for the profiles of programs that others have instrumented.

use super::SetUpError;
use super::command_line::{CoverageOptions, MessageFormat, TestOptions};
use super::test_run::RunEnd;
use crate::cargo::{BuiltTargets, CompilerVersion, Invocation, Package, Workspace};
use crate::coverage::{
    CollectionError, CoverageReport, CoverageReportError, CoverageSources, Instrumentation,
    JobProfiles, LlvmTools, MissingTools, ProfileCollection, ProfilePattern, ReportedFiles,
};
use crate::process::to_stderr;
use crate::report::{Cancellation, Role};
use crate::store::Store;
use camino::{Utf8Path, Utf8PathBuf};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;

/// The target directory of builds with instrumentation, in that of the workspace.
const TARGET: &str = "maelstrom-coverage";

#[derive(Debug, thiserror::Error)]
pub enum CoverageError {
    #[error(transparent)]
    Tools(#[from] MissingTools),
    #[error("failed to prepare a build with instrumentation in {directory}")]
    Prepare {
        directory: Utf8PathBuf,
        source: io::Error,
    },
    #[error(transparent)]
    Collection(#[from] CollectionError),
    #[error(transparent)]
    Report(#[from] CoverageReportError),
    #[error(
        "the tests have written no profiles, so there is no report; a test must not change or remove \
         LLVM_PROFILE_FILE"
    )]
    NoProfiles,
    #[error("failed to make the report of coverage: {0}")]
    Ended(tokio::task::JoinError),
}

/// A build with instrumentation.
pub struct InstrumentedBuild {
    options: CoverageOptions,
    tools: LlvmTools,
    pub instrumentation: Instrumentation,
    built: BuiltTargets,
    /// For the files of the report.
    directory: Utf8PathBuf,
}

impl InstrumentedBuild {
    /// Makes Cargo build with instrumentation if a report of coverage is asked for. `None`: it is not.
    pub async fn prepare(
        options: &TestOptions,
        invocation: &mut Invocation,
        workspace: &mut Workspace,
    ) -> Result<Option<Self>, SetUpError> {
        let Some(coverage) = &options.coverage else {
            return Ok(None);
        };
        let compiler = workspace.toolchain.version(invocation).await?;
        let tools = LlvmTools::find(&workspace.toolchain, compiler).map_err(CoverageError::from)?;
        let target = workspace.target_directory.join(TARGET);
        let directory = workspace.target_directory.join("maelstrom/coverage");
        let members = workspace.packages.iter();
        let prepare = |source| CoverageError::Prepare {
            directory: directory.clone(),
            source,
        };
        let instrumentation = Instrumentation::prepare(
            &directory,
            members.map(|package| package.directory.clone()).collect(),
            workspace.configuration.rustc_wrapper.as_deref(),
            compiler,
        )
        .map_err(prepare)?;
        invocation.environment = instrumentation.environment().map_err(prepare)?;
        invocation.options.replace("target-dir", target.as_str());
        if workspace.build_directory.is_some() {
            // What another build has left there is not instrumented.
            let directory = toml::Value::from(target.as_str());
            let setting = format!("build.build-dir={directory}");
            invocation.options.push("config", Some(&setting));
        }
        let built = BuiltTargets::default();
        invocation.built = Some(built.clone());
        workspace.separate_target = Some(target);
        Ok(Some(Self {
            options: coverage.clone(),
            tools,
            instrumentation,
            built,
            directory,
        }))
    }
}

/// The profiles of a run. Clones share them.
#[derive(Clone)]
pub struct RunProfiles {
    pub of_jobs: JobProfiles,
    pub collection: Arc<ProfileCollection>,
    purpose: Arc<Purpose>,
}

/// What becomes of the profiles.
enum Purpose {
    Report(Box<InstrumentedBuild>),
    /// They are merged into the file that the pattern names.
    ForOthers(ProfilePattern),
}

impl RunProfiles {
    /// `None`: no profiles are asked for.
    pub async fn of(
        options: &TestOptions,
        build: Option<InstrumentedBuild>,
        invocation: Option<&Invocation>,
        workspace: &Workspace,
        store: &Store,
    ) -> Result<Option<Self>, SetUpError> {
        let (of_jobs, profdata, purpose) = match (build, ProfilePattern::of_client()) {
            (Some(build), _) => {
                let profdata = build.tools.profdata.clone();
                let purpose = Purpose::Report(Box::new(build));
                (JobProfiles::merged(), Some(profdata), purpose)
            }
            (None, Some(pattern)) if options.action.runs_selected() => {
                let compiler = match invocation {
                    Some(invocation) => workspace.toolchain.version(invocation).await?,
                    None => CompilerVersion::default(),
                };
                let profdata = LlvmTools::find_profdata(&workspace.toolchain, compiler);
                let of_jobs = JobProfiles::of_pattern(&pattern);
                (of_jobs, profdata, Purpose::ForOthers(pattern))
            }
            _ => return Ok(None),
        };
        Ok(Some(Self {
            of_jobs,
            collection: Arc::new(ProfileCollection::new(store, profdata)?),
            purpose: Arc::new(purpose),
        }))
    }

    /// Handles the profiles when all tests have ended. Returns the report if there is to be one, and
    /// warnings.
    pub async fn conclude(
        self,
        workspace: &Workspace,
        packages: &[Arc<Package>],
        ending: &RunEnd,
    ) -> Result<(Option<CoverageReport>, Vec<String>), CoverageError> {
        let sources = match &*self.purpose {
            Purpose::ForOthers(_) => None,
            Purpose::Report(_) if !has_results(ending) => return Ok((None, Vec::new())),
            Purpose::Report(build) => {
                let scratch = self.collection.directory();
                Some(build.sources(workspace, packages, ending, scratch))
            }
        };
        let concluding = tokio::task::spawn_blocking(move || match (&*self.purpose, sources) {
            (Purpose::Report(build), Some(sources)) => {
                let report = self.report(build, &sources)?;
                let warnings = self.collection.note_of_unreadable().into_iter();
                Ok((Some(report), warnings.collect()))
            }
            (Purpose::ForOthers(pattern), _) => {
                let file = pattern.file_of_client();
                Ok((None, self.collection.finish_for_others(&file)))
            }
            (Purpose::Report(_), None) => Ok((None, Vec::new())),
        });
        concluding.await.map_err(CoverageError::Ended)?
    }

    /// Merges the profiles, and makes the report. Blocks.
    fn report(
        &self,
        build: &InstrumentedBuild,
        sources: &CoverageSources,
    ) -> Result<CoverageReport, CoverageError> {
        let of_build = build.instrumentation.profiles(&build.built.so_far());
        if !(self.collection).finish_into(&sources.profile, of_build)? {
            return Err(CoverageError::NoProfiles);
        }
        let CoverageOptions { format, output, .. } = &build.options;
        Ok(sources.report(*format, output.as_deref())?)
    }
}

/// Whether tests have run, so that a report says something.
fn has_results(ending: &RunEnd) -> bool {
    let is_broken = matches!(
        ending.summary.cancelled,
        Some(
            Cancellation::Interrupted
                | Cancellation::Terminated
                | Cancellation::BuildFailed
                | Cancellation::Superseded
                | Cancellation::Quit,
        )
    );
    !is_broken && ending.summary.tally.done() > 0
}

impl InstrumentedBuild {
    fn sources(
        &self,
        workspace: &Workspace,
        packages: &[Arc<Package>],
        ending: &RunEnd,
        scratch: &Path,
    ) -> CoverageSources {
        let is_member = |directory: &Utf8Path| {
            let mut members = workspace.packages.iter();
            members.any(|package| package.directory == directory)
        };
        let built = self.built.so_far().into_iter();
        let built = built.filter(|target| is_member(&target.package));
        let mut objects: Vec<Utf8PathBuf> = built.flat_map(|target| target.objects).collect();
        objects.extend(ending.doctest_executables.iter().cloned());
        objects.sort();
        objects.dedup();
        CoverageSources {
            program: self.tools.cov.clone(),
            profile: scratch.join("whole.profdata"),
            objects,
            files: ReportedFiles::of(workspace, packages),
            root: workspace.root.clone(),
            scratch: scratch.to_owned(),
            pages: self.directory.join("html"),
        }
    }
}

/// Prints the report of coverage, unless it was written to a file or stdout has events.
pub fn print_report(options: &TestOptions, ending: &RunEnd) -> Result<(), SetUpError> {
    let report = ending.coverage.as_ref();
    let text = report.and_then(|report| report.text.as_deref());
    let Some(text) = text.filter(|_| options.message_format == MessageFormat::Human) else {
        return Ok(());
    };
    let mut stdout = io::stdout().lock();
    let end: &[u8] = if text.ends_with(b"\n") { b"" } else { b"\n" };
    let printed = stdout
        .write_all(text)
        .and_then(|()| stdout.write_all(end))
        .and_then(|()| stdout.flush());
    match printed {
        // A reader that has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        printed => printed.map_err(|source| SetUpError::Write {
            path: "standard output".into(),
            source,
        }),
    }
}

/// Whether the tests run fewer lines than they have to. Prints that.
pub fn has_too_few_lines(options: &TestOptions, ending: &RunEnd) -> bool {
    let least = options.coverage.as_ref();
    let least = least.and_then(|coverage| coverage.least_lines.as_ref());
    let (Some(least), Some(report)) = (least, &ending.coverage) else {
        return false;
    };
    let lines = report.totals.lines;
    if least.is_reached(lines) {
        return false;
    }
    let label = super::paint(&options.settings).apply(Role::Bad, "error:");
    to_stderr(format_args!(
        "{label} the tests run {} of {} lines, which is {:.2}%, and `--fail-under-lines {least}` \
         requires more",
        lines.covered,
        lines.count,
        lines.percent(),
    ));
    true
}
