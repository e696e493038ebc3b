//! Tests that behave badly, each to be run by its name.

#[cfg(test)]
mod tests {
    use std::ffi::{CStr, c_char, c_int, c_void};
    use std::fs;
    use std::io::Write;
    use std::net::TcpListener;
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener};
    use std::thread::sleep;
    use std::time::Duration;

    unsafe extern "C" {
        fn fork() -> c_int;
        fn setsid() -> c_int;
        fn pause() -> c_int;
        fn signal(number: c_int, handler: usize) -> usize;
        fn _exit(code: c_int) -> !;
        fn shmget(key: c_int, size: usize, flags: c_int) -> c_int;
        fn semget(key: c_int, count: c_int, flags: c_int) -> c_int;
        fn msgget(key: c_int, flags: c_int) -> c_int;
        fn mq_open(name: *const c_char, flags: c_int, mode: c_int, attributes: *const c_void) -> c_int;
    }

    const CREATE: c_int = 0o1000;
    const KEY: c_int = 0x6d61_656c;
    const QUEUE: &CStr = c"/maelstrom-unruly";

    fn ignore_signals() {
        for number in [1, 2, 3, 15] {
            unsafe { signal(number, 1) };
        }
    }

    fn wait_for_ever() -> ! {
        loop {
            unsafe { pause() };
        }
    }

    #[test]
    fn passes() {}

    #[test]
    fn also_passes() {}

    #[test]
    fn waits() {
        wait_for_ever();
    }

    #[test]
    fn waits_and_ignores_signals() {
        ignore_signals();
        wait_for_ever();
    }

    #[test]
    fn leaves_daemons() {
        for _ in 0..10 {
            unsafe {
                if fork() == 0 {
                    setsid();
                    if fork() == 0 {
                        ignore_signals();
                        wait_for_ever();
                    }
                    _exit(0);
                }
            }
        }
    }

    #[test]
    fn leaves_shared_things() {
        unsafe {
            assert!(shmget(KEY, 4096, CREATE | 0o600) >= 0);
            assert!(semget(KEY, 1, CREATE | 0o600) >= 0);
            assert!(msgget(KEY, CREATE | 0o600) >= 0);
            assert!(mq_open(QUEUE.as_ptr(), 0o100 | 2, 0o600, std::ptr::null()) >= 0);
        }
        fs::write("/dev/shm/maelstrom-unruly", "left").unwrap();
        fs::write("/tmp/maelstrom-unruly", "left").unwrap();
        let name = SocketAddr::from_abstract_name("maelstrom-unruly").unwrap();
        let sockets = (UnixListener::bind_addr(&name).unwrap(), TcpListener::bind("127.0.0.1:47815").unwrap());
        // Somebody who stays holds on to them.
        unsafe {
            if fork() == 0 {
                ignore_signals();
                wait_for_ever();
            }
        }
        drop(sockets);
    }

    #[test]
    fn makes_shared_things_anew() {
        const EXCLUSIVE: c_int = 0o2000;
        unsafe {
            assert!(shmget(KEY, 4096, CREATE | EXCLUSIVE | 0o600) >= 0);
            assert!(semget(KEY, 1, CREATE | EXCLUSIVE | 0o600) >= 0);
            assert!(msgget(KEY, CREATE | EXCLUSIVE | 0o600) >= 0);
            assert!(mq_open(QUEUE.as_ptr(), 0o100 | 0o200 | 2, 0o600, std::ptr::null()) >= 0);
        }
        assert!(!fs::exists("/dev/shm/maelstrom-unruly").unwrap());
        assert!(!fs::exists("/tmp/maelstrom-unruly").unwrap());
        let name = SocketAddr::from_abstract_name("maelstrom-unruly").unwrap();
        UnixListener::bind_addr(&name).unwrap();
        TcpListener::bind("127.0.0.1:47815").unwrap();
    }

    #[test]
    fn bombs_with_forks() {
        ignore_signals();
        loop {
            unsafe { fork() };
        }
    }

    #[test]
    fn prints_a_gibibyte() {
        print_bytes(1 << 30);
    }

    #[test]
    fn prints_for_ever() {
        print_bytes(usize::MAX);
    }

    fn print_bytes(count: usize) {
        let chunk = [b'x'; 64 * 1024];
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(b"the first line\n").unwrap();
        for _ in 0..count / chunk.len() {
            stdout.write_all(&chunk).unwrap();
        }
        stdout.write_all(b"\nthe last line\n").unwrap();
    }

    #[test]
    fn opens_its_stdout_by_name() {
        let mut stdout = fs::File::options().write(true).open("/dev/stdout").unwrap();
        stdout.write_all(b"by name\n").unwrap();
    }

    #[test]
    fn has_many_writers() {
        let writers: Vec<_> = (0..64)
            .map(|number| {
                std::thread::spawn(move || {
                    for line in 0..200 {
                        println!("writer {number} line {line}");
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
    }

    #[test]
    fn fills_the_scratch_space() {
        let mut file = fs::File::create("/tmp/filler").unwrap();
        let chunk = vec![1; 1 << 20];
        loop {
            file.write_all(&chunk).unwrap();
        }
    }

    #[test]
    fn takes_a_moment() {
        sleep(Duration::from_millis(100));
    }
}
