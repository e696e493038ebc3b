//! Artifacts in registries that are not images, or not supported.

use crate::stub::{Made, Reply, Stub};
use crate::user::User;
use serde_json::{Value, json};

/// The error for an image whose manifest was changed by `change`.
fn failure(change: impl FnOnce(&mut Value)) -> String {
    let made = Made::new(&[b"one"]).with_manifest(change);
    let stub = Stub::of(&made, |_, _| None);
    User::new().failure(&stub.image())
}

#[test]
fn an_artifact_that_is_not_a_supported_image_is_an_error() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 7] = [
        (
            |manifest| *manifest = json!({ "schemaVersion": 1, "fsLayers": [] }),
            "in Docker's old format (schema 1)",
        ),
        (
            |manifest| manifest["mediaType"] = json!("application/x"),
            "is not an image: its media type is `application/x`",
        ),
        (
            |manifest| manifest["config"]["mediaType"] = json!("application/vnd.cncf.helm.config"),
            "is not an image: its configuration has the media type `application/vnd.cncf.helm.config`",
        ),
        (
            |manifest| manifest["layers"][0]["mediaType"] = json!("application/y+encrypted"),
            "has a layer of the media type `application/y+encrypted`, which is not supported",
        ),
        (
            |manifest| manifest["layers"][0]["urls"] = json!(["https://example.com/l"]),
            "has a foreign layer, which is stored at https://example.com/l",
        ),
        (
            |manifest| manifest["layers"] = json!([]),
            "it has 0 layers, but its configuration lists 1",
        ),
        (
            |manifest| *manifest = json!({ "schemaVersion": 2 }),
            "is not a valid manifest or config: missing field",
        ),
    ];
    for (change, expected) in cases {
        let failure = failure(change);
        assert!(failure.contains(expected), "{failure}");
        assert!(failure.contains("docker://127.0.0.1:"), "{failure}");
    }
}

#[test]
fn images_with_media_types_of_docker_are_supported() {
    let docker = "application/vnd.docker";
    let made = Made::new(&[b"one"]).with_manifest(|manifest| {
        manifest["mediaType"] = json!(format!("{docker}.distribution.manifest.v2+json"));
        manifest["config"]["mediaType"] = json!(format!("{docker}.container.image.v1+json"));
        manifest["layers"][0]["mediaType"] = json!(format!("{docker}.image.rootfs.diff.tar.gzip"));
    });
    let stub = Stub::of(&made, |_, _| None);
    let image = User::new().find(&stub.image()).unwrap();
    assert_eq!(image.layers.len(), 1);
}

#[test]
fn deeply_nested_indexes_are_an_error() {
    // An index cannot contain its own digest, but indexes can be nested deeply.
    let mut inner = Made::new(&[b"one"]).manifest;
    let mut levels = vec![inner.clone()];
    for _ in 0..10 {
        let index = json!({
            "schemaVersion": 2,
            "manifests": [{
                "mediaType": "application/vnd.oci.image.index.v1+json",
                "digest": crate::user::digest(&inner),
                "size": inner.len(),
            }],
        });
        inner = index.to_string().into_bytes();
        levels.push(inner.clone());
    }
    let stub = Stub::start(move |request| {
        let wanted = request.path.rsplit('/').next().unwrap();
        let found = levels
            .iter()
            .find(|level| crate::user::digest(level) == wanted);
        match (request.path.as_str(), found) {
            (_, Some(level)) => Reply::Content(level.clone()),
            ("/v2/", None) => Reply::Status(200, "{}".to_owned()),
            (_, None) => Reply::Content(levels.last().unwrap().clone()),
        }
    });
    let failure = User::new().failure(&stub.image());
    assert!(
        failure.contains("image index nested more than 4 deep"),
        "{failure}"
    );
}
