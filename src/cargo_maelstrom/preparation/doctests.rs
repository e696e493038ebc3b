//! The settings of a run for documentation tests.

use super::SetUpError;
use crate::cargo::{DoctestBuild, Invocation, Narrowed, Package, Stderr, Workspace};
use crate::cargo_maelstrom::command_line::{RunIgnored, TestAction, TestOptions};
use crate::cargo_maelstrom::test_run::DoctestSettings;
use crate::doctest::{Compiler, IgnoredTests, Purpose, Recorder};
use std::sync::Arc;

/// What the run needs for documentation tests. `None`: Cargo would run none.
pub fn doctest_settings(
    options: &TestOptions,
    invocation: &Invocation,
    workspace: &Arc<Workspace>,
    stderr: Stderr,
) -> Result<Option<DoctestSettings>, SetUpError> {
    let has_doctests = |package: &Arc<Package>| package.targets.iter().any(|target| target.doctest);
    let are_selected = || match workspace.selected(&invocation.options) {
        Ok(packages) => packages.iter().any(has_doctests),
        // A dependency may be meant, which is a library.
        Err(_) => true,
    };
    let needs_tests = !matches!(
        options.action,
        TestAction::Build
            | TestAction::ListBinaries
            | TestAction::ListPackages
            | TestAction::Init
            | TestAction::PrintConfig(_)
    );
    // Tools that call cargo-nextest run documentation tests themselves.
    let is_usual = !options.as_nextest && !invocation.options.select_targets();
    // With `--doc`, Cargo says why there are none.
    if !needs_tests || !(options.doc || is_usual && are_selected()) {
        return Ok(None);
    }
    let mut invocation = invocation.clone();
    if !options.doc {
        // With `--doc`, Cargo would build libraries whose documentation tests are switched off.
        let has_some = |name: &str| {
            let mut packages = workspace.packages.iter();
            let named = packages.find(|package| package.name == name);
            named.map(has_doctests)
        };
        if let Ok(Narrowed::To(narrower)) = workspace.narrow(&invocation.options, has_some) {
            invocation.options = narrower;
        }
    }
    let rustdoc = workspace.rustdoc(&invocation.directory);
    let recorder = Recorder::new(rustdoc).map_err(SetUpError::Start)?;
    invocation.doctests = Some(DoctestBuild {
        environment: recorder.environment().map_err(SetUpError::Start)?,
        // Cargo refuses to be told twice, or to be quiet and verbose.
        quiet: !options.doc
            && !invocation.options.is_set("quiet")
            && !invocation.options.is_set("verbose"),
    });
    let archives = matches!(options.action, TestAction::Archive { .. });
    let ignored = match options.selection.ignored {
        // Where the tests run, ignored ones may be asked for.
        _ if archives => IgnoredTests::Marked,
        RunIgnored::Default => IgnoredTests::LeftOut,
        RunIgnored::Only => IgnoredTests::Only,
        RunIgnored::All => IgnoredTests::Included,
    };
    let slots = options.settings.slots.value.get();
    let names = &options.selection.names;
    Ok(Some(DoctestSettings {
        compiler: Compiler::new(
            invocation.clone(),
            recorder.rustdoc().into(),
            slots,
            ignored,
        ),
        recorder,
        workspace: workspace.clone(),
        invocation,
        stderr,
        purpose: if options.action == TestAction::ListTests {
            Purpose::List
        } else {
            Purpose::Run
        },
        cache_results: options.settings.cache_results.value,
        packed: archives || options.settings.remote.is_some() && options.action.runs_selected(),
        needs_programs: matches!(
            options.action,
            TestAction::PrintSpec | TestAction::Observe { .. }
        ),
        runs: options.action.runs_selected(),
        leaves_executables: options.action == TestAction::PrintSpec,
        filters: if names.exact {
            Vec::new()
        } else {
            names.filters.clone()
        },
        instrumentation: None,
    }))
}
