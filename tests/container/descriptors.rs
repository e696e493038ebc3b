//! File descriptors: a job has the three standard ones, and none of the client's.

use crate::fixture::{Slot, in_containers_as_any_user, inside, raw};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;

/// The numbers of the descriptors that this process was started with.
fn open_descriptors() -> Vec<i32> {
    let listed = fs::read_dir("/proc/self/fd").unwrap();
    let numbers: Vec<i32> = listed
        .map(|entry| {
            entry
                .unwrap()
                .file_name()
                .to_str()
                .unwrap()
                .parse()
                .unwrap()
        })
        .collect();
    // One descriptor was for reading the directory.
    let still_open = |number: &i32| fs::read_link(format!("/proc/self/fd/{number}")).is_ok();
    let mut open: Vec<i32> = numbers.into_iter().filter(still_open).collect();
    open.sort_unstable();
    open
}

#[test]
fn no_descriptor_but_the_standard_ones_is_inherited() {
    inside("job", || assert_eq!(open_descriptors(), [0, 1, 2]));
    let secret = File::open("/proc/self/status").unwrap();
    let _leaked = raw::leak_descriptors(secret.as_fd(), 50).unwrap();
    let mut slot = Slot::start();
    let _later = raw::leak_descriptors(secret.as_fd(), 50).unwrap();
    for (user, init) in [(1000, true), (1000, false), (0, true), (0, false)] {
        slot.job("job").user(user).init(init).run().succeeds();
    }
}

#[test]
fn stdin_is_dev_null() {
    in_containers_as_any_user(|| {
        let null = fs::metadata("/dev/null").unwrap();
        let stdin = fs::metadata("/proc/self/fd/0").unwrap();
        assert_eq!((stdin.rdev(), stdin.mode()), (null.rdev(), null.mode()));
        assert_eq!(std::io::stdin().read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_job_cannot_open_the_terminal_of_the_client() {
    in_containers_as_any_user(|| {
        File::open("/dev/tty").expect_err("a job can open a terminal");
        for number in 0..3 {
            let file = fs::read_link(format!("/proc/self/fd/{number}")).unwrap();
            assert!(!file.starts_with("/dev/pts"), "{}", file.display());
        }
    });
}

#[test]
fn output_is_reported_on_the_stream_that_it_was_written_to() {
    inside("job", || {
        println!("to stdout");
        eprintln!("to stderr");
    });
    let ran = Slot::start().job("job").run();
    ran.succeeds();
    assert!(ran.stdout.contains("to stdout") && !ran.stdout.contains("to stderr"));
    assert_eq!(ran.stderr, "to stderr\n");
}
