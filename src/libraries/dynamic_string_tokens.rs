//! Expands the dynamic string tokens `$ORIGIN`, `$LIB` and `$PLATFORM`: see ld.so(8).

/// The values of the tokens. A path with a token that has no value cannot be used.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens<'a> {
    /// The directory of the file that contains the path.
    pub(super) origin: Option<&'a [u8]>,
    /// The library directory without its prefix, such as `lib64` or `lib/x86_64-linux-gnu`.
    pub(super) lib: Option<&'a [u8]>,
    pub(super) platform: Option<&'a [u8]>,
}

impl Tokens<'_> {
    /// `text` with `$NAME` and `${NAME}` replaced. Other text is kept. `None`: a token has no
    /// value.
    pub(super) fn expand(&self, text: &[u8]) -> Option<Vec<u8>> {
        let mut expanded = Vec::with_capacity(text.len());
        let mut rest = text;
        while let Some((&first, after)) = rest.split_first() {
            if first == b'$'
                && let Some((value, length)) = self.token(after)
            {
                expanded.extend(value?);
                rest = &after[length..];
            } else {
                expanded.push(first);
                rest = after;
            }
        }
        Some(expanded)
    }

    /// The value and length of the token at the start of `text`, which follows the `$`.
    fn token(&self, text: &[u8]) -> Option<(Option<&[u8]>, usize)> {
        let tokens: [(&[u8], _); 3] = [
            (b"ORIGIN", self.origin),
            (b"LIB", self.lib),
            (b"PLATFORM", self.platform),
        ];
        tokens.into_iter().find_map(|(name, value)| {
            let bare = text.strip_prefix(b"{").unwrap_or(text);
            let braces = text.len() - bare.len();
            let next = bare.strip_prefix(name)?.first().copied();
            let ends_here = if braces == 1 {
                next == Some(b'}')
            } else {
                !next.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            ends_here.then_some((value, name.len() + 2 * braces))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TOKENS: Tokens = Tokens {
        origin: Some(b"/opt/x"),
        lib: Some(b"lib64"),
        platform: None,
    };

    fn expand(text: &str) -> Option<String> {
        let expanded = TOKENS.expand(text.as_bytes())?;
        Some(String::from_utf8(expanded).unwrap())
    }

    #[test]
    fn tokens_are_replaced_with_and_without_braces() {
        assert_eq!(expand("$ORIGIN/../$LIB").unwrap(), "/opt/x/../lib64");
        assert_eq!(expand("${ORIGIN}lib/${LIB}").unwrap(), "/opt/xlib/lib64");
    }

    #[test]
    fn text_that_is_not_a_token_is_kept() {
        for text in ["$ORIGINAL/x", "${ORIGIN/x", "$", "a$b", "$LIB_/x", "${}"] {
            assert_eq!(expand(text).unwrap(), text);
        }
    }

    #[test]
    fn a_token_without_a_value_makes_the_path_unusable() {
        assert_eq!(expand("/a/$PLATFORM"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_expanded_without_a_panic(text in "[${}ORIGINLIB_/a]{0,24}") {
            expand(&text);
        }
    }
}
