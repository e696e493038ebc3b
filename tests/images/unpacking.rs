//! What an image's layers come to.

use crate::image::{Compression, Layer, TestImage, write_oci};
use crate::{Place, find};
use std::fs;
use tar::EntryType;

fn two_layers() -> TestImage {
    TestImage::new()
        .layer(
            Layer::new()
                .file("etc/old", b"old")
                .file("etc/kept", b"kept")
                .file("opt/gone/file", b"gone")
                .symlink("lib", "usr/lib")
                .directory("usr/lib"),
        )
        .layer(
            Layer::new()
                .whiteout("etc/old")
                .file("etc/new", b"new")
                .file("opt/.wh..wh..opq", b"")
                .file("lib/new", b"new")
                .hard_link("etc/other", "etc/kept"),
        )
        .variable("PATH", "/bin")
        .working_directory("/work")
}

const BOTH: &str = "/etc/\n/etc/kept: kept\n/etc/new: new\n/etc/other: kept\n/lib -> usr/lib\n\
                    /opt/\n/usr/\n/usr/lib/\n/usr/lib/new: new\n";

#[test]
fn layers_lie_on_one_another() {
    assert_eq!(Place::new().unpack(&two_layers()).unwrap(), BOTH);
}

#[test]
fn all_ways_to_store_an_image_come_to_the_same() {
    let place = Place::new();
    let path = |name: &str| place.directory.path().join(name);
    two_layers().write_oci_archive(&path("oci.tar"), "test");
    two_layers().write_docker_archive(&path("docker.tar"), "test:latest");
    for name in [
        "oci-archive:DIR/oci.tar:test",
        "docker-archive:DIR/docker.tar",
    ] {
        let image = find(&name.replace("DIR", &place.directory.path().display().to_string()));
        assert_eq!(place.shown(&image).unwrap(), BOTH, "{name}");
        assert_eq!(image.environment["PATH"], "/bin", "{name}");
        assert_eq!(image.working_directory.unwrap(), "/work", "{name}");
    }
}

#[test]
fn layers_may_be_compressed_in_any_of_the_usual_ways() {
    let layer = |name: &str| Layer::new().file(name, b"x").bytes();
    let image = TestImage::new()
        .archive(&layer("plain"), Compression::None)
        .archive(&layer("gzip"), Compression::Gzip)
        .archive(&layer("zstd"), Compression::Zstd)
        .archive(b"", Compression::None);
    let shown = Place::new().unpack(&image).unwrap();
    assert_eq!(shown, "/gzip: x\n/plain: x\n/zstd: x\n");
}

#[test]
fn the_image_for_this_platform_is_found_in_an_index() {
    let place = Place::new();
    let image = |name: &str| TestImage::new().layer(Layer::new().file(name, b"x"));
    let foreign = image("foreign").architecture("mips");
    write_oci(&place.layout(), &[("multi", &[&foreign, &image("ours")])]);
    assert_eq!(place.shown(&place.find("multi")).unwrap(), "/ours: x\n");
}

#[test]
fn an_image_whose_tree_is_known_is_not_opened_and_its_warning_is_shown_once() {
    let place = Place::new();
    let device = Layer::new()
        .entry(EntryType::Char, "dev/null", "", 0o666, b"")
        .file("f", b"x");
    let image = TestImage::new().layer(device);
    image.write_oci(&place.layout(), "test");
    let found = place.find("test");
    let first = maelstrom::layer::image::unpack(&place.store, &found).unwrap();
    assert_eq!(
        first.warnings,
        ["left out `dev/null`: a layer cannot hold devices and pipes"]
    );
    place.store.add_tree(&first.manifest).unwrap();
    fs::remove_file(place.layout().join(image.blob(0))).unwrap();
    let again = maelstrom::layer::image::unpack(&place.store, &found).unwrap();
    assert_eq!(again.manifest, first.manifest);
    assert!(again.warnings.is_empty(), "{:?}", again.warnings);
}
