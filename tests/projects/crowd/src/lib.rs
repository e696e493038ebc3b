//! Many small tests, and a few that leave something running or take a while.

#[cfg(test)]
mod tests {
    use std::thread::sleep;
    use std::time::Duration;

    unsafe extern "C" {
        fn fork() -> i32;
        fn setsid() -> i32;
        fn pause() -> i32;
        fn signal(number: i32, handler: usize) -> usize;
        fn _exit(code: i32) -> !;
    }

    const IGNORE: usize = 1;

    macro_rules! quick {
        ($($name:ident)*) => {
            $(#[test] fn $name() {})*
        };
    }

    quick! {
        quick_00 quick_01 quick_02 quick_03 quick_04 quick_05 quick_06 quick_07 quick_08 quick_09
        quick_10 quick_11 quick_12 quick_13 quick_14 quick_15 quick_16 quick_17 quick_18 quick_19
    }

    fn ignore_signals() {
        for number in [1, 2, 3, 15] {
            unsafe { signal(number, IGNORE) };
        }
    }

    #[test]
    fn leaves_a_daemon() {
        unsafe {
            if fork() == 0 {
                setsid();
                if fork() == 0 {
                    ignore_signals();
                    loop {
                        pause();
                    }
                }
                _exit(0);
            }
        }
        sleep(Duration::from_millis(50));
    }

    #[test]
    fn ignores_signals() {
        ignore_signals();
        sleep(Duration::from_millis(100));
    }

    #[test]
    fn prints_much() {
        for _ in 0..1024 {
            println!("{}", "x".repeat(1023));
        }
    }

    #[test]
    fn writes_much() {
        std::fs::write("/tmp/much", vec![0; 1 << 20]).unwrap();
    }

    // By its name the last, by its length the first.
    #[test]
    fn z_takes_longest() {
        sleep(Duration::from_millis(250));
    }
}
