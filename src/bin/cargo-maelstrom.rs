//! `cargo maelstrom`: a workspace's tests, each in a container of its own.

use maelstrom::cargo_maelstrom::command_line::Request;
use maelstrom::cargo_maelstrom::test_file;
use std::process::ExitCode;

fn main() -> ExitCode {
    maelstrom::run_if_launcher();
    maelstrom::cargo::guard::run_if_guard();
    maelstrom::coverage::run_if_compiler();
    maelstrom::doctest::run_if_rustdoc_or_runtool();
    if maelstrom::cargo_maelstrom::completing::answer_if_asked() {
        return ExitCode::SUCCESS;
    }
    match Request::of_process(&test_file::profiles) {
        Ok(Request::Test(options)) => maelstrom::cargo_maelstrom::run(&options).into(),
        Ok(Request::Doctor(options)) => maelstrom::cargo_maelstrom::doctor(&options).into(),
        Ok(Request::Clean(options)) => maelstrom::cargo_maelstrom::clean(&options).into(),
        Ok(Request::MergeHistories { output, inputs }) => {
            maelstrom::cargo_maelstrom::merge_histories(&output, &inputs).into()
        }
        Ok(Request::Shim(options)) => maelstrom::cargo_maelstrom::shim(&options),
        Err(error) => error.report().into(),
    }
}
