use expect_test::{expect, expect_file};
use expectations::greeting;

#[test]
fn one() {
    expect![[""]].assert_eq(&greeting("one"));
}

#[test]
fn two() {
    expect![[r#"
        goodbye
    "#]]
    .assert_eq(&format!("{}\n", greeting("two")));
    expect!["x"].assert_eq(&greeting("three"));
}

#[test]
fn file() {
    expect_file!["expected.txt"].assert_eq(&greeting("file"));
}
