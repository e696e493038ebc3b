//! Parsing the output of `--list --format terse`.

use serde::{Deserialize, Serialize};
use std::{collections::HashSet, fmt};
use thiserror::Error;

/// The limits of the output that an error shows.
const SHOWN_LINES: usize = 20;
const SHOWN_BYTES: usize = 4096;

/// A test case in the list of its binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListedTest {
    pub name: String,
    pub ignored: bool,
}

/// The test cases of a test binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TestListing {
    /// The binary lists test cases. Each is run on its own.
    Cases(Vec<ListedTest>),
    /// The binary lists nothing. It is run as a whole.
    Whole,
}

/// The error of an output that is no list of test cases.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ListingError {
    #[error("line {number} of the list of tests is not `NAME: test`: {line:?}{output}")]
    Line {
        number: usize,
        line: String,
        output: Excerpt,
    },
    #[error("line {number} of the list of tests is not UTF-8: {line:?}{output}")]
    NotUtf8 {
        number: usize,
        line: String,
        output: Excerpt,
    },
}

/// The start of an output, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt(String);

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\nthe output was:\n{}", self.0)
    }
}

/// The names of the test cases in an output of `--list --format terse`: the text before the final
/// `: test` or `: benchmark` of each line. Empty lines are skipped. Any other line is an error,
/// because ignoring it could omit a test.
pub fn parse(stdout: &[u8]) -> Result<Vec<String>, ListingError> {
    stdout
        .split(|byte| *byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(index, line)| parse_line(index + 1, line, stdout))
        .collect()
}

fn parse_line(number: usize, line: &[u8], stdout: &[u8]) -> Result<String, ListingError> {
    let Ok(text) = std::str::from_utf8(line) else {
        return Err(ListingError::NotUtf8 {
            number,
            line: String::from_utf8_lossy(line).into_owned(),
            output: Excerpt::of(stdout),
        });
    };
    let name = [": test", ": benchmark"]
        .into_iter()
        .find_map(|kind| text.strip_suffix(kind))
        .filter(|name| !name.is_empty());
    name.map(str::to_owned).ok_or_else(|| ListingError::Line {
        number,
        line: text.to_owned(),
        output: Excerpt::of(stdout),
    })
}

impl Excerpt {
    fn of(stdout: &[u8]) -> Self {
        let shown = &stdout[..stdout.len().min(SHOWN_BYTES)];
        let text = String::from_utf8_lossy(shown);
        let lines: Vec<&str> = text.lines().take(SHOWN_LINES).collect();
        let cut = shown.len() < stdout.len() || text.lines().count() > lines.len();
        Self(lines.join("\n") + if cut { "\n…" } else { "" })
    }
}

/// Merges the list of all test cases and the list with `--ignored`. A name in the second list is
/// ignored, even if the first list lacks it. A repeated name is one test case, because test cases
/// are run by name.
pub fn merge(all: &[String], ignored: &[String]) -> Vec<ListedTest> {
    let is_ignored: HashSet<&str> = ignored.iter().map(String::as_str).collect();
    let mut seen = HashSet::new();
    all.iter()
        .chain(ignored)
        .filter(|name| seen.insert(name.as_str()))
        .map(|name| ListedTest {
            name: name.clone(),
            ignored: is_ignored.contains(name.as_str()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_is_the_text_before_the_final_kind() {
        let output =
            b"a::b: test\nbench me: benchmark\nsrc/lib.rs - f (line 3): test\nx: test: test\n";
        assert_eq!(
            parse(output).unwrap(),
            ["a::b", "bench me", "src/lib.rs - f (line 3)", "x: test"]
        );
    }

    #[test]
    fn an_empty_output_lists_no_tests() {
        assert_eq!(parse(b"").unwrap(), Vec::<String>::new());
        assert_eq!(parse(b"\n\n").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn the_last_line_may_lack_a_line_break() {
        assert_eq!(parse(b"a: test").unwrap(), ["a"]);
    }

    #[test]
    fn any_other_line_is_an_error_with_the_line_and_the_output() {
        for bad in [
            "hello",
            "a: tests",
            "1 test, 0 benchmarks",
            ": test",
            "a: test ",
        ] {
            let output = format!("first: test\n{bad}\nlast: test\n");
            let error = parse(output.as_bytes()).unwrap_err();
            let ListingError::Line { number, line, .. } = &error else {
                panic!("{error}")
            };
            assert_eq!((*number, line.as_str()), (2, bad));
            assert!(error.to_string().contains("first: test\n"), "{error}");
        }
    }

    #[test]
    fn a_line_that_is_not_utf_8_is_an_error() {
        let error = parse(b"a: test\n\xff: test\n").unwrap_err();
        assert!(matches!(error, ListingError::NotUtf8 { number: 2, .. }));
    }

    #[test]
    fn a_long_output_is_shown_in_part() {
        let error = parse("nonsense\n".repeat(1000).as_bytes())
            .unwrap_err()
            .to_string();
        assert!(error.ends_with("nonsense\n…"), "{error}");
        assert_eq!(error.lines().count(), SHOWN_LINES + 3);
    }

    fn strings(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn merging_marks_the_ignored_and_keeps_the_order() {
        let merged = merge(&strings(&["c", "a", "b", "a"]), &strings(&["a", "z"]));
        let merged: Vec<_> = merged
            .iter()
            .map(|one| (one.name.as_str(), one.ignored))
            .collect();
        assert_eq!(
            merged,
            [("c", false), ("a", true), ("b", false), ("z", true)]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_names_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn the_format_of_libtest_is_parsed(
            tests in proptest::collection::vec(("[^\\n\\r]*[^\\s]", any::<bool>()), 0..20)
        ) {
            let mut output = String::new();
            for (name, test) in &tests {
                output += name;
                output += if *test { ": test\n" } else { ": benchmark\n" };
            }
            let names: Vec<_> = tests.into_iter().map(|(name, _)| name).collect();
            prop_assert_eq!(parse(output.as_bytes()).unwrap(), names);
        }
    }
}
