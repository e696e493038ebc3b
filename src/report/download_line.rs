//! A single line about a download, for programs without other progress.

use super::output::readable;
use super::terminal::Screen;
use super::units::Bytes;
use std::io::{self, IsTerminal};

/// A line at the bottom of the terminal that stderr is connected to. Nothing is shown if stderr is
/// not a terminal.
#[derive(Default)]
pub struct DownloadLine {
    /// `None`: no line is shown.
    screen: Option<Screen>,
}

impl DownloadLine {
    /// Shows how much of an image was downloaded, in bytes.
    pub fn show(&mut self, image: &str, done: u64, total: u64) {
        if self.screen.is_none() && io::stderr().is_terminal() {
            self.screen = Some(Screen::stderr());
        }
        if let Some(screen) = &mut self.screen {
            screen.draw(b"", &[text(image, done, total)]);
        }
    }

    /// Removes the line, so that other text can be written.
    pub fn clear(&mut self) {
        self.screen = None;
    }
}

fn text(image: &str, done: u64, total: u64) -> String {
    let image = readable(image.as_bytes(), false);
    let (done, total) = (Bytes(done), Bytes(total));
    format!("Downloading {image} ({done} of {total})")
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_download_is_shown_with_its_progress_in_one_line() {
        insta::assert_snapshot!(
            text("docker://x", 1 << 20, 3 << 30),
            @"Downloading docker://x (1.0 MiB of 3.0 GiB)"
        );
        insta::assert_snapshot!(
            text("docker://\x1b[2Jx\u{7}", 0, 640),
            @"Downloading docker://x␇ (0 B of 640 B)"
        );
    }
}
