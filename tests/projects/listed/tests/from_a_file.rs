//! A test for each line of a file. Writes down each time it is started, and what for.

use std::{env, fs, io::Write as _};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mut log = fs::File::options().append(true).open("/log/starts").unwrap();
    // In one write, for other processes add lines at the same time.
    log.write_all(format!("from_a_file {}\n", arguments.join(" ")).as_bytes()).unwrap();
    if arguments.iter().any(|argument| argument == "--list") {
        if !arguments.iter().any(|argument| argument == "--ignored") {
            for line in fs::read_to_string("tests.txt").unwrap().lines() {
                println!("{line}: test");
            }
        }
    }
}
