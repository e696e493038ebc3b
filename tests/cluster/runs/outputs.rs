//! Files that tests on an engine write, and that come back to the source tree.

use super::casd::Casd;
use super::cluster::Cluster;
use crate::engine::Engine;
use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use crate::needs_cluster;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// An engine of either kind.
enum AnyEngine {
    Cluster(Cluster),
    Casd(Casd),
}

impl AnyEngine {
    fn options(&self) -> Vec<String> {
        match self {
            Self::Cluster(cluster) => cluster.options().into(),
            Self::Casd(engine) => engine.options(),
        }
    }

    /// Runs a script as a test on the engine.
    fn run(&self, project: &Project, options: &[&str], script: &str) -> Run {
        Run::of(&mut self.command(project, options, script), project)
    }

    fn command(&self, project: &Project, options: &[&str], script: &str) -> std::process::Command {
        let remote = self.options();
        let remote: Vec<&str> = remote.iter().map(String::as_str).collect();
        let json = ["--message-format=json", "--ui=simple"];
        let mut command = project.command(&[&json, &remote[..], options].concat());
        command.args(["--", &format!("--script={script}")]);
        command
    }
}

fn on_cluster() -> AnyEngine {
    AnyEngine::Cluster(Cluster::start(Engine::shared(), 1))
}

fn text(path: impl AsRef<Path>) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// The copy of a file of the test that is not of the source tree.
fn other(project: &Project, path: &str) -> PathBuf {
    let outputs = "maelstrom/outputs/shell/bin-script/script";
    project
        .target
        .join(outputs)
        .join(path.trim_start_matches('/'))
}

/// Every kind of output, and a file that is none.
const SCRIPT: &str = "mkdir -p tests/snapshots; echo new >tests/snapshots/a.snap.new; \
     echo x >b.snap.new; chmod +x b.snap.new; ln -s /etc/passwd c.snap.new; rm d.snap.new; \
     mkdir /tmp/report; echo report >/tmp/report/r.xml; : >/tmp/report/empty.xml; echo x >other; \
     mkfifo e.snap.new; echo hidden >.gitignored.snap.new";

fn outputs_come_back(engine: &AnyEngine) {
    let project = Project::own("shell");
    project.directives(
        "[[directives]]\n\
         added_outputs = ['/tmp/report/*.xml']\n\
         timeout = 3\n",
    );
    for (end, code, status) in [
        ("exit 0", 0, "passed"),
        ("exit 1", 100, "failed"),
        ("kill -9 $$", 100, "failed"),
        ("sleep 1000", 100, "timed-out"),
    ] {
        project.write("d.snap.new", "stale");
        let run = engine.run(&project, &[], &format!("{SCRIPT}; {end}"));
        assert_eq!(run.code, Some(code), "{run}");
        assert_eq!(run.statuses()["script"], status, "{run}");
        let at = |path: &str| project.root.join(path);
        assert_eq!(
            text(at("tests/snapshots/a.snap.new")).as_deref(),
            Some("new\n"),
            "{run}"
        );
        let mode = at("b.snap.new").metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{mode:o} {run}");
        let target = fs::read_link(at("c.snap.new")).ok();
        assert_eq!(target.as_deref(), Some(Path::new("/etc/passwd")), "{run}");
        for absent in ["d.snap.new", "e.snap.new", "other"] {
            assert!(!at(absent).exists(), "{absent}: {run}");
        }
        for (name, content) in [("r", "report\n"), ("empty", "")] {
            let copy = other(&project, &format!("/tmp/report/{name}.xml"));
            assert_eq!(text(&copy).as_deref(), Some(content), "{run}");
        }
        assert!(
            run.stderr
                .contains("note: 6 files that tests wrote were copied out"),
            "{run}"
        );
        let removed = "note: 1 file that tests removed was removed from the source tree:";
        assert!(run.stderr.contains(removed), "{run}");
        let event = run.finished("script");
        assert_eq!(event["outputs"].as_array().unwrap().len(), 6, "{run}");
        assert!(!run.stderr.contains("warning"), "{run}");
        for name in [
            "tests/snapshots/a.snap.new",
            "b.snap.new",
            "c.snap.new",
            ".gitignored.snap.new",
        ] {
            fs::remove_file(at(name)).unwrap();
        }
    }
}

#[test]
fn outputs_of_tests_on_a_cluster_come_back_whether_they_passed_or_not() {
    needs_cluster!();
    outputs_come_back(&on_cluster());
}

#[test]
fn outputs_of_tests_in_the_sandboxes_of_an_engine_come_back_whether_they_passed_or_not() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    outputs_come_back(&AnyEngine::Casd(engine));
}
