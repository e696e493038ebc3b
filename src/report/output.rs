//! Makes the output of tests safe to show: the output may contain incomplete colour sequences,
//! cursor movements and binary data.

use super::units::Count;
use crate::executor::Captured;
use std::fmt::Write;
use std::iter::Peekable;
use std::str::Chars;

/// Captured output as [`readable`] text, without empty lines at the beginning and the end. A line
/// in the middle says how many bytes were left out. The text is empty or ends in a newline.
pub fn captured(output: &Captured, colored: bool) -> String {
    let mut text = readable(&output.head, colored);
    if output.omitted > 0 {
        end_line(&mut text, colored);
        let omitted = Count(output.omitted, "byte", "bytes");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "[... {omitted} left out ...]");
        text.push_str(&readable(&output.tail, colored));
    }
    let start = text.find(|c| c != '\n').unwrap_or(text.len());
    let mut text = text[start..].trim_end_matches('\n').to_owned();
    if !text.is_empty() {
        end_line(&mut text, colored);
    }
    text
}

/// The stdout of a test without the lines that libtest prints around it, which only repeat the name
/// and the result of the test. Lines of libtest that tell more are kept, as is all that another
/// harness prints.
pub fn without_frame(stdout: &str, name: &str) -> String {
    let Some(inner) = stdout.strip_prefix("running 1 test\n") else {
        return stdout.to_owned();
    };
    let inner = without_result(inner, name).unwrap_or(inner);
    let start = inner.find(|c| c != '\n').unwrap_or(inner.len());
    let inner = inner[start..].trim_end_matches('\n');
    if inner.is_empty() {
        return String::new();
    }
    format!("{inner}\n")
}

/// The output before the result of the test, in the form that the result has if there is nothing to
/// add.
fn without_result<'a>(output: &'a str, name: &str) -> Option<&'a str> {
    let (before, counts) = output.rsplit_once("test result: ")?;
    let (_, after) = counts.split_once("; finished in ")?;
    // The style that the test left switched on may end here.
    let seconds = after.trim_end_matches('\n').trim_end_matches("\x1b[0m");
    let seconds = seconds.trim_end_matches('\n').strip_suffix('s')?;
    seconds.parse::<f64>().ok()?;
    let list = if counts.starts_with("FAILED. 0 passed; 1 failed; ") {
        format!("test {name} ... FAILED\n\nfailures:\n\nfailures:\n    {name}\n\n")
    } else if counts.starts_with("ok. 1 passed; 0 failed; ") {
        format!("test {name} ... ok\n\n")
    } else {
        return None;
    };
    before.strip_suffix(list.as_str())
}

/// Ends the last line and the style that the test left switched on.
fn end_line(text: &mut String, colored: bool) {
    if colored && text.contains('\x1b') {
        text.push_str("\x1b[0m");
    }
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
}

/// Text without effects on the terminal other than colours and styles, which are kept only if
/// `colored`. Other control sequences are dropped, other control characters are shown as symbols,
/// and bytes that are not UTF-8 as `�`.
pub fn readable(bytes: &[u8], colored: bool) -> String {
    let text = String::from_utf8_lossy(bytes);
    let mut shown = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' | '\t' => shown.push(c),
            // Most likely from a progress bar. Each state of the bar gets a line.
            '\r' => {
                if chars.peek().is_some_and(|&next| next != '\n') {
                    shown.push('\n');
                }
            }
            '\x1b' => {
                let style = escape_sequence(&mut chars);
                if let Some(parameters) = style.filter(|_| colored) {
                    shown.push_str("\x1b[");
                    shown.push_str(&parameters);
                    shown.push('m');
                }
            }
            '\x7f' => shown.push('␡'),
            c if c < ' ' => shown.extend(char::from_u32(0x2400 + c as u32)),
            // Some terminals interpret these C1 control characters as escape sequences.
            '\u{80}'..='\u{9f}' => shown.push(char::REPLACEMENT_CHARACTER),
            c => shown.push(c),
        }
    }
    shown
}

/// Reads the rest of an escape sequence. Returns the parameters if the sequence sets a style. A
/// malformed sequence ends before the first unexpected character, at the latest before a newline,
/// so that no text is dropped with it.
fn escape_sequence(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    match chars.peek()? {
        '[' => {
            chars.next();
            let parameters: String = take_while(chars, |c| ('0'..='?').contains(&c)).collect();
            let intermediates = take_while(chars, |c| (' '..='/').contains(&c)).count();
            let last = chars.next_if(|c| ('@'..='~').contains(c))?;
            let plain = |c: char| c.is_ascii_digit() || c == ';' || c == ':';
            (last == 'm' && intermediates == 0 && parameters.chars().all(plain))
                .then_some(parameters)
        }
        // Control strings, such as titles and links. They end in BEL or ESC \.
        ']' | 'P' | 'X' | '^' | '_' => {
            take_while(chars, |c| !matches!(c, '\x07' | '\x1b' | '\n')).for_each(drop);
            match chars.peek()? {
                '\x07' => {
                    chars.next();
                }
                '\x1b' => {
                    chars.next();
                    chars.next_if_eq(&'\\');
                }
                _ => {}
            }
            None
        }
        _ => {
            take_while(chars, |c| (' '..='/').contains(&c)).for_each(drop);
            chars.next_if(|c| ('0'..='~').contains(c));
            None
        }
    }
}

fn take_while<'a>(
    chars: &'a mut Peekable<Chars<'_>>,
    accept: impl Fn(char) -> bool + 'a,
) -> impl Iterator<Item = char> + 'a {
    std::iter::from_fn(move || chars.next_if(|&c| accept(c)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(text: &str) -> String {
        readable(text.as_bytes(), false)
    }

    const FAILED: &str = "test a::b ... FAILED\n\nfailures:\n\nfailures:\n    a::b\n\ntest result: FAILED. 0 passed; 1 \
                          failed; 0 ignored; 0 measured; 7 filtered out; finished in 0.04s\n";

    #[test]
    fn what_libtest_prints_around_a_test_is_left_out() {
        let passed = "test a::b ... ok\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 7 filtered out; \
                      finished in 1.00s\n";
        for (own, shown) in [
            ("", ""),
            ("own\n", "own\n"),
            ("own", "own\n"),
            ("running 1 test\nown\n", "running 1 test\nown\n"),
            ("\u{1b}[31mred\n", "\u{1b}[31mred\n"),
        ] {
            for result in [FAILED, passed, &format!("{FAILED}\u{1b}[0m\n"), ""] {
                let stdout = format!("running 1 test\n{own}{result}");
                assert_eq!(without_frame(&stdout, "a::b"), shown, "{stdout}");
            }
        }
    }

    #[test]
    fn what_tells_more_than_the_result_is_kept() {
        let should_panic = "test a::b - should panic ... FAILED\n\nfailures:\n\n---- a::b stdout ----\nnote: test did \
                            not panic as expected\n\nfailures:\n    a::b\n\ntest result: FAILED. 0 passed; 1 failed; \
                            0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n";
        let more = format!("{FAILED}more\n");
        for inner in [
            should_panic,
            &more,
            "test result: FAILED. 0 passed; 1 failed; \n",
        ] {
            let stdout = format!("running 1 test\n{inner}");
            assert_eq!(without_frame(&stdout, "a::b"), inner);
        }
        // That of another harness, or of several tests.
        for stdout in [FAILED, "running 2 tests\nown\n", "own\n"] {
            assert_eq!(without_frame(stdout, "a::b"), stdout);
        }
    }

    #[test]
    fn styles_are_kept_where_colour_is_wanted_and_dropped_where_not() {
        let text = "a \x1b[1;31mred\x1b[0m thing";
        assert_eq!(readable(text.as_bytes(), true), text);
        assert_eq!(plain(text), "a red thing");
    }

    #[test]
    fn sequences_that_move_the_cursor_or_set_a_title_are_dropped() {
        let text = "a\x1b[2J\x1b[3;4Hb\x1b]0;title\x07c\x1b]8;;x\x1b\\d\x1b(Be\x1bcf\x1b[?25lg";
        assert_eq!(readable(text.as_bytes(), true), "abcdefg");
    }

    #[test]
    fn a_malformed_sequence_does_not_drop_the_next_line() {
        assert_eq!(plain("\x1b]0;never ends\nnext\n"), "\nnext\n");
        assert_eq!(plain("\x1b[31\nnext"), "\nnext");
        assert_eq!(plain("end\x1b"), "end");
    }

    #[test]
    fn other_control_characters_become_visible() {
        assert_eq!(plain("a\0b\x08c\x7fd\u{9b}e\tf"), "a␀b␈c␡d\u{fffd}e\tf");
    }

    #[test]
    fn carriage_returns_become_line_ends() {
        assert_eq!(plain("10%\r20%\r\ndone\r"), "10%\n20%\ndone");
    }

    #[test]
    fn a_style_left_on_is_reset() {
        let output = Captured::from("\n\n\x1b[31mred\n\n".as_bytes());
        assert_eq!(captured(&output, true), "\x1b[31mred\x1b[0m\n");
        assert_eq!(captured(&output, false), "red\n");
    }

    #[test]
    fn omitted_bytes_are_counted_where_they_were() {
        let output = Captured {
            head: b"first".to_vec(),
            tail: b"last\n".to_vec(),
            omitted: 1_234_567,
        };
        assert_eq!(
            captured(&output, false),
            "first\n[... 1,234,567 bytes left out ...]\nlast\n"
        );
    }

    proptest! {
        #[test]
        fn styles_are_the_only_control_sequences_left(bytes in any::<Vec<u8>>(), colored: bool) {
            let text = readable(&bytes, colored);
            let mut rest = text.as_str();
            while let Some(start) = rest.find('\x1b') {
                prop_assert!(colored);
                rest = &rest[start + 1..];
                let end = rest.find('m').unwrap();
                prop_assert!(rest.starts_with('['));
                prop_assert!(rest[1..end].chars().all(|c| c.is_ascii_digit() || c == ';' || c == ':'));
            }
            let allowed = |c: char| matches!(c, '\n' | '\t' | '\x1b') || !c.is_control();
            prop_assert!(text.chars().all(allowed));
        }

        #[test]
        fn text_without_control_characters_is_unchanged(text in "[^\\p{Cc}]*") {
            prop_assert_eq!(plain(&text), text);
        }
    }
}
