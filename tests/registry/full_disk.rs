//! No space is left where images are kept.

use crate::stub::{Made, Stub};
use crate::user::{User, settings};
use camino::Utf8Path;
use maelstrom::image::{ImageError, Images};
use std::path::Path;
use std::process::Command;

const HOME: &str = "MAELSTROM_TEST_FULL_HOME";
const IMAGE: &str = "MAELSTROM_TEST_FULL_IMAGE";

/// Not a test, but the program that has a small disk.
#[test]
fn downloads_onto_a_small_disk_when_a_variable_asks_for_it() {
    let (Ok(home), Ok(image)) = (std::env::var(HOME), std::env::var(IMAGE)) else {
        return;
    };
    let images = Images::new(settings(Path::new(&home)));
    let project = Utf8Path::new(&home).join("project");
    let image = images.find(&image.parse().unwrap(), &project).unwrap();
    let error = image.layers[0].open().err().unwrap();
    assert!(matches!(error, ImageError::DiskFull { .. }), "{error}");
    let told = format!(" in {home}/depot; free some");
    assert!(error.to_string().contains(&told), "{error}");
    let left = std::fs::read_dir(format!("{home}/depot/tmp")).unwrap();
    assert_eq!(left.count(), 0);
    // What is small still fits.
    std::io::copy(&mut image.layers[1].open().unwrap(), &mut std::io::sink()).unwrap();
}

#[test]
fn a_full_disk_is_an_error_and_the_partial_blob_is_removed() {
    let made = Made::new(&[&vec![b'x'; 1 << 20], b"small"]);
    let stub = Stub::of(&made, |_, _| None);
    let user = User::new();
    std::fs::create_dir(user.depot()).unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c"])
        .arg(
            "mount -t tmpfs -o size=256k none \"$0\" && exec \"$1\" --exact \
             full_disk::downloads_onto_a_small_disk_when_a_variable_asks_for_it",
        )
        .arg(user.depot())
        .arg(std::env::current_exe().unwrap())
        .env(HOME, user.home())
        .env(IMAGE, stub.image())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{errors}");
    assert!(said.contains("1 passed"), "{said}");
    assert_eq!(stub.requests(&made.path(0)).len(), 1);
}
