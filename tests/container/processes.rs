//! Processes: a job sees only its own, and ends with the status of its program.

use crate::fixture::raw;
use crate::fixture::{Refused, Slot, bind, eventually, in_containers_as_any_user, inside, ready};
use maelstrom::container::MountKind;
use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs;
use std::time::Duration;

fn visible() -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

#[test]
fn a_job_sees_no_process_but_its_own_and_init() {
    in_containers_as_any_user(|| {
        let own = std::process::id().cast_signed();
        let expected = if own == 1 { vec![1] } else { vec![1, own] };
        assert_eq!(visible(), expected);
        let parent = nix::unistd::getppid().as_raw();
        assert_eq!(parent, i32::from(own != 1));
    });
}

#[test]
fn a_job_cannot_signal_processes_of_the_host() {
    inside("job", || {
        for variable in ["TEST", "STARTER", "LAUNCHER"] {
            let pid = std::env::var(variable).unwrap().parse().unwrap();
            // Low process ids may also exist in the job.
            if !visible().contains(&pid) {
                assert_eq!(
                    kill(Pid::from_raw(pid), None),
                    Err(Errno::ESRCH),
                    "{variable}"
                );
            }
        }
        // -1 means all processes that this process may signal, except itself.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
    });
    let mut slot = Slot::start();
    let before: Vec<i32> = slot.processes().ids().collect();
    for user in [1000, 0] {
        let job = slot.job("job").user(user).tell("TEST", std::process::id());
        job.tell("STARTER", before[0])
            .tell("LAUNCHER", before[1])
            .run()
            .succeeds();
    }
    let after: Vec<i32> = slot.processes().ids().collect();
    assert_eq!(after[..2], before[..2]);
}

#[test]
fn init_cannot_be_traced_or_inspected() {
    inside("job", || {
        assert_ne!(std::process::id(), 1);
        for file in [
            "environ", "mem", "maps", "auxv", "fd/0", "syscall", "stack", "pagemap",
        ] {
            fs::File::open(format!("/proc/1/{file}"))
                .must_be_refused(&format!("open {file} of init"));
        }
        for link in ["cwd", "root", "exe"] {
            fs::read_link(format!("/proc/1/{link}"))
                .must_be_refused(&format!("follow init's {link}"));
        }
        fs::read_dir("/proc/1/fd").must_be_refused("list init's descriptors");
        raw::trace(1).must_be_refused("trace init");
        raw::read_memory(1, 0x1000).must_be_refused("read init's memory");
        for number in 0..20 {
            raw::take_descriptor(1, number).must_be_refused("take init's descriptor");
        }
    });
    let mut slot = Slot::start();
    for user in [1000, 0] {
        slot.job("job").user(user).run().succeeds();
    }
}

#[test]
fn init_cannot_be_killed_by_its_job() {
    inside("job", || {
        for signal in Signal::iterator() {
            let _ = kill(Pid::from_raw(1), signal);
        }
        kill(Pid::from_raw(1), None).expect("init is there");
    });
    let mut slot = Slot::start();
    for user in [1000, 0] {
        slot.job("job").user(user).run().succeeds();
    }
}

#[test]
fn an_exit_code_is_reported_with_and_without_an_init() {
    inside("job", || std::process::exit(42));
    let mut slot = Slot::start();
    for init in [true, false] {
        let status = slot.job("job").init(init).run().ended().wait_status;
        assert!(libc::WIFEXITED(status));
        assert_eq!(libc::WEXITSTATUS(status), 42);
    }
}

#[test]
fn a_program_that_aborts_under_an_init_ends_by_sigabrt() {
    inside("job", || std::process::abort());
    let ran = Slot::start().job("job").run();
    assert_eq!(ran.signal(), libc::SIGABRT);
}

#[test]
fn a_program_that_is_pid_1_ends_by_another_signal_when_it_aborts() {
    // The kernel does not deliver signals without a handler to pid 1, not even SIGABRT, so
    // that abort(3) continues and executes an invalid instruction.
    inside("job", || std::process::abort());
    let signal = Slot::start().job("job").init(false).run().signal();
    assert!(
        [libc::SIGSEGV, libc::SIGILL, libc::SIGTRAP].contains(&signal),
        "{signal}"
    );
}

#[test]
fn init_reaps_orphaned_processes() {
    inside("job", || {
        for _ in 0..20 {
            // A child that ends before its own child.
            match raw::fork().unwrap() {
                0 => {
                    let _ = raw::fork();
                    raw::exit_now(0);
                }
                child => {
                    nix::sys::wait::waitpid(Pid::from_raw(child), None).unwrap();
                }
            }
        }
        eventually("every orphan is reaped", || visible().len() == 2);
    });
    Slot::start().job("job").run().succeeds();
}

#[test]
fn a_job_that_takes_too_long_is_killed_and_its_output_is_kept() {
    inside("job", || {
        for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP, libc::SIGQUIT] {
            raw::ignore(signal);
        }
        print!("half a line");
        std::io::Write::flush(&mut std::io::stdout()).unwrap();
        eprintln!("and an error");
        crate::fixture::until_killed();
    });
    let mut slot = Slot::start();
    for init in [true, false] {
        let ran = slot
            .job("job")
            .init(init)
            .timeout(Duration::from_millis(300))
            .run();
        let ended = ran.ended();
        assert!(ended.timed_out);
        assert!(
            ended.duration >= Duration::from_millis(300),
            "{:?}",
            ended.duration
        );
        assert_eq!(ran.signal(), libc::SIGKILL);
        assert!(ran.stdout.ends_with("half a line"), "{:?}", ran.stdout);
        assert_eq!(ran.stderr, "and an error\n");
    }
}

#[test]
fn a_job_within_its_time_has_not_timed_out() {
    inside("job", || {});
    let ran = Slot::start()
        .job("job")
        .timeout(Duration::from_secs(3600))
        .run();
    ran.succeeds();
    assert!(!ran.ended().timed_out);
}

#[test]
fn the_resources_that_a_job_used_are_reported() {
    inside("job", || {
        let memory = vec![1u8; 32 << 20];
        assert_eq!(
            std::hint::black_box(memory)
                .iter()
                .map(|byte| u32::from(*byte))
                .sum::<u32>(),
            32 << 20
        );
    });
    let ran = Slot::start().job("job").run();
    ran.succeeds();
    let usage = ran.ended().usage;
    assert!(usage.max_resident > 32 << 20, "{usage:?}");
    assert!(usage.user + usage.system > Duration::ZERO, "{usage:?}");
}

#[test]
fn signals_of_a_terminal_do_not_end_a_launcher() {
    inside("job", || {
        ready();
        eventually("the signals are sent", || fs::exists("/work/sent").unwrap());
    });
    let host = tempfile::tempdir().unwrap();
    let mut slot = Slot::with_binds(&[bind(host.path(), true)]);
    let job = slot.job("job").mount(MountKind::Bind(0), "/work");
    let ran = job.run_while(|processes| {
        // Only the starter and the launcher: a job may handle signals as it likes.
        for pid in processes.ids().take(2) {
            for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
                kill(Pid::from_raw(pid), signal).expect("they are ours");
            }
        }
        fs::write(host.path().join("sent"), "").unwrap();
    });
    ran.succeeds();
    let job = slot.job("job").mount(MountKind::Bind(0), "/work");
    job.run().succeeds();
}
