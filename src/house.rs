//! Checks of the structure of the source: rooms use only rooms below them, and a public type has a
//! name of its own.

use regex::Regex;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms in the order of `lib.rs`, from the top floor down.
fn rooms() -> Vec<String> {
    let lib = fs::read_to_string(source().join("lib.rs")).unwrap();
    let declaration = Regex::new(r"(?m)^pub mod (\w+);").unwrap();
    let names = declaration.captures_iter(&lib);
    names.map(|found| found[1].to_owned()).collect()
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The Rust files below a directory, those that hold only tests left out.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let is_test = path.file_stem().is_some_and(|stem| stem == "tests");
        if is_test {
            continue;
        }
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// The names directly below the crate's root that a file's code uses, apart from its tests.
fn used_names(text: &str) -> Vec<String> {
    let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap_or(text);
    let lines = code
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    let code = lines.collect::<Vec<_>>().join("\n");
    let path = Regex::new(r"\bcrate::(\w+)").unwrap();
    let group = Regex::new(r"\bcrate::\{").unwrap();
    assert!(!group.is_match(&code), "write one `use` for each room");
    let names = path.captures_iter(&code);
    names.map(|found| found[1].to_owned()).collect()
}

#[test]
fn rooms_use_only_rooms_below_them() {
    let rooms = rooms();
    assert!(rooms.len() > 15, "{rooms:?}");
    let floor = |name: &str| rooms.iter().position(|room| room == name);
    let mut wrong = Vec::new();
    for (own_floor, room) in rooms.iter().enumerate() {
        for file in files(&source().join(room)) {
            let text = fs::read_to_string(&file).unwrap();
            for name in used_names(&text) {
                let is_below = floor(&name).is_some_and(|other| other >= own_floor);
                if !is_below {
                    wrong.push(format!("{} uses crate::{name}", file.display()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn every_folder_is_a_room() {
    let folders = fs::read_dir(source()).unwrap().map(Result::unwrap);
    let folders = folders.filter(|entry| entry.path().is_dir());
    let names = folders.map(|entry| entry.file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| name != "bin").collect();
    names.sort();
    let mut rooms = rooms();
    rooms.sort();
    assert_eq!(names, rooms);
}

#[test]
fn no_two_public_types_have_one_name() {
    let declaration =
        Regex::new(r"(?m)^\s*pub(?:\([^)]*\))? (?:struct|enum|trait|type|union) (\w+)").unwrap();
    let mut types: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for file in files(&source()) {
        let text = fs::read_to_string(&file).unwrap();
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
        for found in declaration.captures_iter(code) {
            types
                .entry(found[1].to_owned())
                .or_default()
                .push(file.clone());
        }
    }
    assert!(types.len() > 200, "{types:?}");
    types.retain(|_, files| files.len() > 1);
    assert_eq!(types, BTreeMap::new());
}
