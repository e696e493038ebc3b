//! The part of a run after the last test.

use super::archiving::Archiving;
use super::command_line::{ForegroundProgram, TestAction, TestOptions};
use super::coverage::{CoverageError, RunProfiles};
use super::foreground::Foreground;
use super::selector::Selector;
use super::suggestions::PackageOrTarget;
use super::surroundings::Surroundings;
use super::test_run::{Looks, RunEnd, RunSettings};
use super::unselected::{self, Offer, Remark};
use super::{
    SetUpError, UnprintableSpec, init, lists, observation, print_error, test_names, timings,
};
use crate::cargo::{Package, Workspace};
use crate::coverage::{CoverageReport, CoverageTotals};
use crate::directive::Directives;
use crate::layer::ContainerError;
use crate::process::{error_chain, to_stderr};
use crate::report::{Cancellation, Count, Event, Reporter};
use crate::schedule::{History, RecordedHistory};
use crate::session::Session;
use crate::test_job::{TestCase, TestContainerBuilder};
use camino::Utf8Path;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

/// A run after its last test.
pub struct Conclusion<'a> {
    pub options: &'a TestOptions,
    pub selector: &'a Selector,
    pub workspace: &'a Workspace,
    pub directives: &'a Directives,
    pub packages: &'a [Arc<Package>],
    pub containers: Arc<TestContainerBuilder>,
    pub session: Session,
    pub reporter: Rc<RefCell<Box<dyn Reporter>>>,
    pub running: RunSettings,
    pub surroundings: Arc<Surroundings>,
    pub looks: Option<Rc<Looks>>,
    /// `None`: tests write no profiles.
    pub profiles: Option<RunProfiles>,
}

impl Conclusion<'_> {
    /// Saves the history and reports the end of the run, or does what is to be done with the listed
    /// tests.
    pub async fn conclude(
        self,
        mut ending: RunEnd,
        mut history: History,
    ) -> Result<RunEnd, SetUpError> {
        let options = self.options;
        self.keep_names(&mut ending);
        if ending.summary.cancelled.is_none() {
            let places = PackageOrTarget::all_in(self.workspace, self.packages);
            remark(&mut ending, self.selector, places, history.is_empty());
        }
        if let TestAction::Archive { file } = &options.action {
            let recorded = history.recorded();
            self.archive(file, &ending, recorded).await?;
            return Ok(ending);
        }
        if options.action.runs_selected() {
            let uncovered = match self.profiles.clone() {
                Some(profiles) => self.cover(profiles, &mut ending).await.err(),
                None => None,
            };
            ending.summary.notes.extend(init::note(self.workspace));
            let timings = timings::note(options, self.workspace);
            ending.summary.notes.extend(timings);
            // The results of the run do not depend on whether the history can be saved.
            let saving = tokio::task::spawn_blocking(move || history.save());
            let unsaved = match saving.await {
                Ok(saved) => saved.err().map(|error| error_chain(&error)),
                Err(error) => Some(error_chain(&error)),
            };
            let needs = self
                .looks
                .as_ref()
                .map(|looks| looks.known.borrow_mut().save());
            let needs = needs.and_then(Result::err).map(|error| error_chain(&error));
            for warning in unsaved.into_iter().chain(needs) {
                self.reporter.borrow_mut().report(&Event::Warning(&warning));
            }
            self.reporter
                .borrow_mut()
                .report(&Event::Finished(&ending.summary));
            if let Some(error) = uncovered {
                return Err(error.into());
            }
        }
        if options.action == TestAction::PrintSpec {
            let complain = |case: &TestCase, error: &ContainerError| {
                print_error(
                    &options.settings,
                    &UnprintableSpec(case.name().to_string(), error_chain(error)),
                );
            };
            let printed =
                lists::print_specs(&ending.listed, &self.running, &self.containers, complain);
            match printed.await.map_err(SetUpError::Start)? {
                None => ending.summary.cancelled = Some(Cancellation::Interrupted),
                Some(failed) => ending.summary.tally.errors += failed as u64,
            }
        }
        if let TestAction::Observe { name } = &options.action {
            let case = match ending.summary.cancelled {
                Some(_) => None,
                None => observation::choose(&ending.listed, "--observe", Some(name))?,
            };
            if let Some(case) = case {
                let observer = observation::Observer {
                    running: self.running.clone(),
                    containers: self.containers.clone(),
                    session: self.session.clone(),
                    reporter: self.reporter.clone(),
                };
                let facts = observer.observe(&case, &mut ending.summary).await;
                ending.observed = facts.map(|facts| (case.name().to_string(), facts));
            }
            let summary = &ending.summary;
            self.reporter.borrow_mut().report(&Event::Finished(summary));
        }
        if let TestAction::Foreground { program, name } = &options.action
            && ending.summary.cancelled.is_none()
        {
            let option = program.option();
            if let Some(case) = observation::choose(&ending.listed, option, name.as_deref())? {
                // Every run would have to make room for the future.
                Box::pin(self.run_in_foreground(&case, program, &mut ending)).await?;
            }
        }
        Ok(ending)
    }

    /// Keeps the names of the tests for completing command lines.
    fn keep_names(&self, ending: &mut RunEnd) {
        if self.options.archive.is_some() {
            return;
        }
        let file = test_names::file(&self.workspace.target_directory);
        let names = std::mem::take(&mut ending.names);
        if let Err(error) = names.save(&file, self.workspace) {
            tracing::warn!("the names of tests were not kept in {file}: {error}");
        }
    }

    async fn run_in_foreground(
        &self,
        case: &TestCase,
        program: &ForegroundProgram,
        ending: &mut RunEnd,
    ) -> Result<(), SetUpError> {
        let foreground = Foreground {
            running: self.running.clone(),
            containers: self.containers.clone(),
            session: self.session.clone(),
            surroundings: self.surroundings.clone(),
            reporter: self.reporter.clone(),
            sysroot: self.workspace.toolchain.sysroot.clone(),
            is_hermetic: self.options.settings.hermetic.value,
            has_engine: self.options.settings.remote.is_some(),
        };
        ending.foreground = foreground.run(case, program).await?;
        if ending.foreground.is_none() {
            ending.summary.cancelled = Some(Cancellation::Interrupted);
        }
        Ok(())
    }

    /// Makes the report of coverage, or writes the merged profiles.
    async fn cover(&self, profiles: RunProfiles, ending: &mut RunEnd) -> Result<(), CoverageError> {
        let concluding = profiles.conclude(self.workspace, self.packages, ending);
        let (report, warnings) = concluding.await?;
        let mut reporter = self.reporter.borrow_mut();
        for warning in &warnings {
            reporter.report(&Event::Warning(warning));
        }
        if let Some(report) = &report {
            reporter.report(&Event::Covered {
                totals: &report.totals,
                file: report.file.as_deref(),
            });
            ending.summary.notes.push(coverage_note(report));
        }
        ending.coverage = report;
        Ok(())
    }

    /// Packs the listed tests, unless some binaries could not be built or listed.
    async fn archive(
        &self,
        file: &Utf8Path,
        ending: &RunEnd,
        history: RecordedHistory,
    ) -> Result<(), SetUpError> {
        let is_whole = ending.summary.cancelled.is_none() && ending.summary.tally.errors == 0;
        if !is_whole {
            to_stderr(format_args!(
                "no archive was written, as not all tests were built and listed"
            ));
        }
        if !is_whole || ending.listed.is_empty() {
            return Ok(());
        }
        let archiving = Archiving {
            workspace: self.workspace,
            directives: self.directives,
            containers: self.containers.clone(),
            history,
        };
        archiving.write(file, &ending.listed).await
    }
}

/// The line of the summary about coverage.
fn coverage_note(report: &CoverageReport) -> String {
    let CoverageTotals { lines, regions, .. } = report.totals;
    let note = format!(
        "the tests run {:.2}% of {}, and {:.2}% of {}",
        lines.percent(),
        Count(lines.count, "line", "lines"),
        regions.percent(),
        Count(regions.count, "region", "regions")
    );
    match &report.file {
        Some(file) => format!("{note}; the report is {file}"),
        None => note,
    }
}

/// Adds notes on a selection that may not be the intended one. `is_first`: no earlier run is known.
fn remark(ending: &mut RunEnd, selector: &Selector, places: Vec<PackageOrTarget>, is_first: bool) {
    let RunEnd {
        summary,
        considered,
        divided,
        remarks,
        ..
    } = ending;
    let offer = Offer {
        tests: considered.tests(),
        not_included: considered.not_included,
        excluded: considered.excluded,
        left_out: considered.left_out_binaries,
        places,
    };
    let left_out =
        unselected::left_out_by_default(considered.left_out_tests, considered.left_out_binaries);
    if !considered.has_selected() {
        *remarks = unselected::explain(&offer, selector);
        return;
    }
    summary.notes.extend(left_out);
    if considered.has_none_that_failed() {
        let note = unselected::none_failed(considered, is_first);
        remarks.push(Remark::Note(note));
        return;
    }
    summary
        .notes
        .extend(unselected::left_out_by_failed(considered.not_failed));
    if let Some(divided) = divided.as_ref().filter(|divided| divided.tests == 0) {
        let note = format!(
            "the partition {} has none of {}, as there are more parts than tests, or their hashes \
             leave it empty",
            divided.partition,
            Count(divided.of, "test", "tests")
        );
        remarks.push(Remark::Note(note));
    }
    if summary.tally.done() == 0 && summary.tally.ignored > 0 {
        summary.notes.push(unselected::all_ignored(
            considered.ignored_by_source,
            considered.ignored_by_directive,
        ));
    }
    if summary.tally.errors > 0 {
        // A binary that could not be listed may have the tests that a pattern excludes.
        return;
    }
    for index in considered.idle_excludes().into_iter().flatten() {
        let pattern = &selector.excludes[index];
        let note = unselected::idle_exclude(pattern, considered.count, &offer);
        summary.notes.push(note);
    }
}
