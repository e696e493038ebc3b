//! Integration tests that run the package's program.

use std::process::Command;

#[test]
fn runs_the_program_known_at_build_time() {
    let output = Command::new(env!("CARGO_BIN_EXE_shop-till")).arg("seven").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "till seven\n");
}

#[test]
fn runs_the_program_known_at_run_time() {
    let program = std::env::var("CARGO_BIN_EXE_shop-till").unwrap();
    assert_eq!(program, env!("CARGO_BIN_EXE_shop-till"));
    assert!(Command::new(program).status().unwrap().success());
}
