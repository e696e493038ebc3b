//! Images in files of this machine.

use crate::registry::Layout;
use crate::user::User;
use maelstrom::image::Image;
use std::fs;
use std::process::Command;

fn layers(image: &Image) -> Vec<String> {
    let layers = image.layers.iter();
    layers.map(|layer| layer.diff_id.clone()).collect()
}

#[test]
fn an_image_is_the_same_in_a_layout_and_in_either_kind_of_archive() {
    let layout = Layout::new();
    layout.add_busybox("busybox", "greeting", b"hello");
    let user = User::new();
    // Relative paths start at the project.
    layout.copy(
        "busybox",
        &format!("oci-archive:{}/a.tar:x", user.project()),
    );
    layout.copy(
        "busybox",
        &format!("docker-archive:{}/b.tar:x/y:1", user.project()),
    );
    let expected = user.find(&format!("oci:{}", layout.path().display()));
    let expected = layers(&expected.unwrap());
    assert_eq!(expected.len(), 2);
    for name in [
        "oci-archive:a.tar",
        "oci-archive:a.tar:x",
        "docker-archive:b.tar",
        "docker-archive:b.tar:x/y:1",
    ] {
        let image = user.find(name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(layers(&image), expected, "{name}");
        assert_eq!(image.environment["GREETING"], "hello", "{name}");
        assert!(!image.layers[0].discard_damaged());
    }
    assert_eq!(user.kept(), [0, 0]);

    // Without a tag, the tag is `latest`.
    let failure = user.failure("docker-archive:b.tar:x/y");
    assert!(
        failure.ends_with("b.tar has no image `x/y`; it has `docker.io/x/y:1`"),
        "{failure}"
    );
    let gzip = Command::new("gzip")
        .arg(user.project().join("a.tar"))
        .status();
    assert!(gzip.unwrap().success());
    let failure = user.failure("oci-archive:a.tar.gz");
    assert_eq!(
        failure,
        "<home>/project/a.tar.gz is compressed, but must be an uncompressed tar archive; decompress \
            it first"
    );
}

#[test]
fn an_image_in_a_layout_with_several_must_be_named() {
    let layout = Layout::new();
    layout.add_busybox("one", "file", b"1");
    layout.add_busybox("two", "file", b"2");
    let user = User::new();
    let path = layout.path();
    let failure = user.failure(&format!("oci:{}", path.display()));
    assert!(failure.ends_with("it has `one`, `two`"), "{failure}");
    let failure = user.failure(&format!("oci:{}:three", path.display()));
    assert!(
        failure.contains(" has no image `three`; it has "),
        "{failure}"
    );
    let two = user.find(&format!("oci:{}:two", path.display())).unwrap();
    let one = user.find(&format!("oci:{}:one", path.display())).unwrap();
    assert_ne!(layers(&one), layers(&two));

    // A blob that is not what its name says.
    let digest = one.layers[0].digest.as_ref().unwrap().replace(':', "/");
    assert!(path.join("blobs").join(digest).is_file());
    for entry in fs::read_dir(path.join("blobs/sha256")).unwrap() {
        let entry = entry.unwrap().path();
        let text = fs::read(&entry).unwrap();
        if text.starts_with(b"{") {
            fs::write(entry, [text, b" ".to_vec()].concat()).unwrap();
        }
    }
    let failure = user.failure(&format!("oci:{}:one", path.display()));
    assert!(
        failure.contains("is damaged: its digest is sha256:"),
        "{failure}"
    );
}
