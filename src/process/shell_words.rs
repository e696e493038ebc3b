//! Command lines as a shell reads and people write them.

use std::fmt::Write;

/// Splits a command line into words, as a shell does: quotes and backslashes keep characters
/// together, and nothing else has a meaning. `None`: a quote is not closed.
pub fn split_command_line(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    // The word that is being read. `None`: between words.
    let mut word: Option<String> = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '\'' => break,
                        other => word.push(other),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match characters.next()? {
                        '"' => break,
                        '\\' => match characters.next()? {
                            escaped @ ('"' | '\\' | '$' | '`') => word.push(escaped),
                            other => word.extend(['\\', other]),
                        },
                        other => word.push(other),
                    }
                }
            }
            '\\' => word.get_or_insert_default().push(characters.next()?),
            space if space.is_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    Some(words)
}

/// Joins words to a command line that a shell splits into these words.
pub fn command_line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    let mut line = String::new();
    for word in words {
        if !line.is_empty() {
            line.push(' ');
        }
        let is_plain = |c: char| c.is_alphanumeric() || "%+,-./:@_".contains(c);
        // An equals sign in the first word would make it a variable.
        let is_plain = |c: char| is_plain(c) || c == '=' && !line.is_empty();
        if !word.is_empty() && word.chars().all(is_plain) {
            line.push_str(word);
        } else {
            // Writing to a string does not fail.
            let _ = write!(line, "'{}'", word.replace('\'', r"'\''"));
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn words_are_split_as_a_shell_splits_them() {
        for (text, words) in [
            ("", &[][..]),
            ("  gdb\t--args ", &["gdb", "--args"]),
            (
                r#"gdb -ex "break a b" --args"#,
                &["gdb", "-ex", "break a b", "--args"],
            ),
            (r#"a'b "c'"d 'e" ''"#, &["ab \"cd 'e", ""]),
            (r#"a\ b "\$\a\\""#, &["a b", r"$\a\"]),
        ] {
            assert_eq!(split_command_line(text).unwrap(), words, "{text}");
        }
        for text in ["'", "a \"b", "c\\", "\"\\"] {
            assert_eq!(split_command_line(text), None, "{text}");
        }
    }

    #[test]
    fn only_words_that_need_it_are_quoted() {
        let line = command_line(["/a/b-1", "mod::test", "it's", "", "$x", "--a=b"]);
        assert_eq!(line, r"/a/b-1 mod::test 'it'\''s' '' '$x' --a=b");
        assert_eq!(command_line(["A=b"]), "'A=b'");
    }

    proptest! {
        #[test]
        fn what_was_joined_is_split_into_the_same_words(words: Vec<String>) {
            let line = command_line(words.iter().map(String::as_str));
            prop_assert_eq!(split_command_line(&line), Some(words));
        }
    }
}
