//! The recipes of the book, each run from the text of its chapter.

use crate::debian::{self, needs_images};
use crate::fixture::{Project, Run};
use crate::need::needs_containers;
use crate::rounds;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

const CHAPTER: &str = include_str!("../../docs/src/cookbook.md");

/// A recipe: files, and commands with lines of their output.
#[derive(Default)]
struct Recipe {
    files: Vec<(&'static str, String)>,
    commands: Vec<(&'static str, Vec<&'static str>)>,
}

/// The recipe below a heading.
fn recipe(title: &str) -> Recipe {
    let heading = format!("\n## {title}\n");
    let (_, text) = CHAPTER.split_once(&heading).expect("the chapter has it");
    let text = text.split("\n## ").next().unwrap();
    let mut recipe = Recipe::default();
    let mut lines = text.lines();
    let mut last = "";
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else {
            if !line.is_empty() {
                last = line;
            }
            continue;
        };
        let content: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        if language != "console" {
            let path = last
                .strip_prefix('`')
                .and_then(|rest| rest.strip_suffix("`:"));
            let path = path.unwrap_or_else(|| panic!("a file has a name: {last}"));
            recipe.files.push((path, content.join("\n") + "\n"));
            continue;
        }
        for line in content {
            match (line.strip_prefix("$ "), recipe.commands.last_mut()) {
                (Some(command), _) => recipe.commands.push((command, Vec::new())),
                (None, Some((_, output))) => output.push(line),
                (None, None) => panic!("a command comes first: {line}"),
            }
        }
    }
    assert!(!recipe.commands.is_empty(), "{title}");
    recipe
}

impl Recipe {
    fn project(&self) -> Project {
        let project = Project::empty();
        let package = "[package]\nname = \"recipe\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n";
        project.write("Cargo.toml", package);
        project.write("src/lib.rs", "");
        for (path, text) in &self.files {
            let before = if *path == "Cargo.toml" { package } else { "" };
            project.write(path, &format!("{before}{text}"));
        }
        project
    }

    /// Runs the commands, and expects the lines of the chapter in the output of each.
    #[track_caller]
    fn runs_in(&self, project: &Project, variables: &[(&str, &str)]) {
        for (line, expected) in &self.commands {
            let mut command = Command::new("sh");
            project.prepare(command.args(["-c", line]));
            let program = Path::new(env!("CARGO_BIN_EXE_cargo-maelstrom"));
            let path = std::env::var("PATH").unwrap();
            let path = format!("{}:{path}", program.parent().unwrap().display());
            command
                .env("PATH", path)
                .env("CARGO_TERM_COLOR", "never")
                .env_remove("INSTA_UPDATE")
                .envs(variables.iter().copied());
            let run = Run::of(&mut command, project);
            let output = project.stable(&format!("{}{}", run.stdout, run.stderr));
            for expected in expected {
                let expected = project.stable(expected);
                let is_there = match expected.strip_suffix("...") {
                    Some(start) => output.lines().any(|line| line.starts_with(start)),
                    None => output.lines().any(|line| line == expected),
                };
                assert!(is_there, "{line}: {expected}\n{run}");
            }
        }
    }
}

/// Runs a recipe that needs no crates.
fn runs(title: &str) {
    let recipe = recipe(title);
    recipe.runs_in(&recipe.project(), &[]);
}

/// Runs a recipe with crates of the registry.
fn runs_with_crates(title: &str) {
    let Some(crates) = rounds::crates() else {
        println!("SKIPPED: no crates here; tests/run-all installs them");
        return;
    };
    let recipe = recipe(title);
    let crates = crates.to_str().unwrap();
    let variables = [("CARGO_HOME", crates), ("CARGO_NET_OFFLINE", "true")];
    recipe.runs_in(&recipe.project(), &variables);
}

#[test]
fn every_recipe_has_a_test() {
    let titles = CHAPTER.lines().filter_map(|line| line.strip_prefix("## "));
    let tests = include_str!("cookbook.rs");
    for title in titles {
        assert!(tests.contains(&format!("(\"{title}\")")), "{title}");
    }
}

#[test]
fn every_test_has_a_postgresql_server_of_its_own() {
    needs_containers!();
    let mut recipe = recipe("PostgreSQL");
    // The directory of the version that this machine has.
    let versions = fs::read_dir("/usr/lib/postgresql").unwrap();
    let version = versions.last().unwrap().unwrap().file_name();
    let directory = format!("postgresql/{}/", version.to_str().unwrap());
    for (_, text) in &mut recipe.files {
        *text = text.replace("postgresql/15/", &directory);
    }
    recipe.runs_in(&recipe.project(), &[]);
}

#[test]
fn every_test_has_a_redis_server_of_its_own() {
    needs_containers!();
    runs("Redis");
}

#[test]
fn a_test_commits_with_git() {
    needs_containers!();
    runs("Git");
}

#[test]
fn a_test_looks_at_a_page_in_a_browser() {
    needs_containers!();
    runs("A browser");
}

#[test]
fn messages_of_trybuild_are_written() {
    needs_containers!();
    runs_with_crates("trybuild");
}

#[test]
fn snapshots_of_insta_are_written() {
    needs_containers!();
    runs_with_crates("insta");
}

#[test]
fn seeds_of_proptest_are_written() {
    needs_containers!();
    runs_with_crates("proptest");
}

#[test]
fn a_test_runs_in_an_image() {
    needs_containers!();
    let images = needs_images!();
    let recipe = recipe("An image");
    let project = recipe.project();
    symlink(images, project.root.join("images")).unwrap();
    debian::share_cache(&project.target);
    recipe.runs_in(&project, &[]);
}
