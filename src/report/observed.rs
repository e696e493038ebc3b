//! The facts of an observed test, as text for people and as JSON.

use super::terminal::{Paint, Role};
use super::units::Count;
use crate::observe::{Facts, SocketCall};
use crate::observe::{FileFact, Found, Incomplete, Uses};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// The facts as text, a group for each kind. `verbose`: files that are of little interest are not
/// left out.
pub fn facts_text(test: &str, facts: &Facts, paint: Paint, verbose: bool) -> String {
    let mut report = Report {
        text: format!(
            "{}\n",
            paint.apply(Role::Strong, format!("{test} asked for"))
        ),
        paint,
    };
    let (shown, left_out): (Vec<&FileFact>, Vec<_>) =
        (facts.files.iter()).partition(|fact| verbose || !is_minor(fact));
    for group in Group::ALL {
        let files = shown.iter().filter(|fact| Group::of(fact) == group);
        report.files(group.title(), &files.copied().collect::<Vec<_>>());
    }
    let addresses = facts.addresses.iter().map(|used| {
        let call: &str = match used.call {
            SocketCall::Connect => "connected to",
            SocketCall::Bind => "bound",
            SocketCall::Send => "sent to",
        };
        (call.to_owned(), used.address.to_string())
    });
    report.group("Addresses beyond loopback", &addresses.collect::<Vec<_>>());
    report.left_out(&left_out);
    for reason in &facts.incomplete {
        report.note(incomplete_text(*reason));
    }
    if let Some(reason) = &facts.void {
        report.note(&format!("the run is void: {reason}"));
    }
    report.text
}

/// The facts as fields of an event. Fields without a value are left out.
pub fn facts_json(facts: &Facts) -> Vec<(&'static str, Value)> {
    let files = facts.files.iter().map(|fact| {
        let mut file = json!({
            "path": fact.path.to_string_lossy(),
            "uses": words(fact.uses),
            "found": found_word(fact.found),
        });
        for (name, is_set) in [("refused", fact.is_refused), ("common", fact.is_common)] {
            if is_set {
                file[name] = json!(true);
            }
        }
        file
    });
    let addresses = facts
        .addresses
        .iter()
        .map(|used| json!({ "call": used.call.into_str(), "address": used.address.to_string() }));
    let incomplete = facts
        .incomplete
        .iter()
        .map(|reason| incomplete_text(*reason));
    let mut fields: Vec<(&str, Value)> = vec![
        ("files", files.collect()),
        ("addresses", addresses.collect()),
    ];
    if !facts.incomplete.is_empty() {
        fields.push(("incomplete", incomplete.collect()));
    }
    if let Some(reason) = &facts.void {
        fields.push(("void", json!(reason.to_string())));
    }
    fields
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Group {
    Machine,
    Nowhere,
    Executed,
    Written,
    Container,
}

impl Group {
    /// Those that explain a failure come first.
    const ALL: [Self; 5] = [
        Self::Machine,
        Self::Nowhere,
        Self::Executed,
        Self::Written,
        Self::Container,
    ];

    fn of(fact: &FileFact) -> Self {
        let uses = fact.uses;
        let is_read = uses.executed || uses.opened || uses.listed;
        match fact.found {
            _ if uses.written && !is_read => Self::Written,
            Found::Machine => Self::Machine,
            Found::Nowhere if !uses.written => Self::Nowhere,
            _ if uses.executed => Self::Executed,
            _ if uses.written => Self::Written,
            _ => Self::Container,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Machine => "Not in the container, but on this machine",
            Self::Nowhere => "Neither in the container nor on this machine",
            Self::Executed => "Programs of the container",
            Self::Written => "Changed, or meant to be changed",
            Self::Container => "Files of the container",
        }
    }
}

/// Whether a file is left out unless everything is shown.
fn is_minor(fact: &FileFact) -> bool {
    fact.is_common || is_in_mount(fact)
}

/// Whether the file is in a mount of the container, such as `/tmp`, and was used as it can be.
fn is_in_mount(fact: &FileFact) -> bool {
    fact.found == Found::Mount && !fact.is_refused && !fact.uses.executed
}

struct Report {
    text: String,
    paint: Paint,
}

impl Report {
    fn files(&mut self, title: &str, files: &[&FileFact]) {
        let lines = files.iter().map(|fact| {
            let refused = if fact.is_refused {
                " (refused: it is in a read-only part of the container)"
            } else {
                ""
            };
            let path = printable(&fact.path);
            (words(fact.uses).join(", "), format!("{path}{refused}"))
        });
        self.group(title, &lines.collect::<Vec<_>>());
    }

    /// A title, and lines of two columns.
    fn group(&mut self, title: &str, lines: &[(String, String)]) {
        if lines.is_empty() {
            return;
        }
        let title = self.paint.apply(Role::Strong, title);
        let _ = writeln!(self.text, "\n{title}:");
        let width = lines.iter().map(|(first, _)| first.len()).max();
        let width = width.unwrap_or_default();
        for (first, second) in lines {
            let _ = writeln!(self.text, "  {first:width$}  {second}");
        }
    }

    fn left_out(&mut self, files: &[&FileFact]) {
        let (mounts, common): (Vec<&FileFact>, Vec<&FileFact>) =
            files.iter().copied().partition(|fact| is_in_mount(fact));
        let mut parts = Vec::new();
        if !common.is_empty() {
            let count = Count(common.len() as u64, "common file", "common files");
            parts.push(format!(
                "{count}, such as the loader's cache and places that were searched in vain"
            ));
        }
        if !mounts.is_empty() {
            let count = Count(mounts.len() as u64, "file", "files");
            let mut places: BTreeMap<String, u64> = BTreeMap::new();
            for fact in mounts {
                let top: PathBuf = fact.path.components().take(2).collect();
                *places.entry(printable(&top)).or_default() += 1;
            }
            let places = places
                .iter()
                .map(|(place, count)| format!("{place}: {count}"));
            let places = places.collect::<Vec<_>>().join(", ");
            parts.push(format!("{count} in mounts of the container ({places})"));
        }
        if !parts.is_empty() {
            self.note(&format!(
                "left out, and shown with `-v`: {}",
                parts.join("; ")
            ));
        }
    }

    fn note(&mut self, note: &str) {
        let label = self.paint.apply(Role::Strong, "note:");
        let _ = write!(self.text, "\n{label} {note}\n");
    }
}

/// What was done with a file, in words.
fn words(uses: Uses) -> Vec<&'static str> {
    let all = [
        ("executed", uses.executed),
        ("opened", uses.opened),
        ("listed", uses.listed),
        ("written", uses.written),
        // It is looked at before it is used in another way.
        (
            "looked at",
            uses.looked_at && !(uses.executed || uses.opened || uses.listed || uses.written),
        ),
    ];
    let set = all.into_iter().filter(|(_, is_set)| *is_set);
    set.map(|(word, _)| word).collect()
}

fn found_word(found: Found) -> &'static str {
    match found {
        Found::Container => "container",
        Found::Mount => "mount",
        Found::Machine => "machine",
        Found::Nowhere => "nowhere",
    }
}

pub fn incomplete_text(reason: Incomplete) -> &'static str {
    match reason {
        Incomplete::ForeignCalls => {
            "32-bit programs ran, whose calls are not observed: there may be more"
        }
        Incomplete::IoUring => "io_uring was used, which is not observed: there may be more",
        Incomplete::OtherRoots => {
            "paths of processes with a root or mount namespace of their own were left out"
        }
        Incomplete::TooMany => "more files or addresses were used than are recorded",
        Incomplete::Invisible => {
            "processes ran that are not visible here: there may be more files and addresses"
        }
        Incomplete::Unexamined => {
            "a process could not be examined: the kernel did not let its memory and directories be \
             read, so there may be more files and addresses"
        }
        Incomplete::LeftOut => {
            "files of this machine were not shown to the test, since their directory cannot be \
             read or mounted in its container"
        }
    }
}

/// The path with escapes for characters that a terminal could interpret.
fn printable(path: &Path) -> String {
    let text = path.to_string_lossy();
    let mut printable = String::new();
    for char in text.chars() {
        if char.is_control() {
            printable.extend(char.escape_default());
        } else {
            printable.push(char);
        }
    }
    printable
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::{AddressUse, Void};

    fn fact(path: &str, uses: Uses, found: Found) -> FileFact {
        FileFact {
            path: path.into(),
            uses,
            found,
            is_refused: false,
            is_common: false,
            machine_has_more: found == Found::Machine,
        }
    }

    fn facts() -> Facts {
        let written = Uses {
            written: true,
            ..Uses::NONE
        };
        let looked_at = Uses {
            looked_at: true,
            ..Uses::NONE
        };
        let both = Uses {
            looked_at: true,
            ..Uses::OPENED
        };
        let refused = FileFact {
            is_refused: true,
            ..fact("/etc/new", written, Found::Nowhere)
        };
        let common = FileFact {
            is_common: true,
            ..fact("/etc/ld.so.cache", Uses::OPENED, Found::Machine)
        };
        Facts {
            files: vec![
                fact("/bin/test", Uses::EXECUTED, Found::Container),
                fact("/bin/git", Uses::EXECUTED, Found::Nowhere),
                common,
                refused,
                fact("/lib/libc.so.6", both, Found::Container),
                fact("/new\x1b[2J", written, Found::Nowhere),
                fact("/proc/self/maps", Uses::OPENED, Found::Mount),
                fact("/tmp/x", written, Found::Mount),
                fact("/tmp/y", written, Found::Mount),
                fact("/usr/bin/git", Uses::EXECUTED, Found::Machine),
                fact("/usr/share/git-core", looked_at, Found::Machine),
            ],
            addresses: [AddressUse {
                call: SocketCall::Connect,
                address: "192.0.2.1:443".parse().unwrap(),
            }]
            .into(),
            incomplete: [Incomplete::IoUring].into(),
            void: None,
        }
    }

    #[test]
    fn facts_are_grouped_and_uninteresting_ones_counted() {
        let text = facts_text("a lib/a works", &facts(), Paint::new(false), false);
        insta::assert_snapshot!(text, @r"
        a lib/a works asked for

        Not in the container, but on this machine:
          executed   /usr/bin/git
          looked at  /usr/share/git-core

        Neither in the container nor on this machine:
          executed  /bin/git

        Programs of the container:
          executed  /bin/test

        Changed, or meant to be changed:
          written  /etc/new (refused: it is in a read-only part of the container)
          written  /new\u{1b}[2J

        Files of the container:
          opened  /lib/libc.so.6

        Addresses beyond loopback:
          connected to  192.0.2.1:443

        note: left out, and shown with `-v`: 1 common file, such as the loader's cache and places that were searched in vain; 3 files in mounts of the container (/proc: 1, /tmp: 2)

        note: io_uring was used, which is not observed: there may be more
        ");
    }

    #[test]
    fn everything_is_shown_on_request() {
        let text = facts_text("a lib/a works", &facts(), Paint::new(false), true);
        for path in ["/etc/ld.so.cache", "/proc/self/maps", "/tmp/x"] {
            assert!(text.contains(path), "{text}");
        }
        assert!(!text.contains("left out"), "{text}");
    }

    #[test]
    fn a_void_run_says_why() {
        let facts = Facts::void(Void::RefusedListener);
        let text = facts_text("a lib/a works", &facts, Paint::new(false), false);
        assert!(
            text.contains("note: the run is void: the job supervises"),
            "{text}"
        );
    }

    #[test]
    fn json_has_all_facts() {
        let fields = facts_json(&facts());
        let object: serde_json::Map<_, _> = (fields.into_iter())
            .map(|(name, value)| (name.to_owned(), value))
            .collect();
        assert_eq!(object["files"].as_array().unwrap().len(), 11);
        assert_eq!(
            object["files"][3],
            json!({ "path": "/etc/new", "uses": ["written"], "found": "nowhere", "refused": true })
        );
        assert_eq!(
            object["addresses"],
            json!([{ "call": "connect", "address": "192.0.2.1:443" }])
        );
        assert_eq!(object["incomplete"].as_array().unwrap().len(), 1);
        assert!(!object.contains_key("void"));
    }
}
