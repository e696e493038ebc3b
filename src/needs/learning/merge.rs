//! Adding what was learned to the text of a `maelstrom-test.toml`.

use super::directive_text::{COMMENT, LearnedDirective, layer_array, string_array, toml_string};
use super::insertion::{Changes, add_lines, add_strings, end_of_line, starts_line};
use super::{CommentedDirective, Learned};
use crate::directive::{self, DirectiveError, Directives};
use crate::needs::search_path;
use crate::spec::{Node, SpecEntry, SpecMap, SpecValue, parse_toml};

/// The first line of a new file.
const HEADER: &str = "# What tests of this workspace need, for cargo maelstrom.\n";

/// The fields of a directive that replace what earlier directives added.
const REPLACING: [&str; 3] = ["layers", "image", "parent"];

const BYTE_ORDER_MARK: char = '\u{feff}';

/// The text of a file with what was learned. Every byte that the text had before is kept, except
/// that arrays on one line may get several lines. `old` is a text without mistakes; `None`: there is
/// no file. Returns the same text if there is nothing to add.
pub fn merge(old: Option<&str>, learned: &Learned) -> Result<String, DirectiveError> {
    let whole = old.unwrap_or_default();
    let old = whole.trim_start_matches(BYTE_ORDER_MARK);
    let newline = if old.contains("\r\n") { "\r\n" } else { "\n" };
    let mut text = old.to_owned();
    for directive in &learned.directives {
        let extended = extended(&text, directive, newline);
        let extended = extended.filter(|text| parse(text).is_ok());
        text = extended.unwrap_or_else(|| with_directive(&text, directive, newline));
    }
    if let Some(network) = &learned.network {
        text = with_commented(text, network, newline);
    }
    if text == old {
        return Ok(whole.to_owned());
    }
    parse(&text)?;
    Ok(whole[..whole.len() - old.len()].to_owned() + &text)
}

fn parse(text: &str) -> Result<Directives, DirectiveError> {
    Directives::parse(directive::FILE_NAME, text)
}

/// The text with the lists of an existing directive extended. `None`: no directive has the same
/// filter and can be extended.
fn extended(text: &str, learned: &LearnedDirective, newline: &str) -> Option<String> {
    let document = parse_toml(text).ok()?;
    let nodes = elements(directives(&document)?)?;
    // A directive before one that replaces lists may have no effect.
    let last_replacing = nodes.iter().rposition(|node| {
        let fields = fields(node);
        fields.is_some_and(|fields| REPLACING.iter().any(|name| field(fields, name).is_some()))
    });
    let same = nodes.iter().enumerate().rev().find(|(_, node)| {
        let filter = fields(node).and_then(|fields| field(fields, "filter"));
        filter.map(|entry| &entry.value.value)
            == learned.filter.clone().map(SpecValue::String).as_ref()
    });
    let (index, node) = same?;
    let replaces_path = |node: &Node| fields(node).is_some_and(replaces_path);
    let is_path_replaced =
        !learned.search_path.is_empty() && nodes[index + 1..].iter().any(replaces_path);
    if is_path_replaced || last_replacing.is_some_and(|last| index < last) {
        return None;
    }
    let mut changes = Changes::default();
    extend(&mut changes, text, node, learned)?;
    Some(changes.apply(text, newline))
}

/// The changes that add what a directive lacks. `None`: it cannot be extended.
fn extend(
    changes: &mut Changes,
    text: &str,
    node: &Node,
    learned: &LearnedDirective,
) -> Option<()> {
    let fields = fields(node)?;
    // A table of its own starts with its header, which is its span.
    let has_header = text[node.span.clone()].starts_with('[');
    let mut new_fields = Vec::new();
    match field(fields, "added_layers") {
        Some(entry) => extend_layers(changes, text, &entry.value, learned)?,
        None if learned.layers().is_empty() => {}
        // A list and its `added_` form exclude each other.
        None if field(fields, "layers").is_some() => return None,
        None => {
            // Lines in an inline table are not TOML 1.0.
            let layers = layer_array(&learned.layers(), has_header);
            new_fields.push(("added_layers", layers));
        }
    }
    match field(fields, "added_environment") {
        _ if learned.search_path.is_empty() => {}
        Some(entry) => extend_path(changes, text, &entry.value, learned)?,
        None if field(fields, "environment").is_some() => return None,
        None => new_fields.push(("added_environment", learned.environment())),
    }
    match field(fields, "pass_environment") {
        Some(entry) => {
            let elements = elements(&entry.value)?;
            let new = absent(&learned.pass_environment, elements);
            extend_strings(changes, text, &entry.value, &new);
        }
        None if learned.pass_environment.is_empty() => {}
        None => new_fields.push(("pass_environment", string_array(&learned.pass_environment))),
    }
    if new_fields.is_empty() {
        return Some(());
    }
    if has_header {
        let filter = field(fields, "filter").filter(|entry| is_on_own_line(text, entry));
        let after = filter.map_or(node.span.end, |entry| entry.value.span.end);
        for (name, value) in new_fields {
            changes.insert(end_of_line(text, after), format!("\n{name} = {value}"));
        }
    } else {
        let last = fields.iter().last()?;
        for (name, value) in new_fields {
            changes.insert(last.value.span.end, format!(", {name} = {value}"));
        }
    }
    Some(())
}

fn extend_layers(
    changes: &mut Changes,
    text: &str,
    array: &Node,
    learned: &LearnedDirective,
) -> Option<()> {
    let elements = elements(array)?;
    let layers: Vec<_> = elements.iter().filter_map(fields).collect();
    let values_of = |kind: &str, is_right: fn(&SpecMap) -> bool| {
        let layers = layers.iter().filter(move |fields| is_right(fields));
        let values = layers.filter_map(|fields| Some(&field(fields, kind)?.value));
        values.collect::<Vec<_>>()
    };
    let mut remaining = learned.clone();
    for (kind, is_right, names) in [
        (
            "programs",
            is_plain as fn(&SpecMap) -> bool,
            &mut remaining.programs,
        ),
        ("paths", follows_symlinks, &mut remaining.paths),
    ] {
        let lists = values_of(kind, is_right);
        for list in &lists {
            *names = absent(names, self::elements(list)?);
        }
        if let Some(last) = lists.last() {
            extend_strings(changes, text, last, names);
            names.clear();
        }
    }
    let globs = values_of("glob", is_plain);
    remaining.globs.retain(|glob| {
        let mut globs = globs.iter();
        !globs.any(|node| node.value == SpecValue::String(glob.clone()))
    });
    let files = values_of("files", is_plain);
    remaining.git_identities.retain(|file| {
        let mut files = files.iter().filter_map(|node| fields(node));
        !files.any(|files| field(files, file).is_some())
    });
    let new = remaining.layers();
    if !new.is_empty() {
        add_lines(changes, text, array, elements, &new);
    }
    Some(())
}

/// Whether a directive replaces the `PATH` that tests have by earlier directives.
fn replaces_path(directive: &SpecMap) -> bool {
    let Some(entry) = field(directive, "added_environment") else {
        return field(directive, "environment").is_some();
    };
    let Some(variables) = fields(&entry.value) else {
        // Steps may drop all variables.
        return true;
    };
    match field(variables, "PATH").map(|entry| &entry.value.value) {
        Some(SpecValue::String(path)) => !search_path::extends(path),
        _ => false,
    }
}

/// Adds directories to the `PATH` of a map of variables.
fn extend_path(
    changes: &mut Changes,
    text: &str,
    map: &Node,
    learned: &LearnedDirective,
) -> Option<()> {
    let variables = fields(map)?;
    let Some(entry) = field(variables, "PATH") else {
        let end = variables.iter().last()?.value.span.end;
        let field = format!("PATH = {}", toml_string(&learned.path()));
        if text[map.span.clone()].starts_with('{') {
            changes.insert(end, format!(", {field}"));
        } else {
            changes.insert(end_of_line(text, end), format!("\n{field}"));
        }
        return Some(());
    };
    let SpecValue::String(path) = &entry.value.value else {
        return None;
    };
    let directories = learned.search_path.iter();
    let new: Vec<_> = directories
        .filter(|directory| !search_path::names(path, directory))
        .collect();
    if !new.is_empty() {
        let path = search_path::with_directories(path, new);
        changes.replace(entry.value.span.clone(), toml_string(&path));
    }
    Some(())
}

/// Whether a layer has no options.
fn is_plain(layer: &SpecMap) -> bool {
    layer.iter().count() == 1
}

/// Whether symlinks are followed, and a layer has no other option.
fn follows_symlinks(layer: &SpecMap) -> bool {
    let follows = field(layer, "follow_symlinks");
    follows.is_some_and(|entry| entry.value.value == SpecValue::Boolean(true))
        && layer.iter().count() == 2
}

fn extend_strings(changes: &mut Changes, text: &str, array: &Node, new: &[String]) {
    if !new.is_empty() {
        let new: Vec<_> = new.iter().map(|text| toml_string(text)).collect();
        let elements = elements(array).unwrap_or_default();
        add_strings(changes, text, array, elements, &new);
    }
}

/// The strings that a list does not have.
fn absent(strings: &[String], list: &[Node]) -> Vec<String> {
    let has = |text: &String| {
        let mut list = list.iter();
        list.any(|node| matches!(&node.value, SpecValue::String(string) if string == text))
    };
    strings.iter().filter(|text| !has(text)).cloned().collect()
}

fn directives(document: &Node) -> Option<&Node> {
    let entry = field(fields(document)?, "directives")?;
    Some(&entry.value)
}

fn field<'a>(fields: &'a SpecMap, name: &str) -> Option<&'a SpecEntry> {
    fields.iter().find(|entry| entry.name() == name)
}

/// Whether a field is written as `key = value`, with its key at the start of a line.
fn is_on_own_line(text: &str, entry: &SpecEntry) -> bool {
    let between = entry.key.span.end..entry.value.span.start;
    starts_line(text, entry.key.span.start)
        && text.get(between).is_some_and(|text| text.trim() == "=")
}

/// The text with a directive at the end.
fn with_directive(text: &str, learned: &LearnedDirective, newline: &str) -> String {
    let document = parse_toml(text).ok();
    let array = document.as_ref().and_then(directives);
    if let Some(array) = array
        && let Some(elements) = elements(array)
        && !text[array.span.clone()].starts_with("[[")
    {
        // The file has an array of inline tables, to which no table can be added.
        let mut changes = Changes::default();
        add_lines(&mut changes, text, array, elements, &[learned.inline()]);
        return changes.apply(text, newline);
    }
    appended(text, &format!("{COMMENT}\n{}", learned.table()), newline)
}

/// The text with a directive in comments at the end, unless it has it.
fn with_commented(text: String, commented: &CommentedDirective, newline: &str) -> String {
    let lines = |text: &str| {
        text.lines()
            .map(|line| line.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let wanted = lines(&commented.directive);
    if lines(&text)
        .windows(wanted.len())
        .any(|found| found == wanted)
    {
        return text;
    }
    appended(&text, &commented.text(), newline)
}

/// The text with lines at its end, after a blank line.
fn appended(text: &str, lines: &str, newline: &str) -> String {
    let text = if text.is_empty() { HEADER } else { text };
    let end = if text.ends_with('\n') { "" } else { newline };
    let lines = lines.replace('\n', newline);
    format!("{text}{end}{newline}{lines}")
}

fn elements(node: &Node) -> Option<&[Node]> {
    match &node.value {
        SpecValue::List(list) => Some(list),
        _ => None,
    }
}

fn fields(node: &Node) -> Option<&SpecMap> {
    match &node.value {
        SpecValue::Map(map) => Some(map),
        _ => None,
    }
}
