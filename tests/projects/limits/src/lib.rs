//! Tests that need much memory, or many processes.

#[cfg(test)]
mod tests {
    use std::ffi::c_int;
    use std::io::Error;

    unsafe extern "C" {
        fn fork() -> c_int;
        fn kill(process: c_int, signal: c_int) -> c_int;
        fn pause() -> c_int;
        fn waitpid(process: c_int, status: *mut c_int, options: c_int) -> c_int;
    }

    const SIGKILL: c_int = 9;

    #[test]
    fn is_small() {}

    #[test]
    fn uses_200_mebibytes() {
        let filled = std::hint::black_box(vec![1_u8; 200 << 20]);
        assert_eq!(filled.len(), 200 << 20);
    }

    #[test]
    fn starts_30_processes() {
        let mut started = Vec::new();
        let mut refused = None;
        for _ in 0..30 {
            match unsafe { fork() } {
                -1 => refused = refused.or(Some(Error::last_os_error())),
                0 => loop {
                    unsafe { pause() };
                },
                process => started.push(process),
            }
        }
        for process in started {
            unsafe {
                kill(process, SIGKILL);
                waitpid(process, std::ptr::null_mut(), 0);
            }
        }
        if let Some(error) = refused {
            panic!("fork failed: {error}");
        }
    }
}
