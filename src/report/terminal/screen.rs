//! Lines at the bottom of the terminal that are redrawn while text scrolls by above them.

use console::Term;
#[cfg(test)]
use indicatif::InMemoryTerm;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

/// The lines at the bottom of a terminal. They are removed when the screen is dropped.
///
/// A single indicatif bar holds all lines, so that a redraw is one write to the terminal and all
/// lines are of the same time.
pub struct Screen {
    bar: ProgressBar,
    /// The text that the bar shows when it is drawn.
    lines: Arc<Mutex<String>>,
    size: Box<dyn Fn() -> ScreenSize + Send>,
    out: Box<dyn Write + Send>,
}

/// The size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScreenSize {
    pub width: usize,
    pub height: usize,
}

impl Screen {
    /// The screen of the terminal that stderr is connected to.
    pub fn stderr() -> Self {
        let size = || {
            let (height, width) = Term::stderr().size();
            ScreenSize {
                width: width.into(),
                height: height.into(),
            }
        };
        Self::new(ProgressDrawTarget::stderr(), size, io::stderr())
    }

    #[cfg(test)]
    pub fn in_memory(terminal: &InMemoryTerm, size: ScreenSize) -> Self {
        let target = ProgressDrawTarget::term_like(Box::new(terminal.clone()));
        Self::new(target, move || size, InMemoryOutput(terminal.clone()))
    }

    fn new(
        target: ProgressDrawTarget,
        size: impl Fn() -> ScreenSize + Send + 'static,
        out: impl Write + Send + 'static,
    ) -> Self {
        let lines = Arc::new(Mutex::new(String::new()));
        let shown = Arc::clone(&lines);
        let write = move |_: &ProgressState, to: &mut dyn fmt::Write| {
            // The bar writes to memory here, which cannot fail.
            let _ = to.write_str(&shown.lock().unwrap_or_else(PoisonError::into_inner));
        };
        let style = ProgressStyle::with_template("{lines}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner())
            .with_key("lines", write);
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        Self {
            bar,
            lines,
            size: Box::new(size),
            out: Box::new(out),
        }
    }

    pub fn size(&self) -> ScreenSize {
        (self.size)()
    }

    /// Writes `above`, which are whole lines that stay, and draws `lines` below them. These are cut
    /// to the width of the terminal.
    pub fn draw(&mut self, above: &[u8], lines: &[String]) {
        let width = self.size().width;
        let text: Vec<_> = lines
            .iter()
            .map(|line| console::truncate_str(line, width, "…"))
            .collect();
        *self.lines.lock().unwrap_or_else(PoisonError::into_inner) = text.join("\n");
        if above.is_empty() {
            self.bar.tick();
        } else {
            let out = &mut self.out;
            // An error means that the terminal is gone, and there is no place to report it.
            let _ = self.bar.suspend(|| out.write_all(above));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Writes to a terminal in memory the way a terminal driver does.
#[cfg(test)]
struct InMemoryOutput(InMemoryTerm);

#[cfg(test)]
impl Write for InMemoryOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        use indicatif::TermLike;
        let text = String::from_utf8_lossy(bytes).replace('\n', "\r\n");
        self.0.write_str(&text)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(width: u16, height: u16) -> (InMemoryTerm, Screen) {
        let terminal = InMemoryTerm::new(height, width);
        let size = ScreenSize {
            width: width.into(),
            height: height.into(),
        };
        let screen = Screen::in_memory(&terminal, size);
        (terminal, screen)
    }

    fn lines(lines: &[&str]) -> Vec<String> {
        lines.iter().map(|line| (*line).to_owned()).collect()
    }

    #[test]
    fn text_scrolls_by_above_the_lines() {
        let (terminal, mut screen) = screen(40, 10);
        screen.draw(b"", &lines(&["one", "two"]));
        assert_eq!(terminal.contents(), "one\ntwo");
        screen.draw(b"FAIL a\nFAIL b\n", &lines(&["three"]));
        assert_eq!(terminal.contents(), "FAIL a\nFAIL b\nthree");
        screen.draw(b"", &lines(&["four", "five", "six"]));
        assert_eq!(terminal.contents(), "FAIL a\nFAIL b\nfour\nfive\nsix");
    }

    #[test]
    fn lines_are_cut_to_the_width() {
        let (terminal, mut screen) = screen(8, 10);
        screen.draw(b"", &lines(&["\x1b[31m0123456789\x1b[0m", "日本語日本語"]));
        screen.draw(
            b"above\n",
            &lines(&["\x1b[31m0123456789\x1b[0m", "日本語日本語"]),
        );
        assert_eq!(terminal.contents(), "above\n0123456…\n日本語…");
    }

    #[test]
    fn a_dropped_screen_leaves_only_the_text_above() {
        let (terminal, mut screen) = screen(40, 10);
        screen.draw(b"FAIL a\n", &lines(&["one", "two"]));
        drop(screen);
        assert_eq!(terminal.contents(), "FAIL a");
    }
}
