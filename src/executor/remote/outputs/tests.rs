use super::*;
use crate::engine::reapi::{self, FileNode, SymlinkNode};

fn digest(size: u64) -> Digest {
    Digest {
        sha256: [7; 32],
        size,
    }
}

fn file(name: &str, size: u64) -> FileNode {
    FileNode {
        name: name.to_owned(),
        digest: Some(digest(size).into()),
        ..FileNode::default()
    }
}

fn directory(files: Vec<FileNode>) -> Directory {
    Directory {
        files,
        ..Directory::default()
    }
}

/// A tree with these directories for the jobs.
fn tree(jobs: &[(&str, Directory)]) -> OutputTree {
    let node = |(name, directory): &(&str, Directory)| DirectoryNode {
        name: (*name).to_owned(),
        digest: Some(Digest::of(&directory.encode_to_vec()).into()),
    };
    OutputTree::new(Tree {
        root: Some(Directory {
            directories: jobs.iter().map(node).collect(),
            ..Directory::default()
        }),
        children: jobs
            .iter()
            .map(|(_, directory)| directory.clone())
            .collect(),
    })
}

fn listed(path: &str, kind: ListedKind) -> ListedOutput {
    ListedOutput {
        path: path.into(),
        kind,
    }
}

const PLAIN: ListedKind = ListedKind::File { executable: false };

/// Selects outputs that match `/ws/**`, up to 1000 bytes, and 1500 of the batch.
fn select(outputs: Vec<ListedOutput>, files: Result<Files, String>) -> OutputSelection {
    let mut selection = OutputSelection::new(Vec::new());
    let mut budget = SizeBudget::new(1000, 1500);
    selection.select(outputs, &["/ws/**".to_owned()], files, &mut budget);
    selection
}

fn paths(selection: &OutputSelection) -> Vec<&Path> {
    let outputs = selection.outputs.iter();
    outputs.map(|(output, _)| output.0.path.as_path()).collect()
}

#[test]
fn of_a_hostile_tree_only_the_files_that_a_runner_names_are_found() {
    let mut hostile = directory(vec![
        file("../../x", 1),
        file("/etc/passwd", 1),
        file("..", 1),
        file("0", 5),
    ]);
    hostile.symlinks = vec![SymlinkNode {
        name: "1".to_owned(),
        target: "/etc/passwd".to_owned(),
        ..SymlinkNode::default()
    }];
    // A directory that claims to contain itself.
    hostile.directories = vec![DirectoryNode {
        name: "2".to_owned(),
        digest: Some(Digest::of(b"itself").into()),
    }];
    let tree = tree(&[("..", directory(Vec::new())), ("0", hostile)]);
    let found = tree.files_of(0);
    let outputs = (0..3)
        .map(|number| listed(&format!("/ws/{number}"), PLAIN))
        .collect();
    let selection = select(outputs, found);
    assert_eq!(paths(&selection), [Path::new("/ws/0")]);
    assert_eq!(selection.outputs[0].1, Some(digest(5)));
    assert_eq!(
        selection.problems,
        [1, 2].map(|n| format!("/ws/{n} was not copied: the worker did not send its content"))
    );
    assert!(!selection.is_whole);
}

#[test]
fn names_that_a_tree_has_twice_are_refused() {
    let twice = tree(&[("0", directory(vec![file("0", 1), file("0", 2)]))]);
    let error = twice.files_of(0).unwrap_err();
    assert_eq!(error, "`outputs` has `0` twice in one directory");
    let empty = || directory(Vec::new());
    let twice = tree(&[("0", empty()), ("0", empty())]);
    let error = twice.files_of(0).unwrap_err();
    assert_eq!(error, "`outputs` does not have `0` once");
    let selection = select(vec![listed("/ws/a", PLAIN)], Err(error));
    assert_eq!(paths(&selection), Vec::<&Path>::new());
    assert!(!selection.is_whole);
}

#[test]
fn a_directory_without_content_is_an_error() {
    let mut without = tree(&[("0", directory(vec![file("0", 1)]))]);
    without.children.clear();
    let error = without.files_of(0).unwrap_err();
    assert_eq!(error, "`outputs/0` has no content");
    let root = reapi::Directory::default();
    let none = OutputTree::new(Tree {
        root: Some(root),
        ..Tree::default()
    });
    assert!(none.files_of(0).is_err());
    assert!(OutputTree::new(Tree::default()).files_of(0).is_err());
}

#[test]
fn paths_that_do_not_match_the_outputs_of_the_job_are_refused() {
    let kinds = || {
        let target = "/etc/passwd".into();
        [PLAIN, ListedKind::Symlink { target }, ListedKind::Removed]
    };
    for path in [
        "/etc/passwd",
        "/ws/../etc/passwd",
        "ws/a",
        "",
        "/ws",
        "/ws/a/..",
        "/",
    ] {
        for kind in kinds() {
            let files = Ok([("0".to_owned(), digest(1))].into());
            let selection = select(vec![listed(path, kind)], files);
            assert_eq!(paths(&selection), Vec::<&Path>::new(), "{path}");
            assert_eq!(
                selection.problems,
                [format!(
                    "{path} was not copied: the worker sent it, but it does not match `outputs`"
                )]
            );
        }
    }
}

#[test]
fn sizes_in_the_tree_are_within_the_limit() {
    let files = |sizes: &[u64]| {
        let files = sizes.iter().enumerate();
        let files = files.map(|(number, size)| (number.to_string(), digest(*size)));
        Ok(files.collect())
    };
    let outputs = || {
        ["/ws/a", "/ws/b", "/ws/c"]
            .map(|path| listed(path, PLAIN))
            .to_vec()
    };
    let fits = select(outputs(), files(&[400, 400, 200]));
    assert_eq!((fits.outputs.len(), fits.problems.len()), (3, 0));
    for sizes in [[400, 601, 1], [400, u64::MAX, 1]] {
        let selection = select(outputs(), files(&sizes));
        assert_eq!(paths(&selection), [Path::new("/ws/a")], "{sizes:?}");
        assert_eq!(
            selection.problems,
            [
                "/ws/b and later outputs were not copied: together they exceed the limit of 1000 \
              bytes; raise `outputs-limit`"
            ]
        );
        // The engine has everything that is wanted of it.
        assert!(selection.is_whole);
    }
}

/// A selection of `/ws/a` with one byte, `/ws/b` with two, and a symbolic link.
fn two_files_and_a_link() -> OutputSelection {
    let files = Ok([("0".to_owned(), digest(1)), ("1".to_owned(), digest(2))].into());
    let target = "a".into();
    let link = listed("/ws/l", ListedKind::Symlink { target });
    select(
        vec![listed("/ws/a", PLAIN), listed("/ws/b", PLAIN), link],
        files,
    )
}

fn error(problem: Problem) -> EngineError {
    EngineError {
        operation: "download blobs",
        endpoint: "grpc://engine:1".to_owned(),
        problem,
    }
}

#[test]
fn files_that_the_engine_has_lost_or_damaged_are_named_and_the_rest_is_downloaded() {
    for (problem, why) in [
        (
            Problem::Missing(vec![digest(1)]),
            "the engine at grpc://engine:1 has lost its content",
        ),
        (
            Problem::DigestMismatch(digest(1)),
            "failed digest verification",
        ),
    ] {
        let mut selection = two_files_and_a_link();
        let mut trouble = EngineTrouble::default();
        trouble.lose(&error(problem), &mut selection);
        assert_eq!(paths(&selection), ["/ws/b", "/ws/l"].map(Path::new));
        let [said] = &selection.problems[..] else {
            panic!("{:?}", selection.problems);
        };
        assert!(said.starts_with("/ws/a was not copied: "), "{said}");
        assert!(said.ends_with(why), "{said}");
        assert!(!selection.is_whole);
        assert_eq!(trouble.end, None);
    }
}

#[test]
fn after_an_error_of_the_whole_engine_no_file_is_requested_again() {
    let mut trouble = EngineTrouble::default();
    let mut damaged = two_files_and_a_link();
    let mismatch = || error(Problem::DigestMismatch(digest(1)));
    trouble.lose(&mismatch(), &mut damaged);
    for (mut trouble, error) in [
        (trouble, mismatch()),
        (
            EngineTrouble::default(),
            error(Problem::TimedOut(std::time::Duration::from_secs(60))),
        ),
    ] {
        let mut selection = two_files_and_a_link();
        trouble.lose(&error, &mut selection);
        assert_eq!(paths(&selection), [Path::new("/ws/l")]);
        let why = trouble.end.expect("the error is temporary");
        let problem = |path| format!("{path} was not copied: {why}");
        assert_eq!(selection.problems, ["/ws/a", "/ws/b"].map(problem));
        assert!(!selection.is_whole);
    }
}

#[test]
fn the_sizes_of_all_jobs_of_a_batch_are_within_a_limit() {
    let select_one = |left_of_batch, path: &str| {
        let mut selection = OutputSelection::new(Vec::new());
        let mut budget = SizeBudget::new(1000, left_of_batch);
        let globs = ["/ws/**", "/maelstrom-appended/x"].map(ToOwned::to_owned);
        let files = Ok([("0".to_owned(), digest(900))].into());
        selection.select(vec![listed(path, PLAIN)], &globs, files, &mut budget);
        (selection, budget.left_of_batch())
    };
    let (fits, left) = select_one(1500, "/ws/a");
    assert_eq!((fits.outputs.len(), fits.problems.len(), left), (1, 0, 600));
    let (beyond, left) = select_one(left, "/ws/a");
    assert_eq!((beyond.outputs.len(), left), (0, 600));
    let said = "/ws/a and later outputs were not copied: the jobs of one batch wrote more than is \
                copied; raise `outputs-limit`";
    assert_eq!(beyond.problems, [said]);
    let (appended, left) = select_one(left, "/maelstrom-appended/x");
    assert_eq!((appended.outputs.len(), left), (1, 600));
}
