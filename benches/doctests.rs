//! Documentation tests, compared with `cargo test --doc` in turns: wall time, and processor time of all
//! processes.
//!
//! The goals: 1.05 times, and a tenth with `--cache-results auto` if nothing has changed. There are also
//! runs of a library without documentation tests, compared with `--lib`.
//!
//! `cargo bench --bench doctests [-- ROUNDS [TESTS]]`

use std::error::Error;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

type Failure = Box<dyn Error>;

const OURS: &str = env!("CARGO_BIN_EXE_cargo-maelstrom");

/// In seconds.
#[derive(Clone, Copy)]
struct Times {
    wall: f64,
    processor: f64,
}

fn main() -> Result<(), Failure> {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse().ok());
    let rounds = numbers.next().unwrap_or(3);
    let tests = numbers.next().unwrap_or(400);
    println!("medians of {rounds} rounds; in parentheses the processor time:");
    for edition in ["2021", "2024"] {
        let project = project(edition, tests)?;
        let project = project.path();
        let theirs = || time(project, "cargo", &["test", "--doc"]);
        let ours = |words: &[&str]| time(project, OURS, &[&["maelstrom", "--doc"], words].concat());
        let cached = ["--cache-results", "auto"];
        // Builds the library, and fills the caches.
        theirs()?;
        ours(&cached)?;
        compare(
            &format!("{tests} documentation tests in edition {edition}"),
            rounds,
            &theirs,
            &[
                ("all run", &|| ours(&[])),
                ("nothing changed", &|| ours(&cached)),
            ],
        )?;
    }
    let project = project("2024", 0)?;
    let ours = |words: &[&str]| time(project.path(), OURS, &[&["maelstrom"], words].concat());
    ours(&[])?;
    ours(&["--lib"])?;
    compare(
        "a library without documentation tests, compared with `--lib`",
        rounds,
        &|| ours(&["--lib"]),
        &[("with documentation tests", &|| ours(&[]))],
    )
}

type Timed<'a> = &'a dyn Fn() -> Result<Times, Failure>;

/// Measures in turns, and prints how much longer the others take than the first.
fn compare(
    title: &str,
    rounds: usize,
    first: Timed<'_>,
    others: &[(&str, Timed<'_>)],
) -> Result<(), Failure> {
    let mut of_first = Vec::new();
    let mut of_others = vec![Vec::new(); others.len()];
    for _ in 0..rounds {
        of_first.push(first()?);
        for ((_, other), times) in others.iter().zip(&mut of_others) {
            times.push(other()?);
        }
    }
    let of_first = median(&of_first);
    println!(
        "  {title}: {:.2} s ({:.2} s)",
        of_first.wall, of_first.processor
    );
    for ((name, _), times) in others.iter().zip(&of_others) {
        let Times { wall, processor } = median(times);
        println!(
            "    {name}: {wall:.2} s ({processor:.2} s), {:.2} x ({:.2} x)",
            wall / of_first.wall,
            processor / of_first.processor
        );
    }
    Ok(())
}

/// A crate with documentation tests, and a unit test.
fn project(edition: &str, tests: usize) -> Result<tempfile::TempDir, Failure> {
    let directory = tempfile::tempdir()?;
    let manifest = format!("[package]\nname = \"many\"\nedition = \"{edition}\"\n[workspace]\n");
    fs::write(directory.path().join("Cargo.toml"), manifest)?;
    let mut source = "#[test]\nfn unit() {}\n".to_owned();
    for number in 0..tests {
        writeln!(
            source,
            "/// Adds.\n///\n/// ```\n/// assert_eq!(many::add_{number}(1), {});\n/// ```\n\
             pub fn add_{number}(to: u64) -> u64 {{\n    to + {number}\n}}",
            number + 1
        )?;
    }
    fs::create_dir(directory.path().join("src"))?;
    fs::write(directory.path().join("src/lib.rs"), source)?;
    Ok(directory)
}

fn time(project: &Path, program: &str, words: &[&str]) -> Result<Times, Failure> {
    let before = processor_seconds();
    let started = Instant::now();
    let status = Command::new(program)
        .args(words)
        .current_dir(project)
        .env_remove("CARGO_TARGET_DIR")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()?;
    if !status.success() {
        return Err(format!("{program} {words:?} ended with {status}").into());
    }
    Ok(Times {
        wall: started.elapsed().as_secs_f64(),
        processor: processor_seconds() - before,
    })
}

/// The processor time of all processes that were started here and have ended.
fn processor_seconds() -> f64 {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN);
    let usage = usage.expect("the kernel counts processor time");
    [usage.user_time(), usage.system_time()]
        .map(|time| time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6)
        .iter()
        .sum()
}

fn median(times: &[Times]) -> Times {
    let of = |value: fn(&Times) -> f64| {
        let mut values: Vec<f64> = times.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Times {
        wall: of(|times| times.wall),
        processor: of(|times| times.processor),
    }
}
