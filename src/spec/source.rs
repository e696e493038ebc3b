//! Showing people where in a document something stands.

use super::{Mistake, Problem, Span};
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use std::fmt;

/// No more of a line is marked than this, in bytes: the whole of what is marked is shown, and
/// machines write whole documents on one line.
const WIDEST: usize = 100;

/// The name and text of a document.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    pub name: &'a str,
    pub text: &'a str,
}

/// A place as people count: from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

/// The text that bytes are; or something like it, to be shown with the mistake that
/// they are no text.
pub fn decode(bytes: Vec<u8>) -> (String, Option<Mistake>) {
    match String::from_utf8(bytes) {
        Ok(text) => (text, None),
        Err(error) => {
            // Up to there, what is shown has the same bytes.
            let offset = error.utf8_error().valid_up_to();
            let byte = error.as_bytes()[offset];
            let mistake = Mistake::new(&(offset..offset + 1), Problem::NotUtf8 { byte });
            let shown = String::from_utf8_lossy(error.as_bytes()).into_owned();
            (shown, Some(mistake))
        }
    }
}

impl Source<'_> {
    pub fn position(&self, offset: usize) -> Position {
        let before = &self.text[..self.floor(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.bytes().filter(|&byte| byte == b'\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// `message` with where it applies: file, line and column, the line itself
    /// and a caret. Further lines of `message` follow the caret.
    pub fn explain(&self, span: &Span, message: &impl fmt::Display) -> String {
        self.explain_from(Position { line: 1, column: 1 }, span, message)
    }

    /// The same for a text that starts at `start` of what is called by its name.
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
        let mark = AnnotationKind::Primary.span(start - from..start - from + marked);
        let line = Snippet::source(self.text[from..to].trim_end_matches('\r'))
            .line_start(number)
            .annotation(mark);
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_explanation_shows_the_line_and_points_to_the_place() {
        let source = Source {
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
        let source = Source {
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
            let source = Source { name: "f", text };
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
    fn carets_are_below_what_they_mark_whatever_stands_before() {
        let source = Source {
            name: "f",
            text: "\"日本\" = \u{1b}[31m",
        };
        assert_eq!(
            source.explain(&(11..12), &"no"),
            "f:1:8: no\n  |\n1 | \"日本\" = ␛[31m\n  |          ^"
        );
    }

    #[test]
    fn columns_count_characters() {
        let source = Source {
            name: "f",
            text: "\"ä\" = 1",
        };
        assert_eq!(source.position(5), Position { line: 1, column: 5 });
    }

    proptest! {
        #[test]
        fn any_span_can_be_explained(text in "(.|\n){0,400}", start in 0..500usize, end in 0..500usize) {
            let source = Source { name: "f", text: &text };
            source.explain(&(start..end), &"message");
        }
    }
}
