use super::*;
use crate::container::WrittenDirectory;
use crate::store::Store;
use nix::sys::stat::{Mode, SFlag};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

/// A job's scratch space, a source tree, and a directory for other outputs.
struct Fixture {
    temporary: TempDir,
    places: OutputPlaces,
}

const RUN: &str = "the-run";

impl Fixture {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let source = temporary.path().join("source");
        fs::create_dir_all(&source).unwrap();
        fs::create_dir_all(temporary.path().join("scratch/upper")).unwrap();
        let places = OutputPlaces::new(
            Some(source.clone()),
            vec![source.join("target")],
            true,
            1000,
        );
        let places = places.of_run(RUN.to_owned());
        Self { temporary, places }
    }

    fn source(&self, path: &str) -> PathBuf {
        self.temporary.path().join("source").join(path)
    }

    fn others(&self, path: &str) -> PathBuf {
        self.temporary.path().join("others").join(path)
    }

    /// The place in the scratch space of a file of the job.
    fn upper(&self, path: &Path) -> PathBuf {
        let below = path.strip_prefix("/").unwrap();
        let upper = self.temporary.path().join("scratch/upper").join(below);
        fs::create_dir_all(upper.parent().unwrap()).unwrap();
        upper
    }

    /// The job writes a file of the source tree.
    fn write(&self, path: &str, text: &str) {
        let upper = self.upper(&self.source(path));
        // What an earlier job left there may be the mark of a removed file.
        let _ = fs::remove_file(&upper);
        fs::write(upper, text).unwrap();
    }

    /// The job removes a file of the source tree: overlayfs marks it so.
    fn remove(&self, path: &str) {
        let mark = self.upper(&self.source(path));
        let _ = fs::remove_file(&mark);
        nix::sys::stat::mknod(&mark, SFlag::S_IFCHR, Mode::S_IRWXU, 0).unwrap();
    }

    fn outputs(&self, globs: &[&str]) -> Option<JobOutputs> {
        let globs: Vec<String> = globs
            .iter()
            .map(|glob| match glob.strip_prefix('!') {
                Some(glob) => format!("!{}", self.source(glob).display()),
                None => self.source(glob).display().to_string(),
            })
            .collect();
        let scratch = fs::File::open(self.temporary.path().join("scratch")).unwrap();
        let directories = vec![WrittenDirectory {
            path: "/".into(),
            scratch: "upper".into(),
            is_overlay: true,
        }];
        JobOutputs::find(WrittenFiles::new(scratch.into(), directories), &globs)
    }

    fn save(&self, globs: &[&str]) -> SavedOutputs {
        let outputs = self.outputs(globs).expect("files match");
        self.places.save(&outputs, "a job", &self.others(""))
    }
}

#[test]
fn outputs_are_searched_in_the_directories_that_the_globs_begin_with() {
    let of =
        |globs: &[&str]| directories(&globs.iter().map(ToString::to_string).collect::<Vec<_>>());
    assert_eq!(
        of(&["/ws/**/*.snap.new", "/ws/a/*.x", "!/other/**"]),
        ["/ws"]
    );
    assert_eq!(of(&["/tmp/report.xml", "/ws/a?/b/c"]), ["/tmp", "/ws"]);
    assert_eq!(of(&["/ws/[[]x[]]/*/b"]), ["/ws/[x]"]);
    assert_eq!(of(&["/ws/[ab]/c"]), ["/ws"]);
    assert_eq!(of(&["/**"]), ["/"]);
    assert_eq!(of(&[]), Vec::<String>::new());
}

#[test]
fn files_that_match_are_copied_to_their_own_places() {
    let fixture = Fixture::new();
    fixture.write("src/snapshots/a.snap.new", "new");
    fixture.write("src/other", "other");
    let saved = fixture.save(&["**/*.snap.new"]);
    let copy = fixture.source("src/snapshots/a.snap.new");
    assert_eq!(saved.source_files, std::slice::from_ref(&copy));
    assert_eq!(saved.problems, Vec::<String>::new());
    assert_eq!(fs::read(&copy).unwrap(), b"new");
    assert_eq!(copy.metadata().unwrap().permissions().mode() & 0o7111, 0);
    assert!(!fixture.source("src/other").exists());
}

#[test]
fn the_last_glob_that_matches_decides() {
    let fixture = Fixture::new();
    fixture.write("target/x/a.new", "");
    assert!(fixture.outputs(&["**/*.new", "!target/**"]).is_none());
    assert!(
        fixture
            .outputs(&["**/*.new", "!target/**", "target/x/*"])
            .is_some()
    );
}

#[test]
fn files_of_the_target_directory_and_others_are_copied_elsewhere_in_the_place_of_earlier_ones() {
    let fixture = Fixture::new();
    fs::create_dir_all(fixture.others("stale")).unwrap();
    fixture.write("target/report", "x");
    let saved = fixture.save(&["target/*"]);
    let path = fixture.source("target/report");
    let copy = fixture.others("").join(path.strip_prefix("/").unwrap());
    assert_eq!(saved.other_files, std::slice::from_ref(&copy));
    assert_eq!(fs::read(copy).unwrap(), b"x");
    assert!(!path.exists() && !fixture.others("stale").exists());
}

#[test]
fn a_file_with_the_same_content_is_left_alone_and_a_changed_one_is_replaced() {
    let fixture = Fixture::new();
    fs::write(fixture.source("same"), "text").unwrap();
    fs::write(fixture.source("changed"), "text").unwrap();
    fs::write(fixture.source("program"), "text").unwrap();
    for name in ["same", "program"] {
        fixture.write(name, "text");
    }
    fixture.write("changed", "TEXT");
    let program = fixture.upper(&fixture.source("program"));
    fs::set_permissions(program, fs::Permissions::from_mode(0o4777)).unwrap();
    let saved = fixture.save(&["*"]);
    let expected = [fixture.source("changed"), fixture.source("program")];
    assert_eq!(saved.source_files, expected);
    assert_eq!(fs::read(fixture.source("changed")).unwrap(), b"TEXT");
    let mode = fixture
        .source("program")
        .metadata()
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o7122, 0o100, "{mode:o}");
    let names: Vec<_> = fs::read_dir(fixture.source("")).unwrap().collect();
    assert_eq!(names.len(), 3, "nothing temporary is left");
}

#[test]
fn symlinks_are_copied_and_never_followed() {
    let fixture = Fixture::new();
    let outside = fixture.temporary.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("file"), "precious").unwrap();
    // Links of the job.
    for (path, target) in [("link", "../outside/file"), ("directory", "../outside")] {
        symlink(target, fixture.upper(&fixture.source(path))).unwrap();
    }
    // Links of the user, where the job has files.
    symlink(&outside, fixture.source("users")).unwrap();
    symlink(outside.join("file"), fixture.source("to-file")).unwrap();
    fixture.write("users/file", "replaced");
    fixture.write("to-file", "replaced");
    let saved = fixture.save(&["**"]);
    let target = |path| fs::read_link(fixture.source(path)).unwrap();
    assert_eq!(target("link"), Path::new("../outside/file"));
    assert_eq!(target("directory"), Path::new("../outside"));
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"precious");
    assert_eq!(fs::read(fixture.source("to-file")).unwrap(), b"replaced");
    assert!(!fixture.source("to-file").is_symlink());
    assert_eq!(saved.problems.len(), 1, "{saved:?}");
    let problem = &saved.problems[0];
    assert!(
        problem.ends_with("`users` on its path is a symbolic link here"),
        "{problem}"
    );
    // A later job has a directory where the link came from.
    let later = Fixture {
        temporary: tempfile::tempdir().unwrap(),
        places: fixture.places,
    };
    let path = fixture.temporary.path().join("source/directory/file");
    fs::write(later.upper(&path), "replaced").unwrap();
    let scratch = fs::File::open(later.temporary.path().join("scratch")).unwrap();
    let directories = vec![WrittenDirectory {
        path: "/".into(),
        scratch: "upper".into(),
        is_overlay: true,
    }];
    let globs = [path.display().to_string()];
    let outputs = JobOutputs::find(WrittenFiles::new(scratch.into(), directories), &globs);
    let saved = later
        .places
        .save(&outputs.unwrap(), "later", &later.others(""));
    assert_eq!(saved.source_files, Vec::<PathBuf>::new());
    assert_eq!(saved.problems.len(), 1, "{saved:?}");
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"precious");
}

#[test]
fn what_is_no_regular_file_is_left_out_and_hard_links_are_files() {
    let fixture = Fixture::new();
    fixture.write("one", "text");
    let (one, two) = (fixture.source("one"), fixture.source("two"));
    fs::hard_link(fixture.upper(&one), fixture.upper(&two)).unwrap();
    nix::unistd::mkfifo(&fixture.upper(&fixture.source("fifo")), Mode::S_IRWXU).unwrap();
    let socket = fixture.upper(&fixture.source("socket"));
    // `bind` refuses paths of more than 107 bytes, a temporary directory may be longer.
    nix::sys::stat::mknod(&socket, SFlag::S_IFSOCK, Mode::S_IRWXU, 0).unwrap();
    let saved = fixture.save(&["*"]);
    assert_eq!(saved.source_files, [one, two.clone()]);
    assert_eq!(saved.problems, Vec::<String>::new());
    assert_eq!(fs::read(two).unwrap(), b"text");
}

#[test]
fn files_of_version_control_are_never_written() {
    let fixture = Fixture::new();
    fixture.write(".git/hooks/pre-commit", "#!/bin/sh");
    fixture.write("sub/.GIT", "gitdir: x");
    let saved = fixture.save(&["**"]);
    assert_eq!(saved.source_files, Vec::<PathBuf>::new());
    assert_eq!(saved.problems.len(), 2, "{saved:?}");
    assert!(!fixture.source(".git").exists() && !fixture.source("sub").exists());
}

#[test]
fn files_beyond_the_limit_are_left_out_with_a_message() {
    let fixture = Fixture::new();
    fixture.write("a", &"x".repeat(600));
    let sparse = fs::File::create(fixture.upper(&fixture.source("b"))).unwrap();
    sparse.set_len(1 << 40).unwrap();
    let saved = fixture.save(&["*"]);
    assert_eq!(saved.source_files, [fixture.source("a")]);
    let [problem] = &saved.problems[..] else {
        panic!("{saved:?}");
    };
    assert!(
        problem.contains("exceed the limit of 1000 bytes; raise `outputs-limit`"),
        "{problem}"
    );
    assert!(!fixture.source("b").exists());
}

#[test]
fn two_jobs_that_write_one_file_are_named_in_a_warning() {
    let fixture = Fixture::new();
    for (job, text, problems) in [
        ("one", "1", 0),
        ("one", "2", 0),
        ("two", "2", 0),
        ("two", "3", 1),
    ] {
        fixture.write("file", text);
        let outputs = fixture.outputs(&["*"]).unwrap();
        let saved = fixture.places.save(&outputs, job, &fixture.others(""));
        assert_eq!(saved.problems.len(), problems, "{job} {text}: {saved:?}");
        assert_eq!(fs::read_to_string(fixture.source("file")).unwrap(), text);
    }
}

/// Saves a file that the job `name` wrote.
fn save_of(fixture: &Fixture, name: &str, path: &str, text: &str) -> SavedOutputs {
    fixture.write(path, text);
    let outputs = fixture.outputs(&[path]).unwrap();
    fixture.places.save(&outputs, name, &fixture.others(""))
}

#[test]
fn the_changes_of_several_jobs_to_a_source_file_are_combined() {
    let fixture = Fixture::new();
    let base = "fn one() { expect![[]] }\n\n\nfn two() { expect![[]] }\n";
    fs::write(fixture.source("lib.rs"), base).unwrap();
    for (job, expected) in [("one", "fn one() { 1 }"), ("two", "fn two() { 2 }")] {
        let function = format!("fn {job}() {{ expect![[]] }}");
        let saved = save_of(&fixture, job, "lib.rs", &base.replace(&function, expected));
        assert_eq!(saved.problems, Vec::<String>::new());
    }
    let combined = "fn one() { 1 }\n\n\nfn two() { 2 }\n";
    let text = || fs::read_to_string(fixture.source("lib.rs")).unwrap();
    assert_eq!(text(), combined);
    let conflict = "fn one() { 3 }\n";
    let saved = save_of(&fixture, "three", "lib.rs", conflict);
    let place = fixture.source("lib.rs");
    let problem = format!(
        "two and three both wrote {}; the latter's file was kept",
        place.display()
    );
    assert_eq!(saved.problems, [problem]);
    assert_eq!(text(), conflict);
}

#[test]
fn lines_that_several_jobs_append_are_all_kept() {
    let fixture = Fixture::new();
    let (seeds, pending) = ("proptest-regressions/lib.txt", ".lib.rs.pending-snap");
    let earlier = r#"{"run_id":"earlier","line":1}"#;
    fs::write(fixture.source(pending), format!("{earlier}\n")).unwrap();
    for job in ["one", "two"] {
        let saved = save_of(&fixture, job, seeds, &format!("# header\n{job}\n"));
        assert_eq!(saved.problems, Vec::<String>::new());
        let lines = format!("{earlier}\n{{\"run_id\":\"{job}\",\"line\":\"{job}\"}}\n");
        let saved = save_of(&fixture, job, pending, &lines);
        assert_eq!(saved.problems, Vec::<String>::new());
    }
    let text = |path| fs::read_to_string(fixture.source(path)).unwrap();
    assert_eq!(text(seeds), "# header\none\ntwo\n");
    let of = |line| format!("{{\"run_id\":\"{RUN}\",\"line\":\"{line}\"}}");
    let expected = [earlier.to_owned(), of("one"), of("two"), String::new()];
    assert_eq!(text(pending), expected.join("\n"));
}

#[test]
fn only_files_that_a_job_removed_are_removed() {
    let fixture = Fixture::new();
    let outside = fixture.temporary.path().join("outside");
    fs::create_dir(&outside).unwrap();
    for path in [
        outside.join("file"),
        fixture.source("file"),
        fixture.source("kept"),
    ] {
        fs::write(path, "precious").unwrap();
    }
    symlink(&outside, fixture.source("up")).unwrap();
    symlink(&outside, fixture.source("link")).unwrap();
    fs::create_dir_all(fixture.source("directory/below")).unwrap();
    fs::create_dir_all(fixture.source("target")).unwrap();
    fs::write(fixture.source("target/file"), "precious").unwrap();
    // overlayfs's marks.
    for path in [
        "file",
        "link",
        "up/file",
        "directory",
        "absent/file",
        "target/file",
    ] {
        fixture.remove(path);
    }
    let saved = fixture.save(&["**"]);
    let removed = ["file", "link"].map(|path| fixture.source(path));
    assert_eq!(saved.removed_files, removed);
    assert!(
        removed
            .iter()
            .all(|path| fs::symlink_metadata(path).is_err())
    );
    for kept in ["kept", "target/file", "directory/below"] {
        assert!(fixture.source(kept).exists(), "{kept}");
    }
    assert!(!fixture.source("absent").exists(), "no directory was made");
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"precious");
    // The file below a link. A directory stays without a message.
    let [problem] = &saved.problems[..] else {
        panic!("{saved:?}");
    };
    let failed = format!("failed to remove {}: ", fixture.source("up/file").display());
    assert!(problem.starts_with(&failed), "{problem}");
    assert_eq!((saved.source_files.len(), saved.other_files.len()), (0, 0));
}

/// Saves the removal of a file by the job `name`.
fn removal_of(fixture: &Fixture, name: &str, path: &str) -> SavedOutputs {
    fixture.remove(path);
    let outputs = fixture.outputs(&[path]).unwrap();
    fixture.places.save(&outputs, name, &fixture.others(""))
}

#[test]
fn a_file_that_one_job_wrote_and_another_removed_is_a_warning() {
    for path in ["file", "lib.rs", ".lib.rs.pending-snap"] {
        let fixture = Fixture::new();
        let place = fixture.source(path);
        fs::write(&place, "base\n").unwrap();
        let saved = save_of(&fixture, "one", path, "one\n");
        assert_eq!(saved.problems, Vec::<String>::new());
        let saved = removal_of(&fixture, "one", path);
        assert_eq!(saved.problems, Vec::<String>::new(), "the same job");
        let saved = save_of(&fixture, "one", path, "one\n");
        assert_eq!(saved.problems, Vec::<String>::new());
        let saved = removal_of(&fixture, "two", path);
        let warning = format!(
            "one wrote {} and two removed it; it was removed",
            place.display()
        );
        assert_eq!(saved.problems, [warning]);
        assert_eq!(saved.removed_files, std::slice::from_ref(&place));
        assert!(!place.exists());
        let saved = removal_of(&fixture, "three", path);
        assert_eq!(saved, SavedOutputs::default(), "it was removed already");
    }
}

#[test]
fn a_file_that_one_job_removed_and_another_wrote_is_kept_with_the_whole_content() {
    for path in ["file", "lib.rs", ".lib.rs.pending-snap"] {
        let fixture = Fixture::new();
        let place = fixture.source(path);
        fs::write(&place, "base\nend\n").unwrap();
        let saved = removal_of(&fixture, "one", path);
        assert_eq!(saved.removed_files, std::slice::from_ref(&place));
        // Only the first line is changed.
        let saved = save_of(&fixture, "two", path, "two\nend\n");
        let warning = format!(
            "one removed {} and two wrote it; the latter's file was kept",
            place.display()
        );
        assert_eq!(saved.problems, [warning]);
        assert_eq!(fs::read_to_string(&place).unwrap(), "two\nend\n");
    }
    // The changes of later jobs are combined with that of the job that wrote the file.
    let fixture = Fixture::new();
    fs::write(fixture.source("lib.rs"), "a\nb\nc\n").unwrap();
    removal_of(&fixture, "one", "lib.rs");
    save_of(&fixture, "two", "lib.rs", "A\nb\nc\n");
    let saved = save_of(&fixture, "three", "lib.rs", "a\nb\nC\n");
    assert_eq!(saved.problems, Vec::<String>::new());
    let text = fs::read_to_string(fixture.source("lib.rs")).unwrap();
    assert_eq!(text, "A\nb\nC\n");
}

/// The path in a job of a file that is appended to one of the client.
const REFERENCES: &str = "/maelstrom-appended/REFERENCES";

/// Makes `places` append [`REFERENCES`] to a file, whose path is returned.
fn append_references(fixture: &mut Fixture) -> PathBuf {
    let client = fixture.others("client");
    fs::create_dir_all(fixture.others("")).unwrap();
    fs::write(&client, "earlier\n").unwrap();
    let places = OutputPlaces::new(Some(fixture.source("")), Vec::new(), false, 100);
    fixture.places = places.appending([(REFERENCES.into(), client.clone())]);
    client
}

#[test]
fn lines_for_a_file_of_the_client_are_appended_to_it_and_copied_nowhere_else() {
    let mut fixture = Fixture::new();
    let client = append_references(&mut fixture);
    let saved = save_of(&fixture, "one", REFERENCES, "a\nb\n");
    assert_eq!(saved, SavedOutputs::default());
    save_of(&fixture, "two", REFERENCES, "killed in the mid");
    save_of(&fixture, "three", REFERENCES, "c\n");
    let lines = || fs::read_to_string(&client).unwrap();
    assert_eq!(lines(), "earlier\na\nb\nkilled in the mid\nc\n");
    // A link of a hostile job.
    let upper = fixture.upper(Path::new(REFERENCES));
    fs::remove_file(&upper).unwrap();
    symlink("/etc/passwd", upper).unwrap();
    let saved = fixture.save(&[REFERENCES]);
    assert!(
        saved.problems[0].contains("it is not a regular file"),
        "{saved:?}"
    );
    assert_eq!(lines(), "earlier\na\nb\nkilled in the mid\nc\n");
}

#[test]
fn lines_are_appended_even_if_other_outputs_exceed_their_limit() {
    let mut fixture = Fixture::new();
    let client = append_references(&mut fixture);
    let lines = "a line of 20 bytes.\n".repeat(10);
    fixture.write(REFERENCES, &lines);
    // Below a directory that is before the other by its name.
    let large = "/a/large";
    fixture.write(large, &"x".repeat(101));
    for path in ["/b/one", "/b/two"] {
        fixture.write(path, "x");
    }
    let globs = ["/a/*", "/b/*", REFERENCES];
    let saved = fixture.save(&globs);
    let [problem] = &saved.problems[..] else {
        panic!("{saved:?}");
    };
    assert!(
        problem.starts_with("/a/large and later outputs"),
        "{problem}"
    );
    let appended = format!("earlier\n{lines}");
    assert_eq!(fs::read_to_string(&client).unwrap(), appended);
    // A worker sends them, too.
    let limits = PackLimits {
        size: 100,
        batch: 0,
        blob: None,
        files: 0,
    };
    let outputs = fixture.outputs(&globs).unwrap();
    let directory = fixture.temporary.path().join("packed");
    let (listing, _) = outputs.pack(&directory, limits);
    let paths: Vec<_> = listing.outputs.iter().map(|output| &output.path).collect();
    assert_eq!(paths, [Path::new(REFERENCES)]);
    assert_eq!(fs::read_to_string(directory.join("0")).unwrap(), lines);
    // They have a limit of their own.
    let file = fs::File::create(fixture.upper(Path::new(REFERENCES))).unwrap();
    file.set_len((64 << 20) + 1).unwrap();
    let saved = fixture.save(&["/b/*", REFERENCES]);
    let [problem] = &saved.problems[..] else {
        panic!("{saved:?}");
    };
    let said = "it has 67108865 bytes, and at most 67108864 of a job are appended";
    assert!(problem.ends_with(said), "{problem}");
    assert_eq!(saved.other_files.len(), 2, "{saved:?}");
    assert_eq!(fs::read_to_string(&client).unwrap(), appended);
}

/// Copies the outputs as a worker does, to a directory.
fn pack(fixture: &Fixture, limits: PackLimits) -> (OutputListing, Vec<String>) {
    let outputs = fixture.outputs(&["**"]).unwrap();
    let directory = fixture.temporary.path().join("packed");
    let (listing, _) = outputs.pack(&directory, limits);
    let names = fs::read_dir(directory).into_iter().flatten();
    let mut names: Vec<_> = names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort_unstable();
    (listing, names)
}

#[test]
fn a_worker_sends_contents_with_numbers_for_names_within_its_limits() {
    let fixture = Fixture::new();
    for (path, text) in [("a", "aaa"), ("b/c", "bbb"), ("d", "ddd")] {
        fixture.write(path, text);
    }
    symlink("/etc/passwd", fixture.upper(&fixture.source("l"))).unwrap();
    let all = PackLimits {
        size: 9,
        batch: 9,
        blob: Some(3),
        files: 4,
    };
    let (listing, names) = pack(&fixture, all);
    assert_eq!(listing.problems, Vec::<String>::new());
    let paths: Vec<_> = listing.outputs.iter().map(|output| &output.path).collect();
    let expected = ["a", "b/c", "d", "l"].map(|path| fixture.source(path));
    assert_eq!(paths, expected.iter().collect::<Vec<_>>());
    assert_eq!(names, ["0", "1", "2"]);
    for (limits, count, said) in [
        (
            PackLimits { size: 8, ..all },
            2,
            "exceed the limit of 8 bytes",
        ),
        (
            PackLimits { batch: 8, ..all },
            2,
            "the jobs of one batch wrote more than is copied",
        ),
        (
            PackLimits { files: 2, ..all },
            2,
            "the jobs of one batch wrote too many",
        ),
        (
            PackLimits {
                blob: Some(2),
                ..all
            },
            1,
            "the engine accepts at most 2 in one file",
        ),
    ] {
        let (listing, _) = pack(&fixture, limits);
        assert_eq!(listing.outputs.len(), count, "{listing:?}");
        assert!(listing.problems[0].contains(said), "{listing:?}");
    }
}

#[test]
fn a_downloaded_link_that_cannot_be_made_is_left_out_and_the_other_files_are_copied() {
    let fixture = Fixture::new();
    let store = Store::open(&fixture.temporary.path().join("store"), 1 << 30).unwrap();
    let downloads = store.work_directory().unwrap();
    fs::write(downloads.path().join("0"), "text").unwrap();
    let link = |target: &str| ListedKind::Symlink {
        target: target.into(),
    };
    let file = ListedKind::File { executable: false };
    // No system accepts an empty target. A hostile worker may send one.
    let files = [("a", file), ("empty", link("")), ("link", link("a"))];
    let files = files.into_iter().enumerate().map(|(number, (path, kind))| {
        let path = fixture.source(path);
        (ListedOutput { path, kind }, number.to_string())
    });
    let outputs = JobOutputs::of_downloads(downloads, files.collect(), Vec::new()).unwrap();
    let saved = fixture.places.save(&outputs, "a job", &fixture.others(""));
    let expected = ["a", "link"].map(|path| fixture.source(path));
    assert_eq!(saved.source_files, expected);
    let [problem] = &saved.problems[..] else {
        panic!("{saved:?}");
    };
    let empty = fixture.source("empty");
    let said = format!("failed to copy {}: its target cannot be", empty.display());
    assert!(problem.starts_with(&said), "{problem}");
}
