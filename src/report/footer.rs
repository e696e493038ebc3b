//! Lines at the bottom of the terminal that are not about a run: the keys of `--watch`.

use super::output::readable;
use super::terminal::{Paint, Role, Screen};
use std::io::{self, IsTerminal};
use std::sync::{Arc, Mutex, PoisonError};

/// Lines to draw below the progress of a run. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Footer(Arc<Mutex<Vec<String>>>);

impl Footer {
    /// Shows these lines from the next drawing on.
    pub fn set(&self, lines: Vec<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = lines;
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Lines at the bottom of the terminal while no run goes on. They are removed when this is dropped.
pub struct WaitingLines {
    paint: Paint,
    /// Whether stderr is a terminal on which lines can be redrawn.
    can_draw: bool,
    /// `None`: nothing is shown.
    screen: Option<Screen>,
}

impl WaitingLines {
    pub fn new(paint: Paint) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            paint,
            can_draw: io::stderr().is_terminal() && !dumb,
            screen: None,
        }
    }

    /// Whether the lines can be shown.
    pub fn can_draw(&self) -> bool {
        self.can_draw
    }

    /// Shows a line about the state, and others below it.
    pub fn show(&mut self, state: &str, others: &[String]) {
        if !self.can_draw {
            return;
        }
        let state = readable(state.as_bytes(), false);
        let state = self.paint.apply(Role::Activity, state).to_string();
        let lines: Vec<_> = [String::new(), state]
            .into_iter()
            .chain(others.to_vec())
            .collect();
        let screen = self.screen.get_or_insert_with(Screen::stderr);
        screen.draw(b"", &lines);
    }

    /// Removes the lines, until they are shown again.
    pub fn clear(&mut self) {
        self.screen = None;
    }
}
