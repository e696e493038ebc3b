use super::*;
use proptest::prelude::*;

/// As Rust 1.95 writes it, without what is of no interest here.
const SOURCE: &str = r#"#![feature(test)]
extern crate test;
extern crate doctest_bundle_2024 as doctest_bundle;

mod __doctest_0 {
pub const TEST: test::TestDescAndFn = test::TestDescAndFn::new_doctest(
"src/a\"b.rs - f (line 1)", false, "src/a\"b.rs", 1, false, false,
test::StaticTestFn(
    || {
if let Some(bin_path) = crate::__doctest_mod::doctest_path() {
    test::assert_test_result(crate::__doctest_mod::doctest_runner(bin_path, 0))
} else {
    test::assert_test_result(doctest_bundle::__doctest_0::__main_fn())
}
},
));
}

mod __doctest_1 {
pub const TEST: test::TestDescAndFn = test::TestDescAndFn::new_doctest(
"src/\u{200b}.rs - f (line 13)", true, "src/\u{200b}.rs", 13, false, false,
test::StaticTestFn(
    || {test::assert_test_result(Ok::<(), String>(()))},
));
}

mod __doctest_2 {
pub const TEST: test::TestDescAndFn = test::TestDescAndFn::new_doctest(
"a.rs - f (line 5)", false, "a.rs", 5, false, true,
test::StaticTestFn(
    || {
if let Some(bin_path) = crate::__doctest_mod::doctest_path() {
    test::assert_test_result(crate::__doctest_mod::doctest_runner(bin_path, 2))
} else {
    test::assert_test_result(doctest_bundle::__doctest_2::__main_fn())
}
},
));
}

mod __doctest_3 {
pub const TEST: test::TestDescAndFn = test::TestDescAndFn::new_doctest(
"a.rs - f (line 9)", false, "a.rs", 9, true, false,
test::StaticTestFn(
    || {test::assert_test_result(Ok::<(), String>(()))},
));
}


mod __doctest_mod {
    pub const RUN_OPTION: &str = "RUSTDOC_DOCTEST_RUN_NB_TEST";
}

#[rustc_main]
fn main() -> std::process::ExitCode {
let tests = {
    let mut tests = Vec::with_capacity(4);
    tests.push(__doctest_0::TEST);
    tests
};
}"#;

#[test]
fn the_source_names_the_tests() {
    let tests = parse(SOURCE).unwrap();
    let seen: Vec<_> = tests
        .iter()
        .map(|test| {
            (
                test.name.as_str(),
                test.ignored,
                test.runs,
                test.should_panic,
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            ("src/a\"b.rs - f (line 1)", false, true, false),
            ("src/\u{200b}.rs - f (line 13)", true, false, false),
            ("a.rs - f (line 5)", false, true, true),
            ("a.rs - f (line 9)", false, false, false),
        ]
    );
    assert_eq!(tests[3].number, 3);
}

#[test]
fn another_form_is_refused() {
    for (from, to) in [
        ("with_capacity(4)", "with_capacity(5)"),
        ("RUSTDOC_DOCTEST_RUN_NB_TEST", "RUSTDOC_RUN_TEST"),
        ("new_doctest(", "new_doc_test("),
        ("\nmod __doctest_1 {", "\nmod __doctest_7 {"),
        // A test that is run in another way, with a meaning that is not known.
        (
            "doctest_runner(bin_path, 2)",
            "doctest_runner(bin_path, 2, true)",
        ),
        (
            "doctest_bundle::__doctest_0::__main_fn()",
            "doctest_bundle::__doctest_0::run()",
        ),
        ("\nmod __doctest_mod {", "\nmod __doctest_module {"),
        (", 9, true, false,", ", 9, Some(true), false,"),
    ] {
        assert!(SOURCE.contains(from));
        assert_eq!(parse(&SOURCE.replace(from, to)), None, "{from}");
    }
}

proptest! {
    #[test]
    fn any_name_is_read_back(name: String) {
        prop_assert_eq!(unescape(&format!("{name:?}")), Some(name));
    }

    #[test]
    fn any_text_is_tests_or_none(start in 0..SOURCE.len(), length in 0..SOURCE.len()) {
        let cut = |index: usize| SOURCE.get(..index.min(SOURCE.len())).unwrap_or_default();
        let _ = parse(&format!("{}{}", cut(start), &SOURCE[cut(start + length).len()..]));
        let _ = unescape(cut(start));
    }
}
