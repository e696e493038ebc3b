//! Tests of the C library that the test binary runs with.

use std::ffi::{c_char, c_int, c_long, CStr};
use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::process::Command;

/// The C library's `struct tm`.
#[repr(C)]
#[derive(Default)]
struct Time {
    seconds: c_int,
    minutes: c_int,
    hours: c_int,
    others: [c_int; 6],
    offset: c_long,
    zone: usize,
}

extern "C" {
    fn gnu_get_libc_version() -> *const c_char;
    fn localtime_r(seconds: *const c_long, time: *mut Time) -> *mut Time;
    fn tzset();
}

#[test]
fn it_is_that_of_the_distribution() {
    let version = unsafe { CStr::from_ptr(gnu_get_libc_version()) };
    let output = Command::new("ldd").arg("--version").output().unwrap();
    let told = String::from_utf8(output.stdout).unwrap();
    let first = told.lines().next().unwrap();
    assert_eq!(first.rsplit(' ').next(), version.to_str().ok(), "{told}");
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let libc = maps.lines().find(|line| line.ends_with("/libc.so.6"));
    println!("{}", libc.unwrap().rsplit(' ').next().unwrap());
}

#[test]
fn it_knows_the_local_time() {
    std::env::set_var("TZ", "XYZ5");
    let mut time = Time::default();
    unsafe {
        tzset();
        assert!(!localtime_r(&0, &mut time).is_null());
    }
    assert_eq!((time.hours, time.minutes, time.offset), (19, 0, -5 * 3600));
}

#[test]
fn it_finds_localhost() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let addresses: Vec<_> = ("localhost", port).to_socket_addrs().unwrap().collect();
    assert!(
        addresses.iter().any(|address| address.ip().is_loopback()),
        "{addresses:?}"
    );
    TcpStream::connect(("127.0.0.1", port)).unwrap();
}
