//! From the bytes of a terminal to keys.

/// A key, or keys that are pressed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypedKey {
    Character(char),
    Enter,
    Escape,
    Backspace,
    Delete,
    Left,
    Right,
    Home,
    End,
    /// Ctrl-U.
    EraseLine,
    /// Ctrl-W.
    EraseWord,
    /// Ctrl-D.
    EndOfInput,
}

/// Turns bytes into keys. A character or sequence may come in several parts.
#[derive(Debug, Default)]
pub struct KeyReader {
    partial: Vec<u8>,
}

impl KeyReader {
    /// The keys in these bytes, which were read at once. Unknown keys are left out.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<TypedKey> {
        self.partial.extend(bytes);
        let all = std::mem::take(&mut self.partial);
        let mut rest = &all[..];
        let mut keys = Vec::new();
        while let Some(&first) = rest.first() {
            let (key, length) = match first {
                0x1b => sequence(rest),
                0x20.. if first != 0x7f => {
                    let Some(found) = character(rest) else {
                        // The rest of the character follows.
                        self.partial = rest.to_vec();
                        break;
                    };
                    found
                }
                _ => (control(first), 1),
            };
            keys.extend(key);
            rest = rest.get(length..).unwrap_or_default();
        }
        keys
    }
}

fn control(byte: u8) -> Option<TypedKey> {
    Some(match byte {
        b'\r' | b'\n' => TypedKey::Enter,
        0x08 | 0x7f => TypedKey::Backspace,
        0x01 => TypedKey::Home,
        0x04 => TypedKey::EndOfInput,
        0x05 => TypedKey::End,
        0x15 => TypedKey::EraseLine,
        0x17 => TypedKey::EraseWord,
        _ => return None,
    })
}

/// The key at the start, which is an escape, and the length of its sequence.
fn sequence(bytes: &[u8]) -> (Option<TypedKey>, usize) {
    let Some(b'[' | b'O') = bytes.get(1) else {
        // The key itself: a terminal sends a sequence at once.
        return (Some(TypedKey::Escape), 1);
    };
    let end = bytes[2..]
        .iter()
        .position(|byte| (0x40..=0x7e).contains(byte));
    let Some(end) = end.map(|end| end + 2) else {
        return (None, bytes.len());
    };
    let key = match (&bytes[2..end], bytes[end]) {
        (_, b'C') => Some(TypedKey::Right),
        (_, b'D') => Some(TypedKey::Left),
        (_, b'H') | (b"1" | b"7", b'~') => Some(TypedKey::Home),
        (_, b'F') | (b"4" | b"8", b'~') => Some(TypedKey::End),
        (_, b'M') if bytes[1] == b'O' => Some(TypedKey::Enter),
        (b"3", b'~') => Some(TypedKey::Delete),
        _ => None,
    };
    (key, end + 1)
}

/// The character at the start, and its length. `None`: it is not complete.
fn character(bytes: &[u8]) -> Option<(Option<TypedKey>, usize)> {
    let length = match bytes[0] {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => 1,
    };
    let bytes = bytes.get(..length)?;
    let text = std::str::from_utf8(bytes).ok();
    let character = text.and_then(|text| text.chars().next());
    let length = if character.is_some() { length } else { 1 };
    Some((character.map(TypedKey::Character), length))
}

/// A line that is being typed.
#[derive(Debug, Default)]
pub struct TypedLine {
    characters: Vec<char>,
    /// The number of characters before the cursor.
    cursor: usize,
}

/// What a key does to a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineEnd {
    /// The line is edited.
    Continues,
    /// The line is complete.
    Entered(String),
    /// The line does not count.
    Left,
}

impl TypedLine {
    pub fn new(text: &str) -> Self {
        let characters: Vec<_> = text.chars().collect();
        Self {
            cursor: characters.len(),
            characters,
        }
    }

    pub fn edit(&mut self, key: TypedKey) -> LineEnd {
        match key {
            TypedKey::Character(character) => {
                self.characters.insert(self.cursor, character);
                self.cursor += 1;
            }
            TypedKey::Enter => return LineEnd::Entered(self.characters.iter().collect()),
            TypedKey::Escape => return LineEnd::Left,
            TypedKey::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.characters.remove(self.cursor);
            }
            TypedKey::Delete if self.cursor < self.characters.len() => {
                self.characters.remove(self.cursor);
            }
            TypedKey::Left => self.cursor = self.cursor.saturating_sub(1),
            TypedKey::Right => self.cursor = (self.cursor + 1).min(self.characters.len()),
            TypedKey::Home => self.cursor = 0,
            TypedKey::End => self.cursor = self.characters.len(),
            TypedKey::EraseLine => drop(self.characters.drain(..std::mem::take(&mut self.cursor))),
            TypedKey::EraseWord => {
                let before = &self.characters[..self.cursor];
                let is_space = |character: &char| character.is_whitespace();
                let word_end = before.iter().rposition(|c| !is_space(c)).unwrap_or(0);
                let start = before[..word_end].iter().rposition(is_space);
                let start = start.map_or(0, |space| space + 1);
                self.characters.drain(start..self.cursor);
                self.cursor = start;
            }
            TypedKey::Backspace | TypedKey::Delete | TypedKey::EndOfInput => {}
        }
        LineEnd::Continues
    }

    /// The line with a mark at the cursor.
    pub fn shown(&self) -> String {
        let (before, after) = self.characters.split_at(self.cursor);
        let text = |characters: &[char]| characters.iter().collect::<String>();
        format!("{}▏{}", text(before), text(after))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed(bytes: &[u8]) -> Vec<TypedKey> {
        KeyReader::default().take(bytes)
    }

    #[test]
    fn keys_with_sequences_are_recognized() {
        for (bytes, key) in [
            (&b"\x1b[D"[..], TypedKey::Left),
            (b"\x1b[C", TypedKey::Right),
            (b"\x1bOD", TypedKey::Left),
            (b"\x1b[H", TypedKey::Home),
            (b"\x1b[1~", TypedKey::Home),
            (b"\x1bOF", TypedKey::End),
            (b"\x1b[3~", TypedKey::Delete),
            (b"\x1b", TypedKey::Escape),
            (b"\n", TypedKey::Enter),
            (b"\r", TypedKey::Enter),
            (b"\x7f", TypedKey::Backspace),
            (b"\x08", TypedKey::Backspace),
        ] {
            assert_eq!(typed(bytes), [key], "{bytes:?}");
        }
        assert_eq!(typed(b"\x1b[15~\x1b[A"), []);
        assert_eq!(
            typed(b"\x1b[Dq"),
            [TypedKey::Left, TypedKey::Character('q')]
        );
    }

    #[test]
    fn a_character_may_come_in_parts() {
        let mut reader = KeyReader::default();
        let (first, second) = "é".as_bytes().split_at(1);
        assert_eq!(reader.take(first), []);
        assert_eq!(reader.take(second), [TypedKey::Character('é')]);
    }

    #[test]
    fn a_line_is_edited_at_the_cursor() {
        let mut line = TypedLine::new("one two");
        let mut edit = |keys: &[TypedKey]| {
            for key in keys {
                assert_eq!(line.edit(*key), LineEnd::Continues);
            }
            line.shown()
        };
        assert_eq!(edit(&[TypedKey::EraseWord]), "one ▏");
        assert_eq!(edit(&[TypedKey::Left, TypedKey::Left]), "on▏e ");
        assert_eq!(edit(&[TypedKey::Character('x'), TypedKey::Delete]), "onx▏ ");
        assert_eq!(edit(&[TypedKey::Backspace, TypedKey::End]), "on ▏");
        assert_eq!(edit(&[TypedKey::EraseWord]), "▏");
        assert_eq!(edit(&[TypedKey::Backspace, TypedKey::EraseWord]), "▏");
        assert_eq!(edit(&[TypedKey::Character('a')]), "a▏");
        assert_eq!(line.edit(TypedKey::Enter), LineEnd::Entered("a".into()));
        assert_eq!(line.edit(TypedKey::Escape), LineEnd::Left);
    }

    proptest! {
        #[test]
        fn no_bytes_and_keys_are_too_odd(parts in proptest::collection::vec(any::<Vec<u8>>(), 0..5)) {
            let mut reader = KeyReader::default();
            let mut line = TypedLine::default();
            for part in parts {
                for key in reader.take(&part) {
                    line.edit(key);
                }
                line.shown();
            }
        }
    }
}
