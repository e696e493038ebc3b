//! Tests that end in each way a test can end.

#[test]
fn passes() {
    println!("all is well");
}

#[test]
#[ignore]
fn is_ignored() {}

#[test]
#[should_panic]
fn panics_as_it_should() {
    panic!("as it should");
}

#[test]
#[should_panic]
fn should_panic_but_does_not() {}

#[test]
fn panics() {
    assert_eq!(1 + 1, 3, "sums are hard");
}

#[test]
fn panics_on_another_thread_that_nobody_joins() {
    let thread = std::thread::spawn(|| panic!("nobody minds"));
    while !thread.is_finished() {
        std::thread::yield_now();
    }
}

#[test]
fn returns_an_error() -> Result<(), String> {
    Err("not today".to_owned())
}

#[test]
fn exits_with_7() {
    eprintln!("leaving");
    std::process::exit(7);
}

#[test]
fn aborts() {
    std::process::abort();
}

#[test]
fn overflows_its_stack() {
    fn deeper(n: u64) -> u64 {
        if std::hint::black_box(n) == 0 { 0 } else { deeper(n - 1) + std::hint::black_box(1) }
    }
    deeper(u64::MAX);
}

#[test]
fn segfaults() {
    extern "C" {
        fn raise(signal: i32) -> i32;
        fn signal(signal: i32, handler: usize) -> usize;
    }
    // Without the handler that Rust installs for stack overflows.
    unsafe {
        signal(11, 0);
        raise(11);
    }
}

#[test]
fn hangs() {
    println!("going to hang");
    loop {
        std::thread::park();
    }
}
