//! Tests that wait, on any machine, until the gate is opened.

use maelstrom::engine::random_word;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The time between two checks.
const PAUSE: Duration = Duration::from_millis(10);

/// A file in the container of a test. The test waits until the file is removed. The word
/// of the gate is in the test's name, and so in the command line of its process.
pub struct Gate {
    word: String,
}

/// Keeps the gate open until this is dropped.
pub struct Opened {
    is_over: Arc<AtomicBool>,
    opener: Option<JoinHandle<()>>,
}

impl Gate {
    pub fn new() -> Self {
        Self {
            word: random_word(),
        }
    }

    /// The name of the gate's test.
    pub fn name(&self) -> String {
        format!("waits_{}", self.word)
    }

    /// The source of the gate's test.
    pub fn test(&self) -> String {
        let (name, file) = (self.name(), self.file());
        format!(
            "#[test] fn {name}() {{\n\
                 std::fs::write(\"{file}\", \"\").unwrap();\n\
                 while std::path::Path::new(\"{file}\").exists() {{\n\
                     std::thread::sleep(std::time::Duration::from_millis(5));\n\
                 }}\n\
             }}\n"
        )
    }

    /// The path of the file in the container of a waiting test.
    pub fn file(&self) -> String {
        format!("/tmp/closed-{}", self.word)
    }

    /// Blocks until a test waits at the gate.
    pub fn wait(&self) {
        self.wait_for(1);
    }

    /// Blocks until this number of tests wait at the gate.
    pub fn wait_for(&self, many: usize) {
        while self.closed().len() != many {
            thread::sleep(PAUSE);
        }
    }

    pub fn is_waited_at(&self) -> bool {
        !self.closed().is_empty()
    }

    #[must_use]
    pub fn open(&self) -> Opened {
        let is_over = Arc::new(AtomicBool::new(false));
        let (gate, until) = (
            Self {
                word: self.word.clone(),
            },
            is_over.clone(),
        );
        let opener = thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                for closed in gate.closed() {
                    // The process may have ended.
                    let _ = fs::remove_file(closed);
                }
                thread::sleep(PAUSE);
            }
        });
        Opened {
            is_over,
            opener: Some(opener),
        }
    }

    /// The gate files of all waiting tests.
    fn closed(&self) -> Vec<PathBuf> {
        let mut closed = Vec::new();
        for process in fs::read_dir("/proc").unwrap().flatten() {
            let words = fs::read(process.path().join("cmdline")).unwrap_or_default();
            if !String::from_utf8_lossy(&words).contains(&self.name()) {
                continue;
            }
            let file = process.path().join("root").join(&self.file()[1..]);
            if file.exists() {
                closed.push(file);
            }
        }
        closed
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        if let Some(opener) = self.opener.take() {
            opener.join().unwrap();
        }
    }
}
