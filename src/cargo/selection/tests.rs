use super::*;
use crate::cargo::tests::{package, workspace};

fn sample() -> Workspace {
    let mut workspace = workspace(vec![
        package("app", "1.2.3"),
        package("app-core", "1.2.3-rc.1"),
        package("tool", "0.1.0"),
    ]);
    workspace.default_members = [workspace.packages[0].id.clone()].into();
    workspace
}

fn selected(arguments: &[&str]) -> Vec<String> {
    let packages = sample()
        .selected(&CargoOptions::parse(arguments.iter().copied()))
        .unwrap();
    packages
        .iter()
        .map(|package| package.name.clone())
        .collect()
}

#[test]
fn without_options_it_is_what_cargo_selects_by_itself() {
    assert_eq!(selected(&["--release"]), ["app"]);
}

#[test]
fn specifications_are_names_versions_urls_and_patterns() {
    for specification in [
        "app",
        "app@1",
        "app@1.2",
        "app@1.2.3",
        "app:1.2.3",
        "file:///ws/app",
        "path+file:///ws/app#1.2.3",
        "path+file:///ws/app#app@1.2.3",
        "file:///ws/%61pp/",
    ] {
        assert_eq!(selected(&["-p", specification]), ["app"], "{specification}");
    }
    assert_eq!(selected(&["-p", "app*"]), ["app", "app-core"]);
    assert_eq!(
        selected(&["-p", "app-core@1.2.3-rc.1", "-pt[no]ol"]),
        ["app-core", "tool"]
    );
}

#[test]
fn a_specification_that_matches_no_member_is_an_error() {
    for specification in [
        "ap",
        "app@2",
        "app@1.2.3-rc.1",
        "app-core@1.2.3",
        "tool@0.1.0.0",
        "x*",
        "https://example.com/app#1.2.3",
        "file:///elsewhere/app",
    ] {
        let error = sample()
            .selected(&CargoOptions::parse(["-p", specification]))
            .unwrap_err();
        assert!(error.to_string().contains(specification), "{error}");
    }
}

#[test]
fn the_workspace_is_all_but_what_is_excluded() {
    assert_eq!(selected(&["--workspace"]), ["app", "app-core", "tool"]);
    assert_eq!(selected(&["--workspace", "--exclude", "app*"]), ["tool"]);
    assert_eq!(selected(&["--workspace", "--exclude", "none"]).len(), 3);
    assert!(
        sample()
            .selected(&CargoOptions::parse(["--exclude", "app"]))
            .is_err()
    );
}

fn narrow(arguments: &[&str], matching: &[&str]) -> Result<Narrowed, CargoError> {
    sample().narrow(&CargoOptions::parse(arguments.iter().copied()), |name| {
        if matching.contains(&name) {
            None
        } else {
            Some(false)
        }
    })
}

#[test]
fn patterns_for_some_packages_select_only_those() {
    assert_eq!(
        narrow(
            &["--workspace", "--exclude", "x", "--release"],
            &["tool", "app"]
        )
        .unwrap(),
        Narrowed::To(CargoOptions::parse([
            "--release",
            "-p",
            "path+file:///ws/app#1.2.3",
            "-p",
            "path+file:///ws/tool#0.1.0",
        ]))
    );
}

#[test]
fn patterns_for_every_selected_package_change_nothing() {
    assert_eq!(narrow(&[], &["app"]).unwrap(), Narrowed::Verbatim);
    assert_eq!(
        narrow(&["-p", "app*"], &["app", "app-core", "tool"]).unwrap(),
        Narrowed::Verbatim
    );
}

#[test]
fn named_targets_and_features_keep_the_selection() {
    assert_eq!(
        narrow(&["--workspace", "--test=it"], &["tool"]).unwrap(),
        Narrowed::Verbatim
    );
    assert_eq!(
        narrow(&["--workspace", "-Ff"], &["tool"]).unwrap(),
        Narrowed::Verbatim
    );
}

#[test]
fn patterns_for_packages_outside_the_selection_say_what_to_add() {
    let message = narrow(&[], &["tool"]).unwrap_err().to_string();
    assert!(message.contains("-p tool"), "{message}");
}

#[test]
fn patterns_for_no_package_select_nothing() {
    assert_eq!(narrow(&[], &[]).unwrap(), Narrowed::Nothing);
}

#[test]
fn a_specification_that_may_be_a_dependency_is_left_to_cargo() {
    assert_eq!(
        narrow(&["-p", "serde"], &["app"]).unwrap(),
        Narrowed::Verbatim
    );
}

#[test]
fn a_word_is_known_to_name_a_member_or_not() {
    let named = |text: &str| sample().members_named(text).len();
    assert_eq!(named("tool"), 1);
    assert_eq!(named("app-*"), 1);
    assert_eq!(named("name.equals(x)"), 0);
    assert_eq!(named("[broken"), 0);
}

#[test]
fn percent_signs_that_encode_nothing_stay() {
    let Specification::Exact { directory, .. } =
        Specification::parse_url("file", "/a%20b%/%zz%C3%A4%+1")
    else {
        panic!("a directory is named");
    };
    assert_eq!(directory.as_deref(), Some("/a b%/%zzä%+1"));
}
