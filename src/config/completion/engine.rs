//! The continuations of a word of a command line, from the definitions of its options.

use clap::{Arg, Command};

/// A possible continuation of a word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CompletionWord {
    /// The whole word.
    pub word: String,
    pub description: String,
}

impl<T: Into<String>> From<T> for CompletionWord {
    fn from(word: T) -> Self {
        Self {
            word: word.into(),
            description: String::new(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completion {
    Words(Vec<CompletionWord>),
    /// The shell completes names of files.
    Files,
    Directories,
}

/// The place of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletedPlace<'a> {
    /// The value of the argument with this id in clap.
    Value(&'a str),
    /// A word before `--` that is no option.
    Word,
    AfterDashes,
}

/// The values that only the program knows. `None`: those of the definition.
pub type DynamicValues<'a> = &'a dyn Fn(CompletedPlace<'_>, &str) -> Option<Vec<CompletionWord>>;

/// How the word `current` may continue after the words `before`.
pub fn complete(
    command: &Command,
    before: &[String],
    current: &str,
    dynamic: DynamicValues<'_>,
) -> Completion {
    if before.iter().any(|word| word == "--") {
        let words = dynamic(CompletedPlace::AfterDashes, current).unwrap_or_default();
        return matching(words, "", current);
    }
    if let Some(option) = before
        .last()
        .and_then(|word| option_awaiting_value(command, word))
    {
        return values(option, "", current, dynamic);
    }
    if let Some((name, value)) = current.split_once('=')
        && let Some(option) = name.strip_prefix("--").and_then(|name| long(command, name))
    {
        return values(option, &format!("{name}="), value, dynamic);
    }
    if current.starts_with('-') && !current.starts_with("--") {
        let mut letters = current.char_indices().skip(1);
        if let Some((_, letter)) = letters.next()
            && let Some(option) = short(command, letter).filter(|option| takes_value(option))
            && let Some((start, _)) = letters.next()
        {
            let (name, value) = current.split_at(start);
            return values(option, name, value, dynamic);
        }
    }
    if current.starts_with('-') {
        return matching(options(command, current), "", current);
    }
    let words = dynamic(CompletedPlace::Word, current).unwrap_or_default();
    matching(words, "", current)
}

/// The option of which a word says that the next word is its value.
fn option_awaiting_value<'a>(command: &'a Command, word: &str) -> Option<&'a Arg> {
    let option = match word.strip_prefix("--") {
        Some(name) => long(command, name)?,
        // The last letter of several.
        None => short(command, word.strip_prefix('-')?.chars().last()?)?,
    };
    takes_value(option).then_some(option)
}

fn takes_value(option: &Arg) -> bool {
    option
        .get_num_args()
        .is_none_or(|range| range.takes_values())
        && option.get_action().takes_values()
}

fn long<'a>(command: &'a Command, name: &str) -> Option<&'a Arg> {
    command.get_arguments().find(|option| {
        let names = option.get_long_and_visible_aliases().unwrap_or_default();
        names.contains(&name) || option.get_all_aliases().unwrap_or_default().contains(&name)
    })
}

fn short(command: &Command, letter: char) -> Option<&Arg> {
    let mut options = command.get_arguments();
    options.find(|option| option.get_short() == Some(letter))
}

/// The values of an option. `name` is the part of the word before the value.
fn values(option: &Arg, name: &str, value: &str, dynamic: DynamicValues<'_>) -> Completion {
    if let Some(words) = dynamic(CompletedPlace::Value(option.get_id().as_str()), value) {
        return matching(words, name, value);
    }
    let possible = option.get_possible_values();
    if !possible.is_empty() {
        let words = possible.iter().filter(|value| !value.is_hide_set());
        let words = words.map(|value| CompletionWord {
            word: value.get_name().to_owned(),
            description: value
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default(),
        });
        return matching(words.collect(), name, value);
    }
    let value_names = option.get_value_names().unwrap_or_default();
    let is = |part: &str| value_names.iter().any(|name| name.contains(part));
    if is("DIR") {
        Completion::Directories
    } else if is("FILE") || is("PATH") {
        Completion::Files
    } else {
        Completion::Words(Vec::new())
    }
}

/// The options, and their single letters if no more is written than a dash.
fn options(command: &Command, current: &str) -> Vec<CompletionWord> {
    let mut candidates = Vec::new();
    for option in command
        .get_arguments()
        .filter(|option| !option.is_hide_set())
    {
        let description = option
            .get_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        let mut words = Vec::new();
        if current == "-" {
            words.extend(option.get_short().map(|letter| format!("-{letter}")));
        }
        let names = option.get_long_and_visible_aliases().unwrap_or_default();
        words.extend(names.iter().map(|name| format!("--{name}")));
        candidates.extend(words.into_iter().map(|word| CompletionWord {
            word,
            description: description.clone(),
        }));
    }
    for (word, description) in [("--help", "Print help"), ("--version", "Print version")] {
        if !candidates.iter().any(|candidate| candidate.word == word) {
            candidates.push(CompletionWord {
                word: word.to_owned(),
                description: description.to_owned(),
            });
        }
    }
    candidates
}

/// The candidates that continue `value`, as whole words.
fn matching(candidates: Vec<CompletionWord>, name: &str, value: &str) -> Completion {
    let candidates = candidates.into_iter();
    let matching = candidates.filter(|candidate| candidate.word.starts_with(value));
    Completion::Words(
        matching
            .map(|candidate| CompletionWord {
                word: format!("{name}{}", candidate.word),
                ..candidate
            })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{ArgAction, value_parser};

    fn command() -> Command {
        let option = |id: &'static str| Arg::new(id).long(id);
        Command::new("program")
            .arg(option("color").value_parser(["always", "auto", "never"]))
            .arg(option("package").short('p').help("Test this package"))
            .arg(option("quiet").short('q').action(ArgAction::SetTrue))
            .arg(
                option("file")
                    .value_name("FILE")
                    .value_parser(value_parser!(String)),
            )
            .arg(option("dir").value_name("DIR"))
            .arg(option("secret").hide(true))
            .arg(Arg::new("words").num_args(0..))
    }

    fn completed(before: &[&str], current: &str) -> Vec<String> {
        let before: Vec<String> = before.iter().map(|&word| word.to_owned()).collect();
        let dynamic = |position: CompletedPlace<'_>, _: &str| match position {
            CompletedPlace::Value("package") => Some(vec!["alpha".into(), "beta".into()]),
            CompletedPlace::Word => Some(vec!["a_test".into(), "b_test".into()]),
            CompletedPlace::AfterDashes => Some(vec!["--skip".into()]),
            CompletedPlace::Value(_) => None,
        };
        match complete(&command(), &before, current, &dynamic) {
            Completion::Words(words) => words.into_iter().map(|found| found.word).collect(),
            other => vec![format!("{other:?}")],
        }
    }

    #[test]
    fn options_and_their_values_are_completed() {
        assert_eq!(completed(&[], "--c"), ["--color"]);
        assert_eq!(completed(&["--color"], "a"), ["always", "auto"]);
        assert_eq!(completed(&[], "--color=n"), ["--color=never"]);
        assert_eq!(completed(&["-p"], ""), ["alpha", "beta"]);
        assert_eq!(completed(&["-qp"], "b"), ["beta"]);
        assert_eq!(completed(&[], "-pb"), ["-pbeta"]);
        assert_eq!(completed(&["--quiet"], "b"), ["b_test"]);
        assert_eq!(completed(&["--file"], "x"), ["Files"]);
        assert_eq!(completed(&["--dir"], ""), ["Directories"]);
        assert_eq!(completed(&["--"], "--s"), ["--skip"]);
        assert_eq!(completed(&["--", "-p"], ""), ["--skip"]);
        assert!(completed(&[], "--secret").is_empty());
        let all = completed(&[], "-");
        for word in ["-p", "--package", "-q", "--help"] {
            assert!(all.contains(&word.to_owned()), "{all:?}");
        }
    }
}
