//! Prints a line. With an argument, waits for SIGTERM then.

use std::io::Write;
use std::thread;
use std::time::Duration;

extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
}

/// Functions that run at exit write the profile.
extern "C" fn end(_: i32) {
    code::by_program_left_behind();
    std::process::exit(0);
}

fn main() {
    if std::env::args().count() > 1 {
        // SAFETY: nothing else happens when the signal comes.
        unsafe { signal(15, end) };
    }
    println!("{}", code::by_program());
    std::io::stdout().flush().unwrap();
    while std::env::args().count() > 1 {
        thread::sleep(Duration::from_secs(1));
    }
}
