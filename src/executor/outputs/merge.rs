//! Combining the changes that several jobs made to one file of the source tree.
//!
//! With `cargo test`, the tests of a binary are one process, in which libraries collect what they
//! write to a file. Each job has the file as it was at the start of the run, and writes only its
//! own change.

use std::ffi::OsStr;
use std::path::{Component, Path};

/// How the changes of several jobs to a file are combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merging {
    /// Not at all: the last job's file is kept.
    Replace,
    /// Libraries append lines to it: insta's pending inline snapshots, the seeds of proptest.
    Lines,
    /// Source code. Libraries replace expected values in it: expect-test, snapbox.
    Source,
}

/// The number of pairs of lines that are compared for the differences of two texts.
const MOST_PAIRS: usize = 4_000_000;

impl Merging {
    pub fn of(path: &Path) -> Self {
        let name = path.file_name().unwrap_or_default();
        let extension = path.extension().unwrap_or_default();
        let below_regressions = path.parent().is_some_and(|parent| {
            let directory = Component::Normal(OsStr::new("proptest-regressions"));
            parent.components().any(|component| component == directory)
        });
        if extension == "rs" {
            Self::Source
        } else if is_pending_snapshot(name)
            || extension == "proptest-regressions"
            || below_regressions
        {
            Self::Lines
        } else {
            Self::Replace
        }
    }

    /// Combines the present content of a file and that of a job, which had `base` at first. `None`:
    /// they cannot be combined.
    pub fn combine(self, base: &[u8], present: &[u8], job: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Replace => None,
            Self::Lines => Some(add_lines(present, job)),
            Self::Source => merge(base, present, job),
        }
    }
}

fn is_pending_snapshot(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") && name.ends_with(b".pending-snap")
}

/// Gives the pending snapshots that are not in `base` the same run. insta takes the run from
/// `NEXTEST_RUN_ID`, which each executor sets: the runner on a worker has another one for each batch.
/// `cargo insta review` shows the pending snapshots of the last run only.
pub fn with_run(path: &Path, base: &[u8], job: Vec<u8>, run: &str) -> Vec<u8> {
    const START: &[u8] = br#"{"run_id":""#;
    if !is_pending_snapshot(path.file_name().unwrap_or_default()) {
        return job;
    }
    let known = lines(base);
    let mut text = Vec::with_capacity(job.len());
    for line in lines(&job) {
        let after = line.strip_prefix(START).filter(|_| !known.contains(&line));
        let end = after.and_then(|after| after.iter().position(|&byte| byte == b'"'));
        if let (Some(after), Some(end)) = (after, end) {
            text.extend_from_slice(START);
            text.extend_from_slice(run.as_bytes());
            text.extend_from_slice(&after[end..]);
        } else {
            text.extend_from_slice(line);
        }
    }
    text
}

/// Lines with their ends.
fn lines(text: &[u8]) -> Vec<&[u8]> {
    text.split_inclusive(|&byte| byte == b'\n').collect()
}

/// Adds the lines of a job that the present text lacks.
fn add_lines(present: &[u8], job: &[u8]) -> Vec<u8> {
    let known = lines(present);
    let mut text = present.to_vec();
    if text.last().is_some_and(|&byte| byte != b'\n') {
        text.push(b'\n');
    }
    for line in lines(job).into_iter().filter(|line| !known.contains(line)) {
        text.extend_from_slice(line);
    }
    text
}

/// Lines of the base that a text has replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change<'a> {
    /// The first line, and the one after the last.
    start: usize,
    end: usize,
    lines: Vec<&'a [u8]>,
}

/// The base with the changes of both texts. `None` if they changed the same lines, or lines next to
/// each other whose order is not clear.
fn merge(base: &[u8], one: &[u8], other: &[u8]) -> Option<Vec<u8>> {
    let base = lines(base);
    let (one, other) = (lines(one), lines(other));
    let mut changes = changes(&base, &one);
    for change in self::changes(&base, &other) {
        if !changes.contains(&change) {
            changes.push(change);
        }
    }
    changes.sort_by_key(|change| (change.start, change.end));
    let mut merged = Vec::new();
    let mut done = 0;
    for pair in changes.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let touches =
            before.end == after.start && (before.start == before.end || after.start == after.end);
        if before.end > after.start || touches {
            return None;
        }
    }
    for change in changes {
        merged.extend_from_slice(&base[done..change.start]);
        merged.extend_from_slice(&change.lines);
        done = change.end;
    }
    merged.extend_from_slice(&base[done..]);
    Some(merged.concat())
}

/// What a text changed in the base, by a longest common subsequence of their lines.
fn changes<'a>(base: &[&'a [u8]], text: &[&'a [u8]]) -> Vec<Change<'a>> {
    let same = |(a, b): &(&&[u8], &&[u8])| a == b;
    let head = base.iter().zip(text).take_while(same).count();
    let (base_rest, text_rest) = (&base[head..], &text[head..]);
    let tail = (base_rest.iter().rev().zip(text_rest.iter().rev()))
        .take_while(same)
        .count();
    let old = &base_rest[..base_rest.len() - tail];
    let new = &text_rest[..text_rest.len() - tail];
    if old.is_empty() && new.is_empty() {
        return Vec::new();
    }
    let whole = Change {
        start: head,
        end: head + old.len(),
        lines: new.to_vec(),
    };
    let width = new.len() + 1;
    if (old.len() + 1).saturating_mul(width) > MOST_PAIRS {
        return vec![whole];
    }
    // The length of the longest common subsequence of what follows each pair of lines.
    let mut lengths = vec![0u32; (old.len() + 1) * width];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            lengths[i * width + j] = if old[i] == new[j] {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let mut changes: Vec<Change<'_>> = Vec::new();
    let (mut i, mut j) = (0, 0);
    let mut open = false;
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j, open) = (i + 1, j + 1, false);
            continue;
        }
        if !open {
            changes.push(Change {
                start: head + i,
                end: head + i,
                lines: Vec::new(),
            });
            open = true;
        }
        let removes = j == new.len()
            || i < old.len() && lengths[(i + 1) * width + j] >= lengths[i * width + j + 1];
        if let Some(change) = changes.last_mut() {
            if removes {
                change.end += 1;
            } else {
                change.lines.push(new[j]);
            }
        }
        if removes {
            i += 1;
        } else {
            j += 1;
        }
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn merged(base: &str, one: &str, other: &str) -> Option<String> {
        let merged = merge(base.as_bytes(), one.as_bytes(), other.as_bytes())?;
        Some(String::from_utf8(merged).unwrap())
    }

    #[test]
    fn changes_of_different_lines_are_combined() {
        let base = "a\nb\nc\nd\ne\n";
        let both = merged(base, "a\nB\nBB\nc\nd\ne\n", "a\nb\nc\ne\nf\n");
        assert_eq!(both.as_deref(), Some("a\nB\nBB\nc\ne\nf\n"));
        assert_eq!(merged(base, base, "x\n").as_deref(), Some("x\n"));
        assert_eq!(merged(base, "x\n", "x\n").as_deref(), Some("x\n"));
        let next_to_each_other = merged("a\nb\n", "A\nb\n", "a\nB\n");
        assert_eq!(next_to_each_other.as_deref(), Some("A\nB\n"));
    }

    #[test]
    fn changes_of_the_same_lines_are_not_combined() {
        assert_eq!(merged("a\nb\n", "1\nb\n", "2\nb\n"), None);
        assert_eq!(merged("", "1\n", "2\n"), None);
        assert_eq!(merged("a\nb\n", "a\n1\nb\n", "a\n2\nb\n"), None);
        assert_eq!(merged("a\nb\nc\n", "a\nc\n", "a\n1\nc\n"), None);
    }

    #[test]
    fn lines_that_are_appended_are_all_kept_once() {
        let regressions = Path::new("proptest-regressions/a.txt");
        let present = b"# header\nold\none\n";
        let job = b"# header\nold\nother\n";
        let all = Merging::of(regressions).combine(b"# header\nold\n", present, job);
        assert_eq!(all.unwrap(), b"# header\nold\none\nother\n");
        let all = Merging::Lines.combine(b"", b"without end", b"x");
        assert_eq!(all.unwrap(), b"without end\nx");
    }

    #[test]
    fn the_name_of_a_file_decides_how_its_changes_are_combined() {
        for (path, merging) in [
            ("src/lib.rs", Merging::Source),
            ("src/.lib.rs.pending-snap", Merging::Lines),
            ("proptest-regressions/lib.txt", Merging::Lines),
            ("src/lib.proptest-regressions", Merging::Lines),
            ("src/snapshots/a.snap.new", Merging::Replace),
            ("proptest-regressions", Merging::Replace),
            ("tests/ui/a.stderr", Merging::Replace),
        ] {
            assert_eq!(Merging::of(Path::new(path)), merging, "{path}");
        }
    }

    #[test]
    fn pending_snapshots_of_all_processes_are_of_one_run() {
        let path = Path::new("src/.lib.rs.pending-snap");
        let base = b"{\"run_id\":\"1-0\",\"line\":5}\n";
        let job = [base.as_slice(), b"{\"run_id\":\"2-0\",\"line\":7}\nx\n"].concat();
        let text = with_run(path, base, job.clone(), "run");
        let expected = "{\"run_id\":\"1-0\",\"line\":5}\n{\"run_id\":\"run\",\"line\":7}\nx\n";
        assert_eq!(String::from_utf8(text).unwrap(), expected);
        assert_eq!(with_run(Path::new("other"), base, job.clone(), "run"), job);
    }

    fn text() -> impl Strategy<Value = Vec<u8>> {
        prop::collection::vec(0u8..5, 0..12)
            .prop_map(|lines| lines.iter().flat_map(|line| [b'a' + line, b'\n']).collect())
    }

    proptest! {
        #[test]
        fn the_changes_of_a_text_make_it_of_the_base(base in text(), other in text()) {
            prop_assert_eq!(merge(&base, &base, &other), Some(other.clone()));
            prop_assert_eq!(merge(&base, &other, &base), Some(other.clone()));
            prop_assert_eq!(merge(&base, &other, &other), Some(other));
        }

        #[test]
        fn the_order_of_two_jobs_does_not_matter(base in text(), one in text(), other in text()) {
            prop_assert_eq!(merge(&base, &one, &other), merge(&base, &other, &one));
        }
    }
}
