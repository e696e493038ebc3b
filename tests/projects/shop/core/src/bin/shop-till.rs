//! A program with a hyphen in its name and a test of its own.

fn main() {
    println!("till {}", std::env::args().nth(1).unwrap_or_default());
}

#[test]
fn till_opens() {}
