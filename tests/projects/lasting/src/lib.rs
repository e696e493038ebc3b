//! Tests that last long, and tests whose processes outlive them.

#[cfg(test)]
mod tests {
    use std::ffi::{c_int, c_void};
    use std::process::{Command, Stdio};

    unsafe extern "C" {
        fn signal(number: c_int, handler: usize) -> usize;
        fn write(file: c_int, bytes: *const c_void, count: usize) -> isize;
        fn pause() -> c_int;
        fn _exit(code: c_int) -> !;
    }

    const SIGTERM: c_int = 15;
    const IGNORE: usize = 1;

    fn wait_for_ever() -> ! {
        loop {
            unsafe { pause() };
        }
    }

    extern "C" fn end(_: c_int) {
        let text = b"asked to end\n";
        unsafe {
            write(1, text.as_ptr().cast(), text.len());
            _exit(0);
        }
    }

    #[test]
    fn quick() {}

    #[test]
    fn hangs() {
        println!("going to hang");
        wait_for_ever();
    }

    #[test]
    fn ends_when_asked_to() {
        unsafe { signal(SIGTERM, end as *const () as usize) };
        wait_for_ever();
    }

    #[test]
    fn does_not_end_when_asked_to() {
        unsafe { signal(SIGTERM, IGNORE) };
        wait_for_ever();
    }

    fn leave(script: &str) {
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).stdin(Stdio::null());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        shell.spawn().unwrap();
    }

    #[test]
    fn leaves_a_process() {
        leave("sleep 1000");
    }

    #[test]
    fn leaves_a_process_that_ends() {
        leave("sleep 0.05");
    }

    #[test]
    fn fails_and_leaves_a_process() {
        leave("sleep 1000");
        panic!();
    }
}
