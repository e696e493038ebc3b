//! The reporter for terminals: failures go by above a few lines that show where
//! the run stands.

use super::Reporter;
use super::board::Board;
use super::event::Event;
use super::narrator::Narrator;
use super::terminal::{Paint, Screen};
use std::io;
use std::time::{Duration, Instant};

/// How often the terminal is written to, at most: often enough to look alive,
/// seldom enough to cost nothing, however fast tests end.
const INTERVAL: Duration = Duration::from_millis(80);

/// How much text may wait for the next drawing, in bytes.
const MOST_WAITING: usize = 64 * 1024;

/// Draws when something happens, or on a tick, if the last time is long enough ago.
pub struct Fancy {
    narrator: Narrator,
    paint: Paint,
    board: Board,
    /// Gone when the run is over.
    screen: Option<Screen>,
    /// Text that goes above the board when it is drawn next.
    waiting: Vec<u8>,
    drawn: Option<Instant>,
}

impl Fancy {
    pub fn new(narrator: Narrator, paint: Paint, screen: Screen) -> Self {
        Self {
            narrator,
            paint,
            board: Board::new(Instant::now()),
            screen: Some(screen),
            waiting: Vec::new(),
            drawn: None,
        }
    }

    fn report_at(&mut self, now: Instant, event: &Event<'_>) {
        self.board.update(now, event);
        self.waiting.extend(self.narrator.tell(event));
        if self.waiting.len() > MOST_WAITING || matches!(event, Event::Finished(_)) {
            self.draw(now);
        } else {
            self.tick_at(now);
        }
    }

    fn tick_at(&mut self, now: Instant) {
        let due = |drawn: Instant| now.saturating_duration_since(drawn) >= INTERVAL;
        if self.drawn.is_none_or(due) {
            self.draw(now);
        }
    }

    fn draw(&mut self, now: Instant) {
        let Some(screen) = &mut self.screen else {
            return;
        };
        let lines = self.board.lines(now, self.paint, screen.size());
        screen.draw(&self.waiting, &lines);
        self.waiting.clear();
        self.waiting.shrink_to(MOST_WAITING);
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

    fn finish(&mut self) -> io::Result<()> {
        if let Some(mut screen) = self.screen.take() {
            screen.draw(&self.waiting, &[]);
            self.waiting.clear();
        }
        Ok(())
    }
}

impl Drop for Fancy {
    fn drop(&mut self) {
        // Never fails; what was told must be seen even if the run ended early.
        let _ = self.finish();
    }
}

#[cfg(test)]
mod tests;
