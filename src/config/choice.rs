//! Values that are one of a few words.

use super::value::ConfigValue;

/// One of a few words.
pub trait Choice: Copy + PartialEq + Send + Sync + 'static {
    /// The words and their choices.
    const CHOICES: &'static [(&'static str, Self)];

    /// The choice of a word.
    fn named(word: &str) -> Option<Self> {
        let found = Self::CHOICES.iter().find(|(name, _)| *name == word);
        found.map(|(_, choice)| *choice)
    }

    /// The word of this choice.
    fn name(self) -> &'static str {
        let found = Self::CHOICES.iter().find(|(_, choice)| *choice == self);
        found.map_or("", |(name, _)| name)
    }
}

impl<T: Choice> ConfigValue for T {
    fn expected() -> String {
        let names: Vec<_> = T::CHOICES
            .iter()
            .map(|(name, _)| format!("`{name}`"))
            .collect();
        format!("one of {}", names.join(", "))
    }

    fn from_text(text: &str) -> Option<Self> {
        T::named(text)
    }

    fn to_toml(&self) -> String {
        format!("\"{}\"", self.name())
    }
}

/// The display of progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ui {
    /// `Fancy` on a terminal, else `Simple`.
    Auto,
    /// Progress bars that are redrawn.
    Fancy,
    /// One line per result.
    Simple,
    /// Only failures and the summary.
    Quiet,
}

impl Choice for Ui {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("fancy", Self::Fancy),
        ("simple", Self::Simple),
        ("quiet", Self::Quiet),
    ];
}

/// Whether output has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// By the environment variables and the kind of terminal.
    Auto,
    Always,
    Never,
}

impl Choice for Color {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("always", Self::Always),
        ("never", Self::Never),
    ];
}

/// The outcome of a run without selected tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTests {
    /// Success, without a message.
    Pass,
    /// Success, with a warning.
    Warn,
    /// Failure, with its own exit code.
    Fail,
}

impl Choice for NoTests {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("pass", Self::Pass),
        ("warn", Self::Warn),
        ("fail", Self::Fail),
    ];
}

/// The use of results of earlier runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheResults {
    /// Every job runs. No result is stored.
    Off,
    /// The result of a job that passed before is reused. No result is stored.
    Read,
    /// The result of a job that passed before is reused. Results of jobs that pass are stored.
    Auto,
}

impl CacheResults {
    /// Whether stored results are reused.
    pub fn reads(self) -> bool {
        self != Self::Off
    }

    /// Whether results are stored.
    pub fn writes(self) -> bool {
        self == Self::Auto
    }
}

impl Choice for CacheResults {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("read", Self::Read),
        ("auto", Self::Auto),
    ];
}

/// The level of the program's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    Off,
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The least severe level that is logged. `None`: the log is off.
    pub fn level(self) -> Option<tracing::Level> {
        match self {
            Self::Off => None,
            Self::Error => Some(tracing::Level::ERROR),
            Self::Warn => Some(tracing::Level::WARN),
            Self::Info => Some(tracing::Level::INFO),
            Self::Debug => Some(tracing::Level::DEBUG),
            Self::Trace => Some(tracing::Level::TRACE),
        }
    }
}

impl Choice for LogLevel {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("off", Self::Off),
        ("error", Self::Error),
        ("warn", Self::Warn),
        ("info", Self::Info),
        ("debug", Self::Debug),
        ("trace", Self::Trace),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_words<T: Choice>() {
        for (name, choice) in T::CHOICES {
            assert!(choice.name() == *name, "{name}");
            assert!(T::named(name) == Some(*choice), "{name}");
        }
    }

    #[test]
    fn every_word_has_its_choice() {
        check_words::<Ui>();
        check_words::<Color>();
        check_words::<NoTests>();
        check_words::<CacheResults>();
        check_words::<LogLevel>();
    }

    #[test]
    fn the_expectation_lists_the_words() {
        assert_eq!(NoTests::expected(), "one of `pass`, `warn`, `fail`");
    }

    #[test]
    fn words_must_match_exactly() {
        assert_eq!(Ui::named("Fancy"), None);
        assert_eq!(Ui::named(""), None);
    }
}
