//! The key that identifies a container of tests.

use crate::cargo::TestBinary;
use crate::directive::TestSpec;
use crate::test_job::TestCase;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// The specification and the test binary that a container is made of. Two values are equal only if
/// both parts are the same allocations, because comparing their contents would take longer.
#[derive(Clone)]
pub struct Ingredients {
    pub spec: Arc<TestSpec>,
    pub binary: Arc<TestBinary>,
}

impl Ingredients {
    /// Those of the container of a test.
    pub fn of(case: &TestCase) -> Self {
        Self {
            spec: case.spec.clone(),
            binary: case.binary.clone(),
        }
    }

    fn addresses(&self) -> (*const TestSpec, *const TestBinary) {
        (Arc::as_ptr(&self.spec), Arc::as_ptr(&self.binary))
    }
}

impl PartialEq for Ingredients {
    fn eq(&self, other: &Self) -> bool {
        self.addresses() == other.addresses()
    }
}

impl Eq for Ingredients {}

impl Hash for Ingredients {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.addresses().hash(state);
    }
}
