//! Two settings of targets that `cargo metadata` leaves out: `harness` and `bench`.

use crate::filter::TargetKind;
use std::collections::BTreeMap;
use toml::{Table, Value};

/// The values of `harness` and `bench` that a manifest sets.
#[derive(Debug, Default)]
pub(super) struct ManifestFlags {
    flags: BTreeMap<(TargetKind, Option<String>), Flags>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Flags {
    harness: Option<bool>,
    bench: Option<bool>,
}

/// The tables of the kinds of targets that have names. (`[lib]` needs no name.)
const TABLES: [(&str, TargetKind); 4] = [
    ("bin", TargetKind::Binary),
    ("test", TargetKind::Test),
    ("example", TargetKind::Example),
    ("bench", TargetKind::Benchmark),
];

impl ManifestFlags {
    /// Parses a manifest. A manifest that is not TOML sets nothing: Cargo reports the mistake, or the
    /// package is a single-file package.
    pub(super) fn parse(manifest: &str) -> Self {
        // Most manifests set neither, and parsing is most of the cost.
        if !manifest.contains("harness") && !manifest.contains("bench") {
            return Self::default();
        }
        let Ok(manifest) = manifest.parse::<Table>() else {
            return Self::default();
        };
        let library = manifest.get("lib").and_then(Value::as_table);
        let others = TABLES.iter().flat_map(|(table, kind)| {
            let entries = manifest.get(*table).and_then(Value::as_array);
            entries
                .into_iter()
                .flatten()
                .filter_map(Value::as_table)
                .filter_map(move |entry| {
                    let name = entry.get("name")?.as_str()?;
                    Some(((*kind, Some(name.to_owned())), Flags::of(entry)))
                })
        });
        Self {
            flags: library
                .map(|entry| ((TargetKind::Library, None), Flags::of(entry)))
                .into_iter()
                .chain(others)
                .collect(),
        }
    }

    /// Whether the target has libtest's harness.
    pub(super) fn harness(&self, kind: TargetKind, name: &str) -> bool {
        self.of(kind, name).harness.unwrap_or(true)
    }

    /// Whether `cargo test --benches` selects the target.
    pub(super) fn bench(&self, kind: TargetKind, name: &str) -> bool {
        let default = !matches!(kind, TargetKind::Test | TargetKind::Example);
        self.of(kind, name).bench.unwrap_or(default)
    }

    fn of(&self, kind: TargetKind, name: &str) -> Flags {
        let key = match kind {
            TargetKind::Library | TargetKind::ProcMacro => (TargetKind::Library, None),
            _ => (kind, Some(name.to_owned())),
        };
        self.flags.get(&key).copied().unwrap_or_default()
    }
}

impl Flags {
    fn of(entry: &Table) -> Self {
        Self {
            harness: entry.get("harness").and_then(Value::as_bool),
            bench: entry.get("bench").and_then(Value::as_bool),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANIFEST: &str = r#"
        [package]
        name = "x"
        [lib]
        harness = false
        bench = false
        [[bin]]
        name = "main"
        [[test]]
        name = "plain"
        harness = false
        [[test]]
        name = "other"
        path = "tests/plain.rs"
        [[bench]]
        name = "plain"
        harness = false
    "#;

    #[test]
    fn harness_is_read_per_kind_and_name() {
        let flags = ManifestFlags::parse(MANIFEST);
        assert!(!flags.harness(TargetKind::Library, "x"));
        assert!(!flags.harness(TargetKind::ProcMacro, "x"));
        assert!(!flags.harness(TargetKind::Test, "plain"));
        assert!(!flags.harness(TargetKind::Benchmark, "plain"));
        assert!(flags.harness(TargetKind::Test, "other"));
        assert!(flags.harness(TargetKind::Test, "inferred"));
        assert!(flags.harness(TargetKind::Binary, "plain"));
    }

    #[test]
    fn bench_defaults_to_what_cargo_benches() {
        let flags = ManifestFlags::parse(MANIFEST);
        assert!(!flags.bench(TargetKind::Library, "x"));
        assert!(flags.bench(TargetKind::Binary, "main"));
        assert!(flags.bench(TargetKind::Benchmark, "plain"));
        assert!(!flags.bench(TargetKind::Test, "plain"));
        assert!(!flags.bench(TargetKind::Example, "e"));
    }

    #[test]
    fn a_manifest_that_is_no_toml_sets_nothing() {
        assert!(ManifestFlags::parse("harness = = false").harness(TargetKind::Test, "x"));
    }
}
