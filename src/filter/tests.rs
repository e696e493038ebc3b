//! Examples of every rule of the language and of every message.

use super::TargetKind::{Benchmark, Binary, Doctest, Example, Library, ProcMacro, Test};
use super::parse::NESTING_LIMIT;
use super::{Pattern, TargetKind, TestCaseName};

const KINDS: [TargetKind; 7] = [
    Library, ProcMacro, Binary, Test, Example, Benchmark, Doctest,
];

fn pattern(text: &str) -> Pattern {
    text.parse()
        .unwrap_or_else(|error| panic!("should be a pattern: {error}"))
}

/// Whether the pattern selects a test case with this name.
fn selects_name(text: &str, name: &str) -> bool {
    pattern(text).matches(&TestCaseName {
        package: "package",
        kind: Library,
        target: "target",
        name,
    })
}

/// The kinds of targets whose tests the pattern selects.
fn kinds(text: &str) -> Vec<TargetKind> {
    let pattern = pattern(text);
    KINDS
        .into_iter()
        .filter(|kind| pattern.matches_binary("package", *kind, "target") == Some(true))
        .collect()
}

/// Checks that two patterns mean the same for names made of `a`, `b` and `c`.
#[track_caller]
fn assert_same(left: &str, right: &str) {
    let (left_pattern, right_pattern) = (pattern(left), pattern(right));
    for name in ["", "a", "b", "c", "ab", "ac", "bc", "abc"] {
        let case = TestCaseName {
            package: "package",
            kind: Test,
            target: "target",
            name,
        };
        assert_eq!(
            left_pattern.matches(&case),
            right_pattern.matches(&case),
            "{left} and {right} differ for {name:?}"
        );
    }
}

/// The same, for operands written `A`, `B` and `C`.
#[track_caller]
fn assert_groups_as(left: &str, right: &str) {
    let spell_out = |text: &str| {
        text.replace('A', "name.contains(a)")
            .replace('B', "name.contains(b)")
            .replace('C', "name.contains(c)")
    };
    assert_same(&spell_out(left), &spell_out(right));
}

fn error(text: &str) -> String {
    text.parse::<Pattern>()
        .expect_err("should not be a pattern")
        .to_string()
}

fn message(text: &str) -> String {
    text.parse::<Pattern>()
        .expect_err("should not be a pattern")
        .message()
}

mod dependencies {
    use super::*;
    use crate::filter::PackageDependencies;

    /// `app` depends on `core`, which depends on `base`; `tool` depends on `base`.
    fn dependencies() -> PackageDependencies {
        let needs = [
            ("app", &["app", "core", "base"][..]),
            ("core", &["core", "base"]),
            ("base", &["base"]),
            ("tool", &["tool", "base"]),
        ];
        let owned = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        PackageDependencies(
            needs
                .map(|(package, needed)| (package.to_owned(), owned(needed)))
                .into(),
        )
    }

    fn packages(text: &str) -> Vec<&'static str> {
        let mut pattern = pattern(text);
        assert!(pattern.needs_dependencies());
        pattern.relate(&dependencies());
        let all = ["app", "core", "base", "tool"];
        all.into_iter()
            .filter(|package| pattern.matches_package(package) == Some(true))
            .collect()
    }

    #[test]
    fn packages_are_selected_with_those_that_depend_on_them() {
        assert_eq!(packages("package.depends_on(core)"), ["app", "core"]);
        assert_eq!(
            packages("package.depends_on(base)"),
            ["app", "core", "base", "tool"]
        );
        assert_eq!(packages("package.depends_on(app)"), ["app"]);
        assert_eq!(packages("package.depends_on(other)"), [""; 0]);
    }

    #[test]
    fn packages_are_selected_with_those_that_they_depend_on() {
        assert_eq!(
            packages("package.is_dependency_of(app)"),
            ["app", "core", "base"]
        );
        assert_eq!(packages("package.is_dependency_of(base)"), ["base"]);
        assert_eq!(
            packages("package.is_dependency_of(tool) && !package.equals(tool)"),
            ["base"]
        );
    }

    #[test]
    fn the_argument_is_a_glob_unless_a_matcher_is_written() {
        assert_eq!(packages("package.depends_on(c*)"), ["app", "core"]);
        assert_eq!(packages("p.d<c*>"), ["app", "core"]);
        assert_eq!(packages("package.depends_on.matches/^c/"), ["app", "core"]);
        assert_eq!(packages("p.i.eq(core)"), ["core", "base"]);
        assert_eq!(packages("package.depends_on.equals(c*)"), [""; 0]);
    }

    #[test]
    fn mistakes_are_explained() {
        assert_eq!(
            message("package.needs(core)"),
            "unknown matcher `needs` (write `equals`, `contains`, `starts_with`, `ends_with`, \
             `matches`, `globs`, `depends_on` or `is_dependency_of`)"
        );
        assert_eq!(
            message("name.depends_on(core)"),
            "unknown matcher `depends_on` (write `equals`, `contains`, `starts_with`, \
             `ends_with`, `matches` or `globs`)"
        );
        assert_eq!(
            message("package.depends_on"),
            "`depends_on` needs an argument, as in `depends_on(…)`, found the end of the pattern"
        );
    }
}

mod selectors {
    use super::*;

    #[test]
    fn constants_select_every_test_or_none() {
        for text in ["all", "any", "true", "all()", "any( )", "true ()"] {
            assert_eq!(kinds(text), KINDS, "{text}");
        }
        for text in ["none", "false", "none()", "false\t(\n)"] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }

    #[test]
    fn a_kind_of_target_is_a_selector_without_a_matcher() {
        for (text, expected) in [
            ("binary", Binary),
            ("test", Test),
            ("example", Example),
            ("benchmark", Benchmark),
            ("benchmark()", Benchmark),
            ("doctest", Doctest),
            ("d()", Doctest),
        ] {
            assert_eq!(kinds(text), [expected], "{text}");
        }
    }

    #[test]
    fn library_includes_procedural_macros() {
        assert_eq!(kinds("library"), [Library, ProcMacro]);
        assert_eq!(kinds("library()"), [Library, ProcMacro]);
    }

    #[test]
    fn a_kind_of_target_with_a_matcher_tests_the_kind_and_the_targets_name() {
        for (text, expected) in [
            ("binary.equals(x)", Binary),
            ("test.equals(x)", Test),
            ("example.equals(x)", Example),
            ("benchmark.equals(x)", Benchmark),
            ("doctest.equals(x)", Doctest),
        ] {
            for kind in KINDS {
                let pattern = pattern(text);
                assert_eq!(
                    pattern.matches_binary("x", kind, "x"),
                    Some(kind == expected),
                    "{text} {kind}"
                );
                assert_eq!(pattern.matches_binary("x", kind, "y"), Some(false));
            }
        }
    }

    #[test]
    fn target_tests_the_targets_name_and_kind_the_kind() {
        for kind in KINDS {
            let matches = |text| pattern(text).matches_binary("p", kind, "x");
            assert_eq!(matches("target.equals(x)"), Some(true));
            assert_eq!(matches("target.equals(y)"), Some(false));
            let name = kind.into_str();
            assert_eq!(matches(&format!("kind.equals({name})")), Some(true));
        }
        assert_eq!(kinds("kind.equals(lib)"), [Library]);
        assert_eq!(kinds("kind.equals(proc-macro)"), [ProcMacro]);
        assert_eq!(kinds("kind.matches/^b/"), [Binary, Benchmark]);
    }

    #[test]
    fn binary_id_tests_the_name_that_nextest_gives_the_binary() {
        let matches = |text, kind| pattern(text).matches_binary("p", kind, "x");
        assert_eq!(matches("binary_id.equals(p)", Library), Some(true));
        assert_eq!(matches("binary_id.equals(p::x)", Test), Some(true));
        assert_eq!(matches("binary_id.globs(p::bin/*)", Binary), Some(true));
        assert_eq!(matches("binary_id.globs(p::bin/*)", Example), Some(false));
    }

    #[test]
    fn selectors_of_nextest_do_not_make_abbreviations_ambiguous() {
        assert_eq!(
            pattern("t.eq(x)").matches_binary("p", Binary, "x"),
            Some(false)
        );
        assert_eq!(
            pattern("bi.eq(x)").matches_binary("p", Binary, "x"),
            Some(true)
        );
        assert!(message("targ.equals(x)").starts_with("unknown selector `targ`"));
    }

    #[test]
    fn package_and_name_test_the_package_and_the_name() {
        let case = TestCaseName {
            package: "p",
            kind: Test,
            target: "t",
            name: "n",
        };
        assert!(pattern("package.equals(p)").matches(&case));
        assert!(!pattern("package.equals(n)").matches(&case));
        assert!(pattern("name.equals(n)").matches(&case));
        assert!(!pattern("name.equals(t)").matches(&case));
    }
}

mod matchers {
    use super::*;

    #[test]
    fn equals_compares_the_whole_string() {
        assert!(selects_name("name.equals(a::b)", "a::b"));
        assert!(!selects_name("name.equals(a::b)", "a::b::c"));
        assert!(!selects_name("name.equals(A)", "a"));
    }

    #[test]
    fn contains_starts_with_and_ends_with_compare_a_part() {
        assert!(selects_name("name.contains(::b::)", "a::b::c"));
        assert!(!selects_name("name.contains(::c::)", "a::b::c"));
        assert!(selects_name("name.starts_with(a::)", "a::b"));
        assert!(!selects_name("name.starts_with(b)", "a::b"));
        assert!(selects_name("name.ends_with(::b)", "a::b"));
        assert!(!selects_name("name.ends_with(a)", "a::b"));
    }

    #[test]
    fn matches_finds_a_regular_expression_anywhere() {
        assert!(selects_name(r"name.matches(b\d+)", "a::b12::c"));
        assert!(!selects_name(r"name.matches(^b\d+)", "a::b12::c"));
        assert!(selects_name("name.matches(^(a|b)$)", "b"));
        assert!(selects_name("name.matches((?i)B)", "b"));
    }

    #[test]
    fn globs_matches_the_whole_string_without_separators() {
        for (glob, name, expected) in [
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a::b/c::d", true),
            ("*", "", true),
            ("**::d", "a::b::d", true),
            ("a?c", "aéc", true),
            ("a?c", "ac", false),
            ("[a-c]x", "bx", true),
            ("[a-c]x", "dx", false),
            ("[!a-c]x", "dx", true),
            ("[^a-c]x", "bx", false),
            ("[]a]", "]", true),
            ("[a-]", "-", true),
            (r"[\]]", "]", true),
            ("[é-ü]", "ö", true),
            ("[&&~~]", "&", true),
            ("{one,t{wo,hree}}_*", "three_x", true),
            ("{one,two}", "three", false),
            ("a,b", "a,b", true),
            ("{a,}b", "b", true),
            (r"\*\\", r"*\", true),
            (r"\*", "a", false),
            ("a.c", "abc", false),
            ("a*c", "a\nc", true),
        ] {
            let text = format!("name.globs({glob})");
            assert_eq!(selects_name(&text, name), expected, "{glob} {name:?}");
        }
    }
}

mod arguments {
    use super::*;

    #[test]
    fn an_argument_has_any_pair_of_delimiters() {
        for text in [
            "name.equals(a)",
            "name.equals[a]",
            "name.equals{a}",
            "name.equals<a>",
            "name.equals/a/",
        ] {
            assert!(selects_name(text, "a"), "{text}");
            assert!(!selects_name(text, "b"), "{text}");
        }
    }

    #[test]
    fn an_argument_is_verbatim() {
        assert!(selects_name("name.equals(foo::bar baz)", "foo::bar baz"));
        assert!(selects_name("name.equals( a )", " a "));
        assert!(!selects_name("name.equals( a )", "a"));
        assert!(selects_name("name.equals()", ""));
        assert!(selects_name("name.equals//", ""));
        assert!(selects_name(r"name.equals(\)", r"\"));
        assert!(selects_name("name.equals(a || b)", "a || b"));
        assert!(selects_name("name.equals(é)", "é"));
    }

    #[test]
    fn delimiters_within_an_argument_balance() {
        assert!(selects_name("name.equals(a(b)(c(d)))", "a(b)(c(d))"));
        assert!(selects_name("name.equals<Vec<Vec<u8>>>", "Vec<Vec<u8>>"));
        assert!(selects_name("name.equals[[u8; 2]]", "[u8; 2]"));
        assert!(selects_name("name.equals{{}}", "{}"));
    }

    #[test]
    fn only_the_delimiters_of_the_argument_must_balance() {
        assert!(selects_name("name.equals([{<)", "[{<"));
        assert!(selects_name("name.equals[)(]", ")("));
        assert!(selects_name("name.equals/(/", "("));
    }

    #[test]
    fn an_argument_between_slashes_ends_at_the_next_slash() {
        assert_same("name.equals/a/ or name.equals/b/", "name.matches/^(a|b)$/");
    }
}

mod operators {
    use super::*;

    #[test]
    fn every_spelling_of_an_operator_means_the_same() {
        for (spellings, expected) in [
            (["A || B", "A | B", "A or B"], "(A) || (B)"),
            (["A && B", "A & B", "A and B"], "(A) && (B)"),
            ([r"A \ B", "A - B", "A minus B"], "(A) && (!B)"),
            (["!A", "~A", "not A"], "! (A)"),
        ] {
            for spelling in spellings {
                assert_groups_as(spelling, expected);
            }
        }
    }

    #[test]
    fn or_has_lower_precedence_than_and_and_minus() {
        assert_groups_as("A || B && C", "A || (B && C)");
        assert_groups_as("A && B || C", "(A && B) || C");
        assert_groups_as("A || B - C", "A || (B - C)");
        assert_groups_as("A - B || C", "(A - B) || C");
    }

    #[test]
    fn and_and_minus_have_the_same_precedence_and_group_from_left_to_right() {
        assert_groups_as("A - B - C", "(A - B) - C");
        assert_groups_as("A - B && C", "(A - B) && C");
        assert_groups_as("A && B - C", "(A && B) - C");
        assert_groups_as("A minus B or C", "(A minus B) or C");
    }

    #[test]
    fn not_binds_tightest() {
        assert_groups_as("!A && B", "(!A) && B");
        assert_groups_as("!A || B", "(!A) || B");
        assert_groups_as("!A - B", "(!A) - B");
        assert_groups_as("A - !B", "A - (!B)");
        assert_groups_as("A and not B", "A && (!B)");
    }

    #[test]
    fn two_nots_cancel_each_other() {
        assert_groups_as("!!A", "A");
        assert_groups_as("not ~ !A", "!A");
        assert_groups_as("!(!A)", "A");
    }

    #[test]
    fn parentheses_group() {
        assert_groups_as("((A || B)) && C", "A && C || B && C");
        assert_groups_as("A - (B - C)", "A && !(B && !C)");
        assert_groups_as("!(A || B)", "!A && !B");
    }

    #[test]
    fn white_space_between_tokens_is_ignored() {
        assert_same(
            "\n name\t. contains (a)||name . con/b/\u{3000}",
            "name.contains(a) || name.contains(b)",
        );
    }

    #[test]
    fn word_operators_end_where_their_letters_end() {
        assert_same("not(all)", "none");
        assert_same("all and(none)or(all)", "all");
        assert_same("name.equals(a)or name.equals(b)", "name.matches/^[ab]$/");
        assert_same("(all)minus(all)", "none");
    }

    #[test]
    fn a_hyphen_is_never_part_of_a_word() {
        let others = [Binary, Test, Example, Benchmark, Doctest];
        assert_eq!(kinds("all-library"), others);
        assert!(selects_name("name.equals(a-b)", "a-b"));
    }

    #[test]
    fn long_chains_and_many_nots_do_not_nest() {
        assert_same(&format!("none{}", " || none".repeat(50_000)), "none");
        assert_same(&format!("all{}", " - none".repeat(50_000)), "all");
        assert_same(&format!("{}all", "!".repeat(50_001)), "none");
    }
}

mod abbreviations {
    use super::*;

    #[test]
    fn before_a_dot_words_abbreviate_compound_selectors() {
        for (short, long) in [
            ("n.eq(a)", "name.equals(a)"),
            ("n.st(a)", "name.starts_with(a)"),
            ("nam.c(a)", "name.contains(a)"),
        ] {
            assert_same(short, long);
        }
        let test_target = pattern("t.eq(x)");
        assert_eq!(test_target.matches_binary("p", Test, "x"), Some(true));
        assert_eq!(pattern("p.eq(x)").matches_package("x"), Some(true));
        assert_eq!(
            pattern("be.m(x)").matches_binary("p", Benchmark, "x"),
            Some(true)
        );
    }

    #[test]
    fn words_without_a_dot_abbreviate_simple_selectors() {
        assert_eq!(kinds("n"), []);
        assert_eq!(kinds("no"), []);
        assert_eq!(kinds("f"), []);
        assert_eq!(kinds("al"), KINDS);
        assert_eq!(kinds("an"), KINDS);
        assert_eq!(kinds("tr"), KINDS);
        assert_eq!(kinds("l"), [Library, ProcMacro]);
        assert_eq!(kinds("bi()"), [Binary]);
        assert_eq!(kinds("te"), [Test]);
        assert_eq!(kinds("e"), [Example]);
        assert_eq!(kinds("ben"), [Benchmark]);
    }

    #[test]
    fn an_unambiguous_prefix_abbreviates_a_matcher() {
        for (short, long) in [
            ("eq", "equals"),
            ("c", "contains"),
            ("s", "starts_with"),
            ("starts_", "starts_with"),
            ("en", "ends_with"),
            ("m", "matches"),
            ("g", "globs"),
        ] {
            assert_same(&format!("name.{short}(b)"), &format!("name.{long}(b)"));
        }
    }

    #[test]
    fn an_ambiguous_word_is_an_error_with_the_possible_words() {
        insta::assert_snapshot!(error("b.equals(x)"), @"
        ambiguous selector `b` (it could be `binary` or `benchmark`)
          b.equals(x)
          ^
        ");
        insta::assert_snapshot!(error("all && t"), @"
        ambiguous selector `t` (it could be `true` or `test`)
          all && t
                 ^
        ");
        insta::assert_snapshot!(error("a"), @"
        ambiguous selector `a` (it could be `all` or `any`)
          a
          ^
        ");
        insta::assert_snapshot!(error("name.e(x)"), @"
        ambiguous matcher `e` (it could be `equals` or `ends_with`)
          name.e(x)
               ^
        ");
    }

    #[test]
    fn an_unknown_word_is_an_error_with_the_known_words() {
        insta::assert_snapshot!(error("all && parser"), @r"
        unknown selector `parser` (write `all`, `any`, `true`, `none`, `false`, `library`, `binary`, `test`, `example`, `benchmark` or `doctest`; or `name`, `package`, `binary`, `test`, `example`, `benchmark`, `doctest`, `kind`, `target` or `binary_id` with a matcher, as in `name.contains(parser)`)
          all && parser
                 ^
        ");
        insta::assert_snapshot!(error("!mode.equals(x)"), @"
        unknown selector `mode` (before a `.` write `name`, `package`, `binary`, `test`, `example`, `benchmark`, `doctest`, `kind`, `target` or `binary_id`)
          !mode.equals(x)
           ^
        ");
        insta::assert_snapshot!(error("name.is(x)"), @"
        unknown matcher `is` (write `equals`, `contains`, `starts_with`, `ends_with`, `matches` or `globs`)
          name.is(x)
               ^
        ");
    }

    #[test]
    fn selectors_are_lower_case_and_whole_words() {
        assert!(message("Library").starts_with("unknown selector `Library`"));
        assert!(message("notall").starts_with("unknown selector `notall`"));
        assert!(message("library2").starts_with("unknown selector `library2`"));
        assert!(message("names.equals(x)").starts_with("unknown selector `names`"));
    }

    #[test]
    fn operators_have_no_abbreviations() {
        insta::assert_snapshot!(error("all an library"), @"
        expected an operator, such as `&&`, `||` or `-`, found `an`
          all an library
              ^
        ");
        assert!(message("no all").starts_with("expected an operator"));
    }
}

mod errors {
    use super::*;

    #[test]
    fn an_empty_pattern_is_an_error_with_a_remedy() {
        insta::assert_snapshot!(error(""), @"the pattern is empty (write `all` to select every test)");
        assert_eq!(error(" \t\n"), error(""));
    }

    #[test]
    fn a_missing_selector_is_pointed_at() {
        insta::assert_snapshot!(error("all && "), @"
        expected a selector, found the end of the pattern
          all &&
                ^
        ");
        insta::assert_snapshot!(error("all || && library"), @"
        expected a selector, found `&&`
          all || && library
                 ^
        ");
        insta::assert_snapshot!(error("all and or library"), @"
        expected a selector, found `or`
          all and or library
                  ^
        ");
        insta::assert_snapshot!(error("()"), @"
        expected a selector, found `)`
          ()
           ^
        ");
        insta::assert_snapshot!(message("@"), @"expected a selector, found `@`");
        insta::assert_snapshot!(message("not"), @"expected a selector, found the end of the pattern");
        insta::assert_snapshot!(message("|||"), @"expected a selector, found `||`");
        insta::assert_snapshot!(message("minus.equals(x)"), @"expected a selector, found `minus`");
    }

    #[test]
    fn a_missing_operator_is_pointed_at() {
        insta::assert_snapshot!(error("library package.equals(x)"), @"
        expected an operator, such as `&&`, `||` or `-`, found `package`
          library package.equals(x)
                  ^
        ");
        insta::assert_snapshot!(error("library not package.equals(x)"), @"
        expected an operator, such as `&&`, `||` or `-`, found `not` (write `and not`)
          library not package.equals(x)
                  ^
        ");
        insta::assert_snapshot!(error("(library [x])"), @"
        expected an operator, such as `&&`, `||` or `-`, found `[`
          (library [x])
                   ^
        ");
        assert!(message("all()()").ends_with("found `(`"));
    }

    #[test]
    fn unbalanced_parentheses_are_pointed_at() {
        insta::assert_snapshot!(error("all && (library || (test)"), @"
        this `(` is never closed
          all && (library || (test)
                 ^
        ");
        insta::assert_snapshot!(error("library) && all"), @"
        this `)` closes no `(`
          library) && all
                 ^
        ");
    }

    #[test]
    fn a_compound_selector_alone_needs_a_matcher() {
        insta::assert_snapshot!(error("package(foo)"), @"
        `package` needs a matcher, as in `package.contains(…)`
          package(foo)
          ^
        ");
        insta::assert_snapshot!(message("nam && all"), @"`name` needs a matcher, as in `name.contains(…)`");
    }

    #[test]
    fn a_simple_selector_takes_no_matcher() {
        insta::assert_snapshot!(error("all && lib.equals(x)"), @r"
        `library` takes no matcher (only `name`, `package`, `binary`, `test`, `example`, `benchmark`, `doctest`, `kind`, `target` or `binary_id` do)
          all && lib.equals(x)
                 ^
        ");
    }

    #[test]
    fn a_simple_selector_takes_no_argument() {
        insta::assert_snapshot!(error("test(parse)"), @"
        `test` takes no argument (to select by the target's name write `test.equals(parse)`, by the name of the test case `name.contains(parse)`)
          test(parse)
              ^
        ");
        insta::assert_snapshot!(message("bin(x)"), @"`binary` takes no argument (to select by the target's name write `binary.equals(x)`)");
        insta::assert_snapshot!(message("all(x)"), @"`all` takes no argument");
    }

    #[test]
    fn a_missing_matcher_is_pointed_at() {
        insta::assert_snapshot!(error("name.(x)"), @"
        expected a matcher, found `(` (write `equals`, `contains`, `starts_with`, `ends_with`, `matches` or `globs`)
          name.(x)
               ^
        ");
        assert!(message("name.").starts_with("expected a matcher, found the end of the pattern"));
    }

    #[test]
    fn a_missing_argument_is_pointed_at() {
        insta::assert_snapshot!(error("name.eq && all"), @"
        `equals` needs an argument, as in `equals(…)`, found `&&`
          name.eq && all
                  ^
        ");
        insta::assert_snapshot!(error("name.starts-with(x)"), @"
        `starts_with` needs an argument, as in `starts_with(…)`, found `-`
          name.starts-with(x)
                     ^
        ");
    }

    #[test]
    fn an_argument_that_is_never_closed_is_pointed_at() {
        insta::assert_snapshot!(error(r"name.matches(\() && all"), @r"
        the argument is never closed: this `(` has no `)` (delimiters within an argument must balance; if they do not, use `/…/`)
          name.matches(\() && all
                      ^
        ");
        insta::assert_snapshot!(message("name.equals/x"), @"the argument is never closed: this `/` has no `/`");
    }

    #[test]
    fn a_bad_regular_expression_is_pointed_into() {
        insta::assert_snapshot!(error("all && name.matches[a(b]"), @"
        bad regular expression: unclosed group
          all && name.matches[a(b]
                               ^
        ");
        insta::assert_snapshot!(error(r"name.matches(é\p{Nonsense})"), @r"
        bad regular expression: Unicode property not found
          name.matches(é\p{Nonsense})
                        ^
        ");
        insta::assert_snapshot!(error(r"name.matches/\w{1000}{1000}/"), @r"
        bad regular expression: compiled regex exceeds size limit of 10485760 bytes
          name.matches/\w{1000}{1000}/
                       ^
        ");
    }

    #[test]
    fn a_bad_glob_is_pointed_into() {
        for (glob, message, caret) in [
            ("a[b", r"this `[` is never closed (write `\[`)", " ^"),
            ("a[]", r"this `[` is never closed (write `\[`)", " ^"),
            ("a[x-", r"this `[` is never closed (write `\[`)", " ^"),
            ("[z-a]", "the range ends before it starts", " ^"),
            ("a{b{c}", r"this `{` is never closed (write `\{`)", " ^"),
            ("a}", r"no `{` before this `}` (write `\}`)", " ^"),
            (r"ab\", r"nothing follows this `\` (write `\\`)", "  ^"),
        ] {
            assert_eq!(
                error(&format!("name.globs({glob})")),
                format!("bad glob: {message}\n  name.globs({glob})\n             {caret}")
            );
        }
        let deep = format!("name.globs/{}{}/", "{".repeat(1000), "}".repeat(1000));
        insta::assert_snapshot!(message(&deep), @"bad glob: it is too long or its braces are nested too deeply");
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| format!("{}all{}", "(".repeat(depth), ")".repeat(depth));
        assert_same(&nested(NESTING_LIMIT), "all");
        insta::assert_snapshot!(message(&nested(NESTING_LIMIT + 1)), @"the pattern nests parentheses more than 100 deep");
        insta::assert_snapshot!(message(&"!(".repeat(1_000_000)), @"the pattern nests parentheses more than 100 deep");
    }

    #[test]
    fn parentheses_side_by_side_do_not_nest() {
        assert_same(&format!("(all){}", " && (all)".repeat(1000)), "all");
    }

    #[test]
    fn the_caret_is_below_the_column_despite_tabs_and_wide_characters() {
        insta::assert_snapshot!(error("\tall\t&& @"), @"
        expected a selector, found `@`
          	all	&& @
          	   	   ^
        ");
        insta::assert_snapshot!(error("name.equals(é) && @"), @"
        expected a selector, found `@`
          name.equals(é) && @
                            ^
        ");
        insta::assert_snapshot!(error("name.equals(試験) && @"), @"
        expected a selector, found `@`
          name.equals(試験) && @
                               ^
        ");
        insta::assert_snapshot!(error("name.equals(e\u{301}) && @"), @"
        expected a selector, found `@`
          name.equals(e\u{301}) && @
                            ^
        ");
    }

    #[test]
    fn only_the_line_with_the_error_is_shown() {
        insta::assert_snapshot!(error("all &&\n  (library || @)\n  && test"), @"
        expected a selector, found `@`
            (library || @)
                        ^
        ");
        insta::assert_snapshot!(error("all &&\r\n"), @"
        expected a selector, found the end of the pattern
          all &&
                ^
        ");
    }

    #[test]
    fn control_characters_are_replaced() {
        insta::assert_snapshot!(error("all \u{1b}[31m"), @"
        expected an operator, such as `&&`, `||` or `-`, found `�`
          all �[31m
              ^
        ");
    }

    #[test]
    fn the_offset_is_in_bytes_of_the_text_as_given() {
        let error = "  name.equals(é) @".parse::<Pattern>().unwrap_err();
        assert_eq!(error.offset(), 18);
    }
}

mod partial_evaluation {
    use super::*;

    #[test]
    fn a_pattern_decides_about_a_package_if_targets_and_names_do_not_matter() {
        for (text, expected) in [
            ("all", Some(true)),
            ("none", Some(false)),
            ("package.equals(p)", Some(true)),
            ("package.equals(q)", Some(false)),
            ("!package.equals(q)", Some(true)),
            ("library", None),
            ("name.equals(x)", None),
            ("binary.equals(x)", None),
            ("package.equals(q) && name.equals(x)", Some(false)),
            ("name.equals(x) && package.equals(q)", Some(false)),
            ("package.equals(p) && name.equals(x)", None),
            ("package.equals(p) || name.equals(x)", Some(true)),
            ("package.equals(q) || name.equals(x)", None),
            ("name.equals(x) - package.equals(p)", Some(false)),
            ("package.equals(p) - name.equals(x)", None),
            ("!(package.equals(q) && library)", Some(true)),
            ("!name.equals(x)", None),
        ] {
            assert_eq!(pattern(text).matches_package("p"), expected, "{text}");
        }
    }

    #[test]
    fn a_pattern_decides_about_a_binary_if_names_do_not_matter() {
        for (text, expected) in [
            ("library", Some(false)),
            ("test", Some(true)),
            ("test.equals(t)", Some(true)),
            ("test.equals(u)", Some(false)),
            ("name.equals(x)", None),
            ("test && name.equals(x)", None),
            ("test || name.equals(x)", Some(true)),
            ("library && name.equals(x)", Some(false)),
            ("package.equals(p) && test", Some(true)),
            ("package.equals(q) || !test", Some(false)),
        ] {
            assert_eq!(
                pattern(text).matches_binary("p", Test, "t"),
                expected,
                "{text}"
            );
        }
    }
}

#[test]
fn the_display_of_a_pattern_is_its_text() {
    let text = " n.eq( x )  or\tlib ";
    assert_eq!(pattern(text).to_string(), text);
}

#[test]
fn a_pattern_can_be_shared_by_threads() {
    fn is_shareable<T: Send + Sync + Clone + 'static>() {}
    is_shareable::<Pattern>();
}

#[test]
fn every_example_of_the_chapter_on_patterns_is_a_pattern() {
    let chapter = include_str!("../../docs/src/patterns.md");
    let mut examples = 0;
    for block in chapter.split("```pattern\n").skip(1) {
        for line in block.lines().take_while(|line| *line != "```") {
            pattern(line);
            examples += 1;
        }
    }
    assert!(examples > 0);
}
