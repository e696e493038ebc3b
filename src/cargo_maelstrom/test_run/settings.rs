//! The settings of a run, and what follows from them for each test.

use super::super::lister;
use crate::config::{
    ByteSize, CacheResults, CountsAs, LeakTimeout, Setting, SlowTimeout, TestRetries,
};
use crate::container::JobLimits;
use crate::executor::{Container, Job};
use crate::report::TestAttempt;
use crate::test_job::{TestCase, verdict::Rules};
use std::sync::Arc;
use std::time::Duration;

/// The time in which a process that is left behind can write its profile.
const FAREWELL: Duration = Duration::from_millis(100);

/// How tests are run.
#[derive(Clone, Debug)]
pub struct RunSettings {
    pub repeat: u32,
    /// Replaces the timeout of every test. Zero: no timeout.
    pub timeout: Option<Duration>,
    /// Replaced by the directives of a test, unless given for this run.
    pub retries: Setting<TestRetries>,
    /// As [`Self::retries`].
    pub flaky_result: Setting<CountsAs>,
    /// As [`Self::retries`].
    pub slow_timeout: Setting<SlowTimeout>,
    /// As [`Self::retries`].
    pub leak_timeout: Setting<LeakTimeout>,
    /// The time limit of all tests together.
    pub global_timeout: Option<Duration>,
    pub stop_after: Option<u64>,
    /// Whether the tests that run when the run stops after failures are killed.
    pub stop_immediately: bool,
    pub no_capture: bool,
    pub inline_limit: usize,
    pub test_arguments: Vec<String>,
    /// Whether results of earlier runs are reused and kept.
    pub cache_results: CacheResults,
    /// Whether programs of tests write profiles.
    pub collects_profiles: bool,
    /// Only tests that failed in their last run, or did not run since, are selected.
    pub failed_only: bool,
    /// Tests are listed and not run.
    pub list_only: bool,
    /// What tests need of this machine is found out, also of those that take long.
    pub learning: bool,
}

impl RunSettings {
    /// The job of the first attempt at a test.
    pub fn job(&self, case: &TestCase, container: Arc<Container>) -> Job {
        self.job_of_attempt(case, container, self.attempt(case, 1))
    }

    /// The job of an attempt at a test.
    pub fn job_of_attempt(
        &self,
        case: &TestCase,
        container: Arc<Container>,
        attempt: TestAttempt,
    ) -> Job {
        let mut arguments = case.arguments();
        if case.doctest.is_none() {
            arguments.extend(self.test_arguments.iter().cloned());
        }
        let (program, timeout) = (case.program(), self.timeout(case));
        let mut job = lister::job(&case.binary, program, container, arguments, timeout);
        let slow = self.slow_timeout(case);
        job.limits = JobLimits {
            terminate_after: slow.limit(),
            grace: slow.grace_period,
            leak: Some(self.leak_timeout(case).period),
            memory: case.spec.memory_limit.map(ByteSize::bytes),
            processes: case.spec.process_limit,
            farewell: if self.collects_profiles {
                FAREWELL
            } else {
                Duration::ZERO
            },
        };
        job.variables = case.variables(attempt);
        job.should_panic = case.should_panic();
        // That of a test which runs alone.
        job.group_slot = case.spec.group.as_ref().map(|_| 0);
        job
    }

    /// An attempt at a test. `number` is counted from 1.
    pub fn attempt(&self, case: &TestCase, number: u32) -> TestAttempt {
        TestAttempt {
            number,
            of: self.retries(case).count.saturating_add(1),
        }
    }

    pub fn retries(&self, case: &TestCase) -> TestRetries {
        self.retries.or_of_directive(case.spec.retries)
    }

    pub fn flaky_result(&self, case: &TestCase) -> CountsAs {
        self.flaky_result.or_of_directive(case.spec.flaky_result)
    }

    pub fn slow_timeout(&self, case: &TestCase) -> SlowTimeout {
        self.slow_timeout.or_of_directive(case.spec.slow_timeout)
    }

    pub fn leak_timeout(&self, case: &TestCase) -> LeakTimeout {
        self.leak_timeout.or_of_directive(case.spec.leak_timeout)
    }

    /// What the outcome of a test depends on, besides its job.
    pub fn rules(&self, case: &TestCase) -> Rules {
        let slow = self.slow_timeout(case);
        let (timeout, terminated) = (self.timeout(case), slow.limit());
        let is_terminated =
            terminated.is_some_and(|after| timeout.is_none_or(|limit| after < limit));
        Rules {
            limit: timeout.into_iter().chain(terminated).min(),
            on_timeout: if is_terminated {
                slow.on_timeout
            } else {
                CountsAs::Fail
            },
            on_leak: self.leak_timeout(case).result,
        }
    }

    pub fn timeout(&self, case: &TestCase) -> Option<Duration> {
        match self.timeout {
            Some(Duration::ZERO) => None,
            Some(limit) => Some(limit),
            None => case.spec.timeout,
        }
    }
}
