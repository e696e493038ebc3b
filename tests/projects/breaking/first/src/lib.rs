#[test]
fn waits_for_the_build_to_fail() {
    // A named pipe of the host, which somebody writes to when the build has failed.
    assert_eq!(std::fs::read_to_string("/pipes/test").unwrap(), "go on\n");
}

#[test]
fn would_run_next() {}
