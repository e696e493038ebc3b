//! The text of a document, and messages that show a position in it.

use super::{Span, SpecError, SpecProblem};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;

/// The greatest length of the marked part of a line, in bytes. It is limited because the whole
/// marked part is shown, and a generated document may be one long line.
const WIDEST: usize = 100;

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
        let excerpt = self.excerpt(line, span);
        let mut explained = format!("{}:{line}:{column}: {head}\n{excerpt}", self.name);
        for line in more.lines() {
            explained.push_str("\n  ");
            explained.push_str(line);
        }
        explained
    }

    /// The line that `span` starts on, as the line of this number, with carets below the part of
    /// the span that is on it. Of a long line, only a part.
    fn excerpt(&self, number: usize, span: &Span) -> String {
        let start = self.floor(span.start);
        let from = self.text[..start]
            .rfind('\n')
            .map_or(0, |newline| newline + 1);
        let to = self.text[start..]
            .find('\n')
            .map_or(self.text.len(), |newline| start + newline);
        let end = self.floor(span.end.min(start + WIDEST).clamp(start, to));
        let marked = self.text[start..end].trim_end().len();
        let line = self.text[from..to].trim_end_matches('\r');
        let column = (start - from).min(line.len());
        let mark = AnnotationKind::Primary.span(column..(column + marked).min(line.len()));
        let line = Snippet::source(line).line_start(number).annotation(mark);
        Renderer::plain().render(&[Group::with_level(Level::ERROR).element(line)])
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
            "file.toml:2:8: not a number\n  |\n2 |     two = \"zwei\"\n  |           ^^^^^^\n  more\n  and more"
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
    fn only_the_part_of_a_long_line_around_the_span_is_shown() {
        let explain = |text: &str, span: Span| {
            let source = SpecText { name: "f", text };
            source.explain(&span, &"no")
        };
        let shown = |text: &str, span: Span| {
            let explained = explain(text, span);
            let lines: Vec<_> = explained.lines().map(str::to_owned).collect();
            let [head, _, line, marks] = lines.try_into().unwrap();
            let column = |line: &str, of: char| line.chars().position(|c| c == of).unwrap();
            assert_eq!(column(&line, 'X'), column(&marks, '^'), "{line}\n{marks}");
            assert!(line.chars().count() < 150, "{line}");
            (head, line, marks.matches('^').count())
        };
        let (a, b) = ("ä".repeat(200), "b".repeat(200));
        let (head, line, marked) = shown(&format!("{a}X{b}"), 400..401);
        assert_eq!((head.as_str(), marked), ("f:1:201: no", 1));
        assert!(
            line.starts_with("1 | ...ä") && line.ends_with("b..."),
            "{line}"
        );
        let (_, line, marked) = shown(&format!("X{b}\n"), 0..201);
        assert_eq!(marked, WIDEST);
        assert!(
            line.starts_with("1 | Xb") && line.ends_with("b..."),
            "{line}"
        );
        let (head, line, marked) = shown(&format!("{b}X   "), 200..205);
        assert_eq!((head.as_str(), marked), ("f:1:201: no", 1));
        assert!(line.trim_end().ends_with("bX"), "{line}");
    }

    #[test]
    fn carets_are_below_the_span_after_wide_characters() {
        let source = SpecText {
            name: "f",
            text: "\"日本\" = \u{1b}[31m",
        };
        assert_eq!(
            source.explain(&(11..12), &"no"),
            "f:1:8: no\n  |\n1 | \"日本\" = ␛[31m\n  |          ^"
        );
    }

    #[test]
    fn a_span_in_the_end_of_a_line_is_marked_at_the_end_of_its_text() {
        let source = SpecText {
            name: "f",
            text: "a\r\r",
        };
        for span in [1..3, 2..3, 3..3] {
            let explained = source.explain(&span, &"no");
            assert!(explained.ends_with("1 | a\n  |  ^"), "{explained}");
        }
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
