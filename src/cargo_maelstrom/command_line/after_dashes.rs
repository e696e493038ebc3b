//! The words after `--`, which `cargo test` passes to libtest. Most of them are implemented here, since
//! each test runs in a process of its own.

use crate::config::{Color, ConfigValue, SlotCount};

/// The meaning of the words after `--`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AfterDashes {
    pub filters: Vec<String>,
    pub skips: Vec<String>,
    pub exact: bool,
    pub ignored: bool,
    pub include_ignored: bool,
    pub no_capture: bool,
    pub show_output: bool,
    pub quiet: bool,
    pub list: bool,
    pub color: Option<Color>,
    pub slots: Option<SlotCount>,
    /// Unknown options, with their values. They are passed to the test binary.
    pub test_arguments: Vec<String>,
}

/// An error in the words after `--`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AfterDashesError {
    #[error("a value is required for '{0}' after '--' but none was supplied")]
    NoValue(String),
    #[error("unexpected value for '{0}' after '--' found; it takes none")]
    UnexpectedValue(String),
    #[error("invalid value '{value}' for '{option}' after '--': expected {expected}")]
    BadValue {
        option: &'static str,
        value: String,
        expected: String,
    },
    #[error(
        "'{0}' after '--' would make each test binary print its own help instead of running the test; for the options \
         of cargo maelstrom, write `cargo maelstrom --help`"
    )]
    Help(String),
}

/// The options of libtest with a value that are passed to the test binary. A word after one of these is
/// its value. A word after another unknown option is a filter.
const LIBTEST_OPTIONS_WITH_A_VALUE: [&str; 4] = ["--logfile", "--format", "--shuffle-seed", "-Z"];

impl AfterDashes {
    pub fn parse(words: Vec<String>) -> Result<Self, AfterDashesError> {
        let mut parsed = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            if word == "--" {
                parsed.filters.extend(words.by_ref());
            } else if word.starts_with('-') && word != "-" {
                parsed.option(word, &mut words)?;
            } else {
                parsed.filters.push(word);
            }
        }
        Ok(parsed)
    }

    fn option(
        &mut self,
        word: String,
        rest: &mut impl Iterator<Item = String>,
    ) -> Result<(), AfterDashesError> {
        let (name, attached) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (word.as_str(), None),
        };
        let switch = match name {
            "--exact" => &mut self.exact,
            "--ignored" => &mut self.ignored,
            "--include-ignored" => &mut self.include_ignored,
            "--nocapture" | "--no-capture" => &mut self.no_capture,
            "--show-output" => &mut self.show_output,
            "-q" | "--quiet" => &mut self.quiet,
            "--list" => &mut self.list,
            "-h" | "--help" => return Err(AfterDashesError::Help(word)),
            _ => return self.option_with_value(name, attached, &word, rest),
        };
        if attached.is_some() {
            return Err(AfterDashesError::UnexpectedValue(name.to_owned()));
        }
        *switch = true;
        Ok(())
    }

    fn option_with_value(
        &mut self,
        name: &str,
        attached: Option<String>,
        word: &str,
        rest: &mut impl Iterator<Item = String>,
    ) -> Result<(), AfterDashesError> {
        let is_foreign = LIBTEST_OPTIONS_WITH_A_VALUE.contains(&name);
        let takes_value = is_foreign || ["--skip", "--color", "--test-threads"].contains(&name);
        if !takes_value || (is_foreign && attached.is_some()) {
            self.test_arguments.push(word.to_owned());
            return Ok(());
        }
        let no_value = || AfterDashesError::NoValue(name.to_owned());
        let value = attached.or_else(|| rest.next()).ok_or_else(no_value)?;
        match name {
            "--skip" => self.skips.push(value),
            "--color" => self.color = Some(parse_value("--color", value)?),
            "--test-threads" => self.slots = Some(parse_value("--test-threads", value)?),
            _ => self.test_arguments.extend([name.to_owned(), value]),
        }
        Ok(())
    }

    /// For tests: words with this meaning.
    #[cfg(test)]
    pub fn words(&self) -> Vec<String> {
        use crate::config::Choice as _;
        let switches = [
            (self.exact, "--exact"),
            (self.ignored, "--ignored"),
            (self.include_ignored, "--include-ignored"),
            (self.no_capture, "--nocapture"),
            (self.show_output, "--show-output"),
            (self.quiet, "--quiet"),
            (self.list, "--list"),
        ];
        let switches = switches.into_iter().filter(|(on, _)| *on);
        let mut words: Vec<_> = switches.map(|(_, word)| word.to_owned()).collect();
        words.extend(self.skips.iter().map(|skip| format!("--skip={skip}")));
        words.extend(self.color.map(|color| format!("--color={}", color.name())));
        words.extend(
            self.slots
                .map(|slots| format!("--test-threads={}", slots.get())),
        );
        words.extend_from_slice(&self.test_arguments);
        if self.filters.iter().any(|filter| filter.starts_with('-')) {
            words.push("--".to_owned());
        }
        words.extend_from_slice(&self.filters);
        words
    }
}

fn parse_value<T: ConfigValue>(option: &'static str, value: String) -> Result<T, AfterDashesError> {
    T::from_text(&value).ok_or_else(|| AfterDashesError::BadValue {
        option,
        value,
        expected: T::expected(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(words: &[&str]) -> Result<AfterDashes, AfterDashesError> {
        AfterDashes::parse(words.iter().map(ToString::to_string).collect())
    }

    fn error(words: &[&str]) -> String {
        parse(words).unwrap_err().to_string()
    }

    #[test]
    fn words_are_filters_and_known_options_are_interpreted() {
        let parsed = parse(&[
            "one",
            "--skip",
            "slow",
            "--skip=net",
            "--exact",
            "two",
            "--include-ignored",
            "--nocapture",
            "--show-output",
            "-q",
            "--color=never",
            "--test-threads",
            "3",
        ])
        .unwrap();
        assert_eq!(parsed.filters, ["one", "two"]);
        assert_eq!(parsed.skips, ["slow", "net"]);
        assert!(parsed.exact && parsed.include_ignored && !parsed.ignored);
        assert!(parsed.no_capture && parsed.show_output && parsed.quiet);
        assert_eq!(parsed.color, Some(Color::Never));
        assert_eq!(parsed.slots, SlotCount::from_text("3"));
        assert_eq!(parsed.test_arguments, [""; 0]);
    }

    #[test]
    fn other_spellings_mean_the_same() {
        assert_eq!(parse(&["--no-capture"]), parse(&["--nocapture"]));
        assert_eq!(parse(&["--quiet"]), parse(&["-q"]));
        assert_eq!(parse(&["--skip=a"]), parse(&["--skip", "a"]));
    }

    #[test]
    fn the_value_of_skip_may_look_like_an_option() {
        assert_eq!(parse(&["--skip", "--exact"]).unwrap().skips, ["--exact"]);
    }

    #[test]
    fn an_unknown_option_goes_to_the_test_binary_and_a_word_after_it_is_a_filter() {
        let parsed = parse(&["--fancy", "word", "--mode=fast", "-x"]).unwrap();
        assert_eq!(parsed.test_arguments, ["--fancy", "--mode=fast", "-x"]);
        assert_eq!(parsed.filters, ["word"]);
    }

    #[test]
    fn options_of_libtest_that_take_a_value_keep_it() {
        let parsed = parse(&[
            "--logfile",
            "log",
            "--format=json",
            "-Z",
            "unstable-options",
            "-Zother",
            "--shuffle-seed",
            "1",
            "word",
        ])
        .unwrap();
        assert_eq!(
            parsed.test_arguments,
            [
                "--logfile",
                "log",
                "--format=json",
                "-Z",
                "unstable-options",
                "-Zother",
                "--shuffle-seed",
                "1"
            ]
        );
        assert_eq!(parsed.filters, ["word"]);
    }

    #[test]
    fn list_is_not_passed_on_because_a_binary_that_lists_would_seem_to_pass() {
        let parsed = parse(&["--list"]).unwrap();
        assert!(parsed.list);
        assert_eq!(parsed.test_arguments, [""; 0]);
    }

    #[test]
    fn everything_after_a_second_pair_of_dashes_is_a_filter() {
        let parsed = parse(&["--exact", "--", "--ignored", "x"]).unwrap();
        assert_eq!(parsed.filters, ["--ignored", "x"]);
        assert!(!parsed.ignored);
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(
            error(&["a", "--skip"]),
            "a value is required for '--skip' after '--' but none was supplied"
        );
        assert_eq!(
            error(&["--format"]),
            "a value is required for '--format' after '--' but none was supplied"
        );
        assert_eq!(
            error(&["--exact=yes"]),
            "unexpected value for '--exact' after '--' found; it takes none"
        );
        assert_eq!(
            error(&["--test-threads=0"]),
            "invalid value '0' for '--test-threads' after '--': expected a number of slots, at least 1"
        );
        assert_eq!(
            error(&["--color", "red"]),
            "invalid value 'red' for '--color' after '--': expected one of `auto`, `always`, `never`"
        );
        assert_eq!(
            error(&["-h"]),
            "'-h' after '--' would make each test binary print its own help instead of running the test; for the \
             options of cargo maelstrom, write `cargo maelstrom --help`"
        );
    }

    proptest! {
        #[test]
        fn the_words_for_cargo_have_the_same_meaning(words in prop::collection::vec("-{0,2}(a|skip|exact|color|q|list|format)?(=b|=auto)?", 0..6)) {
            if let Ok(parsed) = AfterDashes::parse(words) {
                prop_assert_eq!(AfterDashes::parse(parsed.words()), Ok(parsed));
            }
        }
    }
}
