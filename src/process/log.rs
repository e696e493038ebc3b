//! What the log says, and where.

use std::fmt::Result;
use std::io;
use std::time::Instant;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt;

/// Starts the program's own log, on stderr, with the events of this level and the more severe
/// ones. `None`: there is no log.
pub fn start_log(level: Option<tracing::Level>) {
    let Some(level) = level else { return };
    let layer = fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_target(false)
        .with_timer(Elapsed(Instant::now()));
    // Libraries have much to say about each message that they send.
    let library = level.min(tracing::Level::WARN);
    let is_shown = filter_fn(move |metadata| {
        let is_own = metadata.target().starts_with("maelstrom");
        *metadata.level() <= if is_own { level } else { library }
    });
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(is_shown));
    // There is one already only if a program that uses this library has its own.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// The time since the log was started, in seconds.
struct Elapsed(Instant);

impl FormatTime for Elapsed {
    fn format_time(&self, writer: &mut Writer<'_>) -> Result {
        write!(writer, "{:>8.3}s", self.0.elapsed().as_secs_f64())
    }
}
