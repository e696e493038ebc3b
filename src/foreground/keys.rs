//! Keys for this program at a job's terminal.

use crate::config::EscapeCharacter;

/// Ctrl-C and Ctrl-Z as a raw terminal sends them.
const CTRL_C: u8 = 0x03;
const CTRL_Z: u8 = 0x1A;

/// The meaning of typed keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Pass these bytes to the job.
    Type(Vec<u8>),
    /// Kill the job.
    End,
    /// Suspend this program.
    Suspend,
}

/// Finds commands in the typed bytes.
#[derive(Debug)]
pub struct Keys {
    escape: u8,
    escaped: bool,
}

impl Keys {
    pub fn new(escape: EscapeCharacter) -> Self {
        Self {
            escape: escape.0,
            escaped: false,
        }
    }

    /// Takes the next typed bytes. The escape character typed twice is passed on once. Before a key
    /// that is no command, it is passed on.
    pub fn take(&mut self, typed: &[u8]) -> Vec<Command> {
        let mut commands = Vec::new();
        let mut text = Vec::new();
        for &byte in typed {
            if !self.escaped {
                if byte == self.escape {
                    self.escaped = true;
                } else {
                    text.push(byte);
                }
                continue;
            }
            self.escaped = false;
            let command = match byte {
                _ if byte == self.escape => None,
                CTRL_C => Some(Command::End),
                CTRL_Z => Some(Command::Suspend),
                _ => {
                    text.push(self.escape);
                    None
                }
            };
            match command {
                None => text.push(byte),
                Some(command) => {
                    if !text.is_empty() {
                        commands.push(Command::Type(std::mem::take(&mut text)));
                    }
                    commands.push(command);
                }
            }
        }
        if !text.is_empty() {
            commands.push(Command::Type(text));
        }
        commands
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(pieces: &[&[u8]]) -> Vec<Command> {
        let mut keys = Keys::new(EscapeCharacter(b'~'));
        pieces.iter().flat_map(|piece| keys.take(piece)).collect()
    }

    fn text(text: &str) -> Command {
        Command::Type(text.into())
    }

    #[test]
    fn typed_keys_are_passed_to_the_job() {
        assert_eq!(typed(&[b"ab\x03\x1a"]), [text("ab\x03\x1a")]);
    }

    #[test]
    fn two_keys_after_the_escape_character_are_commands() {
        assert_eq!(
            typed(&[b"a~\x03", b"b~", b"\x1ac"]),
            [
                text("a"),
                Command::End,
                text("b"),
                Command::Suspend,
                text("c")
            ]
        );
    }

    #[test]
    fn the_escape_character_typed_twice_is_passed_on_once() {
        assert_eq!(typed(&[b"~~\x03"]), [text("~\x03")]);
    }

    #[test]
    fn before_another_key_the_escape_character_is_passed_on() {
        assert_eq!(typed(&[b"~", b"x~", b"~"]), [text("~x"), text("~")]);
    }
}
