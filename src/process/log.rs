//! The log.

use std::fmt::Result;
use std::io;
use std::time::Instant;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;

/// Starts the log on stderr, with events of this level and of more severe levels. `None`: there is no
/// log.
pub fn start_log(level: Option<tracing::Level>) {
    let Some(level) = level else { return };
    let layer = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_timer(SinceStart(Instant::now()));
    // Libraries log every message that they send; only their warnings and errors are shown.
    let library = level.min(tracing::Level::WARN);
    let is_shown = filter_fn(move |metadata| {
        let is_own = metadata.target().starts_with("maelstrom");
        *metadata.level() <= if is_own { level } else { library }
    });
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(is_shown));
    // This fails if a program that uses this library has installed a subscriber of its own.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Formats the time since the start of the log, in seconds.
struct SinceStart(Instant);

impl FormatTime for SinceStart {
    fn format_time(&self, writer: &mut Writer<'_>) -> Result {
        write!(writer, "{:>8.3}s", self.0.elapsed().as_secs_f64())
    }
}
