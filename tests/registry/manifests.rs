//! Things in registries that are no images, or none that can be used.

use crate::stub::{Made, Reply, Stub};
use crate::user::User;
use serde_json::{Value, json};

/// What finding an image fails with whose manifest is changed so.
fn failure(change: impl FnOnce(&mut Value)) -> String {
    let made = Made::new(&[b"one"]).with_manifest(change);
    let stub = Stub::of(&made, |_, _| None);
    User::new().failure(&stub.image())
}

#[test]
fn what_is_no_image_that_can_be_used_is_told_why() {
    type Change = fn(&mut Value);
    let cases: [(Change, &str); 7] = [
        (
            |manifest| *manifest = json!({ "schemaVersion": 1, "fsLayers": [] }),
            "in Docker's old format (schema 1)",
        ),
        (
            |manifest| manifest["mediaType"] = json!("application/x"),
            "is no image: it is of the type `application/x`",
        ),
        (
            |manifest| manifest["config"]["mediaType"] = json!("application/vnd.cncf.helm.config"),
            "is no image: what it describes is of the type `application/vnd.cncf.helm.config`",
        ),
        (
            |manifest| manifest["layers"][0]["mediaType"] = json!("application/y+encrypted"),
            "has a layer of the type `application/y+encrypted`, which is not understood",
        ),
        (
            |manifest| manifest["layers"][0]["urls"] = json!(["https://example.com/l"]),
            "refers to https://example.com/l",
        ),
        (
            |manifest| manifest["layers"] = json!([]),
            "it has 0 layers, but its configuration tells of 1",
        ),
        (
            |manifest| *manifest = json!({ "schemaVersion": 2 }),
            "is not as images describe themselves: missing field",
        ),
    ];
    for (change, expected) in cases {
        let failure = failure(change);
        assert!(failure.contains(expected), "{failure}");
        assert!(failure.contains("docker://127.0.0.1:"), "{failure}");
    }
}

#[test]
fn images_in_the_format_of_docker_are_images() {
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
fn indexes_that_name_themselves_come_to_an_end() {
    // A digest cannot be in what it is the digest of; but there may be many levels.
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
        failure.contains("its indexes never come to an end"),
        "{failure}"
    );
}
