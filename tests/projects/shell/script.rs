//! One test, called `script`: it becomes a shell that runs what stands after `--script=`.

use std::{env, os::unix::process::CommandExt as _, process::Command};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let is_there = |option: &str| arguments.iter().any(|argument| argument == option);
    if is_there("--list") {
        if !is_there("--ignored") {
            println!("script: test");
        }
        return;
    }
    let mut scripts = arguments.iter().filter_map(|argument| argument.strip_prefix("--script="));
    let script = scripts.next().expect("a script is given");
    panic!("{}", Command::new("sh").args(["-c", script]).exec());
}
