//! What second looks cost a run: one in which nothing fails, one in which every test fails for real,
//! and the next one of these. All are compared with the same run with `--hermetic`, in turns.
//!
//! The goals: 1.0, 2.2 and 1.0 times.
//!
//! `cargo bench --bench second_look [-- ROUNDS [TESTS]]`

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

type Failure = Box<dyn Error>;

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let rounds = numbers.next().unwrap_or(5);
    let tests = numbers.next().unwrap_or(500);
    println!("runs of {tests} tests, median of {rounds} rounds:");
    for (title, fails) in [("nothing fails", false), ("every test fails", true)] {
        let project = project(tests, fails)?;
        // Builds the tests, and fills the cache.
        run(project.path(), true)?;
        let mut times: [Vec<f64>; 3] = Default::default();
        for _ in 0..rounds {
            let _ = fs::remove_file(project.path().join("target/maelstrom/needs.json"));
            times[0].push(run(project.path(), true)?);
            times[1].push(run(project.path(), false)?);
            times[2].push(run(project.path(), false)?);
        }
        let [hermetic, first, next] = times.map(median);
        println!("  {title}: {hermetic:.0} ms hermetic");
        println!(
            "    the first run  {first:.0} ms, {:.2} x",
            first / hermetic
        );
        println!("    the next run   {next:.0} ms, {:.2} x", next / hermetic);
    }
    Ok(())
}

fn project(tests: usize, fails: bool) -> Result<tempfile::TempDir, Failure> {
    let directory = tempfile::tempdir()?;
    let manifest = "[package]\nname = \"many\"\nedition = \"2024\"\n[workspace]\n";
    fs::write(directory.path().join("Cargo.toml"), manifest)?;
    let mut source = String::new();
    for number in 0..tests {
        let fails = if fails { "panic!()" } else { "" };
        writeln!(source, "#[test] fn test_{number}() {{ {fails} }}")?;
    }
    fs::create_dir(directory.path().join("src"))?;
    fs::write(directory.path().join("src/lib.rs"), source)?;
    Ok(directory)
}

/// The time of a run, in milliseconds.
fn run(project: &Path, hermetic: bool) -> Result<f64, Failure> {
    let started = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_cargo-maelstrom"));
    command.args(["maelstrom", "--message-format", "json"]);
    if hermetic {
        command.arg("--hermetic");
    }
    let status = command
        .current_dir(project)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    let code = status.code();
    if !matches!(code, Some(0 | 100)) {
        return Err(format!("the run ended with {status}").into());
    }
    Ok(started.elapsed().as_secs_f64() * 1e3)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
