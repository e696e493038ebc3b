use super::index::Header;
use super::*;
use crate::schedule::RecordedHistory;
use crate::session::PortableContainer;
use crate::spec::{BindAccess, ContainerSpec, EnvironmentStep, Mount, Network, RootOverlay};
use crate::store::{Digest, Entry, Manifest, Mode, Store};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};

struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> Utf8PathBuf {
        Utf8Path::from_path(self.directory.path())
            .unwrap()
            .join(name)
    }

    fn store(&self, name: &str) -> Store {
        Store::open(self.path(name).as_std_path(), 1 << 30).unwrap()
    }

    /// An archive with one container, whose layer has a small and a large file.
    fn archive(&self) -> (Utf8PathBuf, Digest) {
        let store = self.store("made");
        let mut manifest = Manifest::new();
        let large = "content ".repeat(100_000);
        for (path, text, mode) in [
            ("/bin/tool", large.as_str(), Mode::EXECUTABLE),
            ("/etc/name", "value", Mode::PLAIN),
        ] {
            let digest = store
                .add_bytes(text.as_bytes(), mode.is_executable())
                .unwrap();
            manifest
                .insert(path.parse_path(), Entry::File { digest, mode })
                .unwrap();
        }
        let layer = store.add_tree(&manifest).unwrap();
        let path = self.path("tests.tar.zst");
        let index = index(layer);
        write(&path, &index, &RecordedHistory::default(), &store).unwrap();
        (path, layer)
    }

    fn error(&self, path: &Utf8Path) -> String {
        match ArchiveReader::unpack(path, &self.store("read")) {
            Ok(_) => panic!("the archive was read"),
            Err(error) => error.to_string(),
        }
    }

    /// The archive with each member replaced by what `change` makes of it, or left out.
    fn changed(
        &self,
        path: &Utf8Path,
        change: impl Fn(&str, Vec<u8>) -> Option<Vec<u8>>,
    ) -> Utf8PathBuf {
        let compressed = fs::read(path).unwrap();
        let mut members = tar::Archive::new(zstd::Decoder::new(compressed.as_slice()).unwrap());
        let mut changed = tar::Builder::new(Vec::new());
        for member in members.entries().unwrap() {
            let mut member = member.unwrap();
            let name = String::from_utf8(member.path_bytes().into_owned()).unwrap();
            let mut content = Vec::new();
            member.read_to_end(&mut content).unwrap();
            if let Some(content) = change(&name, content) {
                let mut header = tar::Header::new_gnu();
                header.set_size(content.len() as u64);
                changed
                    .append_data(&mut header, name, content.as_slice())
                    .unwrap();
            }
        }
        let plain = changed.into_inner().unwrap();
        let to = self.path("changed.tar.zst");
        fs::write(&to, zstd::encode_all(plain.as_slice(), 1).unwrap()).unwrap();
        to
    }
}

trait ParsePath {
    fn parse_path(&self) -> crate::store::PathInContainer;
}

impl ParsePath for str {
    fn parse_path(&self) -> crate::store::PathInContainer {
        crate::store::PathInContainer::new(self.as_bytes()).unwrap()
    }
}

fn portable(layer: Digest) -> PortableContainer {
    let bind = |local_path: &str| Mount::Bind {
        mount_point: "/mnt".into(),
        local_path: local_path.into(),
        access: BindAccess::ReadOnly,
        identity: None,
    };
    PortableContainer {
        layers: vec![layer],
        spec: ContainerSpec {
            environment: vec![EnvironmentStep {
                vars: BTreeMap::from([(
                    "PATH".to_owned(),
                    "$prev{PATH:-/bin}:$env{HOME}".to_owned(),
                )]),
                extend: true,
            }],
            mounts: vec![
                bind("/a<b"),
                Mount::Proc {
                    mount_point: "/proc".into(),
                },
            ],
            network: Network::Loopback,
            root_overlay: RootOverlay::Tmp,
            outputs: vec!["/src/<x>/*.new".to_owned()],
            working_directory: Some("/src".into()),
            user: 1000,
            init: true,
            hostname: "host".to_owned(),
            ..ContainerSpec::default()
        },
        image_variables: BTreeMap::from([("LANG".to_owned(), "C".to_owned())]),
        library_path: Some("/lib".to_owned()),
    }
}

fn index(layer: Digest) -> ArchiveIndex {
    ArchiveIndex {
        workspace: ArchivedWorkspace::new("/ws".into(), "/ws/target".into(), None, &[]),
        binaries: Vec::new(),
        containers: vec![ArchivedContainer::new(&portable(layer), &["CI".to_owned()])],
    }
}

#[test]
fn a_container_is_read_as_it_was_written() {
    let index = index(Digest::of(b"layer"));
    let text = serde_json::to_string(&index).unwrap();
    let read: ArchiveIndex = serde_json::from_str(&text).unwrap();
    assert_eq!(read, index);
    let mut expected = portable(Digest::of(b"layer"));
    // The caller replaces the escapes, as in other specifications.
    expected.spec.mounts = expected
        .spec
        .mounts
        .into_iter()
        .map(Mount::escaped)
        .collect();
    assert_eq!(read.containers[0].restore(), expected);
}

#[test]
fn layers_are_in_the_store_of_the_reader() {
    let place = Place::new();
    let (path, layer) = place.archive();
    let store = place.store("read");
    let read = ArchiveReader::unpack(&path, &store).unwrap();
    assert_eq!(read.index, index(layer));
    let tree = store.tree_path(&layer);
    assert_eq!(fs::read_to_string(tree.join("etc/name")).unwrap(), "value");
    assert!(
        fs::read_to_string(tree.join("bin/tool"))
            .unwrap()
            .starts_with("content")
    );
    // A second archive with the same content is read too.
    ArchiveReader::unpack(&path, &store).unwrap();
}

#[test]
fn the_same_tests_make_the_same_archive() {
    let (one, other) = (Place::new(), Place::new());
    let bytes = [one.archive().0, other.archive().0].map(|path| fs::read(path).unwrap());
    assert!(bytes[0] == bytes[1]);
}

#[test]
fn a_truncated_archive_is_damaged_wherever_it_ends() {
    let place = Place::new();
    let (path, _) = place.archive();
    let whole = fs::read(&path).unwrap();
    let short = place.path("short.tar.zst");
    for length in [whole.len() / 2, whole.len() - 1, whole.len() - 20] {
        fs::write(&short, &whole[..length]).unwrap();
        let error = place.error(&short);
        assert!(
            error.contains("is damaged") || error.contains("is not an archive"),
            "{length}: {error}"
        );
    }
}

#[test]
fn changed_content_is_damaged() {
    let place = Place::new();
    let (path, layer) = place.archive();
    for (member, reason) in [
        (
            "index.json",
            "the content of `index.json` has another digest",
        ),
        ("history", "the content of `history` has another digest"),
        ("manifests/", "has another digest"),
        ("blobs/", "is not what its name says"),
    ] {
        let flip = |name: &str, mut content: Vec<u8>| {
            if name.starts_with(member)
                && let Some(last) = content.last_mut()
            {
                *last ^= 1;
            }
            Some(content)
        };
        let error = place.error(&place.changed(&path, flip));
        assert!(
            error.contains("is damaged") && error.contains(reason),
            "{member}: {error}"
        );
    }
    for (member, reason) in [
        ("index.json", "it lacks `index.json`".to_owned()),
        ("manifests/", format!("it lacks `manifests/{layer}`")),
        ("blobs/", "it lacks the content of `/bin/tool`".to_owned()),
    ] {
        let without = |name: &str, content| (!name.starts_with(member)).then_some(content);
        let error = place.error(&place.changed(&path, without));
        assert!(error.contains(&reason), "{member}: {error}");
    }
}

#[test]
fn other_files_and_archives_of_other_programs_are_refused() {
    let place = Place::new();
    let text = place.path("text");
    fs::write(&text, "text").unwrap();
    let foreign = |path: &Utf8Path| place.error(path).contains("is not an archive of tests");
    assert!(foreign(&text));
    let other = place.path("other.tar.zst");
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(1);
    tar.append_data(&mut header, "target/debug/a", &b"x"[..])
        .unwrap();
    let mut encoder = zstd::Encoder::new(fs::File::create(&other).unwrap(), 1).unwrap();
    encoder.write_all(&tar.into_inner().unwrap()).unwrap();
    encoder.finish().unwrap();
    assert!(foreign(&other));
    let missing = place.error(&place.path("missing"));
    assert!(
        missing.starts_with("failed to read the archive"),
        "{missing}"
    );
}

#[test]
fn archives_of_other_versions_and_architectures_are_refused() {
    let place = Place::new();
    let (path, _) = place.archive();
    let with = |change: fn(&mut Header)| {
        place.changed(&path, |name, content| {
            if name != "maelstrom-archive.json" {
                return Some(content);
            }
            let mut header: Header = serde_json::from_slice(&content).unwrap();
            change(&mut header);
            Some(serde_json::to_vec(&header).unwrap())
        })
    };
    let version = place.error(&with(|header| header.program_version = "99.0.0".to_owned()));
    assert!(
        version.contains("was made by cargo-maelstrom 99.0.0"),
        "{version}"
    );
    let format = place.error(&with(|header| header.format += 1));
    assert!(
        format.contains("use the same version on both machines"),
        "{format}"
    );
    let architecture = place.error(&with(|header| header.architecture = "s390x".to_owned()));
    assert!(
        architecture.contains("was made for the architecture s390x"),
        "{architecture}"
    );
}
