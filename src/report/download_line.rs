//! One line about a download, for programs that show nothing else while they work.

use super::output::readable;
use super::terminal::Screen;
use super::units::Bytes;
use std::io::{self, IsTerminal};

/// The line, at the lower end of the terminal that stderr is. Nothing is shown where stderr
/// is something else.
#[derive(Default)]
pub struct DownloadLine {
    /// `None`: nothing is shown now.
    screen: Option<Screen>,
}

impl DownloadLine {
    /// How much there is of an image, in bytes.
    pub fn show(&mut self, image: &str, done: u64, total: u64) {
        if self.screen.is_none() && io::stderr().is_terminal() {
            self.screen = Some(Screen::stderr());
        }
        if let Some(screen) = &mut self.screen {
            screen.draw(b"", &[text(image, done, total)]);
        }
    }

    /// Removes the line, so that something else can be written.
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
    fn a_download_is_shown_with_how_much_there_is() {
        assert_eq!(
            text("docker://x", 1 << 20, 3 << 30),
            "Downloading docker://x (1.0 MiB of 3.0 GiB)"
        );
    }
}
