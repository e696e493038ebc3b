//! Hints about failures whose causes no facts of an observed run tell: a test binary that could not be
//! loaded, and a scratch space that was full.

use crate::config::ByteSize;
use crate::container::{Step, StepError};
use crate::executor::{Captured, LimitKeeper, Outcome, Status};
use crate::report::Count;
use nix::libc::ENOENT;
use regex::bytes::Regex;
use std::sync::LazyLock;

/// The error message of a loader about a C library that is too old.
static LIBRARY_TOO_OLD: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?m)^\S+: \S+: version `GLIBC_[0-9.]+' not found \(required by ").ok()
});

/// The error message of a loader about a missing library.
static LIBRARY_MISSING: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r"(?m)^\S+: error while loading shared libraries: |^Error loading shared library ")
        .ok()
});

/// The messages of programs about memory that could not be allocated: those of Rust, C, C++ and the
/// loader.
static NO_MEMORY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r"memory allocation of \d+ bytes failed|(?i:cannot allocate memory)|(?i:out of memory)|std::bad_alloc|failed to map segment",
    )
    .ok()
});

/// The messages of programs about processes and threads that could not be started.
static NO_PROCESS: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"(?i:resource temporarily unavailable)|EAGAIN|fork: retry").ok());

/// Hints for a failed test, a paragraph each.
pub fn hints(outcome: &Outcome) -> Vec<String> {
    let mut hints = Vec::new();
    if outcome.scratch_full {
        hints.push(
            "the test used up the space for the files that it writes: `/tmp`, HOME and all changed \
             files share one tmpfs, of half the machine's memory divided by the number of slots \
             (`-j`)"
                .to_owned(),
        );
    }
    hints.extend(at_limits(outcome));
    hints.extend(not_loaded(outcome));
    hints
}

/// Hints for a test with limits of memory or processes that may have failed at one of them.
fn at_limits(outcome: &Outcome) -> Vec<String> {
    let Some(limits) = &outcome.limits else {
        return Vec::new();
    };
    let mut hints = Vec::new();
    let streams = [&outcome.stdout, &outcome.stderr].map(Captured::to_vec);
    let prints = |pattern: &LazyLock<Option<Regex>>| {
        let pattern = pattern.as_ref();
        pattern.is_some_and(|pattern| streams.iter().any(|text| pattern.is_match(text)))
    };
    let are_rlimits = limits.by == LimitKeeper::ResourceLimits;
    if let Some(limit) = limits.memory.filter(|_| are_rlimits && prints(&NO_MEMORY)) {
        hints.push(format!(
            "memory could not be allocated, and each process of the test may have {} of address space \
             (`memory_limit`), which is more than the memory it uses; `cargo maelstrom doctor` says how \
             to limit the memory that is used",
            ByteSize(limit)
        ));
    }
    if let Some(limit) = limits.processes {
        let limit = Count(limit.into(), "process or thread", "processes and threads");
        if limits.process_refused {
            hints.push(format!(
                "the test tried to have more than {limit} at once (`process_limit`)"
            ));
        } else if are_rlimits && prints(&NO_PROCESS) {
            hints.push(format!(
                "a process or thread could not be started, and the test may have {limit} at once \
                 (`process_limit`)"
            ));
        }
    }
    hints
}

/// The hint for a test binary that could not be loaded. `None`: the binary was loaded.
pub fn not_loaded(outcome: &Outcome) -> Option<String> {
    const ADD: &str = "`include_shared_libraries = true` in the directive adds the loader and \
                       libraries of this machine";
    match &outcome.status {
        Status::NotStarted(StepError {
            step: Step::Execute { .. },
            errno: ENOENT,
        }) => Some(format!(
            "the container does not contain the test program or its loader; {ADD}"
        )),
        // The exit codes of the loaders of glibc and musl.
        Status::Exited(1 | 127) => {
            let stderr = &outcome.stderr.head;
            let is_older = LIBRARY_TOO_OLD.as_ref().is_some_and(|r| r.is_match(stderr));
            let is_absent = LIBRARY_MISSING.as_ref().is_some_and(|r| r.is_match(stderr));
            if is_older {
                Some(format!(
                    "the C library of the image is older than that which the test was linked with; \
                     use an image that is as new as this machine, or build on an older machine; \
                     {ADD}, but then programs of the image use them too"
                ))
            } else if is_absent {
                Some(format!(
                    "the container does not contain all libraries that the test was linked with; \
                     {ADD}; or use an image that contains them"
                ))
            } else {
                None
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::executor::HeldLimits;

    fn hint(code: i32, stderr: &str) -> Option<String> {
        let outcome = Outcome {
            status: Status::Exited(code),
            stderr: Captured {
                head: stderr.as_bytes().to_vec(),
                ..Captured::default()
            },
            ..Outcome::error(String::new())
        };
        not_loaded(&outcome)
    }

    #[test]
    fn errors_of_loaders_and_of_tests_are_distinguished() {
        for (code, stderr, expected) in [
            (
                1,
                "/t/a: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.39' not found (required \
                 by /t/a)\n/t/a: /lib/x86_64-linux-gnu/libc.so.6: version `GLIBC_2.34' not found \
                 (required by /t/a)\n",
                Some("the C library of the image is older"),
            ),
            (
                127,
                "/t/a: error while loading shared libraries: libz.so.1: cannot open shared object \
                 file: No such file or directory\n",
                Some("does not contain all libraries"),
            ),
            (
                127,
                "Error loading shared library libgcc_s.so.1: No such file or directory (needed by \
                 /t/a)\n",
                Some("does not contain all libraries"),
            ),
            (101, "git: error while loading shared libraries: x\n", None),
            (1, "version `GLIBC_2.39' not found\n", None),
        ] {
            let hint = hint(code, stderr);
            let as_expected = match expected {
                Some(text) => hint.as_ref().is_some_and(|hint| hint.contains(text)),
                None => hint.is_none(),
            };
            assert!(as_expected, "{stderr}: {hint:?}");
        }
    }

    /// The hints for a test that aborted after it printed this.
    fn hints_at(limits: HeldLimits, stderr: &str) -> String {
        let outcome = Outcome {
            status: Status::Signaled(6),
            limits: Some(limits),
            stderr: Captured {
                head: stderr.as_bytes().to_vec(),
                ..Captured::default()
            },
            ..Outcome::error(String::new())
        };
        hints(&outcome).join("\n")
    }

    #[test]
    fn a_failure_at_a_limit_has_a_hint_only_if_something_shows_that_it_is_one() {
        let limits = |by, process_refused| HeldLimits {
            memory: Some(64 << 20),
            processes: Some(1),
            by,
            process_refused,
        };
        let allocation = "memory allocation of 1048576 bytes failed\n";
        let thread = "failed to spawn thread: Os { code: 11, kind: WouldBlock, message: \"Resource \
                      temporarily unavailable\" }";
        let rlimits = limits(LimitKeeper::ResourceLimits, false);
        insta::assert_snapshot!(hints_at(rlimits, allocation), @"memory could not be allocated, and each process of the test may have 64 MiB of address space (`memory_limit`), which is more than the memory it uses; `cargo maelstrom doctor` says how to limit the memory that is used");
        insta::assert_snapshot!(hints_at(rlimits, thread), @"a process or thread could not be started, and the test may have 1 process or thread at once (`process_limit`)");
        assert_eq!(hints_at(rlimits, "assertion failed"), "");
        // A control group tells what happened.
        let group = limits(LimitKeeper::ControlGroup, false);
        assert_eq!(hints_at(group, allocation), "");
        assert_eq!(hints_at(group, thread), "");
        let group = limits(LimitKeeper::ControlGroup, true);
        insta::assert_snapshot!(hints_at(group, ""), @"the test tried to have more than 1 process or thread at once (`process_limit`)");
    }
}
