use super::*;
use crate::spec::environment;

fn stub_paths() -> Vec<String> {
    stubs()
        .iter()
        .flat_map(|stub| match stub.split_once('{') {
            None => vec![stub.clone()],
            Some((before, rest)) => {
                let (alternatives, after) = rest.split_once('}').unwrap();
                alternatives
                    .split(',')
                    .map(|alternative| format!("{before}{alternative}{after}"))
                    .collect()
            }
        })
        .collect()
}

#[test]
fn every_mount_point_is_a_stub() {
    let stubs = stub_paths();
    let has = |path: String| assert!(stubs.contains(&path), "{path} is missing in {stubs:?}");
    for mount in default_container().mounts {
        match mount {
            Mount::Devices { devices } => {
                for device in devices {
                    let slash = if device == Device::Shm { "/" } else { "" };
                    has(format!("/dev/{}{slash}", device.into_str()));
                }
            }
            Mount::Devpts { mount_point }
            | Mount::Mqueue { mount_point }
            | Mount::Proc { mount_point }
            | Mount::Sys { mount_point }
            | Mount::Tmp { mount_point } => has(format!("{mount_point}/")),
            Mount::Bind { .. } | Mount::Cache { .. } => {
                panic!("this mount would make every test local-only")
            }
        }
    }
}

#[test]
fn nothing_in_the_environment_depends_on_the_client() {
    let container = default_container();
    let none = |_: &str| None;
    let variables = environment::expand(&container.environment, BTreeMap::new(), &none).unwrap();
    assert_eq!(variables["HOME"], HOME);
    assert_eq!(variables["TMPDIR"], "/tmp");
    assert_eq!(variables["MAELSTROM"], "1");
    assert_eq!(variables.len(), 8);
}

#[test]
fn the_user_is_in_the_user_database() {
    let container = default_container();
    let files = files();
    let passwd = &files[&Utf8PathBuf::from("/etc/passwd")];
    let (user, group) = (container.user, container.group);
    assert!(passwd.contains(&format!("\nmaelstrom:x:{user}:{group}:maelstrom:{HOME}:")));
    let groups = &files[&Utf8PathBuf::from("/etc/group")];
    assert!(groups.contains(&format!("\nmaelstrom:x:{group}:\n")));
}

#[test]
fn the_host_name_can_be_looked_up() {
    let hosts = &files()[&Utf8PathBuf::from("/etc/hosts")];
    let hostname = default_container().hostname;
    assert!(
        hosts
            .lines()
            .any(|line| line.ends_with(&format!(" {hostname}")))
    );
    assert!(hosts.starts_with("127.0.0.1 localhost\n"));
}

#[test]
fn the_time_zone_is_a_well_formed_file() {
    let utc = utc();
    assert!(utc.is_ascii());
    // A header of 44 bytes, one local time type of 6, and the name with its NUL.
    let block = 44 + 6 + 4;
    assert_eq!(utc.len(), 2 * block + "\nUTC0\n".len());
    for start in [0, block] {
        let header = &utc.as_bytes()[start..start + 44];
        assert_eq!(&header[..5], b"TZif2");
        assert_eq!(header[5..39], [0; 34]);
        assert_eq!(header[39..], [1, 0, 0, 0, 4]);
    }
    assert!(utc.ends_with("UTC\0\nUTC0\n"));
}

#[test]
fn symlinks_files_and_stubs_have_different_paths() {
    let stubs = stub_paths();
    for SymlinkSpec { link, .. } in symlinks() {
        assert!(!files().contains_key(&link));
        assert!(!stubs.iter().any(|stub| stub.trim_end_matches('/') == link));
    }
}

#[test]
fn the_last_layer_is_the_source_of_the_workspace() {
    assert_eq!(
        default_container().layers.last(),
        Some(&LayerSpec::TestSource)
    );
}
