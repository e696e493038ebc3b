//! Completing a pattern that is being written.

use super::names::{COMPOUND, CompoundSelector, MATCHERS, RELATIONS, SIMPLE};

/// What may come next in a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PatternCompletion {
    /// The place in the text from which on a continuation replaces it.
    pub start: usize,
    pub expected: ExpectedInPattern,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExpectedInPattern {
    /// One of these words. A word after which more must follow ends with `.` or `(`.
    Words(Vec<String>),
    /// A name, which the argument of a matcher is compared with, and the delimiter after it.
    Name(CompletedName, char),
    Nothing,
}

/// A kind of names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletedName {
    Test,
    Package,
    Target,
    Kind,
    BinaryId,
}

/// Finds out what may come at the end of `text`, the first part of a pattern.
pub fn complete_pattern(text: &str) -> PatternCompletion {
    let mut rest = text;
    loop {
        let start = text.len() - rest.len();
        let expected = |start, expected| PatternCompletion { start, expected };
        let Some(first) = rest.chars().next() else {
            return expected(start, words(""));
        };
        let length = rest.find(|c| !is_of_word(c)).unwrap_or(rest.len());
        if length == 0 {
            rest = &rest[first.len_utf8()..];
            continue;
        }
        let (word, after) = rest.split_at(length);
        if after.is_empty() {
            return expected(start, words(word));
        }
        rest = after;
        let selector = word
            .rsplit_once('.')
            .filter(|(_, matcher)| is_matcher(matcher));
        let Some((selector, matcher)) = selector else {
            continue;
        };
        let Some(opening) = rest.chars().next().filter(|c| "([{</".contains(*c)) else {
            continue;
        };
        let closing = closing(opening);
        rest = &rest[1..];
        if let Some(end) = end_of_argument(rest, opening, closing) {
            rest = &rest[end + closing.len_utf8()..];
            continue;
        }
        let start = text.len() - rest.len();
        // The other matchers have patterns of their own.
        let has_names =
            (MATCHERS.find(matcher)).map_or(true, |(word, _)| !matches!(word, "matches" | "globs"));
        return match name_of(selector).filter(|_| has_names) {
            Some(name) => expected(start, ExpectedInPattern::Name(name, closing)),
            None => expected(start, ExpectedInPattern::Nothing),
        };
    }
}

fn is_of_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._".contains(c)
}

fn is_matcher(word: &str) -> bool {
    MATCHERS.find(word).is_ok() || RELATIONS.find(word).is_ok()
}

fn closing(opening: char) -> char {
    match opening {
        '(' => ')',
        '[' => ']',
        '{' => '}',
        '<' => '>',
        other => other,
    }
}

/// The place of the delimiter that ends an argument.
fn end_of_argument(text: &str, opening: char, closing: char) -> Option<usize> {
    let mut depth = 0;
    for (place, c) in text.char_indices() {
        if c == closing {
            if depth == 0 {
                return Some(place);
            }
            depth -= 1;
        } else if c == opening {
            depth += 1;
        }
    }
    None
}

/// The continuations of a word. `name` is continued as `name.`, and `name.` with matchers.
fn words(word: &str) -> ExpectedInPattern {
    let mut words = Vec::new();
    match word.rsplit_once('.') {
        None => {
            words.extend(SIMPLE.words().into_iter().map(str::to_owned));
            words.extend(COMPOUND.words().iter().map(|word| format!("{word}.")));
        }
        Some((selector, _)) => {
            if selector == "package" {
                let relations = RELATIONS.words();
                words.extend(relations.iter().map(|word| format!("{selector}.{word}(")));
            }
            let matchers = MATCHERS.words();
            words.extend(matchers.iter().map(|word| format!("{selector}.{word}(")));
        }
    }
    words.retain(|candidate| candidate.starts_with(word));
    ExpectedInPattern::Words(words)
}

/// The names with which the argument after this selector is compared.
fn name_of(selector: &str) -> Option<CompletedName> {
    let selector = selector.split('.').next().unwrap_or(selector);
    Some(match COMPOUND.find(selector).ok()?.1 {
        CompoundSelector::Name => CompletedName::Test,
        CompoundSelector::Package => CompletedName::Package,
        CompoundSelector::Target(_) | CompoundSelector::AnyTarget => CompletedName::Target,
        CompoundSelector::Kind => CompletedName::Kind,
        CompoundSelector::BinaryId => CompletedName::BinaryId,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words_at(text: &str) -> (usize, Vec<String>) {
        match complete_pattern(text) {
            PatternCompletion {
                start,
                expected: ExpectedInPattern::Words(words),
            } => (start, words),
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn words_of_the_language_are_completed() {
        let (start, words) = words_at("name.equals(a)|te");
        assert_eq!((start, words), (15, vec!["test".into(), "test.".into()]));
        let (start, words) = words_at("!(pack");
        assert_eq!((start, words), (2, vec!["package.".into()]));
        let (start, words) = words_at("name.e");
        let expected = vec!["name.equals(".into(), "name.ends_with(".into()];
        assert_eq!((start, words), (0, expected));
        let (_, words) = words_at("package.");
        assert_eq!(words[0], "package.depends_on(");
        for text in ["", "all && ", "test - (", "name.equals(a(b))|"] {
            let (start, words) = words_at(text);
            assert_eq!(start, text.len());
            assert!(words.contains(&"library".to_owned()), "{words:?}");
        }
    }

    #[test]
    fn arguments_are_names_of_the_kind_of_the_selector() {
        use CompletedName::{BinaryId, Kind, Package, Target, Test};
        for (text, start, name, closing) in [
            ("name.equals(te", 12, Test, ')'),
            ("all & package.depends_on.equals<a", 32, Package, '>'),
            ("package.depends_on(a", 19, Package, ')'),
            ("test.starts_with/", 17, Target, '/'),
            ("kind.equals(", 12, Kind, ')'),
            ("!binary_id.equals[a::b", 18, BinaryId, ']'),
        ] {
            let expected = ExpectedInPattern::Name(name, closing);
            assert_eq!(
                complete_pattern(text),
                PatternCompletion { start, expected }
            );
        }
        let nothing = complete_pattern("name.matches(^a");
        assert_eq!(nothing.expected, ExpectedInPattern::Nothing);
    }

    proptest! {
        #[test]
        fn any_text_has_a_completion(text: String) {
            let completion = complete_pattern(&text);
            prop_assert!(text.is_char_boundary(completion.start));
        }
    }
}
