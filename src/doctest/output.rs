//! What rustdoc prints about tests: the format of libtest for people.
//!
//! Names may have several lines, since rustdoc breaks the lines of long types. No name has spaces after
//! its file and ` - `.

use super::compile::CompileError;
use super::runtool::TOKEN;
use std::collections::{HashMap, HashSet, VecDeque};

/// A line about a test, and the text about its failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrintedTest {
    pub name: String,
    pub result: PrintedResult,
    /// Whether rustdoc does not run the test: it is only compiled, or should not be.
    pub only_compiled: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrintedResult {
    Passed,
    Ignored,
    /// The test was run: this is the name of the kept executable.
    Kept(String),
    /// The text about the failure.
    Failed(String),
}

/// The output of rustdoc, by tests in their order.
pub fn parse(stdout: &str) -> Result<Vec<PrintedTest>, CompileError> {
    let mut tests = Vec::new();
    let mut lines = stdout.lines();
    while let Some(line) = lines.next() {
        if let Some(count) = section_start(line) {
            section(count, &mut lines, &mut tests)?;
        } else if line.starts_with("test ") {
            return Err(unexpected(&format!(
                "it has the line {line:?} before the first test"
            )));
        }
    }
    Ok(tests)
}

/// The names in the output with `--list`. The output also has their number, which is checked.
pub fn parse_list(stdout: &str) -> Result<Vec<String>, CompileError> {
    let mut names = Vec::new();
    // The first lines of a name.
    let mut open = String::new();
    for line in stdout.lines() {
        if let Some(end) = line.strip_suffix(": test") {
            let start = std::mem::take(&mut open);
            let start = if end.contains(" - ") { "" } else { &start };
            names.push(format!("{start}{end}"));
        } else if let Some(count) = listed_count(line) {
            if count != names.len() {
                let names = names.len();
                return Err(unexpected(&format!("{line:?} follows {names} tests")));
            }
        } else if line.contains(" - ") {
            open = format!("{line}\n");
        } else if !open.is_empty() {
            open.push_str(line);
            open.push('\n');
        }
    }
    Ok(names)
}

/// The number in `2 tests, 0 benchmarks`.
fn listed_count(line: &str) -> Option<usize> {
    let (tests, _) = line.split_once(", ")?;
    let (count, word) = tests.split_once(' ')?;
    (word == "tests" || word == "test").then_some(())?;
    count.parse().ok()
}

fn unexpected(what: &str) -> CompileError {
    CompileError::Unexpected(format!("the output has another form: {what}"))
}

/// The number in `running 2 tests`.
fn section_start(line: &str) -> Option<usize> {
    let (count, word) = line.strip_prefix("running ")?.split_once(' ')?;
    (word == "test" || word == "tests").then_some(())?;
    count.parse().ok()
}

/// Reads the tests of one section, to the line with their numbers.
fn section<'a>(
    count: usize,
    lines: &mut impl Iterator<Item = &'a str>,
    tests: &mut Vec<PrintedTest>,
) -> Result<(), CompileError> {
    let first = tests.len();
    let mut rest = Vec::new();
    let mut is_complete = false;
    // The first lines of a name.
    let mut open = String::new();
    for line in lines {
        if line.starts_with("test result: ") {
            is_complete = true;
            break;
        }
        if section_start(line).is_some() {
            break;
        }
        if tests.len() - first < count {
            // Others are the tokens of tools, and `test … has been running for over 60 seconds`.
            let test = result_line(line).or_else(|| result_line(&format!("{open}{line}")));
            if test.is_some() || line.starts_with("test ") {
                open.clear();
            }
            if test.is_none() && (line.starts_with("test ") || !open.is_empty()) {
                open.push_str(line);
                open.push('\n');
            }
            tests.extend(test);
        } else {
            rest.push(line);
        }
    }
    let found = tests.len() - first;
    if found != count || !is_complete {
        return Err(unexpected(&format!(
            "it announces {count} tests, and names {found}"
        )));
    }
    add_failures(&mut tests[first..], &rest)
}

/// The test of a line such as `test src/lib.rs - f (line 3) - compile ... ok`.
fn result_line(line: &str) -> Option<PrintedTest> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let result = match result {
        "ok" => PrintedResult::Passed,
        "FAILED" => PrintedResult::Failed(String::new()),
        _ if result == "ignored" || result.starts_with("ignored, ") => PrintedResult::Ignored,
        _ => return None,
    };
    let compiled = [" - compile fail", " - compile"];
    let compiled = compiled.iter().find_map(|suffix| name.strip_suffix(suffix));
    let plain = compiled.or_else(|| name.strip_suffix(" - should panic"));
    Some(PrintedTest {
        name: plain.unwrap_or(name).to_owned(),
        result,
        only_compiled: compiled.is_some(),
    })
}

/// Adds the texts after the tests of a section to those that failed.
fn add_failures(tests: &mut [PrintedTest], lines: &[&str]) -> Result<(), CompileError> {
    let is_failed = |test: &PrintedTest| matches!(test.result, PrintedResult::Failed(_));
    let count = tests.iter().filter(|test| is_failed(test)).count();
    if count == 0 {
        return Ok(());
    }
    let heading = |test: &PrintedTest| format!("---- {} stdout ----", test.name);
    let mut headings: HashMap<String, HashSet<Vec<String>>> = HashMap::new();
    for test in tests.iter().filter(|test| is_failed(test)) {
        let lines: Vec<_> = heading(test).lines().map(str::to_owned).collect();
        headings.entry(lines[0].clone()).or_default().insert(lines);
    }
    // The texts come first, then the list of names, which has one line for each.
    let end = lines.iter().rposition(|line| *line == "failures:");
    let end = end.ok_or_else(|| unexpected("it does not list the failures"))?;
    let mut blocks: Vec<(String, Vec<&str>)> = Vec::new();
    let mut rest = &lines[..end];
    while let [line, after @ ..] = rest {
        let mut possible = headings.get(*line).into_iter().flatten();
        if let Some(found) = possible.find(|heading| {
            rest.len() >= heading.len() && rest.iter().zip(*heading).all(|(line, own)| line == own)
        }) {
            blocks.push((found.join("\n"), Vec::new()));
            rest = &rest[found.len()..];
        } else {
            if let Some((_, text)) = blocks.last_mut() {
                text.push(line);
            }
            rest = after;
        }
    }
    if blocks.len() != count {
        return Err(unexpected(&format!(
            "{count} tests failed, and {} are explained",
            blocks.len()
        )));
    }
    let mut blocks: VecDeque<_> = blocks.into();
    for test in tests.iter_mut().filter(|test| is_failed(test)) {
        let heading = heading(test);
        let found = blocks.iter().position(|(other, _)| *other == heading);
        let block = found.and_then(|index| blocks.remove(index));
        let (_, text) = block
            .ok_or_else(|| unexpected(&format!("the failure of {} is not explained", test.name)))?;
        let kept = text.iter().find_map(|line| line.strip_prefix(TOKEN));
        test.result = match kept {
            Some(name) => PrintedResult::Kept(name.to_owned()),
            None => PrintedResult::Failed(text.join("\n").trim().to_owned()),
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use PrintedResult::{Failed, Ignored, Kept, Passed};
    use proptest::prelude::*;

    const OUTPUT: &str = "\
maelstrom-doctest-executable:rustdoctestA

running 6 tests
test src/lib.rs - S::eq (line 129) ... FAILED
test src/lib.rs - cfail (line 38) - compile fail ... ok
test src/lib.rs - cfail (line 42) - compile fail ... FAILED
test src/lib.rs - slow (line 50) has been running for over 60 seconds
test src/lib.rs - ign (line 51) ... ignored
test src/lib.rs - panics (line 19) - should panic ... ok
test src/lib.rs - bad (line 33) - compile ... FAILED

failures:

---- src/lib.rs - S::eq (line 129) stdout ----
Test executable failed (exit status: 101).

stdout:
maelstrom-doctest-executable:rustdoctestB


---- src/lib.rs - cfail (line 42) stdout ----
Test compiled successfully, but it's marked `compile_fail`.
---- src/lib.rs - bad (line 33) stdout ----
error[E0308]: mismatched types

error: aborting due to 1 previous error

Couldn't compile the test.

failures:
    src/lib.rs - S::eq (line 129)
    src/lib.rs - bad (line 33)
    src/lib.rs - cfail (line 42)

test result: FAILED. 2 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 4.55s


running 0 tests

test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s

all doctests ran in 5.26s; merged doctests compilation took 0.63s
";

    #[test]
    fn each_test_has_its_result() {
        let tests = parse(OUTPUT).unwrap();
        let seen: Vec<_> = tests
            .iter()
            .map(|test| (test.name.as_str(), &test.result, test.only_compiled))
            .collect();
        assert_eq!(
            seen,
            [
                (
                    "src/lib.rs - S::eq (line 129)",
                    &Kept("rustdoctestB".into()),
                    false
                ),
                ("src/lib.rs - cfail (line 38)", &Passed, true),
                (
                    "src/lib.rs - cfail (line 42)",
                    &Failed("Test compiled successfully, but it's marked `compile_fail`.".into()),
                    true
                ),
                ("src/lib.rs - ign (line 51)", &Ignored, false),
                ("src/lib.rs - panics (line 19)", &Passed, false),
                (
                    "src/lib.rs - bad (line 33)",
                    &Failed(
                        "error[E0308]: mismatched types\n\nerror: aborting due to 1 previous \
                         error\n\nCouldn't compile the test."
                            .into()
                    ),
                    true
                ),
            ]
        );
    }

    #[test]
    fn tests_of_one_name_have_their_own_texts() {
        let output = "running 2 tests\ntest a (line 1) ... FAILED\ntest a (line 1) ... FAILED\n\n\
                      failures:\n\n---- a (line 1) stdout ----\nmaelstrom-doctest-executable:A\n\n\
                      ---- a (line 1) stdout ----\nmaelstrom-doctest-executable:B\n\nfailures:\n    \
                      a (line 1)\n    a (line 1)\n\ntest result: FAILED. 0 passed";
        let results: Vec<_> = parse(output)
            .unwrap()
            .into_iter()
            .map(|test| test.result)
            .collect();
        assert_eq!(results, [Kept("A".into()), Kept("B".into())]);
    }

    #[test]
    fn a_name_may_have_several_lines() {
        let output = "running 3 tests\ntest a.rs - A<T,\nU>::f (line 1) has been running for over 60 \
                      seconds\ntest a.rs - A<T,\nU>::f (line 1) ... FAILED\ntest a.rs - A<T,\nU,\n\
                      V>::f (line 5) - compile fail ... ok\ntest a.rs - g (line 9) ... FAILED\n\n\
                      failures:\n\n---- a.rs - g (line 9) stdout ----\nwrong\n\n---- a.rs - A<T,\nU>::f \
                      (line 1) stdout ----\nmaelstrom-doctest-executable:A\n\nfailures:\n    a.rs - g \
                      (line 9)\n    a.rs - A<T,\nU>::f (line 1)\n\ntest result: FAILED. 1 passed";
        let tests: Vec<_> = parse(output)
            .unwrap()
            .into_iter()
            .map(|test| (test.name, test.result))
            .collect();
        let expected = [
            ("a.rs - A<T,\nU>::f (line 1)", Kept("A".into())),
            ("a.rs - A<T,\nU,\nV>::f (line 5)", Passed),
            ("a.rs - g (line 9)", Failed("wrong".into())),
        ];
        assert_eq!(
            tests,
            expected.map(|(name, result)| (name.to_owned(), result))
        );
        let list = "noise - of a macro\na.rs - g (line 9): test\na.rs - A<T,\nU,\nV>::f (line 5): test\n\
                    \n2 tests, 0 benchmarks\n";
        let names = ["a.rs - g (line 9)", "a.rs - A<T,\nU,\nV>::f (line 5)"];
        assert_eq!(parse_list(list).unwrap(), names);
    }

    #[test]
    fn an_output_that_does_not_add_up_is_refused() {
        for (from, to) in [
            ("running 6 tests", "running 7 tests"),
            ("running 6 tests", "starting 6 tests"),
            (" ... ignored", ": ignored"),
            (
                "---- src/lib.rs - bad (line 33) stdout ----",
                "src/lib.rs - bad:",
            ),
            ("test result: FAILED.", "result: FAILED."),
            ("\nfailures:\n    src", "\nfailed:\n    src"),
        ] {
            assert!(OUTPUT.contains(from));
            let changed = OUTPUT.replace(from, to);
            let error = parse(&changed).unwrap_err();
            assert!(matches!(error, CompileError::Unexpected(_)), "{error}");
        }
    }

    #[test]
    fn a_list_has_the_names() {
        let output = "a (line 1): test\nb: c (line 2): test\n\n2 tests, 0 benchmarks\n";
        assert_eq!(parse_list(output).unwrap(), ["a (line 1)", "b: c (line 2)"]);
        assert!(parse_list(&output.replace("2 tests", "3 tests")).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_tests_or_an_error(
            lines in proptest::collection::vec("(test |running |failures:|---- )?[a-z0-9 .:-]{0,12}( tests| ... ok| ... FAILED)?", 0..12)
        ) {
            let _ = parse(&lines.join("\n"));
            let _ = parse_list(&lines.join("\n"));
        }
    }
}
