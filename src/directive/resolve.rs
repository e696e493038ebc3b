//! Applying directives to test cases.

use super::default_container::default_container;
use crate::config::{ByteSize, CountsAs, LeakTimeout, SlowTimeout, TestRetries};
use crate::filter::{Pattern, TestCaseName};
use crate::schedule::TestGroup;
use crate::spec::{ContainerFields, ContainerSpec, Containers};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The settings of a test case from the directives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TestSpec {
    pub container: ContainerSpec,
    /// Whether the test is skipped.
    pub ignore: bool,
    /// `None`: no limit.
    pub timeout: Option<Duration>,
    /// `None`: no limit.
    pub memory_limit: Option<ByteSize>,
    /// `None`: no limit.
    pub process_limit: Option<u32>,
    /// Whether the shared libraries of the test binary are added to the layers.
    pub include_shared_libraries: bool,
    /// The number of slots that the running test occupies; at least 1.
    pub slots: u32,
    /// The retries of a failed test. `None`: the setting of the run.
    pub retries: Option<TestRetries>,
    /// `None`: the setting of the run.
    pub flaky_result: Option<CountsAs>,
    pub slow_timeout: Option<SlowTimeout>,
    pub leak_timeout: Option<LeakTimeout>,
    /// The group of the test, of which only some run at once.
    pub group: Option<Arc<TestGroup>>,
    /// Globs of names of variables that the test gets from the client, besides those of the run.
    pub pass_environment: Vec<String>,
}

/// Changes to the settings of the test cases that a filter matches.
#[derive(Debug, Default)]
pub(super) struct Directive {
    /// `None`: all test cases.
    pub filter: Option<Pattern>,
    /// The container that replaces the one so far, if the directive names an image or a parent.
    pub base: Option<ContainerSpec>,
    pub fields: ContainerFields,
    pub ignore: Option<bool>,
    /// Zero: no limit.
    pub timeout: Option<Duration>,
    /// Zero: no limit.
    pub memory_limit: Option<ByteSize>,
    /// Zero: no limit.
    pub process_limit: Option<u32>,
    pub include_shared_libraries: Option<bool>,
    pub slots: Option<u32>,
    pub retries: Option<TestRetries>,
    pub flaky_result: Option<CountsAs>,
    pub slow_timeout: Option<SlowTimeout>,
    pub leak_timeout: Option<LeakTimeout>,
    pub group: Option<Arc<TestGroup>>,
    /// Added to those of other directives.
    pub pass_environment: Vec<String>,
}

impl Directive {
    fn matches(&self, case: &TestCaseName<'_>) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|pattern| pattern.matches(case))
    }

    fn apply(&self, test: &mut TestSpec) {
        if let Some(base) = &self.base {
            test.container.clone_from(base);
        }
        self.fields.apply(&mut test.container);
        if let Some(ignore) = self.ignore {
            test.ignore = ignore;
        }
        if let Some(timeout) = self.timeout {
            test.timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
        }
        if let Some(limit) = self.memory_limit {
            test.memory_limit = Some(limit).filter(|limit| limit.bytes() > 0);
        }
        if let Some(limit) = self.process_limit {
            test.process_limit = Some(limit).filter(|limit| *limit > 0);
        }
        if let Some(slots) = self.slots {
            test.slots = slots;
        }
        if let Some(retries) = self.retries {
            test.retries = Some(retries);
        }
        test.flaky_result = self.flaky_result.or(test.flaky_result);
        test.slow_timeout = self.slow_timeout.or(test.slow_timeout);
        test.leak_timeout = self.leak_timeout.or(test.leak_timeout);
        if self.group.is_some() {
            test.group.clone_from(&self.group);
        }
        for name in &self.pass_environment {
            if !test.pass_environment.contains(name) {
                test.pass_environment.push(name.clone());
            }
        }
    }
}

/// The directives of a workspace.
#[derive(Debug)]
pub struct Directives {
    in_order: Vec<Directive>,
    containers: Containers,
    warnings: Vec<String>,
    text: Option<String>,
    /// The results for sets of matching directives, by their indexes. Many tests share few sets.
    resolved: Mutex<HashMap<Vec<usize>, Arc<TestSpec>>>,
}

impl Directives {
    /// No directives: every test has the default container.
    pub fn built_in() -> Self {
        let containers = Containers::with_default(default_container());
        Self::new(Vec::new(), containers, Vec::new())
    }

    pub(super) fn new(
        directives: Vec<Directive>,
        containers: Containers,
        warnings: Vec<String>,
    ) -> Self {
        Self {
            in_order: directives,
            containers,
            warnings,
            text: None,
            resolved: Mutex::default(),
        }
    }

    pub(super) fn of_text(self, text: &str) -> Self {
        let text = Some(text.to_owned());
        Self { text, ..self }
    }

    /// The text of the file. `None`: there is no file.
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// The filters, which can be told what they need to know.
    pub fn filters_mut(&mut self) -> impl Iterator<Item = &mut Pattern> {
        self.in_order
            .iter_mut()
            .filter_map(|directive| directive.filter.as_mut())
    }

    /// The filters of the directives that put tests into groups, in their order, and the groups. The
    /// last one that matches a test decides; without a filter, it matches all tests.
    pub fn groups(&self) -> Vec<(Option<String>, String)> {
        let of_group = self.in_order.iter().filter_map(|directive| {
            let group = directive.group.as_ref()?;
            let filter = directive.filter.as_ref().map(ToString::to_string);
            Some((filter, group.name.clone()))
        });
        of_group.collect()
    }

    /// Warnings about older spellings in the file, with their positions.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The settings of a test case. Test cases with the same matching directives share a result.
    pub fn resolve(&self, case: &TestCaseName<'_>) -> Arc<TestSpec> {
        let matching: Vec<usize> = (0..self.in_order.len())
            .filter(|&index| self.in_order[index].matches(case))
            .collect();
        // A panic cannot leave the map in an inconsistent state.
        let mut resolved = self.resolved.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(test) = resolved.get(&matching) {
            return Arc::clone(test);
        }
        let test = Arc::new(self.apply(&matching));
        resolved.insert(matching, Arc::clone(&test));
        test
    }

    fn apply(&self, matching: &[usize]) -> TestSpec {
        let mut test = TestSpec {
            container: default_container(),
            ignore: false,
            timeout: None,
            memory_limit: None,
            process_limit: None,
            include_shared_libraries: true,
            slots: 1,
            retries: None,
            flaky_result: None,
            slow_timeout: None,
            leak_timeout: None,
            group: None,
            pass_environment: Vec::new(),
        };
        let mut libraries = None;
        for &index in matching {
            let directive = &self.in_order[index];
            directive.apply(&mut test);
            libraries = directive.include_shared_libraries.or(libraries);
        }
        test.container = self.containers.without_default_sys(test.container);
        // The libraries of this machine would not fit the other files of an image.
        let has_image_libraries = (test.container.image.as_ref()).is_some_and(|image| image.layers);
        test.include_shared_libraries = libraries.unwrap_or(!has_image_libraries);
        test
    }
}

#[cfg(test)]
mod tests;
