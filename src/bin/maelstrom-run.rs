//! `maelstrom-run`: programs in containers, as JSON job specs say.

use maelstrom::config::completion::CompletionRequest;
use maelstrom::maelstrom_run::command_line::{self, JobOptions};
use std::process::ExitCode;

fn main() -> ExitCode {
    maelstrom::run_if_launcher();
    if let Some(request) = CompletionRequest::of_process() {
        request.print(&command_line::command());
        return ExitCode::SUCCESS;
    }
    match JobOptions::of_process() {
        Ok(options) => maelstrom::maelstrom_run::run(&options),
        Err(error) => error.report().into(),
    }
}
