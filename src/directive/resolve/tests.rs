use super::*;
use crate::config::TestRetries;
use crate::filter::TargetKind;
use crate::spec::{LayerSpec, Mount, Network, WorkingDirectoryUse};

fn directives(text: &str) -> Directives {
    Directives::parse("f", text).unwrap_or_else(|error| panic!("{error}"))
}

fn case(name: &str) -> TestCaseName<'_> {
    TestCaseName {
        package: "p",
        kind: TargetKind::Library,
        target: "p",
        name,
    }
}

fn resolve(text: &str, name: &str) -> TestSpec {
    (*directives(text).resolve(&case(name))).clone()
}

fn has_sys(test: &TestSpec) -> bool {
    let mounts = &test.container.mounts;
    mounts
        .iter()
        .any(|mount| matches!(mount, Mount::Sys { .. }))
}

#[test]
fn without_a_file_every_test_runs_in_the_default_container() {
    let test = Directives::built_in().resolve(&case("a"));
    assert_eq!(
        *test,
        TestSpec {
            container: default_container(),
            ignore: false,
            timeout: None,
            memory_limit: None,
            process_limit: None,
            include_shared_libraries: true,
            slots: 1,
            retries: None,
            flaky_result: None,
            slow_timeout: None,
            leak_timeout: None,
            group: None,
            pass_environment: Vec::new(),
        }
    );
}

#[test]
fn all_directives_that_match_apply_in_the_order_of_the_file() {
    let text = r#"
[[directives]]
timeout = 10
memory_limit = "1 GiB"
process_limit = 100
user = 1
[[directives]]
filter = "name.equals(b)"
timeout = 0
memory_limit = 0
process_limit = 0
slots = 2
ignore = true
[[directives]]
filter = "name.equals(a)"
timeout = 0.5
retries = 3
include_shared_libraries = false
[[directives]]
user = 2
"#;
    let a = resolve(text, "a");
    assert_eq!(a.timeout, Some(Duration::from_millis(500)));
    assert_eq!(
        (a.slots, a.retries, a.ignore),
        (1, Some(TestRetries::of_count(3)), false)
    );
    assert!(!a.include_shared_libraries);
    assert_eq!(
        (a.memory_limit, a.process_limit),
        (Some(ByteSize(1 << 30)), Some(100))
    );
    let b = resolve(text, "b");
    assert_eq!((b.memory_limit, b.process_limit), (None, None));
    assert_eq!((b.timeout, b.slots, b.retries), (None, 2, None));
    assert!(b.ignore && b.include_shared_libraries);
    let c = resolve(text, "c");
    assert_eq!(c.timeout, Some(Duration::from_secs(10)));
    assert_eq!(
        (a.container.user, b.container.user, c.container.user),
        (2, 2, 2)
    );
}

#[test]
fn plain_lists_replace_and_added_lists_append() {
    let default = default_container();
    let stub = LayerSpec::Stubs {
        stubs: vec!["/x".to_owned()],
    };
    let added = resolve(
        "[[directives]]\nadded_layers = [{ stubs = ['/x'] }]\nmounts = []",
        "a",
    );
    let (last, others) = added.container.layers.split_last().unwrap();
    assert_eq!((last, others), (&stub, &default.layers[..]));
    assert!(added.container.mounts.is_empty());
    assert_eq!(added.container.environment, default.environment);
    let replaced = resolve("[[directives]]\nlayers = [{ stubs = ['/x'] }]", "a");
    assert_eq!(replaced.container.layers, [stub]);
}

#[test]
fn a_parent_resets_the_container_but_not_the_test() {
    let text = r#"
[[directives]]
user = 7
hostname = "h"
timeout = 1
slots = 2
added_environment = { A = "a" }
[[directives]]
filter = "name.equals(empty)"
parent = "empty"
group = 3
[[directives]]
filter = "name.equals(default)"
parent = "default"
"#;
    let empty = resolve(text, "empty");
    let expected = ContainerSpec {
        group: 3,
        ..ContainerSpec::default()
    };
    assert_eq!(empty.container, expected);
    assert_eq!(
        (empty.timeout, empty.slots),
        (Some(Duration::from_secs(1)), 2)
    );
    assert_eq!(resolve(text, "default").container, default_container());
    let other = resolve(text, "other").container;
    assert_eq!((other.user, other.hostname.as_str()), (7, "h"));
}

#[test]
fn a_parent_with_use_gives_only_what_is_used() {
    let text = r#"
[[directives]]
parent = { name = "default", use = ["layers", "user"] }
added_layers = [{ stubs = ["/x"] }]
"#;
    let container = resolve(text, "a").container;
    assert_eq!(container.layers.len(), default_container().layers.len() + 1);
    assert_eq!((container.user, container.group), (1000, 0));
    assert!(container.mounts.is_empty() && container.environment.is_empty());
}

#[test]
fn the_local_network_does_not_require_removing_the_sys_mount() {
    let file = r#"
[[directives]]
filter = "name.equals(local)"
network = "local"
[[directives]]
filter = "name.equals(parent)"
parent = "default"
network = "local"
"#;
    for name in ["local", "parent"] {
        let test = resolve(file, name);
        assert_eq!(test.container.network, Network::Local);
        assert!(!has_sys(&test));
    }
    assert!(has_sys(&resolve(file, "other")));
}

#[test]
fn tests_that_the_same_directives_match_share_one_spec() {
    let directives = directives("[[directives]]\nfilter = 'name.equals(a)'\nuser = 1");
    let resolve = |name| directives.resolve(&case(name));
    assert!(Arc::ptr_eq(&resolve("b"), &resolve("c")));
    assert!(!Arc::ptr_eq(&resolve("a"), &resolve("b")));
}

#[test]
fn directives_can_be_shared_between_threads() {
    fn shared<T: Send + Sync>(_: &T) {}
    shared(&Directives::built_in());
}

/// The used parts of the image: layers, environment, working directory.
fn used(container: &ContainerSpec) -> (bool, bool, WorkingDirectoryUse) {
    let image = container.image.as_ref().unwrap();
    assert_eq!(image.image.to_string(), "oci:x");
    (image.layers, image.environment, image.working_directory)
}

#[test]
fn an_image_resets_the_container_and_all_its_parts_are_used() {
    let text = "[[directives]]\nuser = 7\nadded_environment = { A = 'a' }\n\
                [[directives]]\nimage = 'oci:x'\ngroup = 3";
    let resolved = resolve(text, "a");
    assert_eq!(
        used(&resolved.container),
        (true, true, WorkingDirectoryUse::IfPresent)
    );
    let expected = ContainerSpec {
        image: resolved.container.image.clone(),
        group: 3,
        ..ContainerSpec::default()
    };
    assert_eq!(resolved.container, expected);
    assert!(!resolved.include_shared_libraries);
}

#[test]
fn plain_fields_replace_the_parts_of_an_image_and_added_fields_keep_them() {
    let container = |rest: &str| {
        let text = format!("[[directives]]\nimage = 'oci:x'\n{rest}");
        resolve(&text, "a")
    };
    let added = container("added_layers = [{ stubs = ['/x'] }]\nadded_environment = { A = 'a' }");
    assert_eq!(
        used(&added.container),
        (true, true, WorkingDirectoryUse::IfPresent)
    );
    assert_eq!(
        (
            added.container.layers.len(),
            added.container.environment.len()
        ),
        (1, 1)
    );
    let plain = container("layers = []\nenvironment = {}\nworking_directory = '/w'");
    assert_eq!(
        used(&plain.container),
        (false, false, WorkingDirectoryUse::No)
    );
    // The image's layers are not used, so its libraries are missing.
    assert!(plain.include_shared_libraries);
}

#[test]
fn a_child_inherits_the_used_parts_of_an_image() {
    let text = |directive: &str| {
        format!(
            "[containers.base]\nimage = {{ name = 'oci:x', use = ['layers', 'working_directory'] }}\n\
             [containers.middle]\nparent = 'base'\nuser = 1\n\
             [[directives]]\n{directive}"
        )
    };
    let all = resolve(&text("parent = 'middle'"), "a");
    assert_eq!(
        used(&all.container),
        (true, false, WorkingDirectoryUse::Required)
    );
    assert_eq!(all.container.user, 1);
    assert!(!all.include_shared_libraries);
    let layers = resolve(&text("parent = { name = 'middle', use = ['layers'] }"), "a");
    assert_eq!(
        used(&layers.container),
        (true, false, WorkingDirectoryUse::No)
    );
    let user = resolve(&text("parent = { name = 'middle', use = ['user'] }"), "a");
    assert_eq!(user.container.image, None);
    let libraries = "parent = 'middle'\ninclude_shared_libraries = true";
    assert!(resolve(&text(libraries), "a").include_shared_libraries);
}
