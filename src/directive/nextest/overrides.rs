//! Overrides of cargo-nextest, as directives.
//!
//! For each setting, the first override that matches a test decides in cargo-nextest, and the last
//! directive here. So the order is turned around.

use super::settings::pattern;
use super::{
    Configuration, DEFAULT, comment, commented_out, elements, entries, field, find, inline, key,
    left_out, quoted, string,
};
use crate::spec::{Node, SpecEntry, SpecMap, SpecValue};
use std::fmt::Write as _;

/// A number of slots that no machine has. A test with so many runs alone.
const ALL_SLOTS: u32 = 1000;

/// The group of tests without one.
const NO_GROUP: &str = "@global";

pub fn directives(configuration: &Configuration<'_>) -> Vec<String> {
    let mut blocks = Vec::new();
    let default = configuration.profile(DEFAULT);
    blocks.extend(default.and_then(|default| of_all_tests(default, configuration)));
    let of_default = default.map(overrides).unwrap_or_default();
    if of_default.len() > 1 {
        blocks.push(comment(
            "Overrides, in the opposite order: the first one that matches a test decides in \
             cargo-nextest, and the last directive that matches it here.",
        ));
    }
    blocks.extend(directives_of(of_default, DEFAULT, configuration));
    for (name, table) in &configuration.profiles[1..] {
        let of_profile = table.map(overrides).unwrap_or_default();
        if of_profile.is_empty() {
            continue;
        }
        blocks.push(comment(&format!(
            "Overrides of the profile `{name}`. They are commented out, because directives apply with \
             every profile."
        )));
        let directives = directives_of(of_profile, name, configuration);
        blocks.extend(directives.map(|directive| commented_out(&directive)));
    }
    blocks
}

fn directives_of<'a>(
    overrides: Vec<&'a Node>,
    profile: &str,
    configuration: &'a Configuration<'_>,
) -> impl Iterator<Item = String> {
    let default_filter = configuration
        .inherited(profile, |table| {
            string(&find(table, "default-filter")?.value)
        })
        .and_then(|filterset| pattern(filterset, None).ok());
    let overrides = overrides.into_iter().rev();
    overrides.map(move |node| directive(node, default_filter.as_deref(), configuration))
}

fn overrides(profile: &SpecMap) -> Vec<&Node> {
    let overrides = find(profile, "overrides");
    overrides.map_or_else(Vec::new, |entry| elements(&entry.value).iter().collect())
}

/// The settings of the default profile that are fields of directives here.
fn of_all_tests(default: &SpecMap, configuration: &Configuration<'_>) -> Option<String> {
    let mut lines = String::new();
    for name in ["threads-required", "test-group"] {
        if let Some(entry) = find(default, name)
            && string(&entry.value) != Some(NO_GROUP)
        {
            setting(entry, configuration, &mut lines);
        }
    }
    let block = format!("[[directives]]\n{lines}");
    (!lines.is_empty()).then(|| active_or_commented_out(block, has_effect(&lines)))
}

/// Whether there is more than comments.
fn has_effect(lines: &str) -> bool {
    lines.lines().any(|line| !line.starts_with('#'))
}

fn active_or_commented_out(block: String, is_active: bool) -> String {
    if is_active {
        block
    } else {
        commented_out(&block)
    }
}

/// An override as a directive.
fn directive(
    node: &Node,
    default_filter: Option<&str>,
    configuration: &Configuration<'_>,
) -> String {
    let filter = field(node, "filter").and_then(string);
    let mut lines = String::new();
    for entry in entries(node) {
        if !["filter", "platform"].contains(&entry.name()) {
            setting(entry, configuration, &mut lines);
        }
    }
    let mut text = String::new();
    let mut has_effect = has_effect(&lines);
    match field(node, "platform").map(Platform::of) {
        Some(Platform::Other(platform)) => {
            text.push_str(&comment(&format!(
                "Only for the platform {platform}, so that it is commented out."
            )));
            has_effect = false;
        }
        Some(Platform::This) | None => {}
    }
    let mut block = String::from("[[directives]]\n");
    match filter.map(|filter| pattern(filter, default_filter)) {
        Some(Ok(pattern)) => {
            let _ = writeln!(block, "filter = {}", quoted(&pattern));
        }
        Some(Err(reason)) => {
            text.push_str(&comment(&format!(
                "The filter cannot be translated: {reason}."
            )));
            let _ = writeln!(block, "filter = {}", quoted(filter.unwrap_or_default()));
            has_effect = false;
        }
        None => {}
    }
    block.push_str(&lines);
    text + &active_or_commented_out(block, has_effect)
}

/// Adds the field that a setting means.
fn setting(entry: &SpecEntry, configuration: &Configuration<'_>, lines: &mut String) {
    let (name, value) = (entry.name(), &entry.value);
    let field = match name {
        "retries" => "retries",
        "flaky-result" => "flaky_result",
        "slow-timeout" => "slow_timeout",
        "leak-timeout" => "leak_timeout",
        "test-group" => {
            match string(value) {
                Some(NO_GROUP) => lines.push_str(&comment(
                    "`test-group = \"@global\"`, no group, has no counterpart: exclude the tests from the \
                     filters of the directives with a group.",
                )),
                Some(group) if !configuration.has_group(group) => {
                    lines.push_str(&comment(&left_out(entry, "group")));
                }
                _ => _ = writeln!(lines, "group = {}", inline(value)),
            }
            return;
        }
        "threads-required" => {
            if let SpecValue::Integer(count) = value.value {
                let _ = writeln!(lines, "slots = {count}");
            } else {
                lines.push_str(&comment("More slots than there are: the test runs alone."));
                let _ = writeln!(lines, "slots = {ALL_SLOTS}");
            }
            return;
        }
        _ => {
            lines.push_str(&comment(&without_counterpart(name, value)));
            return;
        }
    };
    let _ = writeln!(lines, "{field} = {}", inline(value));
}

fn without_counterpart(name: &str, value: &Node) -> String {
    let written = format!("`{} = {}`", key(name), inline(value));
    match name {
        "priority" => format!(
            "{written} has no counterpart: tests that failed last time start first, then the longest."
        ),
        "run-extra-args" => format!(
            "{written} has no counterpart: arguments for the test binaries are written on the command \
             line, after `--`."
        ),
        "success-output" | "failure-output" | "junit" => {
            format!("{written} has no counterpart for single tests: profiles have such settings.")
        }
        "bench" => format!("{written} has no counterpart: benchmarks have the settings of tests."),
        "default-filter" => format!(
            "{written} has no counterpart for a platform: `default-filter` is a setting of a profile."
        ),
        _ => format!("{written} is unknown, and was left out."),
    }
}

/// The platforms of an override.
enum Platform {
    /// They include those that cargo maelstrom runs on.
    This,
    /// As written.
    Other(String),
}

impl Platform {
    fn of(node: &Node) -> Self {
        let host = string(node).or_else(|| string(field(node, "host")?));
        let target = string(node).or_else(|| string(field(node, "target")?));
        if host.is_none_or(is_linux) && target.is_none_or(is_linux) {
            Self::This
        } else {
            Self::Other(inline(node))
        }
    }
}

/// Whether a platform includes every Linux: cargo maelstrom runs on no other system.
fn is_linux(platform: &str) -> bool {
    const LINUX: [&str; 6] = [
        "cfg(unix)",
        "cfg(target_os=\"linux\")",
        "cfg(target_family=\"unix\")",
        "cfg(not(windows))",
        "cfg(not(target_os=\"windows\"))",
        "cfg(not(target_os=\"macos\"))",
    ];
    let condensed: String = platform.split_whitespace().collect();
    LINUX.contains(&condensed.as_str())
}
