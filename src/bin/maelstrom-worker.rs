//! `maelstrom-worker`: makes this machine a worker of an engine.

use maelstrom::maelstrom_worker::command_line::WorkerOptions;
use std::process::ExitCode;

fn main() -> ExitCode {
    maelstrom::container::run_if_launcher();
    match WorkerOptions::of_process() {
        Ok(options) => maelstrom::maelstrom_worker::run(&options).into(),
        Err(error) => error.report().into(),
    }
}
