//! `cargo maelstrom`: a workspace's tests, each in a container of its own.

use maelstrom::cargo_maelstrom::command_line::Request;
use std::process::ExitCode;

fn main() -> ExitCode {
    maelstrom::run_if_launcher();
    maelstrom::cargo::guard::run_if_guard();
    maelstrom::doctest::run_if_rustdoc_or_runtool();
    match Request::of_process() {
        Ok(Request::Test(options)) => maelstrom::cargo_maelstrom::run(&options).into(),
        Ok(Request::Doctor(options)) => maelstrom::cargo_maelstrom::doctor(&options).into(),
        Ok(Request::Clean(options)) => maelstrom::cargo_maelstrom::clean(&options).into(),
        Err(error) => error.report().into(),
    }
}
