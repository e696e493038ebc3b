//! Tests of different lengths, far enough apart to be told from each other.

#[cfg(test)]
fn take(milliseconds: u64) {
    std::thread::sleep(std::time::Duration::from_millis(milliseconds));
}

#[test]
fn a_short() {}

#[test]
fn b_longest() {
    take(700);
}

#[test]
fn c_long() {
    take(300);
}

#[test]
fn d_fails_unless_told_otherwise() {
    assert_eq!(std::env::var("MOOD").unwrap(), "good");
}
