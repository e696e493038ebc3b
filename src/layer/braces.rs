//! Brace expansion as in bash(1): `/dev/{null,tty{0,1}}` expands to three paths.

/// The limit of expanded paths. A few nested braces can produce an exponential number.
const MOST: usize = 100_000;

/// Why a text cannot be expanded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BraceError {
    #[error("`{0}` has a `{{` without a `}}`; write a literal one as `\\{{`")]
    Unclosed(String),
    #[error("`{0}` has a `}}` without a `{{`; write a literal one as `\\}}`")]
    Unopened(String),
    #[error("`{0}` expands to more than {MOST} paths")]
    TooMany(String),
}

/// Expands the braces of a text, in order. Braces without a comma are literal. A backslash makes
/// the next character literal.
pub(super) fn expand(text: &str) -> Result<Vec<String>, BraceError> {
    let mut expansion = Expansion { text, position: 0 };
    let (mut alternatives, _) = expansion.alternatives(false)?;
    // Outside of braces there is one alternative, as commas there are literal.
    Ok(alternatives.pop().unwrap_or_default())
}

struct Expansion<'a> {
    text: &'a str,
    position: usize,
}

impl Expansion<'_> {
    /// The expanded alternatives up to the closing brace, and whether there was a comma.
    fn alternatives(&mut self, in_braces: bool) -> Result<(Vec<Vec<String>>, bool), BraceError> {
        let mut alternatives = Vec::new();
        let mut current = vec![String::new()];
        while let Some(character) = self.next() {
            match character {
                '\\' => append(&mut current, self.next().unwrap_or('\\')),
                '{' => {
                    let (inner, has_comma) = self.alternatives(true)?;
                    current = self.product(&current, inner, has_comma)?;
                }
                '}' if in_braces => {
                    let has_comma = !alternatives.is_empty();
                    alternatives.push(current);
                    return Ok((alternatives, has_comma));
                }
                '}' => return Err(BraceError::Unopened(self.text.to_owned())),
                ',' if in_braces => {
                    alternatives.push(std::mem::replace(&mut current, vec![String::new()]));
                }
                plain => append(&mut current, plain),
            }
        }
        if in_braces {
            return Err(BraceError::Unclosed(self.text.to_owned()));
        }
        alternatives.push(current);
        Ok((alternatives, false))
    }

    fn next(&mut self) -> Option<char> {
        let character = self.text[self.position..].chars().next()?;
        self.position += character.len_utf8();
        Some(character)
    }

    /// Each of `current` followed by each text of `inner`.
    fn product(
        &self,
        current: &[String],
        inner: Vec<Vec<String>>,
        has_comma: bool,
    ) -> Result<Vec<String>, BraceError> {
        let mut inner: Vec<String> = inner.into_iter().flatten().collect();
        if !has_comma {
            for text in &mut inner {
                *text = format!("{{{text}}}");
            }
        }
        if current.len().saturating_mul(inner.len()) > MOST {
            return Err(BraceError::TooMany(self.text.to_owned()));
        }
        Ok(current
            .iter()
            .flat_map(|start| inner.iter().map(move |end| format!("{start}{end}")))
            .collect())
    }
}

fn append(texts: &mut [String], character: char) {
    for text in texts {
        text.push(character);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn expanded(text: &str) -> String {
        expand(text).unwrap().join(" ")
    }

    #[test]
    fn text_without_braces_is_not_changed() {
        assert_eq!(expanded("/a,b/"), "/a,b/");
        assert_eq!(expanded(""), "");
    }

    #[test]
    fn braces_expand_to_each_alternative_in_order() {
        assert_eq!(expanded("/dev/{null,zero}"), "/dev/null /dev/zero");
        assert_eq!(expanded("{a,b}{c,d}/"), "ac/ ad/ bc/ bd/");
        assert_eq!(expanded("/x{,.bak}"), "/x /x.bak");
    }

    #[test]
    fn braces_nest() {
        assert_eq!(expanded("/{a{1,2,{3,4}},b}"), "/a1 /a2 /a3 /a4 /b");
    }

    #[test]
    fn braces_without_a_comma_are_literal() {
        assert_eq!(expanded("/{a}/{}"), "/{a}/{}");
        assert_eq!(expanded("{{a,b}}"), "{a} {b}");
    }

    #[test]
    fn a_backslash_makes_braces_and_commas_literal() {
        assert_eq!(expanded(r"\{a,b\}"), "{a,b}");
        assert_eq!(expanded(r"{a\,b,c}"), "a,b c");
        assert_eq!(expanded(r"\\"), r"\");
    }

    #[test]
    fn unbalanced_braces_are_errors() {
        assert_eq!(expand("/{a"), Err(BraceError::Unclosed("/{a".to_owned())));
        assert_eq!(expand("a}"), Err(BraceError::Unopened("a}".to_owned())));
    }

    #[test]
    fn too_many_paths_are_an_error() {
        let text = "{a,b}".repeat(17);
        assert_eq!(expand(&text), Err(BraceError::TooMany(text)));
    }

    proptest! {
        #[test]
        fn any_text_is_expanded_or_refused(text in r"[a{},\\ä]{0,40}") {
            let _ = expand(&text);
        }

        #[test]
        fn escaped_text_is_not_changed(text in r"[a{},\\ä]{0,20}") {
            let escaped: String = text.chars().flat_map(|c| ['\\', c]).collect();
            prop_assert_eq!(expand(&escaped), Ok(vec![text]));
        }

        #[test]
        fn a_list_of_words_expands_to_the_words(words in proptest::collection::vec("[a-z]{0,3}", 2..6)) {
            let text = format!("{{{}}}", words.join(","));
            prop_assert_eq!(expand(&text), Ok(words));
        }
    }
}
