//! The difference between two texts, as a unified diff.

use super::terminal::{Paint, Role};
use std::fmt::Write;

/// The number of unchanged lines before and after changes.
const CONTEXT: usize = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Line<'a> {
    Same(&'a str),
    Removed(&'a str),
    Added(&'a str),
}

/// A unified diff of two texts of the file `name`. Empty if they are equal.
pub fn unified_diff(name: &str, old: &str, new: &str, paint: Paint) -> String {
    let lines = lines(old, new);
    let changed: Vec<_> = (0..lines.len())
        .filter(|&index| !matches!(lines[index], Line::Same(_)))
        .collect();
    let mut text = String::new();
    if changed.is_empty() {
        return text;
    }
    let _ = writeln!(text, "{}", paint.apply(Role::Strong, format!("--- {name}")));
    let _ = writeln!(text, "{}", paint.apply(Role::Strong, format!("+++ {name}")));
    let hunks = changed.chunk_by(|one, next| next - one <= 2 * CONTEXT);
    for hunk in hunks {
        let first = hunk[0].saturating_sub(CONTEXT);
        let end = (hunk[hunk.len() - 1] + CONTEXT + 1).min(lines.len());
        write_hunk(&mut text, &lines, first, end, paint);
    }
    text
}

fn write_hunk(text: &mut String, lines: &[Line<'_>], first: usize, end: usize, paint: Paint) {
    let is_old = |line: &&Line<'_>| !matches!(line, Line::Added(_));
    let is_new = |line: &&Line<'_>| !matches!(line, Line::Removed(_));
    let range = |count_before: usize, count: usize| {
        // The lines after which an empty range is are counted from 1 as well.
        let start = if count == 0 {
            count_before
        } else {
            count_before + 1
        };
        format!("{start},{count}")
    };
    let (before, hunk) = (&lines[..first], &lines[first..end]);
    let old = range(
        before.iter().filter(is_old).count(),
        hunk.iter().filter(is_old).count(),
    );
    let new = range(
        before.iter().filter(is_new).count(),
        hunk.iter().filter(is_new).count(),
    );
    let head = format!("@@ -{old} +{new} @@");
    let _ = writeln!(text, "{}", paint.apply(Role::Activity, head));
    for line in hunk {
        let _ = match line {
            Line::Same(line) => writeln!(text, " {line}"),
            Line::Removed(line) => {
                writeln!(text, "{}", paint.apply(Role::Bad, format!("-{line}")))
            }
            Line::Added(line) => writeln!(text, "{}", paint.apply(Role::Good, format!("+{line}"))),
        };
    }
}

/// The lines of both texts in one order. After a difference, the nearest line that both have ends
/// it, so the result is short for texts with few changes.
fn lines<'a>(old: &'a str, new: &'a str) -> Vec<Line<'a>> {
    let (mut old, mut new) = (
        old.lines().collect::<Vec<_>>(),
        new.lines().collect::<Vec<_>>(),
    );
    let mut lines = Vec::new();
    let mut at_end = Vec::new();
    while let (Some(line), Some(other)) = (old.last(), new.last())
        && line == other
    {
        at_end.push(Line::Same(line));
        old.pop();
        new.pop();
    }
    let (mut old, mut new) = (&old[..], &new[..]);
    loop {
        let same = old
            .iter()
            .zip(new)
            .take_while(|(line, other)| line == other);
        let same = same.count();
        lines.extend(old[..same].iter().map(|line| Line::Same(line)));
        (old, new) = (&old[same..], &new[same..]);
        if old.is_empty() && new.is_empty() {
            break;
        }
        let (removed, added) = next_same(old, new).unwrap_or((old.len(), new.len()));
        lines.extend(old[..removed].iter().map(|line| Line::Removed(line)));
        lines.extend(new[..added].iter().map(|line| Line::Added(line)));
        (old, new) = (&old[removed..], &new[added..]);
    }
    lines.extend(at_end.into_iter().rev());
    lines
}

/// The numbers of lines before the nearest line that both have.
fn next_same(old: &[&str], new: &[&str]) -> Option<(usize, usize)> {
    (0..old.len() + new.len()).find_map(|distance| {
        let removed = 0..=distance.min(old.len().checked_sub(1)?);
        let mut pairs = removed.map(|removed| (removed, distance - removed));
        pairs.find(|&(removed, added)| new.get(added) == Some(&old[removed]))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn changes_are_shown_with_lines_around_them() {
        let old = "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\nk\n";
        let new = "a\nb\nc\nd\nE\nf\ng\nh\ni\nj\nk\nl\nm\n";
        assert_eq!(
            unified_diff("file", old, new, Paint::new(false)),
            "--- file\n+++ file\n@@ -2,7 +2,7 @@\n b\n c\n d\n-e\n+E\n f\n g\n h\n\
             @@ -9,3 +9,5 @@\n i\n j\n k\n+l\n+m\n"
        );
        assert_eq!(
            unified_diff("file", "", "a\n", Paint::new(false)),
            "--- file\n+++ file\n@@ -0,0 +1,1 @@\n+a\n"
        );
        assert_eq!(unified_diff("file", old, old, Paint::new(false)), "");
    }

    proptest! {
        #[test]
        fn the_lines_of_a_diff_are_those_of_both_texts(old in "([ab]\n){0,8}", new in "([abc]\n){0,8}") {
            let lines = lines(&old, &new);
            let text = |removed: bool| {
                let lines = lines.iter().filter_map(|line| match line {
                    Line::Same(line) => Some(format!("{line}\n")),
                    Line::Removed(line) => removed.then(|| format!("{line}\n")),
                    Line::Added(line) => (!removed).then(|| format!("{line}\n")),
                });
                lines.collect::<String>()
            };
            prop_assert_eq!(text(true), old.clone());
            prop_assert_eq!(text(false), new.clone());
        }
    }
}
