use super::tests::{assert_needs_are_met, places, test};
use super::*;
use crate::filter::TargetKind;
use proptest::prelude::*;

type Case = (u8, u8, String, BTreeSet<Need>);

fn need() -> impl Strategy<Value = Need> {
    prop_oneof![
        Just(Need::Toolchain),
        "[a-z<>{]{1,3}".prop_map(Need::Program),
        "/(opt/bin|usr/bin|opt/[$]env[{]a[}])/[a-z]".prop_map(Need::Program),
        "/[a-z<*\\[\"\n]{1,3}".prop_map(|path| Need::File(path.into())),
        "/w/[a-z<*\\[{]{1,3}".prop_map(|path| Need::Directory(path.into())),
        "[A-Z*]{1,2}".prop_map(Need::Variable),
        "/[a-z<*\\[\"\n]{1,3}/gitconfig".prop_map(|file| Need::GitIdentity(file.into())),
    ]
}

fn case() -> impl Strategy<Value = Case> {
    let name = prop_oneof![
        "(git|hg)::(a|b)_[a-z]{1,2}",
        "[a-c()\\[\\]{}<>/|& _:\\\\\"'\n\u{e9}]{1,6}",
    ];
    let needs = prop::collection::btree_set(need(), 0..4);
    (0..12_u8, 0..6_u8, name, needs)
}

const KINDS: [TargetKind; 4] = [
    TargetKind::Library,
    TargetKind::Binary,
    TargetKind::Test,
    TargetKind::Example,
];

proptest! {
    #[test]
    fn few_directives_give_every_test_what_it_needs(
        cases in prop::collection::vec(case(), 1..40),
        every_package: bool,
        every_target: bool,
        every_path: bool,
    ) {
        let names: Vec<_> = cases
            .iter()
            .map(|(package, target, ..)| (format!("p{package}"), format!("t-{target}(")))
            .collect();
        let tests = cases.iter().zip(&names);
        let tests = tests.map(|((_, target, name, needs), (package, target_name))| {
            let kind = KINDS[usize::from(*target) % KINDS.len()];
            let needs: Vec<_> = needs.iter().cloned().collect();
            test((package, kind, target_name), name, &needs)
        });
        let suite = Suite { tests: tests.collect(), every_package, every_target, every_path };
        let learned = learn(&suite, &places());
        prop_assert!(learned.directives.len() <= MOST);
        prop_assert_eq!(&learned, &learn(&suite, &places()));
        for old in [None, Some("directives = [{ timeout = 3 }]"), Some("[[directives]]\nlayers = []")] {
            let text = merge(old, &learned).unwrap();
            assert_needs_are_met(&text, &suite);
            prop_assert_eq!(merge(Some(&text), &learned).unwrap(), text);
        }
    }
}
