//! The command line of bash, which bash passes on as text, and replaces from the last of certain
//! characters on.

/// The first part of a command line, up to the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BashLine {
    /// The words without their quotes. The last one is to be completed, and may be empty.
    pub words: Vec<String>,
    /// The quote in which the cursor is.
    quote: Option<char>,
    /// The length of the part of the last word that bash leaves as it is.
    kept: usize,
}

impl BashLine {
    /// `breaks`: the characters that separate words for bash (`COMP_WORDBREAKS`).
    pub fn new(line: &str, breaks: &str) -> Self {
        let Unquoted { words, quote } = split(line);
        let current = words.last().map_or("", String::as_str);
        // Within quotes, bash replaces the whole word.
        let kept = if quote.is_some() {
            0
        } else {
            let is_break = |c: char| breaks.contains(c) && !c.is_whitespace() && !"'\"".contains(c);
            current.rfind(is_break).map_or(0, |at| at + 1)
        };
        Self { words, quote, kept }
    }

    /// What bash inserts in place of the last word, or of its part after the last break.
    pub fn insertion(&self, candidate: &str) -> String {
        let inserted = candidate.get(self.kept..).unwrap_or(candidate);
        let is_plain = |c: char| c.is_alphanumeric() || "%+,-./:=@_".contains(c);
        if self.quote.is_some() || inserted.chars().all(is_plain) {
            return inserted.to_owned();
        }
        // The user closes the quote if the word goes on.
        let is_open = inserted.ends_with(['(', '.', ':', '=']);
        let quoted = inserted.replace('\'', r"'\''");
        let end = if is_open { "" } else { "'" };
        format!("'{quoted}{end}")
    }
}

struct Unquoted {
    words: Vec<String>,
    quote: Option<char>,
}

/// Splits a line of which the end may be missing.
fn split(line: &str) -> Unquoted {
    let mut words = vec![String::new()];
    let mut has_word = false;
    let mut quote = None;
    let mut characters = line.chars();
    while let Some(c) = characters.next() {
        let is_double = quote == Some('"');
        let word = words.last_mut();
        let push = |c: char| {
            if let Some(word) = word {
                word.push(c);
            }
        };
        match c {
            _ if quote == Some(c) => quote = None,
            '\'' | '"' if quote.is_none() => (quote, has_word) = (Some(c), true),
            '\\' if quote.is_none() || is_double => {
                has_word = true;
                if let Some(escaped) = characters.next() {
                    push(escaped);
                }
            }
            space if space.is_whitespace() && quote.is_none() => {
                if has_word {
                    words.push(String::new());
                }
                has_word = false;
            }
            other => {
                push(other);
                has_word = true;
            }
        }
    }
    Unquoted { words, quote }
}

/// The text of a word that may lack its last quote.
pub fn unquoted(word: &str) -> String {
    split(word).words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const BREAKS: &str = " \t\n\"'><=;|&(:";

    #[test]
    fn the_last_word_is_the_one_at_the_cursor() {
        for (line, words, quote) in [
            ("m a", &["m", "a"][..], None),
            ("m  a ", &["m", "a", ""], None),
            ("m 'a b", &["m", "a b"], Some('\'')),
            ("m 'a b' ", &["m", "a b", ""], None),
            ("m \"a \\\"b", &["m", "a \"b"], Some('"')),
            ("m a\\ b", &["m", "a b"], None),
            ("m ''", &["m", ""], None),
        ] {
            let split = BashLine::new(line, BREAKS);
            assert_eq!(
                (&split.words[..], split.quote),
                (
                    &words.iter().map(|&w| w.to_owned()).collect::<Vec<_>>()[..],
                    quote
                ),
                "{line}"
            );
        }
    }

    #[test]
    fn bash_replaces_what_follows_the_last_break_unless_it_is_quoted() {
        let insertion = |line, candidate| BashLine::new(line, BREAKS).insertion(candidate);
        assert_eq!(insertion("m mod::te", "mod::test"), "test");
        assert_eq!(insertion("m --test=a", "--test=abc"), "abc");
        assert_eq!(insertion("m 'a::b", "a::bc"), "a::bc");
        assert_eq!(insertion("m -i na", "name.equals("), "'name.equals(");
        assert_eq!(insertion("m -i 'name.e", "name.equals("), "name.equals(");
        assert_eq!(insertion("m ", "a (line 3)"), "'a (line 3)'");
    }
}
