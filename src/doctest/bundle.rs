//! An executable that holds many documentation tests: its source says which.
//!
//! Rustdoc writes the source beside the executable. One test alone runs if a variable has its number.

use super::compile::CompileError;
use camino::Utf8Path;
use regex::Regex;
use std::fs;
use std::sync::LazyLock;

/// The variable with the number of the only test that is to run.
pub const NUMBER: &str = "RUSTDOC_DOCTEST_RUN_NB_TEST";

/// A test of a bundle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BundledTest {
    pub number: usize,
    pub name: String,
    pub ignored: bool,
    /// Whether there is something to run.
    pub runs: bool,
    pub should_panic: bool,
}

/// The tests of the executable in this directory. `None`: it holds one test only.
pub fn read(directory: &Utf8Path) -> Result<Option<Vec<BundledTest>>, CompileError> {
    let reading = |error| CompileError::Files(directory.to_owned(), error);
    for entry in directory.read_dir_utf8().map_err(reading)? {
        let entry = entry.map_err(reading)?;
        if entry.file_name().starts_with("doctest_runner_") {
            let source = fs::read_to_string(entry.path()).map_err(reading)?;
            return parse(&source).map(Some).ok_or_else(|| {
                CompileError::Unexpected(
                    "the source of an executable with several tests has another form".to_owned(),
                )
            });
        }
    }
    Ok(None)
}

static TEST: LazyLock<Regex> = LazyLock::new(|| {
    let text = r#"("(?:[^"\\]|\\.)*")"#;
    let flag = "(true|false)";
    Regex::new(&format!(
        r"(?s)^(\d+) \{{\s*pub const TEST: test::TestDescAndFn = test::TestDescAndFn::new_doctest\(\s*{text},\s*{flag},\s*{text},\s*\d+,\s*{flag},\s*{flag},"
    ))
    .expect("the expression is valid")
});

static COUNT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"Vec::with_capacity\((\d+)\)").expect("the expression is valid"));

/// The tests in the source of an executable. `None`: the source has another form.
fn parse(source: &str) -> Option<Vec<BundledTest>> {
    // What follows the tests. No test has a name with a line break.
    let (tests, main) = source.split_once("\nmod __doctest_mod {")?;
    let count: usize = COUNT.captures(main)?[1].parse().ok()?;
    if !main.contains(&format!("{NUMBER:?}")) {
        return None;
    }
    let mut found = Vec::new();
    for part in tests.split("\nmod __doctest_").skip(1) {
        let captures = TEST.captures(part)?;
        let number: usize = captures[1].parse().ok()?;
        let (ignored, no_run) = (&captures[3] == "true", &captures[5] == "true");
        let is_called = format!("doctest_bundle::__doctest_{number}::__main_fn()");
        let runs = part.contains(&is_called);
        // Each test that is neither ignored nor only compiled is called, with these arguments.
        let call = format!("doctest_runner(bin_path, {number})");
        if runs != (!ignored && !no_run) || runs != part.contains(&call) {
            return None;
        }
        found.push(BundledTest {
            number,
            name: unescape(&captures[2])?,
            ignored,
            runs,
            should_panic: &captures[6] == "true",
        });
    }
    let is_complete = found.len() == count
        && found
            .iter()
            .enumerate()
            .all(|(index, test)| test.number == index);
    is_complete.then_some(found)
}

/// The text of a string literal as `{:?}` writes it.
fn unescape(literal: &str) -> Option<String> {
    let mut text = String::new();
    let mut characters = literal.strip_prefix('"')?.strip_suffix('"')?.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            text.push(character);
            continue;
        }
        text.push(match characters.next()? {
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            '0' => '\0',
            'u' => {
                let rest = characters.as_str();
                let (code, rest) = rest.strip_prefix('{')?.split_once('}')?;
                characters = rest.chars();
                char::from_u32(u32::from_str_radix(code, 16).ok()?)?
            }
            plain @ ('\\' | '"' | '\'') => plain,
            _ => return None,
        });
    }
    Some(text)
}

#[cfg(test)]
mod tests;
