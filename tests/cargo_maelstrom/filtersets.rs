//! `--filterset`: expressions of cargo-nextest select the tests that they select there.

use crate::fixture::{Project, Run};
use std::path::Path;

/// A filterset, and the tests that cargo-nextest selects with it: the name of the binary and of the
/// test. `None`: cargo-nextest takes it for a mistake.
type Expectation = (String, Option<Vec<String>>);

/// The lists of `tests/make-filterset-lists`.
fn expectations(project: &str) -> Vec<Expectation> {
    let lists = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cargo_maelstrom/filtersets");
    let text = std::fs::read_to_string(lists.join(format!("{project}.txt"))).unwrap();
    let parts = text.split("$ ").skip(1);
    parts
        .map(|part| {
            let mut lines = part.lines().map(str::to_owned);
            let filterset = lines.next().unwrap();
            let tests: Vec<_> = lines.collect();
            (filterset, Some(tests).filter(|tests| *tests != ["refused"]))
        })
        .collect()
}

/// The tests of a list of ours, as cargo-nextest names them.
fn listed(run: &Run) -> Vec<String> {
    let nextest_name = |line: &str| {
        let (package, rest) = line.split_once(' ').unwrap();
        let (target, name) = rest.split_once(' ').unwrap();
        let binary = match target.split_once('/').unwrap() {
            ("lib" | "proc-macro", _) => package.to_owned(),
            ("test", target) => format!("{package}::{target}"),
            (kind, target) => format!("{package}::{kind}/{target}"),
        };
        format!("{binary} {name}")
    };
    let mut listed: Vec<_> = run.lines().into_iter().map(nextest_name).collect();
    listed.sort();
    listed
}

fn compare(name: &str, options: &[&str]) {
    let project = Project::shared(name);
    let expectations = expectations(name);
    assert!(expectations.len() > 10);
    for (filterset, expected) in expectations {
        let list = [
            "--workspace",
            "--include-ignored",
            "--list",
            "-E",
            &filterset,
            // cargo-nextest has no documentation tests.
            "-x",
            "doctest",
        ];
        let run = project.maelstrom(&[options, &list].concat());
        match expected {
            Some(expected) => assert_eq!(listed(&run.exits(0)), expected, "{filterset}"),
            None => _ = run.exits(96).says("bad filterset for --filterset: "),
        }
    }
}

#[test]
fn shop_has_the_tests_that_nextest_selects_with_a_filterset() {
    compare("shop", &["--exclude", "shop-custom"]);
}

#[test]
fn forest_has_the_tests_that_nextest_selects_by_dependencies() {
    compare("forest", &[]);
}

#[test]
fn filtersets_are_alternatives_and_combined_with_words_by_and() {
    let project = Project::shared("shop");
    let list = ["-p", "shop-core", "--include-ignored", "--list"];
    let sets = [
        "-E",
        "kind(example)",
        "--filterset",
        "test(sums) & kind(lib)",
    ];
    let run = project.maelstrom(&[&list[..], &sets].concat()).exits(0);
    assert_eq!(
        listed(&run),
        [
            "shop-core tests::nested::deeper::sums",
            "shop-core tests::sums",
            "shop-core tests::sums_nothing",
            "shop-core::example/counter counts",
        ]
    );
    let words = ["count", "nothing"];
    let run = project.maelstrom(&[&list[..], &sets, &words].concat());
    assert_eq!(
        listed(&run.exits(0)),
        [
            "shop-core tests::sums_nothing",
            "shop-core::example/counter counts"
        ]
    );
    // A pattern is one more alternative.
    let pattern = ["-E", "none()", "-i", "example"];
    let run = project.maelstrom(&[&list[..], &pattern].concat()).exits(0);
    assert_eq!(listed(&run), ["shop-core::example/counter counts"]);
}

#[test]
fn only_packages_in_the_filterset_are_built() {
    let project = Project::shared("forest");
    let packages = |filterset| {
        let list = ["--workspace", "--list-packages", "-E", filterset];
        let run = project.maelstrom(&list).exits(0);
        let mut packages: Vec<_> = run.stdout.lines().map(str::to_owned).collect();
        packages.sort();
        packages
    };
    assert_eq!(packages("rdeps(twig)"), ["branch", "tree", "twig"]);
    assert_eq!(
        packages("package(moss) + test(x) & package(sun)"),
        ["moss", "sun"]
    );
}

#[test]
fn a_mistake_is_shown_at_its_place_before_anything_is_built() {
    let project = Project::own("plain");
    project
        .maelstrom(&["-E", "test(a) and pakage(b)"])
        .exits(96)
        .says(
            "error: bad filterset for --filterset: unknown predicate `pakage` (write `test`, \
             `package`, `deps`, `rdeps`, `kind`, `binary`, `binary_id`, `platform`, `group`, \
             `default`, `all` or `none`)\n  test(a) and pakage(b)\n              ^",
        );
    project
        .maelstrom(&["-E", "group(serial)"])
        .exits(96)
        .says("no test group matches")
        .does_not_say("Compiling");
    assert!(!project.target.exists());
}

#[test]
fn directives_and_patterns_select_packages_by_their_dependencies() {
    let project = Project::own("forest");
    project.directives(
        "[[directives]]\nfilter = \"package.depends_on(twig) && !package.equals(twig)\"\nignore = true\n",
    );
    let run = project
        .events(&["--workspace", "-x", "package.is_dependency_of(tree)"])
        .exits(0);
    let mut ignored = run.statuses();
    ignored.retain(|_, status| status == "ignored");
    assert_eq!(
        ignored.into_keys().collect::<Vec<_>>(),
        ["branch_is_old", "branch_is_older_than_its_twigs"]
    );
    let ran = run.statuses().into_keys().collect::<Vec<_>>();
    assert!(
        !ran.iter()
            .any(|name| name == "tree_is_old" || name == "leaf_is_old"),
        "{ran:?}"
    );
    assert!(ran.iter().any(|name| name == "moss_is_old"), "{ran:?}");
}
