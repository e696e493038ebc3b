//! Files that tests on an engine write, and that come back to the source tree.

use super::casd::Casd;
use super::cluster::Cluster;
use crate::bot;
use crate::engine::Engine;
use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use crate::needs_cluster;
use maelstrom::engine::{BlobContent, UploadBlob, reapi};
use maelstrom::executor::remote::{OUTCOMES, OUTPUTS, RunnerRecord};
use maelstrom::executor::{ListedKind, ListedOutput, Outcome, OutputListing, Status};
use maelstrom::store::Digest;
use prost::Message as _;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

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
        assert!(!run.stderr.contains("warning: outputs"), "{run}");
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

/// `lose` removes a blob of the engine.
fn cached_results_bring_outputs(engine: &AnyEngine, lose: impl Fn(&[u8])) {
    let project = Project::own("shell");
    let options = ["--cache-results=auto"];
    // The content is that of no other test.
    let content = format!("written in {}\n", project.root.display());
    let script = "echo written in $PWD >a.snap.new; rm -f old.snap.new";
    let copy = project.root.join("a.snap.new");
    let run = |cached: bool| {
        let _ = fs::remove_file(&copy);
        let run = engine.run(&project, &options, script).exits(0);
        assert_eq!(run.summary()["cached"], i32::from(cached), "{run}");
        assert_eq!(text(&copy).as_ref(), Some(&content), "{run}");
        assert!(!run.stderr.contains("warning: outputs"), "{run}");
    };
    run(false);
    run(true);
    run(true);
    lose(content.as_bytes());
    run(false);
    run(true);
}

#[test]
fn a_cached_result_of_a_cluster_brings_its_outputs_and_is_not_used_if_they_are_lost() {
    needs_cluster!();
    cached_results_bring_outputs(&on_cluster(), |content| {
        Engine::shared().lose(&Digest::of(content).hex());
    });
}

#[test]
fn a_cached_result_of_an_engine_brings_its_outputs_and_is_not_used_if_they_are_lost() {
    needs_containers!();
    let Some(casd) = Casd::start() else { return };
    let engine = AnyEngine::Casd(casd);
    cached_results_bring_outputs(&engine, |content| {
        let AnyEngine::Casd(casd) = &engine else {
            unreachable!()
        };
        let blob = casd.blob(content);
        fs::remove_file(blob.expect("the engine has the output")).unwrap();
    });
}

/// The names in a directory, sorted.
fn names_in(directory: &Path) -> Vec<OsString> {
    let names = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort_unstable();
    names
}

#[test]
fn only_files_and_links_are_copied_out_of_a_container_on_an_engine() {
    needs_cluster!();
    let engine = on_cluster();
    let project = Project::own("shell");
    let outside = project.temporary().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    // A `tmp` mount, in which a job can make the device that is overlayfs's mark elsewhere.
    project.directives(&format!(
        "[[directives]]\n\
         added_layers = [{{ programs = [\"mknod\"] }}]\n\
         added_mounts = [{{ type = \"tmp\", mount_point = \"{}/scratch\" }}]\n",
        project.root.display()
    ));
    project.write("scratch/kept", "precious");
    let script = format!(
        "mkfifo fifo || exit 2; mknod scratch/kept c 0 0 || exit 3; mkfifo scratch/fifo || exit 4\n\
         mkdir .git; echo x >.git/config; ln -s {} up; ln -s up/file chain; ln -s loop loop\n\
         echo x >one; ln one two; ln /etc/passwd three || exit 5; echo x >'a\nb'\n\
         echo x >\"$(printf '\\377')\"",
        outside.display()
    );
    let before = names_in(&project.root);
    let run = engine.run(&project, &["--write-back"], &script).exits(0);
    for (name, target) in [
        ("up", &*outside),
        ("chain", Path::new("up/file")),
        ("loop", Path::new("loop")),
    ] {
        let link = fs::read_link(project.root.join(name)).ok();
        assert_eq!(link.as_deref(), Some(target), "{run}");
    }
    for name in [
        OsStr::new("one"),
        OsStr::new("two"),
        OsStr::new("a\nb"),
        OsStr::from_bytes(b"\xff"),
    ] {
        let copy = project.root.join(name);
        assert_eq!(text(copy).as_deref(), Some("x\n"), "{name:?} {run}");
    }
    let new: Vec<_> = (names_in(&project.root).into_iter())
        .filter(|name| !before.contains(name))
        .collect();
    let expected = ["a\nb", "chain", "loop", "one", "three", "two", "up"].map(OsString::from);
    let bytes = OsString::from_vec(b"\xff".to_vec());
    assert_eq!(new, [&expected[..], &[bytes]].concat(), "{run}");
    let kept = text(project.root.join("scratch/kept"));
    assert_eq!(kept.as_deref(), Some("precious"), "{run}");
    assert_eq!(names_in(&project.root.join("scratch")), ["kept"], "{run}");
    assert!(
        run.stdout
            .contains(".git/config: files of version control are not written back"),
        "{run}"
    );
    // Where the links are now, a later test has a directory and a file.
    let script = "rm up chain; mkdir up; echo y >up/file; echo y >chain";
    let run = engine.run(&project, &["--write-back"], script).exits(0);
    assert_eq!(
        text(outside.join("file")).as_deref(),
        Some("precious"),
        "{run}"
    );
    assert_eq!(
        text(project.root.join("chain")).as_deref(),
        Some("y\n"),
        "{run}"
    );
}

#[test]
fn outputs_beyond_the_limit_are_not_even_sent_to_the_engine() {
    needs_containers!();
    let Some(engine) = Casd::start() else { return };
    let engine = AnyEngine::Casd(engine);
    let project = Project::own("shell");
    let script = "echo new >a.snap.new; for i in 1 2 3 4 5 6 7 8 9; do \
        echo a line of a file that is too large; done >b.snap.new; truncate -s 10G c.snap.new";
    let run = engine
        .run(&project, &["--outputs-limit=200"], script)
        .exits(0);
    assert_eq!(
        text(project.root.join("a.snap.new")).as_deref(),
        Some("new\n"),
        "{run}"
    );
    for absent in ["b.snap.new", "c.snap.new"] {
        assert!(!project.root.join(absent).exists(), "{run}");
    }
    let warning = "b.snap.new and later outputs were not copied: together they exceed the limit of \
                   200 bytes; raise `outputs-limit`";
    assert!(run.stderr.contains(warning), "{run}");
    let AnyEngine::Casd(casd) = &engine else {
        unreachable!()
    };
    let too_large = "a line of a file that is too large\n".repeat(9);
    assert!(casd.blob(too_large.as_bytes()).is_none());
    let run = engine
        .run(&project, &["--outputs-limit=400"], script)
        .exits(0);
    assert_eq!(
        text(project.root.join("b.snap.new")),
        Some(too_large),
        "{run}"
    );
    assert!(
        run.stderr
            .contains("c.snap.new and later outputs were not copied"),
        "{run}"
    );
}

#[test]
fn each_job_of_a_batch_has_outputs_of_its_own() {
    needs_cluster!();
    let cluster = Cluster::start(Engine::shared(), 1);
    let project = Project::own("plain");
    let tests = (0..20).map(|number| {
        let end = if number % 5 == 0 { "panic!()" } else { "" };
        format!(
            "#[test] fn t{number}() {{
                std::fs::write(\"t{number}.snap.new\", \"{number}\").unwrap();
                std::fs::write(\"all.snap.new\", \"{number}\").unwrap();
                {end}
            }}\n"
        )
    });
    project.write("src/lib.rs", &tests.collect::<String>());
    let run = cluster.run(&project, &["--no-fail-fast"]).exits(100);
    for number in 0..20 {
        let copy = project.root.join(format!("t{number}.snap.new"));
        assert_eq!(text(&copy), Some(number.to_string()), "{run}");
    }
    let warning = "both wrote ";
    assert!(run.stdout.contains(warning), "{run}");
}

#[test]
fn lines_that_tests_on_an_engine_append_for_insta_are_appended_to_the_clients_file() {
    needs_cluster!();
    let engine = on_cluster();
    let project = Project::own("shell");
    let references = project.temporary().join("references");
    fs::write(&references, "earlier\n").unwrap();
    let script = "echo $$ line >>$INSTA_SNAPSHOT_REFERENCES_FILE; test -z $INSTA_WARNINGS_FILE";
    let options = ["--cache-results=auto"];
    for count in 1..=2 {
        let mut command = engine.command(&project, &options, script);
        command.env("INSTA_SNAPSHOT_REFERENCES_FILE", &references);
        let run = Run::of(&mut command, &project).exits(0);
        assert_eq!(run.summary()["cached"], 0, "{run}");
        let lines = text(&references).unwrap();
        assert_eq!(lines.lines().count(), 1 + count, "{lines} {run}");
        assert!(
            lines.starts_with("earlier\n") && lines.ends_with(" line\n"),
            "{lines}"
        );
    }
}

#[test]
fn outputs_of_a_job_on_an_engine_are_copied_to_the_directory_of_the_job() {
    needs_cluster!();
    let engine = on_cluster();
    let project = Project::own("plain");
    let job = r#"{ "layers": [{ "programs": ["sh", "mkdir"] }, { "stubs": ["/tmp/"] }],
        "mounts": [{ "type": "tmp", "mount_point": "/tmp" }], "outputs": ["/tmp/out/**"],
        "program": "sh", "arguments": ["-c", "mkdir /tmp/out; echo x >/tmp/out/file; exit 3"] }"#;
    project.write("job.json", job);
    let outputs = project.temporary().join("outputs");
    let directory = format!("--outputs-directory={}", outputs.display());
    let remote = engine.options();
    let remote: Vec<&str> = remote.iter().map(String::as_str).collect();
    let arguments = [&["--file=job.json", &directory][..], &remote].concat();
    let run = Run::of(&mut project.jobs(&arguments), &project);
    assert_eq!(
        text(outputs.join("1/tmp/out/file")).as_deref(),
        Some("x\n"),
        "{run}"
    );
    assert!(
        run.stderr
            .contains("note: 1 output of job 1 of the input copied to"),
        "{run}"
    );
}

/// A worker's answer with one job that passed, these outputs, and this tree of outputs.
async fn hostile_result(
    engine: &Engine,
    outputs: Vec<ListedOutput>,
    tree: reapi::Tree,
    blobs: &[&[u8]],
) -> reapi::ActionResult {
    let connected = maelstrom::engine::Engine::connect(&engine.settings())
        .await
        .unwrap();
    let tree = tree.encode_to_vec();
    let blobs = blobs
        .iter()
        .copied()
        .chain([tree.as_slice()])
        .map(|content| UploadBlob {
            digest: Digest::of(content),
            content: BlobContent::Memory(content.to_vec().into()),
        });
    connected.upload(blobs, &Arc::default()).await.unwrap();
    let passed = Outcome {
        status: Status::Exited(0),
        ..Outcome::error(String::new())
    };
    let listing = OutputListing {
        outputs,
        problems: Vec::new(),
    };
    reapi::ActionResult {
        output_files: vec![reapi::OutputFile {
            path: OUTCOMES.to_owned(),
            contents: RunnerRecord::Ended(0, Box::new(passed), listing).to_bytes(),
            ..reapi::OutputFile::default()
        }],
        output_directories: vec![reapi::OutputDirectory {
            path: OUTPUTS.to_owned(),
            tree_digest: Some(Digest::of(&tree).into()),
            ..reapi::OutputDirectory::default()
        }],
        ..reapi::ActionResult::default()
    }
}

/// A tree with one job whose directory is this one.
fn tree_of(directory: reapi::Directory) -> reapi::Tree {
    let node = reapi::DirectoryNode {
        name: "0".to_owned(),
        digest: Some(Digest::of(&directory.encode_to_vec()).into()),
    };
    let up = reapi::DirectoryNode {
        name: "..".to_owned(),
        ..node.clone()
    };
    reapi::Tree {
        root: Some(reapi::Directory {
            directories: vec![up, node],
            ..reapi::Directory::default()
        }),
        children: vec![directory],
    }
}

fn file_node(name: &str, digest: Digest) -> reapi::FileNode {
    reapi::FileNode {
        name: name.to_owned(),
        digest: Some(digest.into()),
        ..reapi::FileNode::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hostile_worker_writes_nothing_but_outputs_of_the_test() {
    needs_cluster!();
    let engine = Engine::shared();
    let cluster = Cluster::of(&engine.endpoint());
    let project = Project::own("shell");
    let outside = project.temporary().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("precious"), "precious").unwrap();
    let outside_path = |name: &str| outside.join(name);
    let inside = |name: &str| project.root.join(name);
    let (content, huge) = (
        Digest::of(b"evil"),
        Digest {
            sha256: [1; 32],
            size: 1 << 60,
        },
    );
    let plain = || ListedKind::File { executable: false };
    let link = |target: &Path| ListedKind::Symlink {
        target: target.to_owned(),
    };
    let listed = |path: PathBuf, kind| ListedOutput { path, kind };
    let outputs = vec![
        listed(outside_path("written"), plain()),
        listed(inside("../outside/written"), plain()),
        listed(outside_path("precious"), ListedKind::Removed),
        listed(inside("../outside/precious"), ListedKind::Removed),
        listed("relative.snap.new".into(), plain()),
        // A link, and a file below it.
        listed(inside("up"), link(&outside)),
        listed(inside("up/written"), plain()),
        listed(inside("up/precious"), ListedKind::Removed),
        listed(inside(".git/config"), plain()),
        // Not in the tree.
        listed(inside("missing"), plain()),
        listed(inside("good"), plain()),
        listed(inside("huge"), plain()),
    ];
    let names = (0..outputs.len()).filter(|n| *n != 9);
    let mut files: Vec<_> = names
        .map(|n| file_node(&n.to_string(), if n == 11 { huge } else { content }))
        .collect();
    files.extend(["..", "/etc/x", "../../x", ""].map(|name| file_node(name, content)));
    let directory = reapi::Directory {
        files,
        symlinks: vec![reapi::SymlinkNode {
            name: "9".to_owned(),
            target: "/etc/passwd".to_owned(),
            ..reapi::SymlinkNode::default()
        }],
        ..reapi::Directory::default()
    };
    let result = hostile_result(engine, outputs, tree_of(directory), &[b"evil"]).await;
    let running = cluster.begin(&project, &["--write-back", "--", "--script=true"]);
    bot::answer_one(engine, &cluster.pool, result).await;
    let run = running.end().exits(0);
    assert_eq!(text(inside("good")).as_deref(), Some("evil"), "{run}");
    assert_eq!(fs::read_link(inside("up")).unwrap(), outside, "{run}");
    let names: Vec<_> = fs::read_dir(&outside).unwrap().flatten().collect();
    assert_eq!(names.len(), 1, "{run}");
    assert_eq!(text(outside.join("precious")).as_deref(), Some("precious"));
    for absent in [".git", "missing", "huge", "relative.snap.new"] {
        assert!(!inside(absent).exists(), "{absent}: {run}");
    }
    for said in [
        "outside/written was not copied: the worker sent it, but it does not match `outputs`",
        "relative.snap.new was not copied: the worker sent it, but it does not match `outputs`",
        "5 more problems of this kind",
    ] {
        assert!(run.stdout.contains(said), "{said}: {run}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tree_of_outputs_that_is_damaged_lost_or_ambiguous_is_a_warning() {
    needs_cluster!();
    let engine = Engine::shared();
    let cluster = Cluster::of(&engine.endpoint());
    let project = Project::own("shell");
    let path = project.root.join("a");
    let outputs = || {
        vec![ListedOutput {
            path: path.clone(),
            kind: ListedKind::File { executable: false },
        }]
    };
    let content = Digest::of(b"evil");
    let twice = reapi::Directory {
        files: vec![file_node("0", content), file_node("0", content)],
        ..reapi::Directory::default()
    };
    let lost = reapi::Directory {
        files: vec![file_node("0", Digest::of(b"never sent"))],
        ..reapi::Directory::default()
    };
    let empty = reapi::Tree::default;
    let mut large = hostile_result(engine, outputs(), empty(), &[]).await;
    large.output_directories[0].tree_digest = Some(
        Digest {
            sha256: [1; 32],
            size: 1 << 60,
        }
        .into(),
    );
    let mut damaged = hostile_result(engine, outputs(), empty(), &[b"evil"]).await;
    damaged.output_directories[0].tree_digest = Some(content.into());
    let mut none = hostile_result(engine, outputs(), empty(), &[]).await;
    none.output_directories.clear();
    for (result, said) in [
        (large, "the list of outputs has 1152921504606846976 bytes"),
        (damaged, "the list of outputs is damaged"),
        (none, "the result of the action lacks `outputs`"),
        (
            hostile_result(engine, outputs(), empty(), &[]).await,
            "`outputs` does not have `0` once",
        ),
        (
            hostile_result(engine, outputs(), tree_of(twice), &[b"evil"]).await,
            "`outputs` has `0` twice in one directory",
        ),
        (
            hostile_result(engine, outputs(), tree_of(lost), &[]).await,
            "has lost its content",
        ),
    ] {
        let running = cluster.begin(&project, &["--write-back", "--", "--script=true"]);
        bot::answer_one(engine, &cluster.pool, result).await;
        let run = running.end().exits(0);
        assert!(run.stdout.contains(said), "{said}: {run}");
        assert!(run.stdout.contains("/a was not copied"), "{run}");
        assert!(!path.exists(), "{run}");
    }
}

/// The results of tests stand if the engine loses or damages one of their outputs before it is
/// downloaded.
async fn one_bad_output(spoil: impl Fn(&Engine, &Digest), said: &str) {
    let engine = Engine::shared();
    let cluster = Cluster::of(&engine.endpoint());
    let project = Project::own("shell");
    let at = |name: &str| project.root.join(name);
    let listed = |name| ListedOutput {
        path: at(name),
        kind: ListedKind::File { executable: false },
    };
    // The contents are those of no other test.
    let content = |name: &str| format!("{name} of {}", at(name).display());
    let (bad, good) = (content("bad"), content("good"));
    let digests = [&bad, &good].map(|content| Digest::of(content.as_bytes()));
    let directory = reapi::Directory {
        files: vec![file_node("0", digests[0]), file_node("1", digests[1])],
        ..reapi::Directory::default()
    };
    let outputs = vec![listed("bad"), listed("good")];
    let blobs = [bad.as_bytes(), good.as_bytes()];
    let result = hostile_result(engine, outputs, tree_of(directory), &blobs).await;
    spoil(engine, &digests[0]);
    let running = cluster.begin(&project, &["--write-back", "--", "--script=true"]);
    bot::answer_one(engine, &cluster.pool, result).await;
    let run = running.end().exits(0);
    assert_eq!(run.statuses()["script"], "passed", "{run}");
    let warning = format!("{} was not copied: ", at("bad").display());
    assert!(run.stdout.contains(&warning), "{run}");
    assert!(run.stdout.contains(said), "{said}: {run}");
    assert_eq!(text(at("good")), Some(good), "{run}");
    assert!(!at("bad").exists(), "{run}");
}

#[tokio::test(flavor = "multi_thread")]
async fn results_stand_if_an_output_is_lost() {
    needs_cluster!();
    let lose = |engine: &Engine, digest: &Digest| engine.lose(&digest.hex());
    one_bad_output(lose, "has lost its content").await;
}

/// It takes a minute, as a damaged blob is requested again for that time.
#[tokio::test(flavor = "multi_thread")]
async fn results_stand_if_an_output_is_damaged() {
    needs_cluster!();
    let damage = |engine: &Engine, digest: &Digest| {
        let blob = engine.blob(&digest.hex()).expect("the engine has the blob");
        let mut content = fs::read(&blob).unwrap();
        content[0] ^= 1;
        fs::write(blob, content).unwrap();
    };
    one_bad_output(damage, "failed digest verification").await;
}
