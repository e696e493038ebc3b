use super::*;
use crate::filter::{TargetKind, TestCaseName};
use crate::spec::{
    ContainerSpec, Device, LayerSpec, Mount, Network, PrefixOptions, RootOverlay, SymlinkSpec,
};
use proptest::prelude::*;
use strum::VariantArray;

mod errors;

/// The container of any test under the directives of a file.
fn container(text: &str) -> ContainerSpec {
    let directives = Directives::parse("f", text).unwrap_or_else(|error| panic!("{error}"));
    let case = TestCaseName {
        package: "p",
        kind: TargetKind::Library,
        target: "p",
        name: "n",
    };
    directives.resolve(&case).container.clone()
}

fn layers(text: &str) -> Vec<LayerSpec> {
    container(&format!("[[directives]]\nlayers = [{text}]")).layers
}

fn mounts(text: &str) -> Vec<Mount> {
    container(&format!("[[directives]]\nmounts = [{text}]")).mounts
}

#[test]
fn empty_files_and_empty_tables_change_nothing() {
    for text in ["", "directives = []", "[containers]", "[[directives]]"] {
        assert_eq!(container(text), default_container(), "{text}");
    }
}

#[test]
fn every_kind_of_layer_is_read() {
    let none = PrefixOptions::default();
    assert_eq!(
        layers(
            r#"
            { tar = "<build-dir>/a.tar.gz" },
            { glob = "data/**", strip_prefix = "data" },
            { paths = ["/a", "b"], follow_symlinks = true, canonicalize = true, prepend_prefix = "/c" },
            { stubs = ["/{a,b}/", "{/c,/d}", "<package-dir>/e"] },
            { symlinks = [{ link = "/l", target = "../t" }] },
            { shared_library_dependencies = ["x"] },
            { shared-library-dependencies = ["y"] },
            { files = { "/etc/motd" = "hello <world>\n", "<target-dir>/x" = "" } },
            { programs = ["sh", "/usr/bin/git"] },
            { source = "<workspace-dir>" },
        "#
        ),
        [
            LayerSpec::Tar {
                tar: "<build-dir>/a.tar.gz".into()
            },
            LayerSpec::Glob {
                glob: "data/**".to_owned(),
                prefix: PrefixOptions {
                    strip_prefix: Some("data".into()),
                    ..none.clone()
                }
            },
            LayerSpec::Paths {
                paths: vec!["/a".into(), "b".into()],
                prefix: PrefixOptions {
                    follow_symlinks: true,
                    canonicalize: true,
                    strip_prefix: None,
                    prepend_prefix: Some("/c".into()),
                }
            },
            LayerSpec::Stubs {
                stubs: ["/{a,b}/", "{/c,/d}", "<package-dir>/e"]
                    .map(str::to_owned)
                    .into()
            },
            LayerSpec::Symlinks {
                symlinks: vec![SymlinkSpec {
                    link: "/l".into(),
                    target: "../t".into()
                }]
            },
            LayerSpec::SharedLibraryDependencies {
                binaries: vec!["x".into()],
                prefix: none.clone()
            },
            LayerSpec::SharedLibraryDependencies {
                binaries: vec!["y".into()],
                prefix: none
            },
            LayerSpec::Files {
                files: [("/etc/motd", "hello <world>\n"), ("<target-dir>/x", "")]
                    .map(|(path, text)| (path.into(), text.to_owned()))
                    .into()
            },
            LayerSpec::Programs {
                programs: vec!["sh".to_owned(), "/usr/bin/git".to_owned()]
            },
            LayerSpec::Source {
                source: "<workspace-dir>".into()
            },
        ]
    );
}

#[test]
fn every_type_of_mount_is_read() {
    assert_eq!(
        mounts(
            r#"
            { type = "bind", mount_point = "/a", local_path = "b" },
            { type = "bind", mount_point = "/c", local_path = "/d", read_only = true },
            { type = "devices", devices = ["full", "fuse", "null", "random", "shm", "tty", "urandom", "zero"] },
            { type = "devpts", mount_point = "/dev/pts" },
            { type = "mqueue", mount_point = "/dev/mqueue" },
            { type = "proc", mount_point = "/proc/" },
            { type = "sys", mount_point = "/sys" },
            { type = "tmp", mount_point = "/tmp" },
        "#
        ),
        [
            Mount::Bind {
                mount_point: "/a".into(),
                local_path: "b".into(),
                access: crate::spec::BindAccess::ReadWrite,
                identity: None,
            },
            Mount::Bind {
                mount_point: "/c".into(),
                local_path: "/d".into(),
                access: crate::spec::BindAccess::ReadOnly,
                identity: None,
            },
            Mount::Devices {
                devices: Device::VARIANTS.into()
            },
            Mount::Devpts {
                mount_point: "/dev/pts".into()
            },
            Mount::Mqueue {
                mount_point: "/dev/mqueue".into()
            },
            Mount::Proc {
                mount_point: "/proc".into()
            },
            Mount::Sys {
                mount_point: "/sys".into()
            },
            Mount::Tmp {
                mount_point: "/tmp".into()
            },
        ]
    );
}

#[test]
fn every_other_field_is_read() {
    let text = r#"
[[directives]]
parent = "empty"
network = "local"
root_overlay = { local = { upper = "up", work = "/work" } }
working_directory = "/w"
user = 4294967294
group = 0x10
init = true
hostname = "host-1.example"
"#;
    assert_eq!(
        container(text),
        ContainerSpec {
            network: Network::Local,
            root_overlay: RootOverlay::Local {
                upper: "up".into(),
                work: "/work".into()
            },
            working_directory: Some("/w".into()),
            user: 4_294_967_294,
            group: 16,
            init: true,
            hostname: "host-1.example".to_owned(),
            ..ContainerSpec::default()
        }
    );
}

#[test]
fn the_environment_is_a_map_or_a_list() {
    let elements = |text: &str| {
        let text = format!("[[directives]]\nenvironment = {text}");
        let elements = container(&text).environment.into_iter();
        elements
            .map(|element| (element.vars.into_iter().collect::<Vec<_>>(), element.extend))
            .collect::<Vec<_>>()
    };
    let a = || vec![("A".to_owned(), "$env{B:-}".to_owned())];
    assert_eq!(elements("{ A = '$env{B:-}' }"), [(a(), true)]);
    assert_eq!(
        elements("[{ vars = { A = '$env{B:-}' }, extend = false }, { extend = true, vars = {} }]"),
        [(a(), false), (vec![], true)]
    );
}

#[test]
fn enable_writable_file_system_is_a_root_overlay() {
    let overlay = |text| container(&format!("[[directives]]\n{text}")).root_overlay;
    assert_eq!(
        overlay("enable_writable_file_system = true"),
        RootOverlay::Tmp
    );
    assert_eq!(
        overlay("enable_writable_file_system = false"),
        RootOverlay::None
    );
    assert_eq!(overlay("root_overlay = 'none'"), RootOverlay::None);
}

#[test]
fn each_older_spelling_is_accepted_with_one_warning() {
    let text = r#"
[containers.old]
devices = ["null"]
mounts = [{ fs_type = "proc", mount_point = "/proc" }]
enable_loopback = true
[containers.older]
parent = "old"
devices = ["zero"]
enable_loopback = false
[[directives]]
parent = "older"
devices = ["full"]
"#;
    let directives = Directives::parse("f", text).unwrap();
    assert_eq!(
        directives.warnings(),
        [
            "f:3:1: `devices` is an older spelling; write a mount with the `type` `devices`, and \
             this list as its `devices`\n  \
             |\n3 | devices = [\"null\"]\n  | ^^^^^^^",
            "f:4:13: `fs_type` is an older spelling; write `type`\n  \
             |\n4 | mounts = [{ fs_type = \"proc\", mount_point = \"/proc\" }]\n  |             ^^^^^^^",
            "f:5:1: `enable_loopback` is an older spelling; write `network`: `loopback` for true, \
             `disabled` for false\n  \
             |\n5 | enable_loopback = true\n  | ^^^^^^^^^^^^^^^",
        ]
    );
    let container = container(text);
    let devices = |device| Mount::Devices {
        devices: vec![device],
    };
    assert_eq!(
        container.mounts,
        [
            devices(Device::Null),
            Mount::Proc {
                mount_point: "/proc".into()
            },
            devices(Device::Zero),
            devices(Device::Full),
        ]
    );
    assert_eq!(container.network, Network::Disabled);
    assert!(Directives::parse("f", "").unwrap().warnings().is_empty());
}

#[test]
fn a_devices_list_is_added_to_the_mounts_so_far() {
    let container = container("[[directives]]\ndevices = ['fuse']");
    let (last, others) = container.mounts.split_last().unwrap();
    assert_eq!(others, default_container().mounts);
    assert_eq!(
        *last,
        Mount::Devices {
            devices: vec![Device::Fuse]
        }
    );
}

#[test]
fn directives_may_name_containers_further_down_in_the_file() {
    let text = "directives = [{ parent = 'c' }]\n[containers.c]\nuser = 5";
    assert_eq!(container(text).user, 5);
}

/// Text that is mostly valid TOML, with the names and values of directives.
fn plausible_file() -> impl Strategy<Value = String> {
    let words: Vec<&str> = NAMES
        .into_iter()
        .chain(ContainerFields::NAMES)
        .chain([
            "image",
            "devices",
            "name",
            "use",
            "vars",
            "extend",
            "type",
            "fs_type",
            "tar",
            "glob",
            "paths",
            "stubs",
            "symlinks",
            "files",
            "programs",
            "command",
            "mount_point",
            "local",
        ])
        .collect();
    let values = [
        "1",
        "-1",
        "0.5",
        "true",
        "''",
        "'default'",
        "'/a'",
        "'a'",
        "'<a'",
        "'proc'",
        "'sys'",
        "'local'",
        "1979-05-27",
        "[]",
        "{}",
        "'$env{'",
        "'é'",
    ];
    let key = proptest::sample::select(words);
    let leaf = proptest::sample::select(values.to_vec()).prop_map(str::to_owned);
    let value = leaf.prop_recursive(4, 16, 4, {
        let key = key.clone();
        move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4)
                    .prop_map(|list| format!("[{}]", list.join(", "))),
                proptest::collection::vec((key.clone(), inner), 0..4).prop_map(|map| {
                    let entries: Vec<String> = map
                        .into_iter()
                        .map(|(key, value)| format!("{key} = {value}"))
                        .collect();
                    format!("{{ {} }}", entries.join(", "))
                }),
            ]
        }
    });
    let line = prop_oneof![
        1 => Just("[[directives]]".to_owned()),
        1 => "[a-c]".prop_map(|name| format!("[containers.{name}]")),
        4 => (key, value).prop_map(|(key, value)| format!("{key} = {value}")),
    ];
    proptest::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn any_text_is_accepted_or_an_error(text in any::<String>()) {
        let _ = Directives::parse("f", &text);
    }

    #[test]
    fn any_plausible_file_is_accepted_or_an_error_with_a_position(text in plausible_file()) {
        if let Err(error) = Directives::parse("f", &text) {
            prop_assert!(error.to_string().starts_with("f:"), "{}", error);
        }
    }
}
