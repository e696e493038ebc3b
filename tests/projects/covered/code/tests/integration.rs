use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

#[test]
fn in_process() {
    assert_eq!(code::by_integration_test(), 3);
}

#[test]
fn starts_a_program() {
    let output = Command::new(env!("CARGO_BIN_EXE_code")).output().unwrap();
    assert_eq!(output.stdout, b"4\n");
}

#[test]
fn leaves_a_program_behind() {
    let mut program = Command::new(env!("CARGO_BIN_EXE_code"));
    let mut program = program.arg("wait").stdout(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let stdout = BufReader::new(program.stdout.take().unwrap());
    { stdout }.read_line(&mut line).unwrap();
    assert_eq!(line, "4\n");
}

#[test]
fn fails_at_first() {
    if std::env::var("NEXTEST_ATTEMPT").unwrap() == "1" {
        panic!("{}", code::by_failed_attempt());
    }
}
