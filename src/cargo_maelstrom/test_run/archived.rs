//! The tests of an archive. They are listed already, and the layers of their containers are made.

use super::TestRun;
use crate::archive::{ArchivedCase, ArchivedContainer};
use crate::cargo::TestBinary;
use crate::directive::TestSpec;
use crate::doctest::Doctest;
use crate::executor::Container;
use crate::layer::{ContainerError, MountError};
use crate::listing::ListedTest;
use crate::process::error_chain;
use crate::report::Event;
use crate::test_job::{self, TestCase};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// The tests of an archive, whose layers are in the store.
#[derive(Default)]
pub struct ArchivedTests {
    binaries: Vec<(Arc<TestBinary>, Vec<ArchivedCase>)>,
    containers: Vec<ArchivedContainer>,
    /// The containers that were needed, by their places, or the messages of errors.
    ready: HashMap<usize, Result<Arc<Container>, Arc<str>>>,
}

impl ArchivedTests {
    pub fn new(
        binaries: Vec<(Arc<TestBinary>, Vec<ArchivedCase>)>,
        containers: Vec<ArchivedContainer>,
    ) -> Self {
        Self {
            binaries,
            containers,
            ready: HashMap::new(),
        }
    }
}

impl TestRun {
    /// Selects among the tests of the archive.
    pub(super) fn take_archive(&mut self) {
        let Some(archived) = &mut self.parts.archived else {
            return;
        };
        for (binary, cases) in std::mem::take(&mut archived.binaries) {
            if !self.parts.selector.may_select(&binary) {
                let considered = &mut self.ending.considered;
                considered.leave_out(&self.parts.selector, &binary);
                continue;
            }
            self.report(&Event::Listed {
                binary: test_job::test_binary_name(&binary),
                count: cases.len(),
            });
            for case in cases {
                let listed = ListedTest {
                    name: case.name,
                    ignored: case.ignored,
                };
                let doctest = case.doctest.map(|end| {
                    let listed = listed.clone();
                    Rc::new(Doctest { listed, end })
                });
                let test = Rc::new(listed);
                self.select(&binary, test, case.whole, case.container, doctest);
            }
        }
    }

    /// The container of a test of the archive, which is the one at this place in its list.
    pub(super) fn archived_container(
        &mut self,
        case: &TestCase,
        place: usize,
    ) -> Result<Arc<Container>, Arc<str>> {
        let containers = self.parts.containers.clone();
        let archived = self.parts.archived.get_or_insert_default();
        let made = archived.ready.entry(place).or_insert_with(|| {
            let container = &archived.containers[place];
            // Needs that were known when the archive was made name further variables.
            let spec = TestSpec {
                pass_environment: container.pass_environment.clone(),
                ..TestSpec::clone(&case.spec)
            };
            let made = containers.of_archive(container.restore(), &spec, &case.binary);
            made.map(Arc::new).map_err(|error| explain(&error).into())
        });
        made.clone()
    }
}

fn explain(error: &ContainerError) -> String {
    match error {
        ContainerError::Mount(MountError::NothingToBind {
            mount_point,
            local_path,
        }) => format!(
            "the container binds {local_path} of the machine to {mount_point}, and this machine does \
             not have it; an archive does not hold what is bound, so run the test where the archive \
             was made, or give it the files as a layer"
        ),
        error => error_chain(error),
    }
}
