use super::*;
use crate::directive::{Directives, TestSpec};
use crate::filter::TargetKind;
use crate::needs::{TOOLCHAIN, escape_glob};
use crate::spec::{LayerSpec, Placeholder, environment, substitute};
use camino::Utf8Path;

pub(super) fn places() -> Places {
    Places {
        workspace: "/w".into(),
        target: "/w/target".into(),
        search_path: ["/opt/bin", "/opt/$env{a}", "/usr/bin"]
            .map(Into::into)
            .into(),
    }
}

pub(super) fn test<'a>(
    (package, kind, target): (&'a str, TargetKind, &'a str),
    name: &'a str,
    needs: &[Need],
) -> SuiteTest<'a> {
    let name = TestCaseName {
        package,
        kind,
        target,
        name,
    };
    let spec = Directives::built_in().resolve(&name);
    let needs = Needs(needs.iter().cloned().collect());
    SuiteTest::lacking(name, &needs, &spec, &places())
}

pub(super) fn suite(tests: Vec<SuiteTest<'_>>) -> Suite<'_> {
    Suite {
        tests,
        every_package: true,
        every_target: true,
        every_path: true,
    }
}

pub(super) fn program(name: &str) -> Need {
    Need::Program(name.to_owned())
}

/// Whether a specification has everything that a test needs.
pub(super) fn has(spec: &TestSpec, needs: &Needs) -> bool {
    let filled = |text: &str| {
        let place = |placeholder| match placeholder {
            Placeholder::WorkspaceDir => "/w",
            Placeholder::TargetDir => "/w/target",
            other => panic!("{other}"),
        };
        substitute(text, place).unwrap()
    };
    let layers = &spec.container.layers;
    let has_program = |wanted: &str| {
        layers.iter().any(|layer| {
            matches!(layer, LayerSpec::Programs { programs }
                if programs.iter().any(|program| Utf8Path::new(&filled(program)) == wanted))
        })
    };
    needs.0.iter().all(|need| match need {
        Need::Toolchain => has_program(TOOLCHAIN),
        Need::Program(program) => has_program(program),
        Need::File(path) => layers.iter().any(|layer| {
            matches!(layer, LayerSpec::Paths { paths, prefix } if prefix.follow_symlinks
                && paths.iter().any(|one| filled(one.as_str()) == path.as_str()))
        }),
        Need::Directory(path) => layers.iter().any(|layer| {
            matches!(layer, LayerSpec::Glob { glob, .. }
                if filled(glob) == format!("{}/**", escape_glob(path.as_str())))
        }),
        Need::GitIdentity(file) => layers.iter().any(|layer| {
            matches!(layer, LayerSpec::Files { files }
                if files.keys().any(|path| filled(path.as_str()) == file.as_str()))
        }),
        Need::Variable(name) => spec.pass_environment.contains(&escape_glob(name)),
    })
}

/// The value of `PATH`.
fn path_of(spec: &TestSpec) -> String {
    let steps = &spec.container.environment;
    let client = |_: &str| Some("client".to_owned());
    let variables = environment::expand(steps, BTreeMap::new(), &client).unwrap();
    variables.get("PATH").cloned().unwrap_or_default()
}

pub(super) fn assert_needs_are_met(text: &str, suite: &Suite<'_>) {
    let directives = Directives::parse("file", text).unwrap_or_else(|e| panic!("{e}\n{text}"));
    for test in &suite.tests {
        let spec = directives.resolve(&test.name);
        assert!(has(&spec, &test.needs), "{test:?}\n{text}");
        let path = path_of(&spec);
        let mut directories = test.search_path.iter();
        assert!(
            directories.all(|directory| path.split(':').any(|one| one == directory)),
            "{text}"
        );
    }
}

/// The file that is made for a suite, without its comments.
fn learned(suite: &Suite<'_>) -> String {
    let text = merge(None, &learn(suite, &places())).unwrap();
    assert_needs_are_met(&text, suite);
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

const LIB: (&str, TargetKind, &str) = ("app", TargetKind::Library, "app");
const CLI: (&str, TargetKind, &str) = ("app", TargetKind::Test, "cli");
const OTHER: (&str, TargetKind, &str) = ("other", TargetKind::Library, "other");

#[test]
fn what_all_packages_need_has_no_filter() {
    let git = [program("git")];
    let all = suite(vec![
        test(LIB, "a", &git),
        test(CLI, "b", &git),
        test(OTHER, "c", &git),
    ]);
    let expected = "[[directives]]\nadded_layers = [{ programs = [\"git\"] }]\n";
    assert_eq!(learned(&all), expected);
    let some = Suite {
        every_package: false,
        ..all
    };
    assert!(
        learned(&some).contains("filter = \"package.equals(app) || package.equals(other)\"\n"),
        "{}",
        learned(&some)
    );
}

#[test]
fn a_filter_names_a_package_a_target_a_module_or_few_tests() {
    let git = [program("git")];
    let filter_of = |needing: &[&str]| {
        let names = ["git::a", "git::b", "hg::a", "hg::b", "x", "y", "z"];
        let needs = |name: &&str| needing.contains(name);
        let mut tests: Vec<_> = names
            .iter()
            .map(|name| test(LIB, name, if needs(name) { &git } else { &[] }))
            .collect();
        tests.push(test(
            CLI,
            "c",
            if needing.contains(&"c") { &git } else { &[] },
        ));
        tests.push(test(OTHER, "x", &[]));
        let text = learned(&suite(tests));
        text.lines().nth(1).unwrap().to_owned()
    };
    for (needing, filter) in [
        (&["git::a", "git::b"][..], "name.starts_with(git::)"),
        (&["git::a", "y"], "name.equals(git::a) || name.equals(y)"),
        (&["y"], "name.equals(y)"),
        // The other package has a test of this name too.
        (&["x"], "package.equals(app) && name.equals(x)"),
        (&["c"], "test.equals(cli)"),
        (
            &["git::a", "git::b", "hg::a", "x"],
            "package.equals(app) && library",
        ),
        (&["git::a", "c"], "package.equals(app)"),
    ] {
        assert_eq!(filter_of(needing), format!("filter = \"{filter}\""));
    }
}

#[test]
fn a_toolchain_is_for_targets_instead_of_the_package_if_that_costs_no_directive() {
    let build: (&str, TargetKind, &str) = ("app", TargetKind::Test, "build");
    let plain = test(LIB, "plain", &[]);
    let cargo = [Need::Toolchain];
    let alone = suite(vec![
        test(CLI, "a", &cargo),
        test(build, "b", &cargo),
        plain.clone(),
    ]);
    assert_eq!(
        learned(&alone),
        "[[directives]]\nfilter = \"test.equals(build) || test.equals(cli)\"\n\
         added_layers = [{ programs = [\"cargo\"] }]\n"
    );
    let both = [Need::Toolchain, program("git")];
    let shared = suite(vec![test(CLI, "a", &both), test(build, "b", &both), plain]);
    assert_eq!(
        learned(&shared),
        "[[directives]]\nadded_layers = [{ programs = [\"cargo\", \"git\"] }]\n"
    );
}

#[test]
fn every_kind_of_need_has_its_field() {
    let needs = [
        program("git"),
        program("/opt/a<b"),
        Need::File("/etc/some thing".into()),
        Need::File("/w/target/data".into()),
        Need::Directory("/w/big[1]".into()),
        Need::Directory("/usr/share/x".into()),
        Need::Variable("TOKEN".to_owned()),
        Need::GitIdentity("/etc/gitconfig".into()),
    ];
    assert_eq!(
        learned(&suite(vec![test(LIB, "a", &needs)])),
        r#"[[directives]]
added_layers = [
    { programs = ["/opt/a<<b", "git"] },
    { paths = ["/etc/some thing", "<target-dir>/data"], follow_symlinks = true },
    { glob = "/usr/share/x/**" },
    { glob = "<workspace-dir>/big[[]1[]]/**" },
    { files = { "/etc/gitconfig" = "[user]\n\tname = Test\n\temail = test@example.org\n" } },
]
pass_environment = ["TOKEN"]
"#
    );
}

/// The text of a file with `git` for the tests of the package `app`, and `other` for all.
fn merged(old: &str) -> String {
    let tests = vec![
        test(LIB, "a", &[program("git"), program("perl")]),
        test(OTHER, "b", &[]),
    ];
    let suite = suite(tests);
    let learned = learn(&suite, &places());
    let text = merge(Some(old), &learned).unwrap();
    assert_needs_are_met(&text, &suite);
    assert_eq!(merge(Some(&text), &learned).unwrap(), text, "a second time");
    text
}

const APPENDED: &str = "\n# Learned by cargo maelstrom --learn: what these tests need of the machine.\n\
    [[directives]]\nfilter = \"package.equals(app)\"\nadded_layers = [{ programs = [\"git\", \"perl\"] }]\n";

#[test]
fn a_directive_is_added_at_the_end_and_all_else_is_kept() {
    for old in [
        "# mine\n[[directives]]\n  timeout   = 3 # s\n\n[containers.a]\nlayers = []\n",
        "[containers]\n# nothing\n",
        // The filter must be the same.
        "[[directives]]\nfilter = \"package.eq(app)\"\nadded_layers = []\n",
        // What an earlier directive adds is replaced.
        "[[directives]]\nfilter = \"package.equals(app)\"\nadded_layers = []\n[[directives]]\nlayers = []\n",
        "[[directives]]\nfilter = \"package.equals(app)\"\nlayers = []\n",
        "[[directives]]\nfilter = \"package.equals(app)\"\n[[directives]]\nparent = \"empty\"\n",
    ] {
        assert_eq!(merged(old), format!("{old}{APPENDED}"));
    }
    assert_eq!(merged("[containers]"), format!("[containers]\n{APPENDED}"));
    let windows = "\u{feff}[[directives]]\r\ntimeout = 3\r\n";
    assert_eq!(
        merged(windows),
        format!("{windows}{}", APPENDED.replace('\n', "\r\n"))
    );
}

#[test]
fn a_directive_with_the_same_filter_is_extended() {
    for (old, new) in [
        ("", "\nadded_layers = [{ programs = [\"git\", \"perl\"] }]"),
        (
            "\nslots = 2 # x",
            "\nadded_layers = [{ programs = [\"git\", \"perl\"] }]\nslots = 2 # x",
        ),
        (
            "\nadded_layers = [ { programs = [\"git\"] } ] # x",
            "\nadded_layers = [ { programs = [\"git\", \"perl\"] } ] # x",
        ),
        (
            "\nadded_layers = [{ stubs = [\"/a\"] }] # x",
            "\nadded_layers = [\n    { stubs = [\"/a\"] },\n    { programs = [\"git\", \"perl\"] },\n] # x",
        ),
        (
            "\nadded_layers = [\n  { stubs = [\"/a\"] } # a, b\n  # end\n]",
            "\nadded_layers = [\n  { stubs = [\"/a\"] }, # a, b\n  { programs = [\"git\", \"perl\"] },\n  # end\n]",
        ),
        (
            "\nadded_layers = [\n  { stubs = [\"/a\"] }, # a\n]",
            "\nadded_layers = [\n  { stubs = [\"/a\"] }, # a\n  { programs = [\"git\", \"perl\"] },\n]",
        ),
        (
            "\nadded_layers = [\n  { programs = [\n    \"sh\", # a shell\n  ] },\n]",
            "\nadded_layers = [\n  { programs = [\n    \"sh\", # a shell\n    \"git\",\n    \"perl\",\n  ] },\n]",
        ),
        (
            "\nadded_layers = []",
            "\nadded_layers = [\n    { programs = [\"git\", \"perl\"] },\n]",
        ),
    ] {
        let before = "# mine\n[[directives]]\nfilter = 'package.equals(app)' # y";
        let after = "\n\n[[directives]]\n# more\ntimeout = 3\n";
        assert_eq!(
            merged(&format!("{before}{old}{after}")),
            format!("{before}{new}{after}")
        );
    }
}

#[test]
fn what_is_there_already_changes_nothing() {
    let old = "[[directives]]\nadded_layers = [{ programs = [\"git\", \"perl\"] }]\n\
        filter = \"package.equals(app)\"\n";
    assert_eq!(merged(old), old);
    let nothing = learn(&suite(vec![test(LIB, "a", &[])]), &places());
    assert_eq!(merge(Some("x"), &nothing).unwrap(), "x");
}

#[test]
fn an_array_of_inline_directives_gets_another_element() {
    assert_eq!(
        merged("directives = [{ timeout = 3 }]\n"),
        "directives = [\n    { timeout = 3 },\n    { filter = \"package.equals(app)\", \
         added_layers = [{ programs = [\"git\", \"perl\"] }] },\n]\n"
    );
    assert_eq!(
        merged("directives = [{ filter = \"package.equals(app)\" }]\n"),
        "directives = [{ filter = \"package.equals(app)\", \
         added_layers = [{ programs = [\"git\", \"perl\"] }] }]\n"
    );
}

#[test]
fn decisions_are_proposed_once_in_comments() {
    let mut online = test(CLI, "a", &[]);
    online.addresses = ["192.0.2.1:443".to_owned()].into();
    let mut suite = suite(vec![online, test(LIB, "b", &[])]);
    let text = merge(Some("# mine\n"), &learn(&suite, &places())).unwrap();
    assert_eq!(
        text,
        "# mine\n\n# Found by cargo maelstrom --learn: tests connect to 192.0.2.1:443. To let them:\n\
         # [[directives]]\n# filter = \"test.equals(cli)\"\n# network = \"local\"\n"
    );
    suite.tests[0].addresses = ["192.0.2.2:443".to_owned()].into();
    assert_eq!(merge(Some(&text), &learn(&suite, &places())).unwrap(), text);
}

#[test]
fn programs_of_the_search_path_are_found_by_their_names() {
    let needs = [
        "/opt/bin/tool",
        "/opt/$env{a}/tool",
        "/usr/bin/perl",
        "/usr/lib/part",
    ]
    .map(program);
    let mut suite = suite(vec![test(LIB, "a", &needs), test(CLI, "b", &[])]);
    let name = suite.tests[0].name;
    let text = merge(None, &learn(&suite, &places())).unwrap();
    assert_needs_are_met(&text, &suite);
    let path = "added_environment = { PATH = \"$prev{PATH}:/opt/$$env{a}:/opt/bin\" }";
    assert!(text.contains(path), "{text}");
    let resolved = |text: &str| Directives::parse("file", text).unwrap().resolve(&name);
    let all = Needs(needs.into());
    let absent = |text: &str| absent_needs(&all, &resolved(text), &places());
    assert_eq!(absent(&text), Needs::default());
    // The programs without their search path are found by no name.
    let without = text.replace(path, "");
    let found = Needs(["/opt/bin/tool", "/opt/$env{a}/tool"].map(program).into());
    assert_eq!(absent(&without), found);
    suite.tests[0] = SuiteTest::lacking(name, &all, &resolved(&without), &places());
    assert_eq!(
        merge(Some(&without), &learn(&suite, &places()))
            .unwrap()
            .lines()
            .count(),
        text.lines().count() + 1
    );
    // A container may have no `PATH`.
    suite.every_path = false;
    let bare = merge(None, &learn(&suite, &places())).unwrap();
    let path = "{ PATH = \"$prev{PATH:-/usr/local/bin:/usr/bin:/bin}:/opt/$$env{a}:/opt/bin\" }";
    assert!(bare.contains(path), "{bare}");
}

#[test]
fn a_search_path_is_extended_where_it_is_not_replaced_later() {
    let suite = suite(vec![
        test(LIB, "a", &[program("/opt/bin/tool")]),
        test(CLI, "b", &[]),
    ]);
    let learned = learn(&suite, &places());
    let head = "[[directives]]\nfilter = \"library\"\n\
        added_layers = [{ programs = [\"/opt/bin/tool\"] }]\n";
    let added = |value: &str| format!("added_environment = {value}\n");
    for (old, new) in [
        (
            added("{ A = \"b\" } # c"),
            added("{ A = \"b\", PATH = \"$prev{PATH}:/opt/bin\" } # c"),
        ),
        (
            added("{ PATH = '/bin' } # c"),
            added("{ PATH = \"/bin:/opt/bin\" } # c"),
        ),
        (
            added("{ PATH = '/opt/bin/:/bin' } # c"),
            added("{ PATH = '/opt/bin/:/bin' } # c"),
        ),
        (
            "[directives.added_environment] # c\nA = \"b\" # d\n".to_owned(),
            "[directives.added_environment] # c\nA = \"b\" # d\nPATH = \"$prev{PATH}:/opt/bin\"\n"
                .to_owned(),
        ),
    ] {
        let text = merge(Some(&format!("{head}{old}")), &learned).unwrap();
        assert_needs_are_met(&text, &suite);
        assert_eq!(text, format!("{head}{new}"));
        assert_eq!(merge(Some(&text), &learned).unwrap(), text);
    }
    for old in [
        "environment = { PATH = \"/bin\" }\n",
        "added_environment = {}\n",
        "added_environment = [{ vars = { A = \"b\" }, extend = true }]\n",
        "[[directives]]\nenvironment = { PATH = \"/bin\" }\n",
        "[[directives]]\nadded_environment = { PATH = \"/bin\" }\n",
        "[[directives]]\nadded_environment = [{ vars = {}, extend = false }, { vars = { PATH = \"/bin\" }, extend = true }]\n",
    ] {
        let old = format!("{head}{old}");
        let text = merge(Some(&old), &learned).unwrap();
        assert_needs_are_met(&text, &suite);
        assert!(text.starts_with(&format!("{old}\n# Learned by ")), "{text}");
        assert_eq!(merge(Some(&text), &learned).unwrap(), text);
    }
    let later = "[[directives]]\nadded_environment = { PATH = \"/sbin:$prev{PATH}\", A = \"b\" }\n";
    let text = merge(Some(&format!("{head}{later}")), &learned).unwrap();
    assert_needs_are_met(&text, &suite);
    assert_eq!(
        text,
        format!(
            "{}{later}",
            head.replace(
                "added_layers",
                "added_environment = { PATH = \"$prev{PATH}:/opt/bin\" }\nadded_layers"
            )
        )
    );
}
