use super::*;
use crate::container::WrittenDirectory;
use nix::sys::stat::Mode;
use std::os::unix::fs::{PermissionsExt, symlink};
use tempfile::TempDir;

/// A job's scratch space, a source tree, and a directory for other outputs.
struct Fixture {
    temporary: TempDir,
    places: OutputPlaces,
}

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
        fs::write(self.upper(&self.source(path)), text).unwrap();
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
    let _listener = std::os::unix::net::UnixListener::bind(socket).unwrap();
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
