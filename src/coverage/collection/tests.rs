use super::*;
use std::ffi::OsStr;

struct Run {
    collection: ProfileCollection,
    /// Holds the directory of the profiles.
    _store: Store,
    directory: tempfile::TempDir,
}

impl Run {
    fn new(has_tool: bool) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("cache"), 1 << 30).unwrap();
        let tool = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/src/coverage/collection/concatenate.sh"
        );
        let tool = has_tool.then(|| PathBuf::from(tool));
        Self {
            collection: ProfileCollection::new(&store, tool).unwrap(),
            _store: store,
            directory,
        }
    }

    /// A job has written a profile.
    fn add(&self, content: &str) {
        let file = self.collection.new_file("profraw");
        fs::write(&file, content).unwrap();
        assert_eq!(self.collection.add(vec![file]), Vec::<String>::new());
    }

    /// The number of raw profiles on disk.
    fn raw(&self) -> usize {
        let files = fs::read_dir(self.collection.directory.path()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let is_raw = |file: &PathBuf| file.extension() == Some(OsStr::new("profraw"));
        files.filter(is_raw).count()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("reports").join(name)
    }

    fn lines(&self, name: &str) -> usize {
        fs::read_to_string(self.file(name)).unwrap().lines().count()
    }
}

#[test]
fn raw_profiles_of_many_tests_are_never_on_disk_together() {
    let run = Run::new(true);
    let count = GROUP * (MERGED + 3) + 7;
    for number in 0..count {
        run.add(&format!("{number}\n"));
        assert!(run.raw() < GROUP, "{number}");
    }
    assert!(run.collection.state().merged.len() < MERGED);
    let merged = run.file("merged.profdata");
    let others = vec![run.directory.path().join("of-build")];
    fs::write(&others[0], "build\n").unwrap();
    assert!(run.collection.finish_into(&merged, others).unwrap());
    assert_eq!(run.lines("merged.profdata"), count + 1);
}

#[test]
fn a_large_profile_is_merged_at_once() {
    let run = Run::new(true);
    let file = run.collection.new_file("profraw");
    fs::File::create(&file)
        .unwrap()
        .set_len(LARGE_GROUP)
        .unwrap();
    run.collection.add(vec![file]);
    assert_eq!(run.raw(), 0);
}

#[test]
fn without_profiles_there_is_no_file() {
    let run = Run::new(true);
    let merged = run.file("x.profraw");
    assert!(!run.collection.finish_into(&merged, Vec::new()).unwrap());
    assert_eq!(
        run.collection.finish_for_others(&merged),
        Vec::<String>::new()
    );
    assert!(!merged.exists());
}

#[test]
fn without_a_tool_each_profile_becomes_a_file_with_a_number() {
    let run = Run::new(false);
    for number in 0..3 * GROUP {
        run.add(&format!("{number}\n"));
    }
    let problems = run.collection.finish_for_others(&run.file("a-%.profraw"));
    assert_eq!(problems, Vec::<String>::new());
    let files = fs::read_dir(run.file("")).unwrap().count();
    assert_eq!(files, 3 * GROUP);
    assert_eq!(
        fs::read_to_string(run.file("a-%-5.profraw")).unwrap(),
        "5\n"
    );
}

#[test]
fn profiles_that_the_tool_cannot_read_are_copied_as_they_are() {
    let run = Run::new(true);
    for _ in 0..2 * GROUP {
        run.add("other version\n");
    }
    let problems = run.collection.finish_for_others(&run.file("a.profraw"));
    let expected = "cannot merge the profiles of the tests: unsupported instrumentation profile \
                    format version; each is copied as it is";
    assert!(problems[0].ends_with(expected), "{problems:?}");
    assert_eq!(fs::read_dir(run.file("")).unwrap().count(), 2 * GROUP);
}

#[test]
fn a_damaged_profile_is_left_out_and_told() {
    let run = Run::new(true);
    run.add("one\n");
    run.add("damaged\n");
    let problems = run.collection.finish_for_others(&run.file("a.profraw"));
    assert_eq!(run.lines("a.profraw"), 1);
    let [problem] = &problems[..] else {
        panic!("{problems:?}");
    };
    assert!(
        problem.starts_with("1 profile of a test was left out"),
        "{problem}"
    );
    assert!(problem.ends_with("(truncated profile data)"), "{problem}");
}
