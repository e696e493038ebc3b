//! Containers in containers. The tests of this program run in this way.

use crate::fixture::{Client, Slot, has_real_root, inside, skip};
use maelstrom::container::{LauncherError, Step};

#[test]
fn a_job_can_run_containers_of_its_own() {
    inside("innermost", || {
        assert_eq!(nix::unistd::gethostname().unwrap(), "innermost");
    });
    inside("inner", || {
        let mut slot = Slot::start();
        slot.job("innermost").hostname("innermost").run().succeeds();
        slot.job("innermost")
            .hostname("innermost")
            .user(0)
            .run()
            .succeeds();
    });
    inside("outer", || {
        let mut slot = Slot::start();
        for user in [1000, 0] {
            slot.job("inner").user(user).run().succeeds();
        }
    });
    let mut slot = Slot::start();
    slot.job("outer").run().succeeds();
}

#[test]
fn a_user_namespace_that_has_the_hosts_root_for_its_only_user_is_refused() {
    use nix::sched::{CloneFlags, unshare};
    use std::os::unix::process::CommandExt;
    inside("client", || {
        // In a namespace that maps 0 to 0, as `unshare -r` makes for root. A job
        // there would be the host's root to the kernel.
        let LauncherError::SetUp(error) = Slot::refused() else {
            panic!("it was refused for another reason");
        };
        assert_eq!(error.step, Step::MapUnprivilegedUser);
    });
    if !has_real_root() {
        return skip("needs real root");
    }
    let map_root_to_root = || {
        unshare(CloneFlags::CLONE_NEWUSER)?;
        std::fs::write("/proc/self/setgroups", "deny")?;
        std::fs::write("/proc/self/uid_map", "0 0 1")?;
        std::fs::write("/proc/self/gid_map", "0 0 1")
    };
    Client::start("client", |command| {
        // SAFETY: between fork and exec, calls that take no lock another thread
        // could have held.
        unsafe { command.pre_exec(map_root_to_root) };
    })
    .succeeds();
}
