//! The text of a document, and messages that show a position in it.

use super::{Span, SpecError, SpecProblem};
use std::fmt;

/// The longest excerpt of a line, in characters. Generated documents may be one long line.
const LONGEST_EXCERPT: usize = 160;

/// The part of a longer excerpt that precedes the position, in characters.
const BEFORE: usize = 40;

/// The name and text of a document.
#[derive(Clone, Copy, Debug)]
pub struct SpecText<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

/// A position in a text, counted from 1. Columns are characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// Decodes UTF-8. For bytes that are not UTF-8, the result is the lossy text to show and the error.
pub fn decode_utf8(bytes: Vec<u8>) -> (String, Option<SpecError>) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            // The lossy text has the same bytes up to this offset.
            let offset = error.utf8_error().valid_up_to();
            let byte = error.as_bytes()[offset];
            let shown = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let problem = SpecProblem::NotUtf8 { byte };
            (shown, Some(SpecError::new(&(offset..offset + 1), problem)))
        }
    }
}

impl SpecText<'_> {
    pub fn position(&self, offset: usize) -> Position {
        let before = &self.text[..self.floor(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The message of an error with its position, as [`explain`](Self::explain) shows it.
    pub fn explain_error(&self, error: &SpecError) -> String {
        self.explain(&error.span, &error.problem)
    }

    /// `message` with its position: name of the document, line and column, then the line and
    /// carets below the span. Further lines of `message` follow the carets.
    pub fn explain(&self, span: &Span, message: &impl fmt::Display) -> String {
        self.explain_from(Position { line: 1, column: 1 }, span, message)
    }

    /// Like [`explain`](Self::explain), for a text that starts at `start` of the document.
    pub fn explain_from(
        &self,
        start: Position,
        span: &Span,
        message: &impl fmt::Display,
    ) -> String {
        let Position { line, column } = self.position(span.start);
        let column = match line {
            1 => column + start.column - 1,
            _ => column,
        };
        let line = line + start.line - 1;
        let message = message.to_string();
        let (head, more) = message.split_once('\n').unwrap_or((&message, ""));
        let gutter = " ".repeat(line.to_string().len());
        let (excerpt, indent, carets) = self.excerpt(span);
        let mut explained = format!(
            "{name}:{line}:{column}: {head}\n\
             {gutter} |\n\
             {line} | {excerpt}\n\
             {gutter} | {indent}{carets}",
            name = self.name,
        );
        for line in more.lines() {
            explained.push_str("\n  ");
            explained.push_str(line);
        }
        explained
    }

    /// The line that `span` starts on, or a part of it if it is long; the white space below it
    /// up to the span; and carets below the span, as far as it is on that line.
    fn excerpt(&self, span: &Span) -> (String, String, String) {
        let start = self.floor(span.start);
        let line_start = self.text[..start]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let line_end = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |newline| start + newline);
        let end = self.floor(span.end.clamp(start, line_end));

        let line: Vec<char> = self.text[line_start..line_end].trim_end().chars().collect();
        let before: Vec<char> = self.text[line_start..start].chars().collect();
        let marked = self.text[start..end].trim_end().chars().count();
        let from = (before.len().min(line.len()).saturating_sub(BEFORE))
            .min(line.len().saturating_sub(LONGEST_EXCERPT));
        let to = line.len().min(from + LONGEST_EXCERPT);

        let cut = |is_cut| if is_cut { "…" } else { "" };
        let shown: String = line[from..to].iter().collect();
        let excerpt = format!("{}{shown}{}", cut(from > 0), cut(to < line.len()));
        let align = |c: &char| if *c == '\t' { '\t' } else { ' ' };
        let mut indent = " ".repeat(usize::from(from > 0));
        indent.extend(before[from..].iter().map(align));
        let carets = "^".repeat(marked.min(to.saturating_sub(before.len())).max(1));
        (excerpt, indent, carets)
    }

    /// The nearest character boundary at or before `offset`.
    fn floor(&self, offset: usize) -> usize {
        let mut offset = offset.min(self.text.len());
        while !self.text.is_char_boundary(offset) {
            offset -= 1;
        }
        offset
    }
}

/// An explanation without its position and margin: the line, then the carets and the message.
/// Panics if the position is not that of the carets.
#[cfg(test)]
pub fn explained_on_two_lines(explanation: &str) -> String {
    let (first_lines, more) = explanation.split_at(
        explanation
            .match_indices('\n')
            .nth(3)
            .map_or(explanation.len(), |(offset, _)| offset),
    );
    let lines: Vec<_> = first_lines.lines().collect();
    let [message, _, line, carets] = lines[..] else {
        panic!("four lines expected: {explanation}")
    };
    let (number, line) = line.split_once(" | ").expect(explanation);
    let (_, carets) = carets.split_once(" | ").expect(explanation);
    let (position, message) = message.split_once(": ").expect(explanation);
    let column = carets.find('^').expect(explanation) + 1;
    assert!(
        position.ends_with(&format!(":{number}:{column}")),
        "{explanation}"
    );
    format!("{line}\n{carets} {message}{more}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_explanation_shows_the_line_and_points_to_the_place() {
        let source = SpecText {
            name: "file.toml",
            text: "one = 1\n\ttwo = \"zwei\"\r\nthree = 3\n",
        };
        assert_eq!(
            source.explain(&(15..21), &"not a number\nmore\nand more"),
            "file.toml:2:8: not a number\n  |\n2 | \ttwo = \"zwei\"\n  | \t      ^^^^^^\n  more\n  and more"
        );
    }

    #[test]
    fn a_span_over_several_lines_is_marked_on_the_first() {
        let source = SpecText {
            name: "f",
            text: "a = [\n1,\n]",
        };
        assert_eq!(
            source.explain(&(4..10), &"no"),
            "f:1:5: no\n  |\n1 | a = [\n  |     ^"
        );
    }

    #[test]
    fn of_a_long_line_the_part_around_the_place_is_shown() {
        let explain = |text: &str, span: Span| {
            let source = SpecText { name: "f", text };
            source.explain(&span, &"no")
        };
        let (a, b) = ("ä".repeat(200), "b".repeat(200));
        assert_eq!(
            explain(&format!("{a}X{b}"), 400..401),
            format!(
                "f:1:201: no\n  |\n1 | …{}X{}…\n  | {}^",
                "ä".repeat(40),
                "b".repeat(119),
                " ".repeat(41)
            )
        );
        assert_eq!(
            explain(&format!("X{b}\n"), 0..201),
            format!(
                "f:1:1: no\n  |\n1 | X{}…\n  | {}",
                "b".repeat(159),
                "^".repeat(160)
            )
        );
        assert_eq!(
            explain(&format!("{b}X   "), 204..205),
            format!(
                "f:1:205: no\n  |\n1 | …{}X\n  | {}^",
                "b".repeat(159),
                " ".repeat(164)
            )
        );
        let line = "b".repeat(160);
        assert_eq!(
            explain(&line, 159..160),
            format!("f:1:160: no\n  |\n1 | {line}\n  | {}^", " ".repeat(159))
        );
    }

    #[test]
    fn columns_count_characters() {
        let source = SpecText {
            name: "f",
            text: "\"ä\" = 1",
        };
        assert_eq!(source.position(5), Position { line: 1, column: 5 });
    }

    proptest! {
        #[test]
        fn any_span_can_be_explained(text in "(.|\n){0,400}", start in 0..500usize, end in 0..500usize) {
            let source = SpecText { name: "f", text: &text };
            source.explain(&(start..end), &"message");
        }
    }
}
