//! Launchers that end early or cannot be used any more: the outcome of their job, and that
//! other jobs are not affected.

use crate::fixture::pool::{Pool, block_on, kill, starts, succeeded, until, waits};
use crate::fixture::{Processes, children_of, inside, sleeps};
use maelstrom::container::LauncherProgram;
use maelstrom::executor::{Outcome, Status};
use nix::libc;
use std::cell::Cell;
use std::fs::{self, File};
use std::future::ready;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

#[track_caller]
fn is_error(outcome: &Outcome, expected: &str) {
    match &outcome.status {
        Status::Error(message) => assert!(message.contains(expected), "{message}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_killed_init_ends_only_its_own_job() {
    inside("job", || starts());
    inside("waiting job", || {
        starts();
        waits();
    });
    let pool = Pool::new(2);
    block_on(async {
        let job = |name| pool.job("job", name);
        succeeded(&pool.run(&job("before"), ready(Some(0))).await);
        let (victim, neighbour) = (
            pool.job("waiting job", "victim"),
            pool.job("waiting job", "neighbour"),
        );
        let killing = async {
            let (victim, _) = (
                pool.processes_of("victim").await,
                pool.processes_of("neighbour").await,
            );
            kill(victim[2]).await;
        };
        let on_this_slot = async {
            let outcome = pool.run(&victim, ready(Some(0))).await;
            assert_eq!(outcome.status, Status::Signaled(libc::SIGKILL));
            // The neighbour still uses the only other launcher.
            succeeded(&pool.run(&job("after"), ready(Some(0))).await);
            pool.release("neighbour");
        };
        let neighbour = pool.run(&neighbour, ready(Some(1)));
        let ((), (), neighbour) = tokio::join!(killing, on_this_slot, neighbour);
        succeeded(&neighbour);
    });
    for name in ["before", "victim", "after", "neighbour"] {
        assert_eq!(pool.starts(name), 1, "{name}");
    }
}

#[test]
fn a_killed_launcher_ends_only_its_own_job() {
    inside("job", || starts());
    inside("waiting job", || {
        starts();
        waits();
    });
    // The starter, and the launcher.
    for which in [0, 1] {
        let pool = Pool::new(2);
        block_on(async {
            let job = |name| pool.job("job", name);
            succeeded(&pool.run(&job("before"), ready(Some(0))).await);
            let (victim, neighbour) = (
                pool.job("waiting job", "victim"),
                pool.job("waiting job", "neighbour"),
            );
            let killing = async {
                let (victim, _) = (
                    pool.processes_of("victim").await,
                    pool.processes_of("neighbour").await,
                );
                kill(victim[which]).await;
            };
            let on_this_slot = async {
                let outcome = pool.run(&victim, ready(Some(0))).await;
                is_error(
                    &outcome,
                    "lost the launcher of a job while its program ran: ",
                );
                succeeded(&pool.run(&job("after"), ready(Some(0))).await);
                pool.release("neighbour");
            };
            let neighbour = pool.run(&neighbour, ready(Some(1)));
            let ((), (), neighbour) = tokio::join!(killing, on_this_slot, neighbour);
            succeeded(&neighbour);
        });
        // A started program is not started again, as it may have changed something.
        for name in ["before", "victim", "after", "neighbour"] {
            assert_eq!(pool.starts(name), 1, "{name}");
        }
    }
}

/// Runs a job and releases it. Returns the processes that ran it.
async fn launcher_of_a_job(pool: &Pool, name: &str) -> [i32; 4] {
    let job = pool.job("waiting job", name);
    let looking = async {
        let processes = pool.processes_of(name).await;
        pool.release(name);
        processes
    };
    let mut run = std::pin::pin!(pool.run(&job, ready(Some(0))));
    let processes = tokio::select! {
        outcome = &mut run => panic!("it ended early: {:?}", outcome.status),
        processes = looking => processes,
    };
    succeeded(&run.await);
    processes
}

#[test]
fn a_launcher_that_ended_between_jobs_gets_no_further_job() {
    inside("waiting job", || {
        starts();
        waits();
    });
    let pool = Pool::new(1);
    block_on(async {
        let [starter, ..] = launcher_of_a_job(&pool, "first").await;
        kill(starter).await;
        let [_, launcher, ..] = launcher_of_a_job(&pool, "second").await;
        kill(launcher).await;
        // The init that waits for the next job in place of the launcher.
        let [_, launcher, init, _] = launcher_of_a_job(&pool, "third").await;
        let next = Cell::new(0);
        until("the launcher is ready", || {
            let children = children_of(launcher);
            next.set(*children.first().unwrap_or(&init));
            next.get() != init
        })
        .await;
        kill(next.get()).await;
        launcher_of_a_job(&pool, "fourth").await;
    });
    for name in ["first", "second", "third", "fourth"] {
        assert_eq!(pool.starts(name), 1, "{name}");
    }
}

#[test]
fn a_job_whose_launcher_ends_before_the_program_starts_runs_on_another() {
    inside("job", || starts());
    inside("waiting job", || {
        starts();
        waits();
    });
    let pool = Pool::new(1);
    block_on(async {
        for (which, name) in ["without its starter", "without its launcher"]
            .into_iter()
            .enumerate()
        {
            let before = launcher_of_a_job(&pool, &format!("before {name}")).await;
            let job = pool.job("job", name);
            let turn = async {
                // Meanwhile the job is sent to the launcher that ran the one before it.
                tokio::task::yield_now().await;
                kill(before[which]).await;
                Some(0)
            };
            succeeded(&pool.run(&job, turn).await);
            assert_eq!(pool.starts(name), 1, "{name}");
        }
    });
}

#[test]
fn a_job_whose_launchers_end_before_the_program_starts_is_an_error_after_the_second() {
    inside("job", || starts());
    let directory = tempfile::tempdir().unwrap();
    let count = directory.path().join("count");
    // The message of a launcher that is ready, in MessagePack after its length: job 0 and two flags.
    let script = format!(
        r"echo one >>{}
        head -c 4 >/dev/null
        printf '\014\0\0\0\222\0\201\245Ready\222\302\302' >&0
        head -c 1 >/dev/null",
        count.display()
    );
    let launcher = LauncherProgram {
        executable: "/bin/sh".into(),
        arguments: vec!["-c".into(), script.into()],
    };
    let pool = Pool::with_launcher(1, launcher);
    let job = pool.job("job", "job");
    let outcome = block_on(pool.run(&job, ready(Some(0))));
    is_error(
        &outcome,
        "lost the launcher of a job before its program was started: ",
    );
    assert_eq!(fs::read_to_string(count).unwrap().lines().count(), 2);
}

/// Prevents a launcher from making network namespaces, and holds a socket in its current one,
/// as the kernel may do with a socket of a job for a while.
fn keep_network_from_being_cleared(launcher: i32) -> Child {
    let open = |kind| File::open(format!("/proc/{launcher}/ns/{kind}")).unwrap();
    let (user, network) = (open("user"), open("net"));
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let prepare = move || {
        use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
        nix::sched::setns(&user, nix::sched::CloneFlags::CLONE_NEWUSER)?;
        nix::sched::setns(&network, nix::sched::CloneFlags::CLONE_NEWNET)?;
        fs::write("/proc/sys/user/max_net_namespaces", "0")?;
        let family = AddressFamily::Inet;
        let held = socket(family, SockType::Datagram, SockFlag::empty(), None)?;
        std::mem::forget(held);
        Ok(())
    };
    // SAFETY: system calls, and an allocation or two, which no other thread can be in the
    // middle of for long: glibc sees to that when it forks.
    unsafe { command.pre_exec(prepare) };
    command.spawn().unwrap()
}

#[test]
fn a_launcher_that_cannot_clear_its_network_gets_no_further_job() {
    inside("job", || starts());
    inside("waiting job", || {
        starts();
        waits();
    });
    let pool = Pool::new(1);
    block_on(async {
        let [_, launcher, ..] = launcher_of_a_job(&pool, "before").await;
        // While the launcher has a job, its memory and its namespaces cannot be examined.
        until("the launcher is done with the job", || {
            File::open(format!("/proc/{launcher}/ns/net")).is_ok()
        })
        .await;
        let mut holder = keep_network_from_being_cleared(launcher);
        succeeded(&pool.run(&pool.job("job", "first"), ready(Some(0))).await);
        let processes = Processes::from(launcher);
        succeeded(&pool.run(&pool.job("job", "second"), ready(Some(0))).await);
        // The launcher must have failed to clear its network, or this test proves nothing.
        until("the launcher is gone", || processes.is_gone()).await;
        drop(holder.stdin.take());
        let mut nothing = String::new();
        let stdout = holder.stdout.as_mut().unwrap();
        stdout.read_to_string(&mut nothing).unwrap();
        assert!(holder.wait().unwrap().success());
    });
    for name in ["before", "first", "second"] {
        assert_eq!(pool.starts(name), 1, "{name}");
    }
}

#[test]
fn a_launcher_that_could_not_clone_in_advance_tries_again_for_the_next_job() {
    inside("job", || starts());
    inside("waiting job", || {
        starts();
        waits();
    });
    let pool = Pool::new(1);
    block_on(async {
        let job = pool.job("waiting job", "first");
        let limiting = async {
            let [_, launcher, ..] = pool.processes_of("first").await;
            let free = limit_processes(launcher, Some(0));
            pool.release("first");
            (launcher, free)
        };
        let (outcome, (launcher, free)) = tokio::join!(pool.run(&job, ready(Some(0))), limiting);
        succeeded(&outcome);
        until("the launcher waits for the next job itself", || {
            children_of(launcher).is_empty() && sleeps(launcher)
        })
        .await;
        limit_processes(launcher, free);
        succeeded(&pool.run(&pool.job("job", "second"), ready(Some(0))).await);
        assert!(!Processes::from(launcher).is_gone(), "the same launcher");
    });
}

/// Limits the number of processes of a process's user. Returns the earlier limit.
fn limit_processes(pid: i32, most: Option<u64>) -> Option<u64> {
    use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};
    let limit = Rlimit {
        current: most,
        ..getrlimit(Resource::Nproc)
    };
    let before = prlimit(Pid::from_raw(pid), Resource::Nproc, limit).unwrap();
    before.current
}
