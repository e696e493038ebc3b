//! Layers that are not what the image says they are.

use crate::Place;
use crate::image::{Compression, Layer, TestImage, digest};
use std::fs;

fn message(place: &Place) -> String {
    let image = place.find("test");
    let error = maelstrom::layer::image::unpack(&place.store, &image).unwrap_err();
    let again = maelstrom::layer::image::unpack(&place.store, &image).unwrap_err();
    assert_eq!(error.to_string(), again.to_string());
    error.to_string()
}

/// Writes an image whose only layer then becomes another, and returns what is said of it.
fn tampered(compression: Compression, change: impl FnOnce(&mut Vec<u8>)) -> [String; 2] {
    let place = Place::new();
    let layer = Layer::new().file("f", &b"content".repeat(1000)).bytes();
    let image = TestImage::new().archive(&layer, compression);
    image.write_oci(&place.layout(), "test");
    let path = place.layout().join(image.blob(0));
    let mut bytes = fs::read(&path).unwrap();
    let before = digest(&bytes);
    change(&mut bytes);
    fs::write(&path, &bytes).unwrap();
    let expected = format!(
        "the layer {} failed digest verification: its digest is {}, not {before}",
        path.display(),
        digest(&bytes)
    );
    [message(&place), expected]
}

#[test]
fn a_damaged_layer_is_refused_by_its_digests() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let [found, expected] = tampered(compression, |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        });
        assert_eq!(found, expected, "{compression:?}");
        let [found, expected] = tampered(compression, |bytes| bytes.truncate(bytes.len() / 2));
        assert_eq!(found, expected, "{compression:?}");
        let [found, expected] = tampered(compression, |bytes| bytes.push(0));
        assert_eq!(found, expected, "{compression:?}");
        let [found, expected] = tampered(compression, Vec::clear);
        assert_eq!(found, expected, "{compression:?}");
    }
}

#[test]
fn another_archive_of_the_right_blob_is_refused_by_its_digests() {
    let place = Place::new();
    let layer = Layer::new().file("f", b"x").bytes();
    let other = digest(b"another archive");
    let image = TestImage::new()
        .archive(&layer, Compression::Gzip)
        .with_diff_id(&other);
    image.write_oci(&place.layout(), "test");
    let expected = format!(
        "the layer {} failed digest verification: the digest of the archive in it is {}, \
         not {other}",
        place.layout().join(image.blob(0)).display(),
        digest(&layer)
    );
    assert_eq!(message(&place), expected);
}

#[test]
fn bytes_after_the_end_of_the_archive_count_for_its_digest() {
    let place = Place::new();
    let mut layer = Layer::new().file("f", b"x").bytes();
    layer.extend(b"more".repeat(100_000));
    let image = TestImage::new().archive(&layer, Compression::Gzip);
    assert_eq!(place.unpack(&image).unwrap(), "/f: x\n");
}

#[test]
fn a_wrong_digest_is_reported_before_errors_of_the_archive() {
    let place = Place::new();
    let layer = Layer::new().file("../evil", b"x").bytes();
    let image = TestImage::new().archive(&layer, Compression::Gzip);
    let error = place.unpack(&image).unwrap_err().to_string();
    assert!(error.contains("leads upwards"), "{error}");
    let place = Place::new();
    let image = image.with_diff_id(&digest(b""));
    let error = place.unpack(&image).unwrap_err().to_string();
    assert!(error.contains("failed digest verification"), "{error}");
}
