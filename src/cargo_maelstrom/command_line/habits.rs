//! Usages of nextest that are not options of their own, with what to write instead.

use std::ffi::OsString;

/// The explanation for words in the style of nextest. The name of the program is not among the words.
pub fn explanation(words: &[OsString]) -> Option<String> {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    if words.first().is_some_and(|word| word == "run") {
        return Some(
            "drop the word 'run': `cargo maelstrom` alone runs the tests (for the tests with `run` in their name, write \
             `cargo maelstrom -- run`)"
                .to_owned(),
        );
    }
    let options: Vec<_> = words.iter().take_while(|word| *word != "--").collect();
    options.iter().enumerate().find_map(|(place, word)| {
        let next = options.get(place + 1).filter(|next| !next.starts_with('-'));
        let apart = || next.map(AsRef::as_ref);
        let attached = word.strip_prefix("-P")?;
        non_empty(attached).or_else(apart).map(no_profile)
    })
}

/// The value attached to a short option.
fn non_empty(attached: &str) -> Option<&str> {
    let value = attached.strip_prefix('=').unwrap_or(attached);
    (!value.is_empty()).then_some(value)
}

fn no_profile(value: &str) -> String {
    format!(
        "'-P' prints the configuration and takes no value, but '{value}' follows it; in place of a profile of nextest, use \
         a configuration file (`-c FILE`); to choose a profile of Cargo, use `--profile {value}`"
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
    fn a_first_word_run_is_to_be_dropped() {
        assert_eq!(
            explained(&["run", "-p", "a"]).unwrap(),
            "drop the word 'run': `cargo maelstrom` alone runs the tests (for the tests with `run` in their name, write \
             `cargo maelstrom -- run`)"
        );
        assert_eq!(explained(&["--", "run"]), None);
        assert_eq!(explained(&["-p", "a", "run"]), None);
    }

    #[test]
    fn a_profile_of_nextest_is_not_taken_for_a_filter() {
        let message = "'-P' prints the configuration and takes no value, but 'ci' follows it; in place of a \
                       profile of nextest, use a configuration file (`-c FILE`); to choose a profile of \
                       Cargo, use `--profile ci`";
        for words in [["-P", "ci"], ["--lib", "-Pci"], ["-P=ci", "x"]] {
            assert_eq!(explained(&words).unwrap(), message);
        }
    }

    #[test]
    fn printing_the_configuration_is_not_taken_for_a_profile_of_nextest() {
        assert_eq!(explained(&["-P"]), None);
        assert_eq!(explained(&["-P", "-c", "file"]), None);
        assert_eq!(explained(&["-P", "--", "word"]), None);
    }
}
