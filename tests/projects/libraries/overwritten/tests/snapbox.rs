use snapbox::{assert_data_eq, file, str};
use overwritten::greeting;

#[test]
fn one() {
    assert_data_eq!(greeting("one"), str!["goodbye"]);
}

#[test]
fn two() {
    assert_data_eq!(greeting("two"), str![""]);
}

#[test]
fn of_a_file() {
    assert_data_eq!(greeting("file"), file!["snapbox.txt"]);
}
