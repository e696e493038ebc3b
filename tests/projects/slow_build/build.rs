//! Never ends, and has a child that does not either.

use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

fn main() {
    let program = std::env::current_exe().unwrap();
    if std::env::args().len() == 1 {
        Command::new(program).arg("child").status().unwrap();
    }
    loop {
        sleep(Duration::from_secs(60));
    }
}
