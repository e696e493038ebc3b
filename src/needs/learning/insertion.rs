//! Inserting elements into arrays of a TOML text, without a change of other bytes.

use super::directive_text::INDENTATION;
use crate::spec::{Node, Span};

/// Changes of a text: each replaces a span.
#[derive(Clone, Debug, Default)]
pub struct Changes(Vec<(Span, String)>);

impl Changes {
    pub fn replace(&mut self, span: Span, text: impl Into<String>) {
        self.0.push((span, text.into()));
    }

    pub fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    /// The changed text. Its new lines end with `newline`.
    pub fn apply(mut self, text: &str, newline: &str) -> String {
        // Insertions at one place keep their order.
        self.0.sort_by_key(|(span, _)| span.start);
        let mut changed = String::with_capacity(text.len());
        let mut position = 0;
        for (span, replacement) in self.0 {
            changed += &text[position..span.start];
            changed += &replacement.replace('\n', newline);
            position = span.end;
        }
        changed + &text[position..]
    }
}

/// Inserts strings at the end of an array.
pub fn add_strings(
    changes: &mut Changes,
    text: &str,
    array: &Node,
    elements: &[Node],
    new: &[String],
) {
    match elements.last() {
        Some(last) if !text[array.span.clone()].contains('\n') => {
            changes.insert(last.span.end, format!(", {}", new.join(", ")));
        }
        _ => add_lines(changes, text, array, elements, new),
    }
}

/// Inserts elements at the end of an array, each on a line of its own. The elements of an array on
/// one line get lines too.
pub fn add_lines(
    changes: &mut Changes,
    text: &str,
    array: &Node,
    elements: &[Node],
    new: &[String],
) {
    let inside = array.span.start + 1..array.span.end - 1;
    let lines = |indentation: &str| {
        let lines = new
            .iter()
            .map(|element| format!("\n{indentation}{element},"));
        lines.collect::<String>()
    };
    let Some(last) = elements.last() else {
        if text[inside.clone()].trim().is_empty() {
            changes.replace(inside, lines(INDENTATION) + "\n");
        } else {
            changes.insert(inside.start, lines(INDENTATION));
        }
        return;
    };
    if !text[array.span.clone()].contains('\n') {
        let mut before = inside.start;
        for element in elements {
            let comma = if before == inside.start { "" } else { "," };
            changes.replace(
                before..element.span.start,
                format!("{comma}\n{INDENTATION}"),
            );
            before = element.span.end;
        }
        changes.replace(before..inside.end, format!(",{}\n", lines(INDENTATION)));
        return;
    }
    let indentation = indentation(text, last.span.start);
    let mut end = last.span.end;
    match comma(text, last.span.end..inside.end) {
        Some(comma) => end = comma + 1,
        None => changes.insert(end, ","),
    }
    let rest = &text[end..inside.end];
    let line = rest.split('\n').next().unwrap_or_default();
    let is_alone = rest.contains('\n') && is_blank_or_comment(line);
    if is_alone {
        end += line.trim_end_matches('\r').len();
    }
    changes.insert(end, lines(&indentation));
}

/// The comma in a span with nothing but white space, comments and at most one comma.
fn comma(text: &str, span: Span) -> Option<usize> {
    let mut in_comment = false;
    for (offset, character) in text[span.clone()].char_indices() {
        match character {
            '\n' => in_comment = false,
            '#' => in_comment = true,
            ',' if !in_comment => return Some(span.start + offset),
            _ => {}
        }
    }
    None
}

fn is_blank_or_comment(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

/// The white space before an element that is the first of its line. Another element gets that of
/// its line and more.
fn indentation(text: &str, element: usize) -> String {
    let line = text[..element].rfind('\n').map_or(0, |newline| newline + 1);
    let before = &text[line..element];
    let blank = &before[..before.len() - before.trim_start().len()];
    if blank == before {
        blank.to_owned()
    } else {
        format!("{blank}{INDENTATION}")
    }
}

/// The offset of the end of the line that an offset is in, without the line break.
pub fn end_of_line(text: &str, offset: usize) -> usize {
    let line = text[offset..].split('\n').next().unwrap_or_default();
    offset + line.trim_end_matches('\r').len()
}

/// Whether there is only white space before an offset on its line.
pub fn starts_line(text: &str, offset: usize) -> bool {
    let line = text[..offset].rfind('\n').map_or(0, |newline| newline + 1);
    text[line..offset].trim().is_empty()
}
