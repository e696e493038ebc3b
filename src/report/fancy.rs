//! The reporter for terminals: text scrolls by above a few lines with the state of the run.

use super::board::Board;
use super::event::Event;
use super::footer::Footer;
use super::narrator::Narrator;
use super::terminal::{Paint, Screen};
use super::{ReportError, Reporter};
use std::time::{Duration, Instant};

/// The minimum time between two drawings: short enough to look smooth, long enough to cost little
/// however fast tests end.
const DRAW_INTERVAL: Duration = Duration::from_millis(80);

/// How many bytes of text may wait for the next drawing.
const WAITING_LIMIT: usize = 64 * 1024;

/// Draws at events and ticks, if the last drawing is long enough ago.
pub struct Fancy {
    narrator: Narrator,
    paint: Paint,
    board: Board,
    footer: Footer,
    /// `None` after the run.
    screen: Option<Screen>,
    /// Text to write above the board with the next drawing.
    waiting: Vec<u8>,
    drawn: Option<Instant>,
}

impl Fancy {
    pub fn new(narrator: Narrator, paint: Paint, screen: Screen) -> Self {
        Self {
            narrator,
            paint,
            board: Board::new(Instant::now()),
            footer: Footer::default(),
            screen: Some(screen),
            waiting: Vec::new(),
            drawn: None,
        }
    }

    /// Draws these lines below those of the run, as long as it lasts.
    pub fn with_footer(mut self, footer: Footer) -> Self {
        self.footer = footer;
        self
    }

    fn report_at(&mut self, now: Instant, event: &Event<'_>) {
        self.board.update(now, event);
        self.waiting.extend(self.narrator.text_of(event));
        if self.waiting.len() > WAITING_LIMIT || matches!(event, Event::Finished(_)) {
            self.draw(now);
        } else {
            self.tick_at(now);
        }
    }

    fn tick_at(&mut self, now: Instant) {
        let due = |drawn: Instant| now.saturating_duration_since(drawn) >= DRAW_INTERVAL;
        if self.drawn.is_none_or(due) {
            self.draw(now);
        }
    }

    fn draw(&mut self, now: Instant) {
        let Some(screen) = &mut self.screen else {
            return;
        };
        let footer = self.footer.lines();
        let mut size = screen.size();
        size.height = size.height.saturating_sub(footer.len());
        let mut lines = self.board.lines(now, self.paint, size);
        if !self.board.is_finished() {
            lines.extend(footer);
        }
        screen.draw(&self.waiting, &lines);
        self.waiting.clear();
        self.waiting.shrink_to(WAITING_LIMIT);
        self.drawn = Some(now);
    }
}

impl Reporter for Fancy {
    fn draws(&self) -> bool {
        true
    }

    fn report(&mut self, event: &Event<'_>) {
        self.report_at(Instant::now(), event);
    }

    fn tick(&mut self) {
        self.tick_at(Instant::now());
    }

    fn finish(&mut self) -> Result<(), ReportError> {
        if let Some(mut screen) = self.screen.take() {
            screen.draw(&self.waiting, &[]);
            self.waiting.clear();
        }
        Ok(())
    }
}

impl Drop for Fancy {
    fn drop(&mut self) {
        // Waiting text must be shown even if the run ended early. This never fails.
        let _ = self.finish();
    }
}

#[cfg(test)]
mod tests;
