//! Applying directives to test cases.

use super::default_container::default_container;
use crate::filter::{Pattern, TestCaseName};
use crate::spec::{ContainerFields, ContainerSpec, Containers};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How to run a test case, as far as directives say.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TestSpec {
    pub container: ContainerSpec,
    /// Whether the test is not to be run at all.
    pub ignore: bool,
    /// `None`: the test may take as long as it likes.
    pub timeout: Option<Duration>,
    /// Whether the shared libraries of what runs are added to the layers.
    pub include_shared_libraries: bool,
    /// How many slots the test takes while it runs; at least 1.
    pub slots: u32,
    /// How often a failed test is tried again; `None`: as the run says.
    pub retries: Option<u32>,
}

/// What to do with the test cases that a filter matches.
#[derive(Debug, Default)]
pub(super) struct Directive {
    /// `None`: every test case.
    pub filter: Option<Pattern>,
    /// Where an image or a parent is named: what the container starts from again.
    pub start: Option<ContainerSpec>,
    pub fields: ContainerFields,
    pub ignore: Option<bool>,
    /// Zero: no limit.
    pub timeout: Option<Duration>,
    pub include_shared_libraries: Option<bool>,
    pub slots: Option<u32>,
    pub retries: Option<u32>,
}

impl Directive {
    fn matches(&self, case: &TestCaseName<'_>) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|pattern| pattern.matches(case))
    }

    fn apply(&self, test: &mut TestSpec) {
        if let Some(start) = &self.start {
            test.container.clone_from(start);
        }
        self.fields.apply(&mut test.container);
        if let Some(ignore) = self.ignore {
            test.ignore = ignore;
        }
        if let Some(timeout) = self.timeout {
            test.timeout = Some(timeout).filter(|timeout| !timeout.is_zero());
        }
        if let Some(slots) = self.slots {
            test.slots = slots;
        }
        if let Some(retries) = self.retries {
            test.retries = Some(retries);
        }
    }
}

/// The directives of a workspace.
#[derive(Debug)]
pub struct Directives {
    in_order: Vec<Directive>,
    containers: Containers,
    warnings: Vec<String>,
    /// What comes of each set of matching directives that was met. There are few
    /// of them, however many tests.
    resolved: Mutex<HashMap<Vec<usize>, Arc<TestSpec>>>,
}

impl Directives {
    /// The default container for every test.
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
            resolved: Mutex::default(),
        }
    }

    /// What the file still may say but should say otherwise; each with its place.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// How to run a test case. Tests that the same directives match share one.
    pub fn resolve(&self, case: &TestCaseName<'_>) -> Arc<TestSpec> {
        let matching: Vec<usize> = (0..self.in_order.len())
            .filter(|&index| self.in_order[index].matches(case))
            .collect();
        // The map is whole at all times, so a panic elsewhere did it no harm.
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
            include_shared_libraries: true,
            slots: 1,
            retries: None,
        };
        let mut libraries = None;
        for &index in matching {
            let directive = &self.in_order[index];
            directive.apply(&mut test);
            libraries = directive.include_shared_libraries.or(libraries);
        }
        test.container = self.containers.without_default_sys(test.container);
        // Those of the machine would not fit the other files of an image.
        let brings_libraries = (test.container.image.as_ref()).is_some_and(|image| image.layers);
        test.include_shared_libraries = libraries.unwrap_or(!brings_libraries);
        test
    }
}

#[cfg(test)]
mod tests;
