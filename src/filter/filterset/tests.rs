//! Filtersets, what they are translated to, and their errors.

use super::*;
use crate::filter::{PackageDependencies, TargetKind, TestBinaryName, TestCaseName};
use proptest::prelude::*;

#[track_caller]
fn translated(filterset: &str) -> String {
    translated_with(filterset, &FiltersetTerms::default())
}

#[track_caller]
fn translated_with(filterset: &str, terms: &FiltersetTerms<'_>) -> String {
    Filterset::parse(filterset)
        .and_then(|filterset| filterset.pattern_text(terms))
        .unwrap_or_else(|error| panic!("{error}"))
}

fn error(filterset: &str) -> String {
    error_with(filterset, &FiltersetTerms::default())
}

fn error_with(filterset: &str, terms: &FiltersetTerms<'_>) -> String {
    Filterset::parse(filterset)
        .and_then(|filterset| filterset.pattern_text(terms))
        .unwrap_err()
        .to_string()
}

#[test]
fn every_predicate_has_its_own_default_matcher() {
    for (filterset, pattern) in [
        ("all()", "all"),
        ("none()", "none"),
        ("default()", "all"),
        ("test(parse)", "name.contains(parse)"),
        ("package(my-crate)", "package.equals(my-crate)"),
        ("package(my-*)", "package.globs(my-*)"),
        ("deps(my-crate)", "package.is_dependency_of(my-crate)"),
        ("rdeps(nextest*)", "package.depends_on(nextest*)"),
        ("kind(lib)", "kind.equals(lib)"),
        ("kind(proc-macro)", "kind.equals(proc-macro)"),
        ("kind(test)", "test"),
        ("kind(bin)", "binary"),
        ("kind(bench)", "benchmark"),
        ("kind(example)", "example"),
        ("kind(b*)", "kind.equals(b*)"),
        ("binary(cli)", "target.equals(cli)"),
        ("binary(cli*)", "target.globs(cli*)"),
        (
            "binary_id(my-crate::bin/x)",
            "binary_id.equals(my-crate::bin/x)",
        ),
        ("platform(host)", "kind.equals(proc-macro)"),
        ("platform( target )", "!kind.equals(proc-macro)"),
    ] {
        assert_eq!(translated(filterset), pattern, "{filterset}");
    }
}

#[test]
fn written_matchers_are_kept() {
    for (filterset, pattern) in [
        ("test(=a::b)", "name.equals(a::b)"),
        ("test(~a)", "name.contains(a)"),
        ("test(#*a)", "name.globs(*a)"),
        ("test(/^a[0-9]*$/)", "name.matches(^a[0-9]*$)"),
        ("test( /a/ )", "name.matches(a)"),
        ("package(=a)", "package.equals(a)"),
        ("deps(=a)", "package.is_dependency_of(a)"),
        ("deps(~a)", "package.is_dependency_of.contains(a)"),
        ("rdeps(/a$/)", "package.depends_on.matches(a$)"),
        ("rdeps(=a*)", "package.depends_on.equals(a*)"),
        ("kind(~i)", "kind.contains(i)"),
        ("binary_id(/::bin\\//)", "binary_id.matches(::bin/)"),
    ] {
        assert_eq!(translated(filterset), pattern, "{filterset}");
    }
}

#[test]
fn operators_have_the_precedence_of_nextest() {
    for (filterset, pattern) in [
        ("all() & none()", "all && none"),
        ("all() and none() - all()", "all && none && !all"),
        ("all() | none()", "all || none"),
        ("all() + none() or all()", "all || none || all"),
        ("not all()", "!all"),
        ("!!all()", "all"),
        ("not(all())", "!all"),
        ("all() | none() & all()", "all || (none && all)"),
        ("(all() | none()) & all()", "(all || none) && all"),
        ("not all() | none()", "!all || none"),
        ("not (all() | none())", "!(all || none)"),
        ("all() - (none() + all())", "all && !(none || all)"),
        ("all()-none()", "all && !none"),
        ("all()\n  and\r\n  none()", "all && none"),
    ] {
        assert_eq!(translated(filterset), pattern, "{filterset:?}");
    }
}

#[test]
fn the_examples_of_the_documentation_of_nextest_are_translated() {
    for (filterset, pattern) in [
        (
            "package(serde) and test(deserialize)",
            "package.equals(serde) && name.contains(deserialize)",
        ),
        (
            "not (test(/parse[0-9]*/) | test(run))",
            "!(name.matches(parse[0-9]*) || name.contains(run))",
        ),
        (
            "test(my_test) + package(my-crate)",
            "name.contains(my_test) || package.equals(my-crate)",
        ),
        (
            "platform(host) + not test(/.*/)",
            "kind.equals(proc-macro) || !name.matches(.*)",
        ),
        (
            "test(a) & test(b) | test(c)",
            "(name.contains(a) && name.contains(b)) || name.contains(c)",
        ),
        (
            "test(a) & test(b) - test(c)",
            "name.contains(a) && name.contains(b) && !name.contains(c)",
        ),
    ] {
        assert_eq!(translated(filterset), pattern, "{filterset}");
    }
}

/// The texts between backticks in a cell of a table.
fn codes(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[test]
fn the_chapter_on_nextest_shows_what_filtersets_are_translated_to() {
    let chapter = include_str!("../../../docs/src/coming-from-nextest.md");
    let (_, section) = chapter.split_once("\n## Filtersets\n").unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let mut examples = 0;
    for row in rows.take_while(|row| !row.starts_with("| `a and b`")) {
        let cells: Vec<_> = row.split('|').collect();
        let (filtersets, patterns) = (codes(cells[1]), codes(cells[2]));
        for (index, filterset) in filtersets.into_iter().enumerate() {
            // What these mean depends on the workspace.
            if ["default()", "group(serial)"].contains(&filterset) {
                continue;
            }
            let pattern = patterns.get(index).or(patterns.last()).unwrap();
            assert_eq!(translated(filterset), *pattern);
            examples += 1;
        }
    }
    assert!(examples > 20, "{examples}");
}

#[test]
fn escape_sequences_and_delimiters_are_translated() {
    for (filterset, pattern) in [
        (r"test(=a\)b)", "name.equals[a)b]"),
        (r"test(a\,b\/\\\u{e9})", r"name.contains(a,b/\é)"),
        ("test(a(b)", "name.contains[a(b]"),
        (r"test(/a\(b/)", r"name.matches[a\(b]"),
        (r"test(/\w\\\/a/)", r"name.matches(\w\\/a)"),
        // A backslash has no meaning in globs of nextest.
        (r"test(#a\\*)", r"name.globs(a\\*)"),
        (r"package({a\,b}-*)", "package.globs({a,b}-*)"),
        ("test(x )", "name.contains(x )"),
        ("test( x)", "name.contains(x)"),
    ] {
        assert_eq!(translated(filterset), pattern, "{filterset}");
    }
}

#[test]
fn the_default_filter_is_what_the_workspace_says() {
    let terms = FiltersetTerms {
        default_filter: Some("test || library"),
        ..FiltersetTerms::default()
    };
    assert_eq!(
        translated_with("default() - test(slow)", &terms),
        "(test || library) && !name.contains(slow)"
    );
}

#[test]
fn the_last_rule_that_matches_decides_about_the_group() {
    let rule = |filter, group| GroupRule {
        filter: Some(filter),
        group,
    };
    let terms = FiltersetTerms {
        groups: vec![rule("test", "serial"), rule("example", "network")],
        ..FiltersetTerms::default()
    };
    assert_eq!(
        translated_with("group(serial)", &terms),
        "(test) && !(example)"
    );
    assert_eq!(translated_with("group(network)", &terms), "(example)");
    assert_eq!(
        translated_with("group(@global)", &terms),
        "!(test) && !(example)"
    );
    assert_eq!(
        translated_with("group(*)", &terms),
        "((test) && !(example)) || (example) || (!(test) && !(example))"
    );
    assert_eq!(translated("group(@global)"), "all");
    assert_eq!(
        error_with("group(nope)", &terms),
        "no test group matches (`[groups.NAME]` in `maelstrom-test.toml` defines one)
  group(nope)
        ^"
    );
}

#[test]
fn names_that_the_workspace_does_not_have_are_mistakes() {
    let terms = FiltersetTerms {
        names: Some(WorkspaceNames {
            packages: vec!["core"],
            binaries: vec![TestBinaryName {
                package: "core",
                kind: TargetKind::Binary,
                target: "till",
            }],
        }),
        ..FiltersetTerms::default()
    };
    for right in [
        "package(c*)",
        "deps(core)",
        "binary(till)",
        "binary_id(core::bin/till)",
        "test(anything)",
        "kind(anything)",
    ] {
        translated_with(right, &terms);
    }
    assert_eq!(
        error_with("all() - package(cor)", &terms),
        "no package of the workspace matches
  all() - package(cor)
                  ^"
    );
    for (wrong, what) in [
        ("rdeps(serde)", "package"),
        ("binary(core)", "target"),
        ("binary_id(core::till)", "test binary"),
    ] {
        let text = error_with(wrong, &terms);
        assert!(
            text.starts_with(&format!("no {what} of the workspace matches")),
            "{text}"
        );
    }
}

#[test]
fn mistakes_are_explained_at_their_place() {
    insta::assert_snapshot!(
        [
            "",
            "test",
            "test(x",
            "test()",
            "test(x, y)",
            r"test(\q)",
            "test(/x)",
            "test(/(/)",
            r"test(/\/\/(/)",
            "package([)",
            "testing(x)",
            "all(x)",
            "platform(windows)",
            "all() all()",
            "all() && none()",
            "all() || none()",
            "all() AND none()",
            "NOT all()",
            "all() and",
            "(all()",
            "all())",
            "notall()",
            "group(x)",
        ]
        .map(error)
        .join("\n"),
        @r"
        the filterset is empty (write `all()` to select every test)
        expected `(` after `test`
          test
              ^
        this `(` is never closed
          test(x
              ^
        the argument is empty
          test()
               ^
        a predicate takes one argument (write `\,` for a comma in it)
          test(x, y)
                ^
        unknown escape sequence (write `\\`, `\/`, `\)`, `\,`, `\n`, `\r`, `\t` or `\u{…}`)
          test(\q)
               ^
        the regular expression has no `/` at its end
          test(/x)
               ^
        bad regular expression: unclosed group
          test(/(/)
                ^
        bad regular expression: unclosed group
          test(/\/\/(/)
                    ^
        bad glob: unclosed character class; missing ']'
          package([)
                  ^
        unknown predicate `testing` (write `test`, `package`, `deps`, `rdeps`, `kind`, `binary`, `binary_id`, `platform`, `group`, `default`, `all` or `none`)
          testing(x)
          ^
        `all` takes no argument
          all(x)
              ^
        unknown platform `windows` (write `host` or `target`)
          platform(windows)
                   ^
        expected an operator (`and`, `or`, `&`, `|`, `+` or `-`), found `all`
          all() all()
                ^
        `&&` is no operator of filtersets (write `&`)
          all() && none()
                ^
        `||` is no operator of filtersets (write `|`)
          all() || none()
                ^
        `AND` is no operator of filtersets (write `and`)
          all() AND none()
                ^
        `NOT` is no operator of filtersets (write `not`)
          NOT all()
          ^
        expected a predicate such as `test(…)` or `package(…)`, found the end of the filterset
          all() and
                   ^
        this `(` is never closed
          (all()
          ^
        this `)` closes no `(`
          all())
               ^
        unknown predicate `notall` (write `test`, `package`, `deps`, `rdeps`, `kind`, `binary`, `binary_id`, `platform`, `group`, `default`, `all` or `none`)
          notall()
          ^
        no test group matches (`[groups.NAME]` in `maelstrom-test.toml` defines one)
          group(x)
                ^
        "
    );
}

#[test]
fn the_pattern_is_shown_as_the_filterset() {
    let filterset = Filterset::parse("test(a) + all()").unwrap();
    let pattern = filterset.pattern(&FiltersetTerms::default()).unwrap();
    assert_eq!(pattern.to_string(), "test(a) + all()");
}

#[test]
fn parentheses_have_a_limit() {
    let nested = |depth| format!("{}all(){}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(translated(&nested(40)), "all");
    assert!(error(&nested(41)).contains("more than 40 deep"));
}

fn filterset() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("all()".to_owned()),
        Just("none()".to_owned()),
        Just("platform(host)".to_owned()),
        "(test|package|kind|binary|binary_id|deps|rdeps)\\([=~#]?[a-c*?\\[\\]{}(:/]{1,5}\\)",
        "(test|package|binary_id|rdeps)\\(/[a-c*?\\[\\]{}():^$.]{0,5}/\\)",
    ];
    leaf.prop_recursive(4, 16, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|operand| format!("not {operand}")),
            inner.clone().prop_map(|operand| format!("({operand})")),
            (
                inner.clone(),
                prop::sample::select(&["and", "or", "&", "|", "+", "-"][..]),
                inner
            )
                .prop_map(|(left, operator, right)| format!("{left} {operator} {right}")),
        ]
    })
}

/// Whether a filterset of one predicate matches, by the words of nextest's documentation.
fn expected(kind: &str, text: &str, name: &str) -> Option<bool> {
    Some(match kind {
        "=" => name == text,
        "~" => name.contains(text),
        "#" => glob_matches(text, name)?,
        _ => return None,
    })
}

fn glob_matches(text: &str, name: &str) -> Option<bool> {
    let glob = parse::glob(text).ok()?;
    let regex = regex::bytes::Regex::new(glob.regex()).ok()?;
    Some(regex.is_match(name.as_bytes()))
}

proptest! {
    #[test]
    fn parsing_never_panics(text: String) {
        if let Err(error) = Filterset::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset()));
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn parsing_any_tokens_never_panics(
        text in r"((test|package|all|platform|group|not|and|or|AND)?[()/\\,=~#&|+!é\[{*-]{0,2} ?){0,8}",
    ) {
        if let Err(error) = Filterset::parse(&text) {
            prop_assert!(text.is_char_boundary(error.offset()));
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn what_is_read_can_be_translated(text in filterset()) {
        if let Ok(filterset) = Filterset::parse(&text) {
            let pattern = filterset.pattern(&FiltersetTerms::default());
            prop_assert!(pattern.is_ok(), "{}: {:?}", text, pattern);
        }
    }

    #[test]
    fn a_name_is_matched_as_nextest_matches_it(
        kind in "[=~#]",
        text in r"[ab*?\[\]{}(<:/-]{1,6}",
        name in r"[ab*?\[\]{}(<:/-]{0,6}",
    ) {
        let filterset = format!("test({kind}{text})");
        if let (Ok(filterset), Some(expected)) =
            (Filterset::parse(&filterset), expected(&kind, &text, &name))
        {
            let pattern = filterset.pattern(&FiltersetTerms::default()).unwrap();
            let matches = |name: &str| pattern.matches(&TestCaseName {
                package: "",
                kind: TargetKind::Test,
                target: "",
                name,
            });
            prop_assert_eq!(matches(&name), expected, "{} {}", pattern, name);
        }
    }

    #[test]
    fn related_packages_are_matched_as_nextest_matches_them(
        kind in "[=~#]",
        text in r"[ab*?\[\]{}(<-]{1,6}",
        name in r"[ab*?\[\]{}(<-]{1,6}",
    ) {
        let filterset = format!("rdeps({kind}{text})");
        if let (Ok(filterset), Some(expected)) =
            (Filterset::parse(&filterset), expected(&kind, &text, &name))
        {
            let mut pattern = filterset.pattern(&FiltersetTerms::default()).unwrap();
            let dependencies = [(name.clone(), [name.clone()].into())];
            pattern.relate(&PackageDependencies(dependencies.into()));
            prop_assert_eq!(pattern.matches_package(&name), Some(expected), "{}", pattern);
        }
    }
}
