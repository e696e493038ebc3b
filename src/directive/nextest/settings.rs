//! The settings of a profile of cargo-nextest.

use super::{comment, entries, field, inline, quoted, string};
use crate::filter::{Filterset, FiltersetTerms};
use crate::spec::{Node, SpecEntry, SpecValue};
use std::fmt::Write as _;

/// The lines of a table `[profile.NAME]`.
pub struct ProfileSettings {
    is_default: bool,
    lines: String,
}

impl ProfileSettings {
    pub fn new(is_default: bool) -> Self {
        Self {
            is_default,
            lines: String::new(),
        }
    }

    pub fn text(&self) -> &str {
        &self.lines
    }

    pub fn line(&mut self, key: &str, value: &str, reason: Option<&str>) {
        if let Some(reason) = reason {
            self.lines.push_str(&comment(reason));
        }
        let _ = writeln!(self.lines, "{key} = {value}");
    }

    pub fn note(&mut self, text: &str) {
        self.lines.push_str(&comment(text));
    }

    /// Adds what a setting of cargo-nextest means.
    pub fn add(&mut self, entry: &SpecEntry) {
        let (name, value) = (entry.name(), &entry.value);
        match name {
            "inherits" | "retries" | "flaky-result" | "slow-timeout" | "leak-timeout"
            | "global-timeout" | "status-level" | "final-status-level" | "failure-output"
            | "success-output" => self.line(name, &inline(value), None),
            "default-filter" => self.default_filter(value),
            "fail-fast" => self.fail_fast(value),
            "test-threads" => self.test_threads(value),
            "junit" => self.junit(value),
            // These are of single tests: directives have them.
            "overrides" | "scripts" => {}
            "threads-required" | "test-group" if self.is_default => {}
            "threads-required" | "test-group" => self.note(&format!(
                "`{name} = {}` has no counterpart in a profile: directives have `{}`, and apply with \
                 every profile.",
                inline(value),
                if name == "test-group" { "group" } else { "slots" },
            )),
            "run-extra-args" => self.note(&format!(
                "`run-extra-args = {}` has no counterpart: arguments for the test binaries are written \
                 on the command line, after `--`.",
                inline(value)
            )),
            "bench" => self.note(
                "`bench` has no counterpart: benchmarks that are run as tests have the settings of tests.",
            ),
            "archive" => self.note("`archive` has no counterpart: archives have what containers have."),
            _ => self.note(&format!("`{name} = {}` is unknown, and was left out.", inline(value))),
        }
    }

    fn default_filter(&mut self, value: &Node) {
        let filterset = string(value).unwrap_or_default();
        match pattern(filterset, None) {
            Ok(pattern) => self.line("default-filter", &quoted(&pattern), None),
            Err(reason) => self.note(&format!(
                "`default-filter = {}` cannot be translated: {reason}.",
                quoted(filterset)
            )),
        }
    }

    fn fail_fast(&mut self, value: &Node) {
        let Some(most) = field(value, "max-fail") else {
            return self.line("fail-fast", &inline(value), None);
        };
        let is_immediate = field(value, "terminate").and_then(string) == Some("immediate");
        let most = match most.value {
            SpecValue::Integer(count) if is_immediate => quoted(&format!("{count}:immediate")),
            // `"all"` ends no test.
            _ => inline(most),
        };
        self.line("max-fail", &most, None);
    }

    fn test_threads(&mut self, value: &Node) {
        match &value.value {
            SpecValue::Integer(count @ 1..) => self.line("slots", &count.to_string(), None),
            SpecValue::String(_) if self.is_default => {}
            _ => self.note(&format!(
                "`test-threads = {}` has no counterpart: `slots` is a number, and the number of CPUs \
                 if it is not set.",
                inline(value)
            )),
        }
    }

    /// The settings of the JUnit report besides its path.
    fn junit(&mut self, value: &Node) {
        for entry in entries(value) {
            match entry.name() {
                "path" => {}
                name @ ("store-success-output" | "store-failure-output") => {
                    self.line(&format!("junit-{name}"), &inline(&entry.value), None);
                }
                name => self.note(&format!(
                    "`junit.{name} = {}` has no counterpart.",
                    inline(&entry.value)
                )),
            }
        }
    }
}

/// The pattern of a filterset, or why there is none. `default_filter`: the pattern that `default()`
/// means; if it is `None`, all tests.
pub fn pattern(filterset: &str, default_filter: Option<&str>) -> Result<String, String> {
    let terms = FiltersetTerms {
        default_filter,
        ..FiltersetTerms::default()
    };
    let filterset = Filterset::parse(filterset);
    filterset
        .and_then(|filterset| filterset.pattern_text(&terms))
        .map_err(|error| error.message())
}
