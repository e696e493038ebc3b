//! Objects with names that jobs could share: host names, keys, IPC objects.

use crate::fixture::raw::{self, SystemV, keyring};
use crate::fixture::{Refused, Slot, in_containers_as_any_user, inside, ready, skip, until_killed};
use nix::errno::Errno;
use std::fs;

#[test]
fn a_job_has_the_hostname_it_was_given() {
    inside("job", || {
        assert_eq!(nix::unistd::gethostname().unwrap(), "given");
    });
    Slot::start().job("job").hostname("given").run().succeeds();
}

#[test]
fn the_hostname_cannot_be_changed() {
    in_containers_as_any_user(|| {
        nix::unistd::sethostname("changed").must_be_refused("set the hostname");
        fs::write("/proc/sys/kernel/hostname", "changed").must_be_refused("write the hostname");
        assert_eq!(nix::unistd::gethostname().unwrap(), "isolated");
    });
}

/// Whether the kernel has keyrings, and this process may use them.
fn has_keyrings() -> bool {
    raw::add_key(c"a probe", b"1", keyring::SESSION).is_ok()
}

#[test]
fn a_job_cannot_see_the_session_keys_of_the_client() {
    inside("job", || {
        assert_eq!(
            errno(raw::find_key(c"of the client", keyring::SESSION)),
            Some(Errno::ENOKEY)
        );
        let key = std::env::var("KEY").unwrap().parse().unwrap();
        assert!(raw::read_key(key).is_err(), "a job reads the client's key");
    });
    // In a separate process, as each thread has its own session keyring.
    inside("client", || {
        let key = raw::add_key(c"of the client", b"secret", keyring::SESSION).unwrap();
        raw::read_key(key).expect("the client reads its own key");
        let mut slot = Slot::start();
        slot.job("job").tell("KEY", key).run().succeeds();
        slot.job("job").tell("KEY", key).user(0).run().succeeds();
    });
    if !has_keyrings() {
        return skip("needs keyrings");
    }
    crate::fixture::Client::start("client", |_| {}).succeeds();
}

#[test]
fn keys_that_a_job_leaves_are_gone_in_the_next_job() {
    const KEYRINGS: [i32; 3] = [keyring::SESSION, keyring::USER, keyring::USER_SESSION];
    inside("leave", || {
        for keyring in KEYRINGS {
            raw::add_key(c"left", b"secret", keyring).expect("a job has keyrings");
            raw::find_key(c"left", keyring).expect("a job has keyrings to use");
        }
    });
    inside("look", || {
        for keyring in KEYRINGS {
            assert_eq!(
                errno(raw::find_key(c"left", keyring)),
                Some(Errno::ENOKEY),
                "{keyring}"
            );
        }
    });
    if !has_keyrings() {
        return skip("needs keyrings");
    }
    let mut slot = Slot::start();
    for user in [1000, 0] {
        slot.job("leave").user(user).run().succeeds();
        slot.job("look").user(user).run().succeeds();
    }
}

fn errno<T>(result: std::io::Result<T>) -> Option<Errno> {
    result
        .err()
        .and_then(|error| error.raw_os_error())
        .map(Errno::from_raw)
}

const KEY: i32 = 0x6d61_656c;

const SYSTEM_V: [SystemV; 3] = [
    SystemV::SharedMemory,
    SystemV::Semaphores,
    SystemV::Messages,
];

fn leave_named_objects() {
    for kind in SYSTEM_V {
        raw::system_v(kind, KEY, true).expect("a job has System V objects");
    }
    raw::message_queue(c"/left", true).expect("a job has message queues");
    fs::write("/dev/shm/left", "").expect("a job has shared memory");
    fs::write("/tmp/left", "").expect("a job has /tmp");
    fs::write("/left", "").expect("a job has a writable root");
}

fn find_no_named_objects() {
    for kind in SYSTEM_V {
        let found = errno(raw::system_v(kind, KEY, false));
        assert_eq!(found, Some(Errno::ENOENT), "{kind:?}");
    }
    assert_eq!(
        errno(raw::message_queue(c"/left", false)),
        Some(Errno::ENOENT)
    );
    for path in ["/dev/shm/left", "/dev/mqueue/left", "/tmp/left", "/left"] {
        assert!(!fs::exists(path).unwrap(), "{path}");
    }
}

#[test]
fn named_objects_of_a_job_are_gone_in_the_next_job() {
    inside("leave", || leave_named_objects());
    inside("look", || find_no_named_objects());
    let mut slot = Slot::start();
    slot.job("leave").run().succeeds();
    slot.job("look").run().succeeds();
}

#[test]
fn a_job_cannot_see_named_objects_of_a_job_beside_it() {
    inside("have", || {
        leave_named_objects();
        ready();
        until_killed();
    });
    inside("look", || find_no_named_objects());
    let (mut one, mut other) = (Slot::start(), Slot::start());
    one.job("have")
        .abandon_after(|_| other.job("look").run().succeeds());
}

#[test]
fn a_job_cannot_see_system_v_objects_of_the_host() {
    inside("job", || {
        for kind in SYSTEM_V {
            let key = std::env::var("KEY").unwrap().parse().unwrap();
            assert_eq!(
                errno(raw::system_v(kind, key, false)),
                Some(Errno::ENOENT),
                "{kind:?}"
            );
        }
    });
    let key = KEY ^ std::process::id().cast_signed();
    let Ok(id) = raw::system_v(SystemV::SharedMemory, key, true) else {
        return skip("needs System V shared memory");
    };
    let ran = Slot::start().job("job").tell("KEY", key).run();
    raw::remove_shared_memory(id).expect("remove shared memory");
    ran.succeeds();
}
