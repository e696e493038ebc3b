//! The chapter on job specifications, held against the program and these tests.

use maelstrom::directive::Directives;
use maelstrom::spec::{ContainerFields, Containers, Deprecations, parse_json, read_job};
use std::fs;
use std::path::Path;

const CHAPTER: &str = include_str!("../../docs/src/job-specification.md");

/// A row of one of the chapter's tables.
struct Row {
    section: &'static str,
    cells: Vec<&'static str>,
}

impl Row {
    /// What stands between the backticks of a cell, unless it is a dash.
    fn code(&self, column: usize) -> Option<&'static str> {
        self.cells[column].strip_prefix('`')?.strip_suffix('`')
    }
}

fn rows() -> Vec<Row> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in CHAPTER.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            section = title;
        } else if let Some(line) = line.strip_prefix("| ") {
            let line = line.strip_suffix(" |").expect("a row ends as it begins");
            let cells: Vec<_> = line.split(" | ").collect();
            assert_eq!(cells.len(), 7, "{line}");
            if cells[0] != "field" {
                rows.push(Row { section, cells });
            }
        }
    }
    assert!(rows.len() > 50, "the chapter has its tables");
    rows
}

/// A fragment of a table, as part of a container: layers and mounts are elements of lists.
fn in_a_container(row: &Row, fragment: &str, (is, quote): (&str, &str)) -> String {
    let list = match row.section {
        "Layers" => "added_layers",
        "Mounts" => "added_mounts",
        _ => return fragment.to_owned(),
    };
    format!("{quote}{list}{quote} {is} [{fragment}]")
}

#[test]
fn every_toml_of_the_table_is_understood() {
    for row in rows() {
        if let Some(toml) = row.code(3) {
            let fields = in_a_container(&row, toml, ("=", ""));
            let text = format!(
                "[containers.base]\n[groups.database]\nmax-slots = 1\n[[directives]]\n{fields}\n"
            );
            if let Err(error) = Directives::parse("table", &text) {
                panic!("{}: {error}", row.cells[0]);
            }
        }
    }
}

#[test]
fn every_json_of_the_table_is_understood() {
    for row in rows() {
        if let Some(json) = row.code(4) {
            let fields = in_a_container(&row, json, (":", "\""));
            let needed = [r#""program": "sh""#, r#""parent": "base""#];
            let mut all = vec![fields.as_str()];
            // An image excludes a parent, and gives the layers just as well.
            let name = |field: &str| {
                let name = field.split(':').next().map(str::to_owned);
                name.map(|name| name.replace("image", "parent"))
            };
            all.extend(needed.iter().filter(|field| name(field) != name(json)));
            let text = format!("{{ {} }}", all.join(", "));
            let mut containers = Containers::new();
            let mut deprecations = Deprecations::default();
            let mut read = |text: &str| {
                parse_json(text)
                    .and_then(|node| read_job(&node, &mut containers, &mut deprecations))
            };
            read(r#"{ "containers": { "base": {} } }"#).unwrap();
            if let Err(error) = read(&text) {
                panic!("{}: {error}", row.cells[0]);
            }
        }
    }
}

#[test]
fn every_field_of_a_container_has_a_row() {
    for name in ContainerFields::NAMES {
        let there = rows()
            .iter()
            .any(|row| row.cells[0].starts_with(&format!("`{name}`")));
        assert!(there, "{name}");
    }
}

#[test]
fn every_test_that_the_chapter_names_is_there() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let mut named = 0;
    for (module, test) in CHAPTER.split('`').filter_map(|text| text.split_once("::")) {
        if module.is_empty() || test == "…" {
            continue;
        }
        let source = ["job_specification", "cargo_maelstrom", "maelstrom_run"]
            .iter()
            .find_map(|of| fs::read_to_string(tests.join(of).join(format!("{module}.rs"))).ok())
            .unwrap_or_else(|| panic!("there is no {module}.rs"));
        let is_there = source.contains(&format!("#[test]\nfn {test}() {{"));
        assert!(is_there, "{module}::{test}");
        named += 1;
    }
    assert!(named > 50, "{named}");
}
