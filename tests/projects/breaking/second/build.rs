fn main() {
    // A named pipe, which somebody writes to when a test has started.
    assert_eq!(std::fs::read_to_string("../pipes/build").unwrap(), "go on\n");
}
