//! Values that are one of a few words.

use super::value::ConfigValue;
use strum::{IntoStaticStr, VariantArray};

/// One of a few words.
pub trait Choice: VariantArray + Into<&'static str> + Copy + Send + Sync {
    /// Further words that are understood, but not listed.
    const OTHER_WORDS: &'static [(&'static str, Self)] = &[];

    /// The words, in order.
    fn words() -> impl Iterator<Item = &'static str> {
        Self::VARIANTS.iter().map(|choice| choice.name())
    }

    /// The choice of a word.
    fn named(word: &str) -> Option<Self> {
        let all = Self::VARIANTS.iter().map(|choice| (choice.name(), *choice));
        let mut all = all.chain(Self::OTHER_WORDS.iter().copied());
        all.find(|(name, _)| *name == word)
            .map(|(_, choice)| choice)
    }

    /// The word of this choice.
    fn name(self) -> &'static str {
        self.into()
    }
}

impl Choice for Ui {}
impl Choice for Color {}
impl Choice for NoTests {
    /// `auto` is a word of nextest, whose meaning is that of `fail`.
    const OTHER_WORDS: &'static [(&'static str, Self)] = &[("auto", Self::Fail)];
}
impl Choice for CacheResults {}
impl Choice for LogLevel {}

impl<T: Choice> ConfigValue for T {
    fn expected() -> String {
        let names: Vec<_> = T::words().map(|name| format!("`{name}`")).collect();
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
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

/// Whether output has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum Color {
    /// By the environment variables and the kind of terminal.
    Auto,
    Always,
    Never,
}

/// The outcome of a run without selected tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
pub enum NoTests {
    /// Success, without a message.
    Pass,
    /// Success, with a warning.
    Warn,
    /// Failure, with its own exit code.
    Fail,
}

/// The use of results of earlier runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
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

/// The level of the program's own log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "lowercase")]
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
        // `off` is no level.
        self.name().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_words<T: Choice + PartialEq>() {
        for choice in T::VARIANTS {
            let name = choice.name();
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
    fn a_log_level_is_that_of_tracing() {
        assert_eq!(LogLevel::Off.level(), None);
        assert_eq!(LogLevel::Warn.level(), Some(tracing::Level::WARN));
    }

    #[test]
    fn the_expectation_lists_the_words() {
        assert_eq!(NoTests::expected(), "one of `pass`, `warn`, `fail`");
        assert_eq!(NoTests::named("auto"), Some(NoTests::Fail));
    }

    #[test]
    fn words_must_match_exactly() {
        assert_eq!(Ui::named("Fancy"), None);
        assert_eq!(Ui::named(""), None);
    }
}
