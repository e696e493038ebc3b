//! The test cases that share a container, while and after it is prepared.

use crate::cargo::TestBinary;
use crate::directive::TestSpec;
use crate::executor::Container;
use crate::test_job::TestCase;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

/// What a container is made of. Equal are only the very same: to compare what is in
/// them would take longer, and being held here they keep their addresses.
pub struct Ingredients {
    spec: Arc<TestSpec>,
    binary: Arc<TestBinary>,
}

/// What became of a container.
pub enum Group {
    Preparing(Vec<TestCase>),
    Ready(Arc<Container>),
    Failed(Arc<str>),
}

impl Ingredients {
    pub fn new(spec: &Arc<TestSpec>, binary: &Arc<TestBinary>) -> Self {
        Self {
            spec: spec.clone(),
            binary: binary.clone(),
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
