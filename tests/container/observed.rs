//! Observed jobs: their programs notice nothing, and the facts are those of the job alone.

use crate::fixture::pool::{Pool, succeeded};
use crate::fixture::{Slot, alone, eventually, inside, raw, until_killed};
use maelstrom::container::Step;
use maelstrom::executor::{Outcome, Status};
use maelstrom::observe::{Facts, FileFact, Found, Incomplete, SocketCall, Void};
use maelstrom::spec::{BindAccess, Mount};
use nix::libc;
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, UdpSocket};
use std::os::fd::AsFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Runs the role `job` observed, which must succeed.
#[track_caller]
fn observe() -> Facts {
    let pool = Pool::new(1);
    let (outcome, facts) = pool.observe(&pool.job("job", "job"));
    succeeded(&outcome);
    assert_eq!(facts.void, None);
    facts
}

#[track_caller]
fn fact<'a>(facts: &'a Facts, path: &str) -> &'a FileFact {
    let found = facts.files.iter().find(|fact| fact.path == Path::new(path));
    found.unwrap_or_else(|| panic!("{path} is not in {facts:#?}"))
}

/// The paths of the facts below a directory that only this test asks for.
fn below(facts: &Facts, directory: &str) -> Vec<String> {
    let files = facts.files.iter();
    let below = files.filter(|fact| fact.path.starts_with(directory));
    below
        .map(|fact| fact.path.to_str().unwrap().to_owned())
        .collect()
}

fn is_void(outcome: &Outcome) {
    assert!(matches!(outcome.status, Status::Error(_)), "{outcome:?}");
}

/// Runs a function in a child with one thread, and waits for its end.
fn in_a_child(run: impl FnOnce()) {
    let child = raw::fork().unwrap();
    if child == 0 {
        run();
        raw::exit_now(0);
    }
    waitpid(Pid::from_raw(child), None).unwrap();
}

#[test]
fn files_programs_and_addresses_of_a_job_are_facts() {
    inside("job", || {
        fs::read("/etc/hosts").unwrap();
        fs::read_dir("/test").unwrap();
        fs::write("/tmp/new", "x").unwrap();
        fs::write("/observed-new", "x").unwrap();
        fs::read_to_string("/observed-new").unwrap();
        assert!(!Path::new("/observed/looked-at").exists());
        File::open("/observed/opened").unwrap_err();
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.send_to(b"x", "192.0.2.1:9").unwrap_err();
        TcpListener::bind("192.0.2.2:80").unwrap_err();
        let _ = Command::new("observed-program").spawn().unwrap_err();
    });
    let facts = observe();
    let program = fact(&facts, "/test/isolation");
    assert!(program.uses.executed && program.found == Found::Container);
    let hosts = fact(&facts, "/etc/hosts");
    assert!(hosts.uses.opened && hosts.found == Found::Container);
    let directory = fact(&facts, "/test");
    assert!(directory.uses.listed && !directory.uses.opened);
    let new = fact(&facts, "/tmp/new");
    assert!(new.uses.written && new.found == Found::Mount && !new.is_refused);
    let new = fact(&facts, "/observed-new");
    assert!(new.uses.written && new.uses.opened && !new.is_refused);
    let looked_at = fact(&facts, "/observed/looked-at");
    assert!(looked_at.uses.looked_at && !looked_at.uses.opened);
    assert_eq!(looked_at.found, Found::Nowhere);
    assert!(fact(&facts, "/observed/opened").uses.opened);
    let tried = facts.files.iter().filter(|fact| {
        let name = fact.path.file_name();
        name == Some("observed-program".as_ref()) && fact.uses.executed
    });
    assert!(tried.count() > 0, "{facts:#?}");
    let addresses: Vec<_> = (facts.addresses.iter())
        .map(|used| (used.call, used.address.to_string()))
        .collect();
    let expected = [
        (SocketCall::Bind, "192.0.2.2:80".to_owned()),
        (SocketCall::Send, "192.0.2.1:9".to_owned()),
    ];
    assert_eq!(addresses, expected);
    assert_eq!(facts.incomplete, BTreeSet::new());
}

#[test]
fn files_of_the_machine_are_told_from_files_of_the_container() {
    inside("job", || {
        let path = fs::read_to_string("/work/path").unwrap();
        File::open(path).unwrap_err();
        // A file that only the container has.
        File::open("/test/isolation").unwrap();
    });
    let pool = Pool::new(1);
    let machine = tempfile::NamedTempFile::with_prefix_in("observed", "/var/tmp").unwrap();
    let path = machine.path().to_str().unwrap();
    pool.share("path", path);
    let (outcome, facts) = pool.observe(&pool.job("job", "job"));
    succeeded(&outcome);
    assert_eq!(fact(&facts, path).found, Found::Machine);
    assert_eq!(fact(&facts, "/test/isolation").found, Found::Container);
}

#[test]
fn a_job_without_an_init_is_observed_as_any_user() {
    inside("job", || {
        File::open("/observed/opened").unwrap_err();
    });
    for user in [1000, 0] {
        for init in [true, false] {
            let pool = Pool::new(1);
            let mut job = pool.job("job", "job");
            let container = std::sync::Arc::make_mut(&mut job.container);
            (container.user, container.group, container.init) = (user, user, init);
            let (outcome, facts) = pool.observe(&job);
            println!("uid {user}, init {init}");
            succeeded(&outcome);
            assert_eq!(facts.incomplete, BTreeSet::new());
            assert!(fact(&facts, "/test/isolation").uses.executed);
            fact(&facts, "/observed/opened");
        }
    }
}

#[test]
fn a_program_that_path_is_searched_for_is_a_fact() {
    inside("job", || ());
    let pool = Pool::new(1);
    let mut job = pool.job("job", "job");
    job.program = "isolation".into();
    let container = std::sync::Arc::make_mut(&mut job.container);
    (container.environment).insert("PATH".to_owned(), "/nowhere:/test".to_owned());
    let (outcome, facts) = pool.observe(&job);
    succeeded(&outcome);
    for (path, found) in [
        ("/nowhere/isolation", Found::Nowhere),
        ("/test/isolation", Found::Container),
    ] {
        let fact = fact(&facts, path);
        assert!(fact.uses.executed && fact.found == found, "{fact:?}");
    }
}

#[test]
fn a_job_that_is_not_started_has_no_facts() {
    inside("job", || ());
    let pool = Pool::new(1);
    let mut job = pool.job("job", "job");
    Arc::make_mut(&mut job.container).working_directory = "/no/such".into();
    let (outcome, facts) = pool.try_to_observe(&job);
    let step = not_started(&outcome);
    assert!(
        matches!(step, Step::EnterWorkingDirectory { .. }),
        "{step:?}"
    );
    assert_eq!(facts, None);

    let pool = Pool::new(1);
    let mut job = pool.job("job", "job");
    let missing = Mount::Bind {
        mount_point: "/work".into(),
        local_path: "/no/such".into(),
        access: BindAccess::ReadOnly,
        identity: None,
    };
    Arc::make_mut(&mut job.container).mounts.push(missing);
    let (outcome, facts) = pool.try_to_observe(&job);
    let Status::Error(error) = &outcome.status else {
        panic!("{outcome:?}");
    };
    assert!(error.contains("/no/such"), "{error}");
    assert_eq!(facts, None);
}

#[test]
fn a_program_that_cannot_be_executed_is_a_fact() {
    inside("job", || ());
    let pool = Pool::new(1);
    let mut job = pool.job("job", "job");
    job.program = "/observed/program".into();
    let (outcome, facts) = pool.observe(&job);
    let step = not_started(&outcome);
    assert!(matches!(step, Step::Execute { .. }), "{step:?}");
    assert_eq!(fact(&facts, "/observed/program").found, Found::Nowhere);
}

fn not_started(outcome: &Outcome) -> &Step {
    match &outcome.status {
        Status::NotStarted(error) => &error.step,
        _ => panic!("{outcome:?}"),
    }
}

/// Opens a file without a second attempt if a signal interrupts the call.
fn open_once(path: &str) -> nix::Result<()> {
    let (flags, mode) = (nix::fcntl::OFlag::O_RDONLY, nix::sys::stat::Mode::empty());
    nix::fcntl::open(path, flags, mode).map(drop)
}

#[test]
fn a_job_with_many_signals_is_observed() {
    inside("job", || {
        for restart in [true, false] {
            // The kernel could give the signals to another thread.
            alone(|| {
                raw::interrupt_every(100, restart);
                let mut opened = 0;
                while raw::INTERRUPTS.load(Ordering::Relaxed) < 300 {
                    match open_once("/etc/hosts") {
                        Ok(()) => opened += 1,
                        // A signal that comes before the observer has received the call
                        // interrupts it.
                        Err(nix::Error::EINTR) if !restart => {}
                        Err(error) => panic!("{error}"),
                    }
                }
                assert!(opened >= 100, "{opened}");
            });
        }
    });
    observe();
}

#[test]
fn signals_do_not_interrupt_calls_that_wait_for_the_observer() {
    const OPENED: usize = 20;
    inside("job", || {
        for restart in [true, false] {
            alone(|| {
                raw::interrupt_every(1000, restart);
                for _ in 0..OPENED {
                    // A signal that comes before the observer has received the call interrupts it.
                    let mut opened = open_once("/etc/hosts");
                    while !restart && opened == Err(nix::Error::EINTR) {
                        opened = open_once("/etc/hosts");
                    }
                    opened.unwrap();
                }
                let signals = raw::INTERRUPTS.load(Ordering::Relaxed);
                assert!(signals >= OPENED, "{signals}");
            });
        }
    });
    Slot::start()
        .job("job")
        .run_observed_by(|observed| {
            let (stopped, _stop) = io::pipe().unwrap();
            let mut listener = observed.listener;
            while let Some(call) = listener.next(stopped.as_fd()).unwrap() {
                if has_handler(call.thread) {
                    eventually("a signal waits, too", || has_signal(call.thread));
                }
                // A call that a signal has interrupted cannot continue.
                assert!(listener.let_continue(call.id).unwrap());
            }
        })
        .succeeds();
}

/// Whether this set of signals of a thread has SIGALRM.
fn has_alarm(thread: u32, set: &str) -> bool {
    let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix(set));
    let bits = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    bits.unwrap_or_default() & 1 << (libc::SIGALRM - 1) != 0
}

fn has_handler(thread: u32) -> bool {
    has_alarm(thread, "SigCgt:")
}

fn has_signal(thread: u32) -> bool {
    has_alarm(thread, "ShdPnd:")
}

#[test]
fn programs_of_children_are_facts() {
    inside("job", || {
        // The library uses vfork, so the child executes with the memory of its parent.
        let failed = Command::new("/observed/program").spawn().unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::NotFound);
        let mut child = Command::new("/test/isolation");
        let child = child.arg("--list").env_remove("ISOLATION_ROLE");
        assert!(child.output().unwrap().status.success());
    });
    let facts = observe();
    let program = fact(&facts, "/observed/program");
    assert!(program.uses.executed && program.found == Found::Nowhere);
}

#[test]
fn paths_may_lie_anywhere_in_memory() {
    inside("job", || {
        raw::open_at_page_end(c"/observed/at/the/end", 0).unwrap_err();
        raw::open_at_page_end(c"/observed/across", 1).unwrap_err();
        raw::open_at_page_end(c"/observed/across/more", 9).unwrap_err();
        assert_eq!(raw::open_nothing().raw_os_error(), Some(libc::EFAULT));
        let long = format!("/observed/{}", "x/".repeat(4096));
        let failed = File::open(long).unwrap_err();
        assert_eq!(failed.raw_os_error(), Some(libc::ENAMETOOLONG));
    });
    let expected = [
        "/observed/across",
        "/observed/across/more",
        "/observed/at/the/end",
    ];
    assert_eq!(below(&observe(), "/observed"), expected);
}

#[test]
fn interpreters_that_the_kernel_opens_are_facts() {
    inside("job", || {
        let failed = Command::new("/script").spawn().unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::NotFound);
    });
    let pool = Pool::new(1);
    let mut job = pool.job("job", "job");
    let layer = pool.add_layer(&mut job, "layer of a script");
    fs::write(layer.join("script"), "#!/observed/shell -e\n").unwrap();
    fs::set_permissions(layer.join("script"), fs::Permissions::from_mode(0o755)).unwrap();
    let (outcome, facts) = pool.observe(&job);
    succeeded(&outcome);
    assert!(fact(&facts, "/script").uses.executed);
    let shell = fact(&facts, "/observed/shell");
    assert!(shell.uses.executed && shell.found == Found::Nowhere);
}

#[test]
fn a_job_may_filter_its_own_calls() {
    inside("job", || {
        raw::filter_own_calls(false).unwrap();
        let refused = raw::personality().unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EPERM));
        File::open("/observed/opened").unwrap_err();
    });
    fact(&observe(), "/observed/opened");
}

#[test]
fn a_run_whose_job_supervises_calls_itself_is_void() {
    inside("job", || {
        let refused = raw::filter_own_calls(true).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EBUSY));
    });
    let pool = Pool::new(1);
    let (outcome, facts) = pool.observe(&pool.job("job", "job"));
    assert_eq!(facts.void, Some(Void::RefusedListener));
    is_void(&outcome);
}

#[test]
fn a_job_may_ask_whether_the_kernel_has_listeners() {
    inside("job", || {
        let refused = raw::probe_for_listener();
        assert_eq!(refused.raw_os_error(), Some(libc::EFAULT));
        // Another operation with the same flags.
        let refused = raw::ask_for_action_with_flags();
        assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
        File::open("/observed/opened").unwrap_err();
    });
    fact(&observe(), "/observed/opened");
}

#[test]
fn paths_of_processes_with_another_root_are_not_facts() {
    inside("job", || {
        in_a_child(|| {
            unshare(CloneFlags::CLONE_NEWUSER).unwrap();
            nix::unistd::chroot("/test").unwrap();
            File::open("/observed/with-another-root").unwrap_err();
        });
        in_a_child(|| {
            unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS).unwrap();
            File::open("/observed/with-another-namespace").unwrap_err();
        });
        File::open("/observed/with-the-root").unwrap_err();
    });
    let facts = observe();
    assert_eq!(below(&facts, "/observed"), ["/observed/with-the-root"]);
    assert_eq!(facts.incomplete, [Incomplete::OtherRoots].into());
}

#[test]
fn a_process_that_is_not_dumpable_is_observed() {
    inside("job", || {
        nix::sys::prctl::set_dumpable(false).unwrap();
        File::open("/observed/opened").unwrap_err();
    });
    let facts = observe();
    fact(&facts, "/observed/opened");
    assert_eq!(facts.incomplete, BTreeSet::new());
}

#[test]
fn fifos_do_not_block_the_observer() {
    inside("job", || {
        let open = |path| {
            let mut options = File::options();
            options.read(true).custom_flags(libc::O_NONBLOCK);
            options.open(path).unwrap()
        };
        nix::unistd::mkfifo("/tmp/pipe", nix::sys::stat::Mode::S_IRWXU).unwrap();
        open("/tmp/pipe");
        open("/pipe");
        // Only a file that is executed is looked into.
        let _ = Command::new("/pipe").spawn().unwrap_err();
    });
    let pool = Pool::new(1);
    let mut job = pool.job("job", "job");
    let layer = pool.add_layer(&mut job, "layer of a pipe");
    nix::unistd::mkfifo(&layer.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    fs::set_permissions(layer.join("pipe"), fs::Permissions::from_mode(0o777)).unwrap();
    let (outcome, facts) = pool.observe(&job);
    succeeded(&outcome);
    assert_eq!(fact(&facts, "/pipe").found, Found::Container);
}

#[test]
fn relative_paths_are_resolved_as_the_kernel_does() {
    inside("job", || {
        use nix::fcntl::{OFlag, openat};
        use nix::sys::stat::Mode;
        let directory = File::open("/test").unwrap();
        let open = |path| openat(&directory, path, OFlag::O_RDONLY, Mode::empty());
        open("observed-by-descriptor").unwrap_err();
        open("../etc/hosts").unwrap();
        open("/observed/absolute").unwrap_err();
        std::env::set_current_dir("/etc").unwrap();
        File::open("observed-by-directory").unwrap_err();
        // A thread that has a working directory of its own.
        std::thread::spawn(|| {
            unshare(CloneFlags::CLONE_FS).unwrap();
            std::env::set_current_dir("/test").unwrap();
            File::open("observed-by-thread").unwrap_err();
        })
        .join()
        .unwrap();
        std::os::unix::fs::symlink("/etc", "/tmp/link").unwrap();
        File::open("/tmp/link/observed-behind-link").unwrap_err();
    });
    let facts = observe();
    for path in [
        "/test/observed-by-descriptor",
        "/etc/hosts",
        "/observed/absolute",
        "/etc/observed-by-directory",
        "/test/observed-by-thread",
        "/tmp/link/observed-behind-link",
    ] {
        fact(&facts, path);
    }
}

#[test]
fn files_of_proc_are_those_of_the_job() {
    inside("job", || {
        fs::read("/proc/self/status").unwrap();
        File::open("/proc/self/exe").unwrap();
        File::open("/proc/self/cwd/etc/hosts").unwrap();
        File::open("/proc/self/root/observed").unwrap_err();
    });
    let facts = observe();
    for path in below(&facts, "/proc") {
        assert_eq!(fact(&facts, &path).found, Found::Mount, "{path}");
    }
    assert_eq!(fact(&facts, "/proc/self/status").found, Found::Mount);
}

#[test]
fn many_processes_and_executions_are_observed() {
    inside("job", || {
        for number in 0..1000 {
            in_a_child(|| {
                File::open(format!("/observed/{number}")).unwrap_err();
            });
        }
        let path = std::ffi::CString::new("/observed/program").unwrap();
        for _ in 0..1000 {
            nix::unistd::execv(&path, &[&path]).unwrap_err();
        }
        let children: Vec<_> = (0..8)
            .map(|_| {
                let child = raw::fork().unwrap();
                if child == 0 {
                    for _ in 0..200 {
                        let _ = File::open("/etc/hosts");
                    }
                    raw::exit_now(0);
                }
                child
            })
            .collect();
        for child in children {
            waitpid(Pid::from_raw(child), None).unwrap();
        }
    });
    let facts = observe();
    assert_eq!(below(&facts, "/observed").len(), 1001);
}

#[test]
fn records_of_a_job_are_limited() {
    inside("job", || {
        for number in 0..51_000 {
            let path = format!("/observed/{number}");
            let path = std::ffi::CString::new(path).unwrap();
            nix::unistd::access(path.as_c_str(), nix::unistd::AccessFlags::F_OK).unwrap_err();
        }
    });
    assert_eq!(observe().incomplete, [Incomplete::TooMany].into());
}

#[test]
fn rings_are_noted() {
    inside("job", || {
        let file = File::open("/etc/hosts").unwrap();
        let _ = raw::ring_holding(file.as_fd());
    });
    assert_eq!(observe().incomplete, [Incomplete::IoUring].into());
}

#[cfg(target_arch = "x86_64")]
#[test]
fn calls_of_other_abis_are_noted() {
    inside("job", || raw::call_of_another_abi());
    assert_eq!(observe().incomplete, [Incomplete::ForeignCalls].into());
}

#[test]
fn a_job_ends_at_its_time_limit_while_a_call_waits() {
    inside("job", || until_killed());
    inside("next job", || ());
    let mut slot = Slot::start();
    for init in [true, false] {
        let job = slot.job("job").init(init);
        let job = job.timeout(Duration::from_millis(300));
        let ran = job.run_observed_by(|observed| {
            let (stopped, _stop) = io::pipe().unwrap();
            let mut listener = observed.listener;
            let stopped = stopped.as_fd();
            let execution = listener.next(stopped).unwrap().unwrap();
            listener.let_continue(execution.id).unwrap();
            // The first call of the program waits for ever.
            listener.next(stopped).unwrap().unwrap();
            assert!(listener.next(stopped).unwrap().is_none());
        });
        assert!(ran.ended().timed_out, "{ran:?}");
    }
    slot.job("next job").run().succeeds();
}

#[test]
fn a_process_can_be_killed_while_its_call_waits() {
    use nix::sys::signal::{Signal, kill};
    inside("job", || {
        let child = raw::fork().unwrap();
        if child == 0 {
            let _ = File::open("/observed/waits");
            raw::exit_now(0);
        }
        let status = waitpid(Pid::from_raw(child), None).unwrap();
        assert!(
            matches!(status, WaitStatus::Signaled(_, Signal::SIGKILL, _)),
            "{status:?}"
        );
    });
    let mut slot = Slot::start();
    slot.job("job")
        .run_observed_by(|observed| {
            let (stopped, _stop) = io::pipe().unwrap();
            let mut listener = observed.listener;
            let mut killed = 0;
            while let Some(call) = listener.next(stopped.as_fd()).unwrap() {
                if is_grandchild_of_init(call.thread) {
                    // Its call never gets an answer.
                    kill(Pid::from_raw(call.thread.cast_signed()), Signal::SIGKILL).unwrap();
                    killed += 1;
                } else {
                    listener.let_continue(call.id).unwrap();
                }
            }
            assert_eq!(killed, 1);
        })
        .succeeds();
}

/// Whether a thread belongs to a process that the job's program has started.
fn is_grandchild_of_init(thread: u32) -> bool {
    let status = |thread: &str, name: &str| {
        let status = fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
        let value = status.lines().find_map(|line| line.strip_prefix(name));
        value.unwrap_or_default().trim().to_owned()
    };
    let parent = status(&thread.to_string(), "PPid:");
    status(&status(&parent, "PPid:"), "Name:") == "init"
}

#[test]
fn calls_fail_when_their_observer_has_ended() {
    inside("job", || {
        let refused = loop {
            if let Err(error) = File::open("/etc/hosts") {
                break error;
            }
        };
        assert_eq!(refused.raw_os_error(), Some(libc::ENOSYS));
    });
    inside("next job", || ());
    let mut slot = Slot::start();
    let ran = slot.job("job").run_observed_by(|observed| {
        let (stopped, _stop) = io::pipe().unwrap();
        let mut listener = observed.listener;
        let stopped = stopped.as_fd();
        let mut calls = 0;
        while let Some(call) = listener.next(stopped).unwrap() {
            listener.let_continue(call.id).unwrap();
            calls += 1;
            if calls == 500 {
                // One call waits when the observer ends.
                listener.next(stopped).unwrap().unwrap();
                return;
            }
        }
    });
    ran.succeeds();
    slot.job("next job").run().succeeds();
}
