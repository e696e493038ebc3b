//! Completing the command line of `cargo maelstrom` with names of the workspace: packages, targets,
//! features, profiles, and tests that were listed before.

use super::command_line::commands::{COMMANDS, by_words};
use super::test_file;
use super::test_names::{self, TestNames};
use crate::cargo;
use crate::config::completion::{CompletedPlace, CompletionRequest, CompletionWord, complete};
use crate::filter::{CompletedName, ExpectedInPattern, complete_pattern};
use camino::Utf8PathBuf;
use cargo_metadata::{Metadata, Package};
use std::cell::OnceCell;
use std::collections::BTreeSet;

/// More names of tests than this are completed module by module.
const MOST_NAMES: usize = 40;

/// Options of libtest, for after `--`.
const OF_LIBTEST: [(&str, &str); 9] = [
    ("--skip", "Leave out tests with this word in their names"),
    ("--exact", "Take words as whole names"),
    ("--ignored", "Run only ignored tests"),
    ("--include-ignored", "Run ignored tests too"),
    ("--nocapture", "Show output as it is written"),
    ("--show-output", "Show the output of tests that pass"),
    ("--quiet", "Show less"),
    ("--test-threads", "How many tests run at once"),
    ("--list", "List the tests that would run"),
];

/// Commands for `--debugger`.
const DEBUGGERS: [&str; 6] = [
    "gdb --args",
    "rust-gdb --args",
    "lldb --",
    "rust-lldb --",
    "rr record",
    "valgrind",
];

/// Commands for `--tracer`.
const TRACERS: [&str; 4] = ["strace -f", "ltrace -f", "perf record", "valgrind"];

/// Functions of filtersets.
const OF_FILTERSETS: [&str; 12] = [
    "all()",
    "binary(",
    "binary_id(",
    "default()",
    "deps(",
    "group(",
    "kind(",
    "none()",
    "package(",
    "platform(",
    "rdeps(",
    "test(",
];

/// Answers the shell, if it has called this process to complete a command line.
pub fn answer_if_asked() -> bool {
    let Some(request) = CompletionRequest::of_process() else {
        return false;
    };
    let (command, words) = by_words(&request.before);
    let options = request.before.get(words..).unwrap_or_default();
    let known = KnownNames::new(options);
    let dynamic = |position: CompletedPlace<'_>, written: &str| match position {
        CompletedPlace::Word if request.before == ["history"] => Some(vec!["merge".into()]),
        CompletedPlace::Word if command.get_name() != "cargo-maelstrom" => None,
        CompletedPlace::Word if request.before.is_empty() => {
            let mut candidates = described(&COMMANDS);
            candidates.extend(known.tests(written));
            Some(candidates)
        }
        CompletedPlace::AfterDashes if written.starts_with('-') => Some(described(&OF_LIBTEST)),
        CompletedPlace::Word | CompletedPlace::AfterDashes => Some(known.tests(written)),
        CompletedPlace::Value(option) => known.values(option, written),
    };
    request.print_answer(&complete(&command, options, &request.current, &dynamic));
    true
}

fn described(words: &[(&str, &str)]) -> Vec<CompletionWord> {
    let candidates = words.iter().map(|(word, description)| CompletionWord {
        word: (*word).to_owned(),
        description: (*description).to_owned(),
    });
    candidates.collect()
}

/// The names that command lines may have. They are read when they are needed.
struct KnownNames<'a> {
    /// The words after the command.
    options: &'a [String],
    metadata: OnceCell<Option<Metadata>>,
}

impl<'a> KnownNames<'a> {
    fn new(options: &'a [String]) -> Self {
        Self {
            options,
            metadata: OnceCell::new(),
        }
    }

    fn metadata(&self) -> Option<&Metadata> {
        let read = || cargo::present_metadata(self.given(&["--manifest-path"]).pop());
        self.metadata.get_or_init(read).as_ref()
    }

    /// The values of an option on the command line.
    fn given(&self, names: &[&str]) -> Vec<&'a str> {
        let attached = |word: &'a String| {
            let (name, value) = word.split_once('=')?;
            names.contains(&name).then_some(value)
        };
        let mut values: Vec<&str> = self.options.iter().filter_map(attached).collect();
        let pairs = self.options.windows(2);
        let apart = pairs.filter(|pair| names.contains(&pair[0].as_str()));
        values.extend(apart.map(|pair| pair[1].as_str()));
        values
    }

    fn packages(&self) -> impl Iterator<Item = &Package> {
        let metadata = self.metadata();
        let all = metadata.map(Metadata::workspace_packages);
        all.into_iter().flatten()
    }

    /// The packages that the command line names, or all.
    fn selected_packages(&self) -> Vec<&Package> {
        let given = self.given(&["-p", "--package"]);
        let is_given =
            |package: &&Package| given.is_empty() || given.contains(&package.name.as_str());
        self.packages().filter(is_given).collect()
    }

    /// The values of an option. `None`: those of its definition.
    fn values(&self, option: &str, written: &str) -> Option<Vec<CompletionWord>> {
        Some(match option {
            "package" => sorted(self.packages().map(|package| package.name.to_string())),
            "exclude" => {
                let mut names = sorted(self.packages().map(|package| package.name.to_string()));
                names.extend(self.pattern(written));
                names
            }
            "bin" | "test" | "example" | "bench" => self.targets(option),
            "features" => self.features(written),
            "profile" => self.cargo_profiles(),
            "test_profile" => self.test_profiles(),
            "include" | "exclude_pattern" | "print_spec" => self.pattern(written),
            "filterset" => continued(written, OF_FILTERSETS.iter().map(|&word| word.to_owned())),
            "observe" | "shell" => self.tests(written),
            "debugger" => commands(&DEBUGGERS),
            "tracer" => commands(&TRACERS),
            _ => return None,
        })
    }

    fn targets(&self, kind: &str) -> Vec<CompletionWord> {
        let packages = self.selected_packages().into_iter();
        let targets = packages.flat_map(|package| &package.targets);
        let of_kind =
            targets.filter(|target| target.kind.iter().any(|own| own.to_string() == kind));
        sorted(of_kind.map(|target| target.name.clone()))
    }

    /// Features after the last comma or space.
    fn features(&self, written: &str) -> Vec<CompletionWord> {
        let start = written.rfind([',', ' ']).map_or(0, |place| place + 1);
        let before = &written[..start];
        let packages = self.selected_packages().into_iter();
        let names = packages.flat_map(|package| package.features.keys());
        sorted(names.map(|name| format!("{before}{name}")))
    }

    /// Cargo's own profiles, and those of the workspace's manifest.
    fn cargo_profiles(&self) -> Vec<CompletionWord> {
        let mut names: Vec<_> = ["bench", "dev", "release", "test"]
            .map(str::to_owned)
            .into();
        let manifest = self
            .metadata()
            .map(|metadata| metadata.workspace_root.join("Cargo.toml"));
        let text = manifest.and_then(|path| std::fs::read_to_string(path).ok());
        let table = text.and_then(|text| text.parse::<toml::Table>().ok());
        if let Some(toml::Value::Table(profiles)) = table.as_ref().and_then(|t| t.get("profile")) {
            names.extend(profiles.keys().cloned());
        }
        sorted(names.into_iter())
    }

    fn test_profiles(&self) -> Vec<CompletionWord> {
        let root = self
            .metadata()
            .map(|metadata| metadata.workspace_root.clone());
        sorted(
            root.map(|root| test_file::profile_names(&root))
                .unwrap_or_default()
                .into_iter(),
        )
    }

    /// The names of the tests that were listed before, of the packages and targets that the command
    /// line names. Of many names, only the next module is completed.
    fn tests(&self, written: &str) -> Vec<CompletionWord> {
        let mut names = self.listed_tests();
        names.retain(|name| name.starts_with(written));
        if names.len() > MOST_NAMES {
            let next = |name: &String| match name[written.len()..].find("::") {
                Some(end) => name[..written.len() + end + 2].to_owned(),
                None => name.clone(),
            };
            names = names.iter().map(next).collect();
        }
        names.into_iter().map(CompletionWord::from).collect()
    }

    fn listed_tests(&self) -> BTreeSet<String> {
        let packages = self.given(&["-p", "--package"]);
        let kinds = ["bin", "test", "example", "bench"];
        let targets: Vec<_> = kinds
            .iter()
            .flat_map(|kind| {
                self.given(&[&format!("--{kind}")])
                    .into_iter()
                    .map(move |name| (*kind, name))
            })
            .collect();
        let only_library = self.options.iter().any(|word| word == "--lib");
        let names = self.names();
        let selected = names.iter().filter(|(binary, _)| {
            let of_package = packages.is_empty() || packages.contains(&binary.package.as_str());
            let is_named = targets.contains(&(binary.kind.as_str(), binary.target.as_str()));
            let is_library = only_library && ["lib", "proc-macro"].contains(&binary.kind.as_str());
            let all_targets = targets.is_empty() && !only_library;
            of_package && (all_targets || is_named || is_library)
        });
        selected
            .flat_map(|(_, tests)| tests.iter().cloned())
            .collect()
    }

    fn names(&self) -> TestNames {
        let given = self.given(&["--target-dir"]).pop().map(Utf8PathBuf::from);
        let of_workspace = || Some(self.metadata()?.target_directory.clone());
        let directory = given.or_else(of_workspace);
        directory
            .map(|directory| TestNames::load(&test_names::file(&directory)))
            .unwrap_or_default()
    }

    /// The continuations of a pattern. If there is one, and more must follow, these are the
    /// continuations of that one: a shell would close the quote after the only one.
    fn pattern(&self, written: &str) -> Vec<CompletionWord> {
        let candidates = self.next_in_pattern(written);
        if let [only] = &candidates[..]
            && only.word.len() > written.len()
            && only.word.ends_with(['.', '('])
        {
            let further = self.pattern(&only.word);
            if !further.is_empty() {
                return further;
            }
        }
        candidates
    }

    fn next_in_pattern(&self, written: &str) -> Vec<CompletionWord> {
        let completion = complete_pattern(written);
        let (before, started) = written.split_at(completion.start);
        let words = match completion.expected {
            ExpectedInPattern::Nothing => return Vec::new(),
            ExpectedInPattern::Words(words) => words,
            ExpectedInPattern::Name(name, closing) => {
                let names = self.names_in_pattern(name, started);
                let close = |name: String| {
                    // A module goes on.
                    if name.ends_with("::") {
                        name
                    } else {
                        format!("{name}{closing}")
                    }
                };
                names.into_iter().map(close).collect()
            }
        };
        let whole = words.into_iter().map(|word| format!("{before}{word}"));
        whole.map(CompletionWord::from).collect()
    }

    fn names_in_pattern(&self, name: CompletedName, started: &str) -> Vec<String> {
        let packages = || self.packages().map(|package| package.name.to_string());
        let candidates = match name {
            CompletedName::Test => self.tests(started),
            CompletedName::Package => sorted(packages()),
            CompletedName::Target => {
                let targets = self.packages().flat_map(|package| &package.targets);
                sorted(targets.map(|target| target.name.clone()))
            }
            CompletedName::Kind => {
                let names = self.names();
                sorted(names.iter().map(|(binary, _)| binary.kind.clone()))
            }
            CompletedName::BinaryId => {
                let names = self.names();
                sorted(names.iter().map(|(binary, _)| binary.id()))
            }
        };
        candidates
            .into_iter()
            .map(|candidate| candidate.word)
            .collect()
    }
}

/// The candidates in place of the last word of an expression.
fn continued(written: &str, words: impl Iterator<Item = String>) -> Vec<CompletionWord> {
    let is_of_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let start = written.rfind(|c| !is_of_word(c));
    let start = start.map_or(0, |place| {
        place + written[place..].chars().next().map_or(1, char::len_utf8)
    });
    words
        .map(|word| format!("{}{word}", &written[..start]).into())
        .collect()
}

/// The commands whose programs are on the `PATH`, or all if none is.
fn commands(commands: &[&str]) -> Vec<CompletionWord> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |command: &&&str| {
        let program = command.split(' ').next().unwrap_or_default();
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    };
    let found: Vec<_> = commands.iter().filter(is_there).collect();
    let all = || commands.iter().collect();
    let shown = if found.is_empty() { all() } else { found };
    shown.into_iter().map(|&command| command.into()).collect()
}

fn sorted(names: impl Iterator<Item = String>) -> Vec<CompletionWord> {
    let names: BTreeSet<_> = names.collect();
    names.into_iter().map(CompletionWord::from).collect()
}
