//! Limits of the memory and the processes of jobs, as resource limits and in control groups.

use crate::fixture::{Client, Ran, Slot, inside, raw, ready, skip, until_killed};
use maelstrom::container::{ControlGroups, JobLimits, LimitEvents};
use nix::libc;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::collections::TryReserveError;
use std::fs;
use std::path::Path;

const MIB: u64 = 1 << 20;

/// Maps memory without using it. Fails if the kernel refuses.
fn reserve(bytes: u64) -> Result<(), TryReserveError> {
    std::hint::black_box(Vec::<u8>::new()).try_reserve_exact(bytes as usize)
}

/// Uses memory.
fn fill(bytes: u64) {
    std::hint::black_box(vec![1_u8; bytes as usize]);
}

/// Starts this many processes that do not end. Fails if the kernel refuses one.
fn fork_all(count: u32) -> std::io::Result<()> {
    for _ in 0..count {
        if raw::fork()? == 0 {
            loop {
                nix::unistd::pause();
            }
        }
    }
    Ok(())
}

/// The processes and threads of the job, with this one and without its init.
fn own_tasks() -> u32 {
    let mut count = 0;
    for entry in fs::read_dir("/proc").unwrap() {
        let path = entry.unwrap().path();
        let is_init = fs::read_to_string(path.join("comm")).is_ok_and(|name| name == "init\n");
        if let (false, Ok(tasks)) = (is_init, fs::read_dir(path.join("task"))) {
            // A process, since `/proc/self` and `/proc/thread-self` are links.
            if path
                .file_name()
                .is_some_and(|n| n.as_encoded_bytes()[0].is_ascii_digit())
            {
                count += tasks.count() as u32;
            }
        }
    }
    count
}

/// The numbers of the processes of each kind of user, under an init and without one.
const KINDS: [(u32, bool); 4] = [(1000, true), (1000, false), (0, true), (0, false)];

#[test]
fn a_resource_limit_of_memory_is_for_the_address_space() {
    inside("free", || reserve(600 * MIB).unwrap());
    inside("less", || reserve(128 * MIB).unwrap());
    inside("more", || {
        reserve(512 * MIB).unwrap_err();
        // The limit cannot be raised.
        setrlimit(Resource::RLIMIT_AS, 1024 * MIB, 1024 * MIB).unwrap_err();
    });
    let mut slot = Slot::start();
    for (user, init) in KINDS {
        for role in ["less", "more"] {
            let job = slot.job(role).user(user).init(init);
            job.limits(Some(512 * MIB), None).run().succeeds();
        }
    }
    // The next job without a limit has none.
    slot.job("free").run().succeeds();
}

#[test]
fn a_program_that_does_not_fit_its_limit_is_a_failed_job_and_the_next_one_runs() {
    inside("job", || {});
    let mut slot = Slot::start();
    for init in [true, false] {
        let ran = slot.job("job").init(init).limits(Some(4096), None).run();
        ran.signal();
        let job = slot.job("job").init(init).program("/no/such/program");
        let ran = job.limits(Some(4096), None).run();
        assert_eq!(ran.not_started().errno, libc::ENOENT);
        slot.job("job").init(init).run().succeeds();
    }
}

#[test]
fn a_resource_limit_of_processes_counts_those_of_the_job() {
    inside("many", || {
        let (soft, hard) = getrlimit(Resource::RLIMIT_NPROC).unwrap();
        assert_eq!((soft, hard), (6001, 6001));
    });
    inside("job", || {
        let left = 20 - own_tasks();
        fork_all(left).unwrap();
        let error = fork_all(1).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
    });
    let mut slot = Slot::start();
    let mut other = Slot::start();
    for (user, init) in KINDS {
        let job = slot.job("job").user(user).init(init);
        job.limits(None, Some(20)).run().succeeds();
        // The processes of another job do not count.
        let job = other.job("job").user(user).init(init);
        job.limits(None, Some(20)).run().succeeds();
    }
    // A limit above that of all jobs.
    slot.job("many").limits(None, Some(6000)).run().succeeds();
}

/// The groups of this run below a base.
fn groups_below(base: &Path) -> Vec<String> {
    let entries = fs::read_dir(base).unwrap().map(Result::unwrap);
    let names = entries.map(|entry| entry.file_name().into_string().unwrap());
    names
        .filter(|name| name.starts_with("maelstrom-"))
        .collect()
}

#[test]
fn control_groups_limit_all_processes_of_a_job_together() {
    inside("fill", || fill(40 * MIB));
    inside("fill together", || {
        // Each process is below the limit.
        for _ in 0..4 {
            if raw::fork().unwrap() == 0 {
                fill(40 * MIB);
                loop {
                    nix::unistd::pause();
                }
            }
        }
        loop {
            nix::unistd::pause();
        }
    });
    inside("reserve", || reserve(600 * MIB).unwrap());
    inside("fork", || {
        fork_all(20 - own_tasks()).unwrap();
        let error = fork_all(1).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EAGAIN));
    });
    inside("killed client", || {
        let groups = ControlGroups::set_up();
        let _group = groups
            .as_ref()
            .ok()
            .map(|groups| groups.create(&JobLimits::default()));
        ready();
        until_killed();
    });
    inside("client", || {
        let groups = match ControlGroups::set_up() {
            Ok(groups) => groups,
            Err(reason) => {
                println!("there are no control groups: {reason}");
                return;
            }
        };
        // The groups of the client that was killed are removed.
        let base = groups.base().to_owned();
        assert_eq!(groups_below(&base).len(), 1);
        let mut slot = Slot::start();
        let nothing = LimitEvents::default();
        let killed = |(ran, events): (Ran, LimitEvents)| {
            assert_eq!(ran.signal(), libc::SIGKILL, "{ran:?}");
            assert!(events.out_of_memory && !events.process_refused);
        };
        for (user, init) in KINDS {
            let mut job = |role, memory, processes| {
                let job = slot.job(role).user(user).init(init);
                job.limits(memory, processes).run_in(&groups)
            };
            let limit = Some(100 * MIB);
            for role in ["fill", "reserve"] {
                let (ran, events) = job(role, limit, Some(100));
                ran.succeeds();
                assert_eq!(events, nothing);
            }
            killed(job("fill", Some(20 * MIB), None));
            killed(job("fill together", limit, None));
            let (ran, events) = job("fork", None, Some(20));
            ran.succeeds();
            assert!(events.process_refused && !events.out_of_memory);
        }
        assert_eq!(groups_below(&base).len(), 1);
        let run = base.join(&groups_below(&base)[0]);
        let jobs = fs::read_dir(&run).unwrap().map(Result::unwrap);
        let mut names = jobs.map(|entry| entry.file_name().into_string().unwrap());
        assert_eq!(names.find(|name| name.parse::<u32>().is_ok()), None);
        drop(slot);
        drop(groups);
        assert_eq!(groups_below(&base), [""; 0]);
        println!("limits were held");
    });
    let mut killed = Client::start("killed client", |_| {});
    killed.until_ready();
    killed.kill();
    let said = Client::start("client", |_| {}).succeeds();
    if !said.contains("limits were held") {
        let mut lines = said.lines();
        let reason = lines.find_map(|line| line.strip_prefix("there are no control groups: "));
        skip(&format!(
            "needs control groups: {}",
            reason.expect("it says so")
        ));
    }
}
