//! `maelstrom-run`: programs in containers, as JSON job specs say.

use maelstrom::maelstrom_run::command_line::JobOptions;
use std::process::ExitCode;

fn main() -> ExitCode {
    maelstrom::run_if_launcher();
    match JobOptions::of_process() {
        Ok(options) => maelstrom::maelstrom_run::run(&options),
        Err(error) => error.report().into(),
    }
}
