//! The escape character: the key that starts a command to the program, in an interactive job.

use super::value::ConfigValue;

/// An ASCII character, by its code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EscapeCharacter(pub u8);

impl EscapeCharacter {
    /// `^]`, as in telnet(1).
    pub const DEFAULT: Self = Self(0x1D);

    /// The spelling: control characters are a caret and an upper-case letter or symbol.
    pub fn name(self) -> String {
        match self.0 {
            0x7F => "^?".to_owned(),
            code @ 0..0x20 => format!("^{}", char::from(code ^ 0x40)),
            code => char::from(code).to_string(),
        }
    }
}

impl ConfigValue for EscapeCharacter {
    fn expected() -> String {
        "a character such as `~`, or a control character such as `^]`".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        match text.as_bytes() {
            [code] if code.is_ascii() => Some(Self(*code)),
            [b'^', key] => {
                let code = key.to_ascii_uppercase() ^ 0x40;
                (code < 0x20 || code == 0x7F).then_some(Self(code))
            }
            _ => None,
        }
    }

    fn to_toml(&self) -> String {
        // In a literal string, a backslash is no escape.
        match self.name().as_str() {
            "'" => "\"'\"".to_owned(),
            name => format!("'{name}'"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_written_with_a_caret() {
        for (text, code) in [
            ("^]", 0x1D),
            ("^[", 0x1B),
            ("^\\", 0x1C),
            ("^a", 0x01),
            ("^?", 0x7F),
            ("^", b'^'),
            ("~", b'~'),
            ("\u{1d}", 0x1D),
        ] {
            assert_eq!(
                EscapeCharacter::from_text(text),
                Some(EscapeCharacter(code)),
                "{text}"
            );
        }
        for text in ["", "ab", "^]x", "^1", "ä"] {
            assert_eq!(EscapeCharacter::from_text(text), None, "{text}");
        }
    }

    #[test]
    fn every_character_is_read_back_as_it_was_written() {
        for code in 0..128 {
            let escape = EscapeCharacter(code);
            assert_eq!(EscapeCharacter::from_text(&escape.name()), Some(escape));
        }
    }
}
