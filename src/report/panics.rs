//! Panics in the output of a test: the message, and the place in the sources.

/// A place in a source file, as the compiler writes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SourcePlace<'a> {
    /// Absolute, or relative to the root of the workspace that the file belongs to.
    pub file: &'a str,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
}

/// The message of the last panic in the output of a test, without its backtrace.
pub fn panic_message(stderr: &str) -> Option<&str> {
    last_panic(stderr).map(|(message, _)| message)
}

/// The places of the last panic in the output of a test: first that of the panic itself, then those
/// of its backtrace, the innermost function first.
pub fn panic_places(stderr: &str) -> Vec<SourcePlace<'_>> {
    let Some((message, rest)) = last_panic(stderr) else {
        return Vec::new();
    };
    let first = message.lines().next().unwrap_or_default();
    let of_panic = first.rsplit(" panicked at ").next();
    let of_panic = of_panic.and_then(|place| source_place(place.trim_end_matches(':')));
    // `             at ./tests/cli.rs:7:5`
    let frames = rest.lines().map(str::trim_start);
    let frames = frames.filter_map(|line| source_place(line.strip_prefix("at ")?));
    of_panic.into_iter().chain(frames).collect()
}

/// The message of the last panic, and the text after it.
fn last_panic(stderr: &str) -> Option<(&str, &str)> {
    // Newer versions of the standard library write the id of the thread before `panicked`.
    let is_start = |line: &str| line.starts_with("thread '") && line.contains(" panicked at ");
    let is_end = |line: &str| {
        line.starts_with("stack backtrace:") || line.starts_with("note: run with `RUST_BACKTRACE")
    };
    let mut start = None;
    let mut end = stderr.len();
    let mut place = 0;
    for line in stderr.split_inclusive('\n') {
        if is_start(line) {
            (start, end) = (Some(place), stderr.len());
        } else if is_end(line) {
            end = end.min(place);
        }
        place += line.len();
    }
    let (message, rest) = (start?, end);
    Some((stderr[message..rest].trim_end(), &stderr[rest..]))
}

/// Reads a place of the form `FILE:LINE:COLUMN`.
pub fn source_place(text: &str) -> Option<SourcePlace<'_>> {
    let (rest, column) = text.rsplit_once(':')?;
    let (file, line) = rest.rsplit_once(':')?;
    Some(SourcePlace {
        file,
        line: line.parse().ok()?,
        column: column.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str = "first\nthread 'a' (7) panicked at a.rs:1:1:\nleft\n\
        note: run with `RUST_BACKTRACE=1`\n\
        \nthread 'b' panicked at /home/b.rs:12:5:\nright < 1\nstack backtrace:\n   0: main\n\
        \x20            at ./src/main.rs:3:7\n   1: start\n             at /rustc/1a/lib.rs:1:2\n";

    #[test]
    fn the_message_is_that_of_the_last_panic() {
        let expected = "thread 'b' panicked at /home/b.rs:12:5:\nright < 1";
        assert_eq!(panic_message(TWO), Some(expected));
        assert_eq!(panic_message("thread 'a' ran\npanicked at x\n"), None);
    }

    #[test]
    fn the_places_are_those_of_the_last_panic() {
        let place = |file, line, column| SourcePlace { file, line, column };
        let expected = [
            place("/home/b.rs", 12, 5),
            place("./src/main.rs", 3, 7),
            place("/rustc/1a/lib.rs", 1, 2),
        ];
        assert_eq!(panic_places(TWO), expected);
        let (first, _) = TWO.split_once("\nthread 'b'").unwrap();
        assert_eq!(panic_places(first), [place("a.rs", 1, 1)]);
        assert_eq!(panic_places("thread 'a' panicked at nowhere\n"), []);
        assert_eq!(panic_places(""), []);
    }
}
