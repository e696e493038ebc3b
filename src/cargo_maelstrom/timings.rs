//! `--timings`: the file of the page, and what the page needs of the preparation.

use super::command_line::{TestOptions, TimingsFile};
use super::preparation::Preparation;
use crate::cargo::Workspace;
use crate::report::{Reporter, TimingsSettings, with_timings};
use camino::{Utf8Path, Utf8PathBuf};
use std::time::SystemTime;

/// The reporter with the page, if that was asked for.
pub fn add(
    reporter: Box<dyn Reporter>,
    options: &TestOptions,
    preparation: &Preparation,
) -> Box<dyn Reporter> {
    let Some(file) = file(options, &preparation.workspace) else {
        return reporter;
    };
    let root = preparation.workspace.root.as_path();
    let settings = TimingsSettings {
        file,
        project: root.file_name().unwrap_or(root.as_str()).to_owned(),
        started: SystemTime::now(),
        slots: options.settings.slots.value.get(),
        on_engine: options.settings.remote.is_some(),
        past: preparation.history.past(),
    };
    with_timings(reporter, settings)
}

/// The line of the summary about the file.
pub fn note(options: &TestOptions, workspace: &Workspace) -> Option<String> {
    let file = file(options, workspace)?;
    Some(format!("the timings of this run are in {file}"))
}

fn file(options: &TestOptions, workspace: &Workspace) -> Option<Utf8PathBuf> {
    match options.timings.as_ref()? {
        TimingsFile::Default => Some(default_file(&workspace.target_directory)),
        TimingsFile::Named(file) => Some(file.clone()),
    }
}

fn default_file(target_directory: &Utf8Path) -> Utf8PathBuf {
    target_directory.join("maelstrom/timings.html")
}
