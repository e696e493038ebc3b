//! A test without a harness, which is a program like any other.

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    assert!(arguments.is_empty(), "unexpected {arguments:?}");
    println!("ran as a whole");
}
