//! A harness of its own that lists as libtest does: a test for each line of a file.

use std::{env, fs, process::exit};

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let has = |word: &str| arguments.iter().any(|argument| argument == word);
    let labels = fs::read_to_string("labels.txt").unwrap();
    if has("--list") {
        for label in labels.lines() {
            if label.starts_with("old ") || !has("--ignored") {
                println!("{label}: test");
            }
        }
        return;
    }
    let wanted = &arguments[0];
    assert!(has("--exact") && has("--nocapture"), "{arguments:?}");
    assert_eq!(has("--ignored"), wanted.starts_with("old "));
    if !labels.lines().any(|label| label == wanted) {
        exit(3);
    }
    println!("on the shelf: {wanted}");
}
