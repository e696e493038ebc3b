//! A real registry.

use crate::registry::{Layout, PASSWORD, Registry, USER};
use crate::relay::Relay;
use crate::user::{User, bytes};
use camino::Utf8PathBuf;
use maelstrom::image::{Image, Images};
use std::sync::{Arc, Mutex};

/// What compression makes no smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1u64;
    let byte = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(byte).collect()
}

#[test]
fn an_image_comes_with_tls_and_a_password_and_then_needs_no_network() {
    let mut registry = Registry::with_password();
    let layout = Layout::new();
    layout.add_busybox("busybox", "greeting", b"hello");
    registry.push(&layout, "busybox", "tools/busybox:1");
    let user = User::new();
    user.trust(&registry.host(), &registry.authority());
    user.log_in(&registry.host(), USER, PASSWORD);
    let name = format!("docker://{}/tools/busybox:1", registry.host());

    let image = user.find(&name).unwrap();
    assert_eq!(image.environment["GREETING"], "hello");
    assert_eq!(image.working_directory, Some(Utf8PathBuf::from("/work")));
    assert_eq!(image.warnings, Vec::<String>::new());
    // A manifest and a configuration, and nothing more before it is asked for.
    assert_eq!(user.kept(), [2, 0]);
    image.fetch();
    assert_eq!(image.layers.len(), 2);
    let layers: Vec<_> = image.layers.iter().map(bytes).collect();
    assert_eq!(user.kept(), [4, 0]);

    registry.kill();
    let again = user.find(&name).unwrap();
    assert_eq!(again.layers.iter().map(bytes).collect::<Vec<_>>(), layers);
    let text = std::fs::read_to_string(user.tag_file()).unwrap();
    let line = format!("\"{}/tools/busybox:1\" = \"sha256:", registry.host());
    assert_eq!(text.matches(&line).count(), 1, "{text}");
}

#[test]
fn the_image_for_this_machine_is_chosen_among_several() {
    let registry = Registry::open_to_all();
    let layout = Layout::new();
    layout.add_busybox("other", "file", b"for another machine");
    layout.set_architecture("other", "s390x");
    layout.add_busybox("mine", "file", b"for this one");
    let index = |images: &[&str]| {
        let path = layout.path().join("index.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let mut index: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut all = Vec::new();
        for image in images {
            let mut entries = index["manifests"].as_array().unwrap().iter();
            let named = |entry: &&serde_json::Value| {
                entry["annotations"]["org.opencontainers.image.ref.name"] == **image
            };
            let mut entry = entries.find(named).unwrap().clone();
            let architecture = match *image {
                "mine" => oci_spec::image::Arch::default().to_string(),
                _ => "s390x".to_owned(),
            };
            entry["platform"] = serde_json::json!({ "os": "linux", "architecture": architecture });
            entry.as_object_mut().unwrap().remove("annotations");
            all.push(entry);
        }
        let inner = serde_json::json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": all,
        });
        let inner = inner.to_string();
        let digest = crate::user::digest(inner.as_bytes());
        let blob = layout.path().join("blobs").join(digest.replace(':', "/"));
        std::fs::write(blob, &inner).unwrap();
        let name = images.join("-");
        index["manifests"]
            .as_array_mut()
            .unwrap()
            .push(serde_json::json!({
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "digest": digest,
                "size": inner.len(),
                "annotations": { "org.opencontainers.image.ref.name": name },
            }));
        std::fs::write(&path, index.to_string()).unwrap();
        registry.push(&layout, &name, &format!("{name}:1"));
        digest
    };
    let digest = index(&["other", "mine"]);
    index(&["other"]);
    let user = User::new();
    user.trust(&registry.host(), &registry.authority());
    let name = format!("docker://{}/other-mine:1", registry.host());
    let image = user.find(&name).unwrap();
    // The tag file has the digest that means the same on every machine.
    let text = std::fs::read_to_string(user.tag_file()).unwrap();
    assert!(text.contains(&digest), "{text}");

    // The same from the layout itself.
    let local = format!("oci:{}:other-mine", layout.path().display());
    let local = user.find(&local).unwrap();
    let digests = |image: &Image| {
        let layers = image.layers.iter();
        layers.map(|layer| layer.digest.clone()).collect::<Vec<_>>()
    };
    assert_eq!(digests(&image), digests(&local));
    assert_eq!(bytes(&image.layers[1]), bytes(&local.layers[1]));

    let name = format!("docker://{}/other:1", registry.host());
    let failure = user.failure(&name);
    assert!(
        failure.contains("/other:1 is not for the platform linux/"),
        "{failure}"
    );
    assert!(failure.contains("; it is for linux/s390x"), "{failure}");
}

#[test]
fn a_registry_that_dies_in_the_middle_and_comes_back_is_no_problem() {
    let registry = Registry::open_to_all();
    let layout = Layout::new();
    let content = noise(3 << 20);
    layout.add_busybox("big", "noise", &content);
    registry.push(&layout, "big", "big:1");
    let (port, authority) = (registry.port, registry.authority());
    let registry = Arc::new(Mutex::new(registry));
    let revived = registry.clone();
    // After more than the small parts, and before the end of the large one.
    let relay = Relay::start(port, 2 << 20, move || {
        let mut registry = revived.lock().unwrap();
        registry.kill();
        registry.start();
    });
    let user = User::new();
    let host = format!("127.0.0.1:{}", relay.port);
    user.trust(&host, &authority);
    let mut settings = user.settings();
    // It is back when it is back.
    settings.retry.max_attempts = u32::MAX;
    let images = Images::new(settings);
    let name = format!("docker://{host}/big:1");
    let image = user.find_with(&images, &name).unwrap();
    image.fetch();
    assert!(bytes(&image.layers[1]).len() > content.len());
    bytes(&image.layers[0]);
    assert_eq!(user.kept(), [4, 0]);
    assert!(relay.has_broken());
    drop(registry);
}
