//! BuildGrid with workers.

use crate::engine::{self, Engine};
use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use crate::worker::{Worker, new_cache, new_pool};
use nix::sys::signal::Signal;
use std::thread::yield_now;
use tempfile::TempDir;

/// The engine that all tests share, with workers of one test's own.
pub struct Cluster {
    pool: String,
    workers: Vec<Worker>,
    _caches: Vec<TempDir>,
}

impl Cluster {
    /// `None`, which is said, if there is no engine here.
    pub fn start(workers: usize) -> Option<Self> {
        if !engine::is_there() {
            return None;
        }
        let pool = new_pool();
        let caches: Vec<_> = (0..workers).map(|_| new_cache()).collect();
        let start = |cache| Worker::start(Engine::shared(), &pool, cache);
        Some(Self {
            workers: caches.iter().map(start).collect(),
            _caches: caches,
            pool,
        })
    }

    pub fn options(&self) -> [String; 2] {
        [
            format!("--remote={}", Engine::shared().endpoint()),
            format!("--remote-platform=pool={}", self.pool),
        ]
    }

    fn run(&self, project: &Project, arguments: &[&str]) -> Run {
        let [remote, pool] = self.options();
        project.events(&[&[remote.as_str(), &pool], arguments].concat())
    }
}

#[test]
fn the_same_tests_pass_and_fail_on_a_cluster_as_here() {
    needs_containers!();
    let Some(cluster) = Cluster::start(2) else {
        return;
    };
    for name in ["outcomes", "shop"] {
        let project = Project::shared(name);
        let arguments = ["--no-fail-fast", "--timeout=3"];
        let here = project.events(&arguments);
        let there = cluster.run(&project, &arguments);
        assert_eq!(here.code, there.code, "{there}");
        assert_eq!(
            here.of_tests("finished").len(),
            there.of_tests("finished").len()
        );
        let of = |run: &Run| {
            let mut results: Vec<_> = run
                .of_tests("finished")
                .iter()
                .map(|event| {
                    let text = |key: &str| event[key].to_string();
                    [
                        text("package"),
                        text("target"),
                        text("name"),
                        text("status"),
                    ]
                })
                .collect();
            results.sort();
            results
        };
        assert_eq!(of(&here), of(&there), "{there}");
    }
}

#[test]
fn a_worker_that_is_killed_in_a_batch_loses_no_test() {
    needs_containers!();
    let Some(mut cluster) = Cluster::start(2) else {
        return;
    };
    let project = Project::own("plain");
    let many: Vec<_> = (0..40)
        .map(|number| {
            format!(
                "#[test] fn t{number}() {{ \
                 std::thread::sleep(std::time::Duration::from_millis(100)); }}"
            )
        })
        .collect();
    project.write("src/lib.rs", &many.join("\n"));
    let [remote, pool] = cluster.options();
    let json = ["--message-format=json", "--ui=quiet", &remote, &pool];
    let mut command = project.command(&json);
    let run = std::thread::scope(|scope| {
        let run = scope.spawn(|| Run::of(&mut command, &project));
        // As soon as it has something to do.
        cluster.workers[0].wait_for("action");
        cluster.workers[0].signal(Signal::SIGKILL);
        while !run.is_finished() {
            yield_now();
        }
        run.join().unwrap()
    });
    let run = run.exits(0);
    assert_eq!(run.statuses().len(), 40, "{run}");
    assert!(
        run.statuses().values().all(|status| status == "passed"),
        "{run}"
    );
}
