//! The file system of the store is full.

use crate::client::Client;
use crate::need::needs_containers;
use crate::project::Project;
use nix::mount::MsFlags;
use nix::sched::{CloneFlags, setns, unshare};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const CROWD: usize = 25;

/// A mount namespace, and for an ordinary user a user namespace around it, so that
/// everybody may mount things in here.
pub struct Nest {
    /// Holds the namespaces as long as its stdin is open.
    holder: Child,
    has_user_namespace: bool,
}

impl Nest {
    pub fn new() -> Self {
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        // Another one whose 0 is the machine's is refused, having no user for tests.
        let has_user_namespace = !uid.is_root();
        let (uid_map, gid_map) = (format!("0 {uid} 1"), format!("0 {gid} 1"));
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let enter = move || {
            if has_user_namespace {
                unshare(CloneFlags::CLONE_NEWUSER)?;
                fs::write("/proc/self/setgroups", "deny")?;
                fs::write("/proc/self/uid_map", &uid_map)?;
                fs::write("/proc/self/gid_map", &gid_map)?;
            }
            unshare(CloneFlags::CLONE_NEWNS)?;
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            Ok(nix::mount::mount(
                None::<&str>,
                "/",
                None::<&str>,
                private,
                None::<&str>,
            )?)
        };
        // SAFETY: system calls on memory of the child's own.
        let holder = unsafe { command.pre_exec(enter) }.spawn().unwrap();
        Self {
            holder,
            has_user_namespace,
        }
    }

    /// Makes a command run in here.
    pub fn command(&self, mut command: Command) -> Command {
        let open = |kind| File::open(format!("/proc/{}/ns/{kind}", self.holder.id())).unwrap();
        let mounts = open("mnt");
        let user = self.has_user_namespace.then(|| open("user"));
        let directory = command.get_current_dir().map(Path::to_owned);
        let enter = move || {
            if let Some(user) = &user {
                setns(user, CloneFlags::CLONE_NEWUSER)?;
            }
            setns(&mounts, CloneFlags::CLONE_NEWNS)?;
            if let Some(directory) = &directory {
                nix::unistd::chdir(directory)?;
            }
            Ok(())
        };
        // SAFETY: system calls on memory of the child's own.
        unsafe { command.pre_exec(enter) };
        command
    }

    /// Writes to a file as seen, and with the rights one has, in here.
    pub fn write(&self, path: &str, text: &str) {
        let mut command = Command::new("sh");
        command.args(["-c", r#"printf %s "$1" > "$2""#, "sh", text, path]);
        let status = self.command(command).status().unwrap();
        assert!(status.success(), "cannot write {path}");
    }

    pub fn mount_tmpfs(&self, path: &Path, options: &str) {
        self.mount(path, MsFlags::empty(), options);
    }

    pub fn remount(&self, path: &Path, options: &str) {
        self.mount(path, MsFlags::MS_REMOUNT, options);
    }

    fn mount(&self, path: &Path, flags: MsFlags, options: &str) {
        let (path, options) = (path.to_owned(), options.to_owned());
        let mount = move || {
            let tmpfs = Some("tmpfs");
            Ok(nix::mount::mount(
                tmpfs,
                &path,
                tmpfs,
                flags,
                Some(options.as_str()),
            )?)
        };
        let mut command = self.command(Command::new("true"));
        // SAFETY: system calls on memory of the child's own. It comes after those
        // that enter the namespaces.
        let status = unsafe { command.pre_exec(mount) }.status().unwrap();
        assert!(status.success());
    }

    /// A path as it is from outside.
    pub fn outside(&self, path: &Path) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(path.strip_prefix("/").unwrap())
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}

#[test]
fn a_full_disk_is_an_error_with_a_remedy_and_the_next_run_of_crowd_works() {
    needs_containers!();
    let project = Project::copy("crowd");
    project.build();
    let directory = project.root().join("target/maelstrom");
    fs::create_dir_all(&directory).unwrap();
    // Rustdoc, which finds no documentation tests, would need space for itself.
    project.start(&["--lib"]).finish().assert_all_passed(CROWD);
    let needed = count_files(&directory);
    let sizes = ["4k", "16k", "64k", "1m", "2m", "3m", "4m"].map(|size| format!("size={size}"));
    // Full at the start, in the middle, and at each of the last files of a run.
    let files = [2, 10, needed / 2]
        .into_iter()
        .chain(needed - 10..needed + 2);
    let files = files.map(|files| format!("size=1g,nr_inodes={files}"));
    for limit in sizes.into_iter().chain(files) {
        let nest = Nest::new();
        nest.mount_tmpfs(&directory, &limit);
        let run = Client::start(&mut nest.command(project.json(&["--lib"]))).finish();
        println!(
            "{limit}: {:?} {}",
            run.status.code(),
            run.stderr.lines().last().unwrap_or("")
        );
        match run.status.code() {
            Some(0) => {
                run.assert_all_passed(CROWD);
                for event in run
                    .events
                    .iter()
                    .filter(|event| event["event"] == "warning")
                {
                    println!("{event}");
                }
            }
            // Nothing could be run.
            Some(96) => assert_tells_of_full_disk(&run.stderr),
            Some(100) => {
                for event in run
                    .events
                    .iter()
                    .filter(|event| event["status"] != "passed")
                {
                    if event["event"] == "finished" && event["type"] == "test"
                        || event["event"] == "error"
                    {
                        assert_tells_of_full_disk(event["message"].as_str().unwrap());
                    }
                }
            }
            code => panic!("{limit}: {code:?}: {run}"),
        }
        nest.remount(&directory, "size=1g,nr_inodes=100k");
        let run = Client::start(&mut nest.command(project.json(&[]))).finish();
        run.assert_all_passed(CROWD);
        let tmp = fs::read_dir(nest.outside(&project.store().join("tmp"))).unwrap();
        assert_eq!(tmp.count(), 0, "temporary files are left");
    }
    project.assert_nothing_is_left();
}

#[test]
fn a_disk_that_is_full_at_the_end_of_a_run_of_unruly_costs_no_result() {
    needs_containers!();
    let project = Project::copy("unruly");
    project.build();
    let directory = project.root().join("target/maelstrom");
    let nest = Nest::new();
    fs::create_dir_all(&directory).unwrap();
    nest.mount_tmpfs(&directory, "size=64m");
    let waits = "tests::waits_and_ignores_signals";
    let arguments = ["--timeout", "1", "--", "--exact", waits, "tests::passes"];
    let mut client = Client::start(&mut nest.command(project.json(&arguments)));
    client.wait_for_start_of(waits);
    // While that one's time is not yet up.
    let mut filler = File::create(nest.outside(&directory.join("filler"))).unwrap();
    let chunk = vec![1; 64 << 10];
    let full = std::iter::repeat_with(|| filler.write_all(&chunk)).find_map(Result::err);
    assert_eq!(full.unwrap().kind(), std::io::ErrorKind::StorageFull);
    let run = client.finish();
    assert_eq!(run.status.code(), Some(100), "{run}");
    assert_eq!(run.test(waits)["status"], "timed-out", "{run}");
    assert_eq!(run.test("tests::passes")["status"], "passed", "{run}");
    run.assert_counts_add_up(2);
    let warned = run
        .events
        .iter()
        .filter(|event| event["event"] == "warning");
    let warned: Vec<_> = warned
        .map(|event| event["message"].as_str().unwrap())
        .collect();
    assert!(
        warned
            .iter()
            .any(|text| text.contains("failed to write the history")),
        "{run}"
    );
    drop(filler);
    fs::remove_file(nest.outside(&directory.join("filler"))).unwrap();
    let arguments = ["--", "--exact", "tests::passes"];
    Client::start(&mut nest.command(project.json(&arguments)))
        .finish()
        .assert_all_passed(1);
}

fn count_files(directory: &Path) -> usize {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    1 + entries
        .map(|entry| {
            if entry.file_type().unwrap().is_dir() {
                count_files(&entry.path())
            } else {
                1
            }
        })
        .sum::<usize>()
}

fn assert_tells_of_full_disk(text: &str) {
    assert!(
        text.contains("no space left on the file system of the store")
            && text.contains("free some"),
        "{text}"
    );
}
