//! Values that are one of a few words.

use super::value::Value;

/// One of a few words.
pub trait Choice: Copy + PartialEq + Send + Sync + 'static {
    /// Every choice by the word for it.
    const CHOICES: &'static [(&'static str, Self)];

    /// The choice that `word` stands for.
    fn named(word: &str) -> Option<Self> {
        let found = Self::CHOICES.iter().find(|(name, _)| *name == word);
        found.map(|(_, choice)| *choice)
    }

    /// The word for this choice.
    fn name(self) -> &'static str {
        let found = Self::CHOICES.iter().find(|(_, choice)| *choice == self);
        found.map_or("", |(name, _)| name)
    }
}

impl<T: Choice> Value for T {
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

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ui {
    /// Fancy on a terminal, simple elsewhere.
    Auto,
    /// Bars that are redrawn.
    Fancy,
    /// A line per result.
    Simple,
    /// Failures and the summary only.
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
    /// As the environment and the terminal want it.
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

/// What it means that no test was selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoTests {
    /// Success, silently.
    Pass,
    /// Success, with a warning.
    Warn,
    /// A failure with an exit code of its own.
    Fail,
}

impl Choice for NoTests {
    const CHOICES: &'static [(&'static str, Self)] = &[
        ("pass", Self::Pass),
        ("warn", Self::Warn),
        ("fail", Self::Fail),
    ];
}

/// What becomes of results that jobs had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheResults {
    /// Every job is run, and nothing is kept.
    Off,
    /// A job that passed before is not run again. Nothing is kept.
    Read,
    /// A job that passed before is not run again, and that one passed is kept.
    Auto,
}

impl CacheResults {
    /// Whether results that are known are used.
    pub fn reads(self) -> bool {
        self != Self::Off
    }

    /// Whether results are kept.
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

/// How much the program's own log says.
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
    /// The least severe events that are logged. `None`: nothing is.
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

    fn every_choice_has_its_word<T: Choice>() {
        for (name, choice) in T::CHOICES {
            assert!(choice.name() == *name, "{name}");
            assert!(T::named(name) == Some(*choice), "{name}");
        }
    }

    #[test]
    fn words_and_choices_belong_together() {
        every_choice_has_its_word::<Ui>();
        every_choice_has_its_word::<Color>();
        every_choice_has_its_word::<NoTests>();
        every_choice_has_its_word::<CacheResults>();
        every_choice_has_its_word::<LogLevel>();
    }

    #[test]
    fn what_is_expected_lists_the_words() {
        assert_eq!(NoTests::expected(), "one of `pass`, `warn`, `fail`");
    }

    #[test]
    fn words_are_exact() {
        assert_eq!(Ui::named("Fancy"), None);
        assert_eq!(Ui::named(""), None);
    }
}
