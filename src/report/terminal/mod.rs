//! Drawing on terminals. Only this module uses the drawing libraries, console and indicatif.

mod paint;
mod screen;

pub use paint::{Paint, Role};
pub use screen::{Screen, ScreenSize};

#[cfg(test)]
pub use indicatif::InMemoryTerm;
