//! `maelstrom-worker`: makes this machine a worker of an engine.

use maelstrom::config::completion::CompletionRequest;
use maelstrom::maelstrom_worker::command_line::{self, WorkerOptions};
use std::process::ExitCode;

fn main() -> ExitCode {
    maelstrom::container::run_if_launcher();
    if let Some(request) = CompletionRequest::of_process() {
        request.print(&command_line::command());
        return ExitCode::SUCCESS;
    }
    match WorkerOptions::of_process() {
        Ok(options) => maelstrom::maelstrom_worker::run(&options).into(),
        Err(error) => error.report().into(),
    }
}
