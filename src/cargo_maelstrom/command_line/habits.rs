//! Usages of nextest that are not options of their own, with what to write instead.

use std::ffi::OsString;

/// The explanation for words in the style of nextest. The name of the program is not among the words.
pub fn explanation(words: &[OsString]) -> Option<String> {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    let options: Vec<_> = words.iter().take_while(|word| *word != "--").collect();
    options.iter().enumerate().find_map(|(place, word)| {
        let next = options.get(place + 1).filter(|next| !next.starts_with('-'));
        if is_rerun(word, next.map(AsRef::as_ref)) {
            return Some(RERUN.to_owned());
        }
        let apart = || next.map(AsRef::as_ref);
        let attached = word.strip_prefix("-P")?;
        non_empty(attached).or_else(apart).map(no_profile)
    })
}

const RERUN: &str = "'-R' runs the tests that failed in their last run, and takes no value; leave out 'latest' (for the \
                     tests with `latest` in their names, write `-R -- latest`)";

/// Whether a word has the form of nextest's option for running failed tests again.
fn is_rerun(word: &str, next: Option<&str>) -> bool {
    match word {
        "-R" => next == Some("latest"),
        "-Rlatest" | "-R=latest" => true,
        _ => false,
    }
}

/// The value attached to a short option.
fn non_empty(attached: &str) -> Option<&str> {
    let value = attached.strip_prefix('=').unwrap_or(attached);
    (!value.is_empty()).then_some(value)
}

fn no_profile(value: &str) -> String {
    format!(
        "'-P' prints the configuration and takes no value, but '{value}' follows it; to choose a profile of \
         maelstrom-test.toml, use `--test-profile {value}`, and to choose a profile of Cargo, `--profile {value}`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn explained(words: &[&str]) -> Option<String> {
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        explanation(&words)
    }

    #[test]
    fn a_profile_of_nextest_is_not_taken_for_a_filter() {
        let message = "'-P' prints the configuration and takes no value, but 'ci' follows it; to choose a profile of \
                       maelstrom-test.toml, use `--test-profile ci`, and to choose a profile of Cargo, `--profile ci`";
        for words in [["-P", "ci"], ["--lib", "-Pci"], ["-P=ci", "x"]] {
            assert_eq!(explained(&words).unwrap(), message);
        }
    }

    #[test]
    fn the_run_whose_failed_tests_nextest_runs_is_not_taken_for_a_filter() {
        for words in [&["-R", "latest"][..], &["-Rlatest"], &["-R=latest", "x"]] {
            assert_eq!(explained(words).unwrap(), RERUN);
        }
        for words in [&["-R"][..], &["-R", "parser"], &["-R", "--", "latest"]] {
            assert_eq!(explained(words), None);
        }
    }

    #[test]
    fn printing_the_configuration_is_not_taken_for_a_profile_of_nextest() {
        assert_eq!(explained(&["-P"]), None);
        assert_eq!(explained(&["-P", "-c", "file"]), None);
        assert_eq!(explained(&["-P", "--", "word"]), None);
    }
}
