//! `--watch`: tests run again whenever files change, or a key asks for it.
//!
//! [`changes`] waits for changes of the files in [`directories`] that [`rules`] do not exclude, and
//! [`places`] finds these directories. [`keyboard`] reads [`keys`]. The loop below starts a run, and
//! ends it in the way of a signal when another one is wanted. Each run prepares everything anew, as a
//! run without `--watch` does; it is fast because of what Cargo and the store keep.

mod changes;
mod directories;
mod keyboard;
mod keys;
mod places;
mod rules;
mod wish;

use super::command_line::TestOptions;
use super::preparation;
use super::{RunControl, SetUpError, exit_code_of, paint, run_to_end};
use crate::process::{ExitCode, Interrupt, Interrupts, restore_terminal, to_stderr};
use crate::report::{Footer, Paint, Role, WaitingLines};
use changes::{Activity, ChangeWatch, ChangedFiles};
pub use directories::WatchError;
use directories::WatchedDirectories;
use keyboard::{Keyboard, has_job_control};
use keys::{LineEnd, TypedKey, TypedLine};
use nix::sys::signal::{Signal, raise};
use places::SourcePlaces;
use rules::WatchRules;
use tokio::signal::unix::{Signal as Watched, SignalKind, signal};
use tokio::sync::oneshot;
use wish::{Filter, Wish};

/// The keys, in a line that is always shown.
const KEYS: &str = "Enter: all tests, f: failed, /: filter, q: quit, h: help";

/// What the keys do.
const HELP: [&str; 6] = [
    "Enter  run all tests, whatever their earlier results",
    "f      run the tests that failed, and those that were to run since and did not",
    "/      select tests by words in their names: Enter applies them, Esc does not, no word selects all",
    "q      quit, with the exit code of the last run; so does Ctrl-C",
    "h, ?   show or hide this help",
    "A change of a file runs the tests that it can affect.",
];

/// Runs tests until the user ends it. Returns the exit code of the last run.
pub async fn run(options: &TestOptions) -> Result<ExitCode, SetUpError> {
    // No change of a file can repair these.
    preparation::check_selection(options)?;
    let mut watch = Watch::start(options).await?;
    let mut wish = Wish::First;
    let mut code;
    loop {
        if wish.may_change_places() {
            watch.add_places().await?;
        }
        let next;
        (code, next) = watch.run_once(&wish).await?;
        wish = match next {
            Some(next) => next,
            None => watch.wait().await?,
        };
        if wish == Wish::Quit {
            return Ok(code);
        }
    }
}

/// The state between runs.
struct Watch<'a> {
    options: &'a TestOptions,
    paint: Paint,
    interrupts: Interrupts,
    signals: StopSignals,
    changes: ChangeWatch,
    panel: KeyPanel,
}

/// A signal of job control.
enum StopSignal {
    /// SIGTSTP: Ctrl-Z.
    Stop,
    /// SIGCONT.
    Resume,
}

/// The signals of job control.
struct StopSignals {
    stop: Watched,
    resume: Watched,
}

/// The keyboard, and what is shown about it.
struct KeyPanel {
    /// `None`: there is no terminal.
    keyboard: Option<Keyboard>,
    footer: Footer,
    filter: Filter,
    /// The filter that is being typed.
    typing: Option<TypedLine>,
    shows_help: bool,
}

impl<'a> Watch<'a> {
    async fn start(options: &'a TestOptions) -> Result<Self, SetUpError> {
        let interrupts = Interrupts::watch().map_err(SetUpError::Start)?;
        let signals = StopSignals {
            stop: signal(SignalKind::from_raw(Signal::SIGTSTP as i32))
                .map_err(SetUpError::Start)?,
            resume: signal(SignalKind::from_raw(Signal::SIGCONT as i32))
                .map_err(SetUpError::Start)?,
        };
        let places = SourcePlaces::find(options).await?;
        let mut directories = WatchedDirectories::new(WatchRules::new(places.excluded))?;
        for directory in &places.directories {
            directories.add_root(directory)?;
        }
        let panel = KeyPanel {
            keyboard: Keyboard::open(),
            footer: Footer::default(),
            filter: Filter::new(&options.selection.names.filters),
            typing: None,
            shows_help: false,
        };
        panel.show();
        Ok(Self {
            options,
            paint: paint(&options.settings),
            interrupts,
            signals,
            changes: ChangeWatch::new(directories),
            panel,
        })
    }

    /// Watches packages that the workspace depends on since a manifest has changed.
    async fn add_places(&mut self) -> Result<(), SetUpError> {
        // The run shows the error.
        let Ok(places) = SourcePlaces::find(self.options).await else {
            return Ok(());
        };
        self.changes.directories.rules.exclude(places.excluded);
        for directory in &places.directories {
            self.changes.directories.add_root(directory)?;
        }
        Ok(())
    }

    /// Says why tests run.
    fn announce(&self, wish: &Wish) {
        let roots = self.changes.directories.roots();
        if let Some((label, what)) = wish.announcement(roots, &self.panel.filter) {
            let label = self.paint.apply(Role::Activity, format!("{label:>12}"));
            to_stderr(format_args!("\n{label} {what}"));
        }
    }

    /// Runs tests until the run has ended. Returns the exit code, and the reason why another run
    /// follows at once.
    async fn run_once(&mut self, wish: &Wish) -> Result<(ExitCode, Option<Wish>), SetUpError> {
        self.changes.forget()?;
        self.announce(wish);
        let options = wish.options(self.options, &self.panel.filter);
        let (stop, stopped) = oneshot::channel();
        let control = RunControl {
            stop: Some(stopped),
            footer: self.panel.footer.clone(),
            written: self.changes.written.clone(),
        };
        let mut run = Box::pin(run_to_end(&options, control));
        let mut stop = Some(stop);
        let mut next: Option<Wish> = None;
        let result = loop {
            let wanted = tokio::select! {
                biased;
                ended = &mut run => break ended,
                // The run handles the signal, too.
                _ = self.interrupts.next() => {
                    stop = None;
                    Some(Wish::Quit)
                }
                signal = self.signals.next() => {
                    self.panel.take_signal(&signal);
                    None
                }
                changed = self.changes.next() => Some(Wish::Changed(changed?)),
                key = self.panel.next_key() => self.panel.take(key),
            };
            let Some(wanted) = wanted.filter(|_| next != Some(Wish::Quit)) else {
                continue;
            };
            let reason = match wanted {
                Wish::Quit => Interrupt::Quit,
                _ => Interrupt::Superseded,
            };
            next = Some(match next.take() {
                Some(before) => before.and(wanted),
                None => wanted,
            });
            if let Some(stop) = stop.take() {
                // It fails if the run has just ended.
                let _ = stop.send(reason);
            }
        };
        drop(run);
        let code = exit_code_of(&options, result.map(|(code, _)| code));
        self.changes.set_activity(Activity::Waiting)?;
        Ok((code, next))
    }

    /// Waits for a reason to run tests, or to end.
    async fn wait(&mut self) -> Result<Wish, SetUpError> {
        let mut lines = WaitingLines::new(self.paint);
        let state = self.panel.filter.state(self.changes.directories.roots());
        if !lines.can_draw() {
            to_stderr(format_args!("\n{state}"));
        }
        loop {
            lines.show(&state, &self.panel.lines());
            let wanted = tokio::select! {
                biased;
                _ = self.interrupts.next() => Some(Wish::Quit),
                signal = self.signals.next() => {
                    lines.clear();
                    self.panel.take_signal(&signal);
                    None
                }
                changed = self.changes.next() => Some(Wish::Changed(changed?)),
                key = self.panel.next_key() => self.panel.take(key),
            };
            if let Some(wanted) = wanted {
                return Ok(wanted);
            }
        }
    }
}

impl StopSignals {
    /// Waits for one of the signals. May be cancelled and called again.
    async fn next(&mut self) -> StopSignal {
        tokio::select! {
            _ = self.stop.recv() => StopSignal::Stop,
            _ = self.resume.recv() => StopSignal::Resume,
        }
    }
}

impl KeyPanel {
    async fn next_key(&mut self) -> TypedKey {
        match &mut self.keyboard {
            Some(keyboard) => keyboard.next().await,
            None => std::future::pending().await,
        }
    }

    /// Stops this process with the terminal as it was before, and makes the terminal send keys again when
    /// the process continues.
    fn take_signal(&self, signal: &StopSignal) {
        if let StopSignal::Stop = signal
            && has_job_control()
        {
            restore_terminal();
            // It fails only for signals that do not exist.
            let _ = raise(Signal::SIGSTOP);
        }
        if let Some(keyboard) = &self.keyboard {
            keyboard.resume();
        }
    }

    /// Does what a key means. Returns what is wanted by it.
    fn take(&mut self, key: TypedKey) -> Option<Wish> {
        let wish = match &mut self.typing {
            Some(line) => match line.edit(key) {
                LineEnd::Continues => None,
                LineEnd::Entered(text) => {
                    self.typing = None;
                    self.filter = Filter::of_text(&text);
                    Some(Wish::Filtered)
                }
                LineEnd::Left => {
                    self.typing = None;
                    None
                }
            },
            None => self.command(key),
        };
        self.show();
        wish
    }

    fn command(&mut self, key: TypedKey) -> Option<Wish> {
        match key {
            TypedKey::Enter => return Some(Wish::All),
            TypedKey::Character('f') => return Some(Wish::Failed),
            TypedKey::Character('q') | TypedKey::EndOfInput => return Some(Wish::Quit),
            TypedKey::Character('/') => self.typing = Some(TypedLine::new(&self.filter.text())),
            TypedKey::Character('h' | '?') => self.shows_help = !self.shows_help,
            TypedKey::Escape => self.shows_help = false,
            _ => {}
        }
        None
    }

    fn show(&self) {
        self.footer.set(self.lines());
    }

    /// The lines about keys.
    fn lines(&self) -> Vec<String> {
        if self.keyboard.is_none() {
            return Vec::new();
        }
        if let Some(line) = &self.typing {
            return vec![format!("Words in the names of tests: {}", line.shown())];
        }
        if self.shows_help {
            return HELP.map(ToOwned::to_owned).to_vec();
        }
        vec![KEYS.to_owned()]
    }
}
