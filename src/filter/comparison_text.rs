//! Writing a comparison of a pattern, with delimiters that fit the argument.

use super::glob::Glob;
use super::matcher::MatcherKind;
use std::fmt::Write as _;

/// The delimiters of arguments, in the order of preference.
const DELIMITERS: [(char, char); 5] = [('(', ')'), ('[', ']'), ('{', '}'), ('<', '>'), ('/', '/')];

/// The text of `selector.matcher(argument)`.
///
/// If no delimiters fit the argument, the comparison is written with the matcher `matches`, without
/// a change of its meaning.
pub fn comparison_text(selector: &str, matcher: MatcherKind, argument: &str) -> String {
    if let Some(text) = delimited(argument) {
        return format!("{selector}.{}{text}", matcher.word());
    }
    let expression = match matcher {
        MatcherKind::Equals => format!("^{}$", escaped(argument)),
        MatcherKind::Contains => escaped(argument),
        MatcherKind::StartsWith => format!("^{}", escaped(argument)),
        MatcherKind::EndsWith => format!("{}$", escaped(argument)),
        MatcherKind::Matches => without_slashes(argument),
        // No text is written for a glob with an error.
        MatcherKind::Globs => Glob::new(argument).map_or_else(
            |_| escaped(argument),
            |glob| without_slashes(glob.expression()),
        ),
    };
    format!("{selector}.matches/{expression}/")
}

/// The argument in the first delimiters that fit.
pub(super) fn delimited(argument: &str) -> Option<String> {
    let (open, close) = DELIMITERS
        .into_iter()
        .find(|(open, close)| is_balanced(argument, *open, *close))?;
    Some(format!("{open}{argument}{close}"))
}

/// Whether a text can be an argument between these delimiters.
fn is_balanced(text: &str, open: char, close: char) -> bool {
    let mut depth = 0_usize;
    for character in text.chars() {
        if character == close {
            if open == close || depth == 0 {
                return false;
            }
            depth -= 1;
        } else if character == open {
            depth += 1;
        }
    }
    depth == 0
}

/// A regular expression for exactly this text, without `/`.
fn escaped(text: &str) -> String {
    let mut expression = String::new();
    for character in text.chars() {
        if character.is_ascii_alphanumeric() || matches!(character, '_' | ':') {
            expression.push(character);
        } else {
            let _ = write!(expression, "\\x{{{:X}}}", u32::from(character));
        }
    }
    expression
}

/// A regular expression with `\x2F` for each `/`.
fn without_slashes(expression: &str) -> String {
    let mut result = String::new();
    let mut characters = expression.chars();
    while let Some(character) = characters.next() {
        match character {
            '/' => result.push_str(r"\x2F"),
            '\\' => match characters.next() {
                Some('/') => result.push_str(r"\x2F"),
                next => {
                    result.push('\\');
                    result.extend(next);
                }
            },
            _ => result.push(character),
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Pattern, TargetKind, TestCaseName};
    use proptest::prelude::*;

    fn matches(pattern: &str, name: &str) -> bool {
        let pattern: Pattern = pattern.parse().unwrap();
        pattern.matches(&TestCaseName {
            package: "",
            kind: TargetKind::Test,
            target: "",
            name,
        })
    }

    #[test]
    fn delimiters_fit_the_argument() {
        let text = |argument| comparison_text("name", MatcherKind::Contains, argument);
        assert_eq!(text("a(b)"), "name.contains(a(b))");
        assert_eq!(text("a(b"), "name.contains[a(b]");
        assert_eq!(text("(]}>"), "name.contains/(]}>/");
        assert_eq!(
            text("(]}>/"),
            r"name.contains/(]}>/"
                .replace("contains/(]}>/", r"matches/\x{28}\x{5D}\x{7D}\x{3E}\x{2F}/")
        );
    }

    #[test]
    fn slashes_of_a_regular_expression_are_escaped_if_no_delimiters_fit() {
        let text = comparison_text("name", MatcherKind::Matches, r"^\(\[\{[<]a/b\/c\\/$");
        assert_eq!(text, r"name.matches/^\(\[\{[<]a\x2Fb\x2Fc\\\x2F$/");
        assert!(matches(&text, r"([{<a/b/c\/"));
    }

    proptest! {
        #[test]
        fn a_comparison_means_what_its_parts_say(
            argument in r"[a-c()\[\]{}<>/\\*?]{1,8}",
            name in r"[a-c()\[\]{}<>/\\*?]{0,8}",
        ) {
            for (kind, expected) in [
                (MatcherKind::Equals, name == argument),
                (MatcherKind::Contains, name.contains(&argument)),
                (MatcherKind::StartsWith, name.starts_with(&argument)),
                (MatcherKind::EndsWith, name.ends_with(&argument)),
            ] {
                let text = comparison_text("name", kind, &argument);
                prop_assert_eq!(matches(&text, &name), expected, "{}", text);
                prop_assert_eq!(matches(&text, &argument), true, "{}", text);
            }
            if let Ok(glob) = Glob::new(&argument) {
                let text = comparison_text("name", MatcherKind::Globs, &argument);
                prop_assert_eq!(matches(&text, &name), glob.matches(&name), "{}", text);
            }
            if let Ok(regex) = regex::Regex::new(&argument) {
                let text = comparison_text("name", MatcherKind::Matches, &argument);
                prop_assert_eq!(matches(&text, &name), regex.is_match(&name), "{}", text);
            }
        }
    }
}
