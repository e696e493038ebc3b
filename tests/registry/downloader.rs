//! A program that downloads an image, and is what it is by its environment.

use crate::user::{User, bytes, settings};
use camino::Utf8Path;
use maelstrom::image::Images;
use std::path::Path;
use std::process::{Command, Stdio};

/// What it is told: a home, and an image.
const HOME: &str = "MAELSTROM_TEST_HOME";
const IMAGE: &str = "MAELSTROM_TEST_IMAGE";

/// Not a test, but the program.
#[test]
fn downloads_when_a_variable_asks_for_it() {
    let (Ok(home), Ok(image)) = (std::env::var(HOME), std::env::var(IMAGE)) else {
        return;
    };
    let images = Images::new(settings(Path::new(&home)));
    let project = Utf8Path::new(&home).join("project");
    let found = images.find(&image.parse().unwrap(), &project);
    let image = found.unwrap_or_else(|error| panic!("{error}"));
    image.fetch();
    image.layers.iter().map(bytes).for_each(drop);
}

pub fn downloader(user: &User, image: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args([
            "--exact",
            "downloader::downloads_when_a_variable_asks_for_it",
        ])
        .env(HOME, user.home())
        .env(IMAGE, image)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Whether it worked, and what it said.
pub fn outcome(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("running 1 test"), "{said}");
    let errors = String::from_utf8_lossy(&output.stderr);
    (output.status.success(), format!("{said}{errors}"))
}
