//! From a configuration of cargo-nextest to a `maelstrom-test.toml` that means the same.
//!
//! What has no counterpart is named in a comment, with what to do instead. `settings` has the
//! settings of profiles, and `overrides` those of single tests, which become directives.

mod overrides;
mod settings;

#[cfg(test)]
mod tests;

use super::DirectiveError;
use crate::spec::{Node, SpecEntry, SpecMap, SpecText, SpecValue, decode_utf8, parse_toml};
use settings::ProfileSettings;
use std::fmt::Write as _;

/// The configuration of cargo-nextest, below the root of the workspace.
pub const NEXTEST_FILE: &str = ".config/nextest.toml";

const DEFAULT: &str = "default";

/// The length of the lines of comments.
const COMMENT_WIDTH: usize = 96;

const HEADER: &str = "\
This file says what .config/nextest.toml said to cargo-nextest. It was written by `cargo maelstrom \
--init`, which does not copy comments. From now on, the two files are independent of each other.";

/// The text of a `maelstrom-test.toml` for a configuration of cargo-nextest.
pub fn from_nextest(bytes: Vec<u8>) -> Result<String, DirectiveError> {
    let (text, error) = decode_utf8(bytes);
    let text = text.trim_start_matches('\u{feff}');
    let document = match error {
        Some(error) => Err(error),
        None => parse_toml(text),
    };
    let document = document.map_err(|error| DirectiveError::Content {
        explanation: SpecText {
            name: NEXTEST_FILE,
            text,
        }
        .explain_error(&error),
    })?;
    Ok(Configuration::of(&document).text())
}

/// Whether a configuration of cargo-nextest has a profile. Not if it cannot be read.
pub fn is_nextest_profile(bytes: Vec<u8>, name: &str) -> bool {
    let (text, _) = decode_utf8(bytes);
    let document = parse_toml(text.trim_start_matches('\u{feff}'));
    document.is_ok_and(|document| Configuration::of(&document).profile(name).is_some())
}

/// The tables of the configuration.
struct Configuration<'a> {
    /// In their order, `default` first. A file need not have that one.
    profiles: Vec<(&'a str, Option<&'a SpecMap>)>,
    /// The names of the profiles that cargo-nextest chooses itself.
    chosen_by_nextest: Vec<&'a str>,
    groups: Option<&'a SpecMap>,
    setup_scripts: Vec<&'a str>,
    wrapper_scripts: Vec<&'a str>,
    /// The directory of reports.
    store: &'a str,
    others: Vec<&'a SpecEntry>,
}

impl<'a> Configuration<'a> {
    fn of(document: &'a Node) -> Self {
        let mut configuration = Self {
            profiles: vec![(DEFAULT, None)],
            chosen_by_nextest: Vec::new(),
            groups: None,
            setup_scripts: Vec::new(),
            wrapper_scripts: Vec::new(),
            store: "target/nextest",
            others: Vec::new(),
        };
        for entry in entries(document) {
            match entry.name() {
                "profile" => configuration.add_profiles(&entry.value),
                "test-groups" => configuration.groups = map(&entry.value),
                "scripts" => {
                    configuration
                        .setup_scripts
                        .extend(names(&entry.value, "setup"));
                    configuration
                        .wrapper_scripts
                        .extend(names(&entry.value, "wrapper"));
                }
                // An earlier form.
                "script" => {
                    let scripts = entries(&entry.value);
                    configuration
                        .setup_scripts
                        .extend(scripts.map(SpecEntry::name));
                }
                "store" => {
                    let directory = field(&entry.value, "dir").and_then(string);
                    configuration.store = directory.unwrap_or(configuration.store);
                }
                // It enables scripts, which are described where they are defined.
                "experimental" => {}
                _ => configuration.others.push(entry),
            }
        }
        configuration
    }

    fn add_profiles(&mut self, profiles: &'a Node) {
        for entry in entries(profiles) {
            match entry.name() {
                DEFAULT => self.profiles[0].1 = map(&entry.value),
                name if name.starts_with("default-") => self.chosen_by_nextest.push(name),
                name => self.profiles.push((name, map(&entry.value))),
            }
        }
    }

    fn profile(&self, name: &str) -> Option<&'a SpecMap> {
        let mut profiles = self.profiles.iter();
        profiles.find(|(other, _)| *other == name)?.1
    }

    fn has_profile(&self, name: &str) -> bool {
        self.profiles.iter().any(|(other, _)| *other == name)
    }

    fn has_group(&self, name: &str) -> bool {
        self.groups
            .is_some_and(|groups| find(groups, name).is_some())
    }

    /// What the first profile says that says something: this one, or one that it inherits from.
    fn inherited<T>(&self, name: &str, of: impl Fn(&'a SpecMap) -> Option<T>) -> Option<T> {
        let mut next = Some(name);
        // No chain is longer than the list of profiles, unless it is a circle.
        for _ in &self.profiles {
            let profile = next.and_then(|name| self.profile(name));
            if let Some(found) = profile.and_then(&of) {
                return Some(found);
            }
            let parent = profile.and_then(|table| string(&find(table, "inherits")?.value));
            next = parent.or(Some(DEFAULT)).filter(|_| next != Some(DEFAULT));
        }
        None
    }

    fn text(&self) -> String {
        let mut blocks = vec![comment(HEADER)];
        blocks.extend(self.others.iter().map(|entry| other(entry)));
        blocks.extend(self.scripts());
        blocks.extend(self.chosen_by_nextest.iter().map(|name| {
            comment(&format!(
                "The profile `{name}` is one that cargo-nextest chooses itself. It has no counterpart."
            ))
        }));
        for (name, table) in &self.profiles {
            blocks.push(self.profile_text(name, *table));
        }
        for group in self.groups.iter().flat_map(|groups| groups.iter()) {
            blocks.push(group_text(group));
        }
        blocks.extend(overrides::directives(self));
        let mut text = blocks.join("\n");
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    fn scripts(&self) -> Option<String> {
        let mut text = String::new();
        if !self.setup_scripts.is_empty() {
            text.push_str(&comment(&format!(
                "Setup scripts have no counterpart ({}). A layer `{{ command = \"…\" }}` of a container \
                 makes files once, for all tests of the container; `added_environment` of a directive \
                 sets variables.",
                self.setup_scripts.join(", ")
            )));
        }
        if !self.wrapper_scripts.is_empty() {
            text.push_str(&comment(&format!(
                "Wrapper scripts have no counterpart ({}).",
                self.wrapper_scripts.join(", ")
            )));
        }
        Some(text).filter(|text| !text.is_empty())
    }

    fn profile_text(&self, name: &str, table: Option<&'a SpecMap>) -> String {
        let mut text = format!("[profile.{}]\n", key(name));
        let mut settings = ProfileSettings::new(name == DEFAULT);
        if name == DEFAULT && table.is_none_or(|table| find(table, "fail-fast").is_none()) {
            settings.line("fail-fast", "true", Some("The default of cargo-nextest."));
        }
        for entry in table.iter().flat_map(|table| table.iter()) {
            match string(&entry.value) {
                Some(parent) if entry.name() == "inherits" && !self.has_profile(parent) => {
                    settings.note(&left_out(entry, "profile"));
                }
                _ => settings.add(entry),
            }
        }
        if let Some(path) = self.report(name) {
            settings.line("junit", &quoted(&path), None);
        }
        let _ = write!(text, "{}", settings.text());
        text
    }

    /// The path of a profile's JUnit report. cargo-nextest has a directory for each profile.
    fn report(&self, name: &str) -> Option<String> {
        let path = self.inherited(name, |table| {
            string(field(&find(table, "junit")?.value, "path")?)
        })?;
        Some(format!("{}/{name}/{path}", self.store))
    }
}

/// A table or value at the top of the file that is nothing of the above.
fn other(entry: &SpecEntry) -> String {
    comment(&match entry.name() {
        "nextest-version" => format!(
            "`nextest-version = {}` has no counterpart: the version of cargo maelstrom is not checked.",
            inline(&entry.value)
        ),
        name => format!("`{name}` is unknown, and was left out."),
    })
}

fn group_text(group: &SpecEntry) -> String {
    let name = key(group.name());
    let limit = field(&group.value, "max-threads");
    if let Some(SpecValue::Integer(count @ 1..)) = limit.map(|node| &node.value) {
        return format!("[groups.{name}]\nmax-slots = {count}\n");
    }
    let limit = limit.map_or_else(|| "missing".to_owned(), inline);
    let comment = comment(&format!(
        "Its `max-threads` was {limit}, which has no counterpart: write the number of tests that may \
         run at once."
    ));
    format!("{comment}[groups.{name}]\nmax-slots = 1000\n")
}

/// The comment in place of a setting with the name of a table that the file does not have.
fn left_out(entry: &SpecEntry, table: &str) -> String {
    format!(
        "`{} = {}` was left out: this file has no such {table}.",
        entry.name(),
        inline(&entry.value)
    )
}

/// A paragraph as lines of comments. A value in it can have lines of its own.
fn comment(text: &str) -> String {
    let mut lines = String::new();
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.chars().count() + 1 + word.chars().count() > COMMENT_WIDTH && line.len() > 1 {
            lines.push_str(&line);
            lines.push('\n');
            line = String::from("#");
        }
        line.push(' ');
        line.push_str(word);
    }
    lines.push_str(&line);
    lines.push('\n');
    lines
}

/// Lines of TOML, without effect.
fn commented_out(text: &str) -> String {
    text.lines().fold(String::new(), |mut result, line| {
        let _ = match line {
            line if line.starts_with('#') => writeln!(result, "{line}"),
            line => writeln!(result, "#{line}"),
        };
        result
    })
}

/// A key of TOML.
fn key(name: &str) -> String {
    let is_bare = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if !name.is_empty() && name.chars().all(is_bare) {
        name.to_owned()
    } else {
        quoted(name)
    }
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// A value on one line.
fn inline(node: &Node) -> String {
    match &node.value {
        SpecValue::String(text) => quoted(text),
        SpecValue::Integer(number) => number.to_string(),
        SpecValue::Float(number) => number.to_string(),
        SpecValue::Boolean(value) => value.to_string(),
        SpecValue::List(items) => {
            let items: Vec<_> = items.iter().map(inline).collect();
            format!("[{}]", items.join(", "))
        }
        SpecValue::Map(map) => {
            let entries = map.iter();
            let entries: Vec<_> = entries
                .map(|entry| format!("{} = {}", key(entry.name()), inline(&entry.value)))
                .collect();
            format!("{{ {} }}", entries.join(", "))
        }
        SpecValue::Null | SpecValue::Date => "…".to_owned(),
    }
}

fn map(node: &Node) -> Option<&SpecMap> {
    match &node.value {
        SpecValue::Map(map) => Some(map),
        _ => None,
    }
}

fn entries(node: &Node) -> impl Iterator<Item = &SpecEntry> {
    map(node).into_iter().flat_map(SpecMap::iter)
}

fn find<'a>(map: &'a SpecMap, name: &str) -> Option<&'a SpecEntry> {
    map.iter().find(|entry| entry.name() == name)
}

fn field<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    Some(&find(map(node)?, name)?.value)
}

fn string(node: &Node) -> Option<&str> {
    match &node.value {
        SpecValue::String(text) => Some(text),
        _ => None,
    }
}

/// The elements of a list; one table counts as a list.
fn elements(node: &Node) -> &[Node] {
    match &node.value {
        SpecValue::List(items) => items,
        _ => std::slice::from_ref(node),
    }
}

/// The keys of a table in a table.
fn names<'a>(node: &'a Node, table: &str) -> impl Iterator<Item = &'a str> {
    field(node, table)
        .into_iter()
        .flat_map(entries)
        .map(SpecEntry::name)
}
