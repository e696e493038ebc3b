//! Tests that print.

use std::io::Write as _;

#[test]
fn fails_after_what_is_not_utf_8() {
    std::io::stdout().write_all(b"caf\xe9 \x1b[31mred\x1b[0m \x1b]0;title\x07 end\n").unwrap();
    panic!();
}

#[test]
fn fails_after_three_megabytes() {
    let mut out = std::io::stdout().lock();
    writeln!(out, "the beginning").unwrap();
    for line in 0..30_000 {
        writeln!(out, "{line:0>99}").unwrap();
    }
    writeln!(out, "the end").unwrap();
    drop(out);
    panic!();
}

#[test]
fn passes_after_printing() {
    println!("to stdout");
    eprintln!("to stderr");
}

#[test]
fn fails_without_a_last_newline() {
    print!("no newline");
    std::process::exit(1);
}
