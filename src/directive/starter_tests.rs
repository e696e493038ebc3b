use super::STARTER;
use crate::directive::{Directives, default_container};
use crate::filter::{TargetKind, TestCaseName};
use crate::spec::LayerSpec;

/// Name and text of a chapter of the manual.
type Chapter = (&'static str, &'static str);

const CHAPTERS: [Chapter; 2] = [
    (
        "configuring-tests.md",
        include_str!("../../docs/src/configuring-tests.md"),
    ),
    (
        "default-container.md",
        include_str!("../../docs/src/default-container.md"),
    ),
];

fn parse(name: &str, text: &str) -> Directives {
    let directives = Directives::parse(name, text).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(directives.warnings(), [""; 0], "{name}");
    directives
}

fn some_test() -> TestCaseName<'static> {
    TestCaseName {
        package: "p",
        kind: TargetKind::Library,
        target: "p",
        name: "n",
    }
}

/// The examples of a chapter. Each is a complete file.
fn examples(chapter: &str) -> Vec<String> {
    let mut examples: Vec<String> = Vec::new();
    let mut indent = None;
    for line in chapter.lines() {
        let text = line.trim_start();
        match indent {
            None if text == "```toml" => {
                indent = Some(line.len() - text.len());
                examples.push(String::new());
            }
            None => {}
            Some(_) if text == "```" => indent = None,
            Some(indent) => {
                let example = examples.last_mut().unwrap();
                example.push_str(line.get(indent..).unwrap_or_default());
                example.push('\n');
            }
        }
    }
    examples
}

#[test]
fn the_starter_changes_nothing() {
    let directives = parse("starter", STARTER);
    assert_eq!(
        *directives.resolve(&some_test()),
        *Directives::built_in().resolve(&some_test())
    );
}

#[test]
fn every_example_of_the_starter_can_be_uncommented() {
    let uncommented: String = STARTER
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(code) if code.starts_with(|c: char| !c.is_whitespace()) => format!("{code}\n"),
            _ => format!("{line}\n"),
        })
        .collect();
    assert!(uncommented.matches("\n[[directives]]").count() > 5);
    parse("starter", &uncommented);
}

#[test]
fn the_example_file_is_well_formed() {
    let text = include_str!("../../maelstrom-test.toml.example");
    parse("maelstrom-test.toml.example", text);
}

#[test]
fn the_examples_of_the_manual_are_well_formed() {
    for (name, chapter) in CHAPTERS {
        let examples = examples(chapter);
        assert!(!examples.is_empty(), "{name}");
        for example in examples {
            parse(name, &example);
        }
    }
}

#[test]
fn the_default_container_in_the_manual_is_the_built_in_one() {
    let (_, chapter) = CHAPTERS[1];
    let mut text = examples(chapter).pop().unwrap();
    text.insert_str(0, "directives = [{ parent = \"like-default\" }]\n");
    let written = parse("default-container.md", &text).resolve(&some_test());
    let mut default = default_container();
    // The manual omits the text of the files.
    default.layers.drain(2..4);
    default.layers.pop();
    default.layers.push(LayerSpec::Source {
        source: "<workspace-dir>".into(),
    });
    assert_eq!(written.container, default);
}
