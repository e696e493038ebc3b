//! Somebody who uses images, with a home of their own.

use camino::Utf8PathBuf;
use maelstrom::image::{Image, ImageError, ImageSettings, Images, LayerBlob, Proxies, RetryPolicy};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

pub struct User {
    directory: TempDir,
}

impl User {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new()
            .prefix("maelstrom-")
            .tempdir()
            .unwrap();
        fs::create_dir(directory.path().join("project")).unwrap();
        Self { directory }
    }

    pub fn settings(&self) -> ImageSettings {
        settings(self.directory.path())
    }

    pub fn images(&self) -> Images {
        Images::new(self.settings())
    }

    pub fn home(&self) -> &Path {
        self.directory.path()
    }

    pub fn depot(&self) -> PathBuf {
        self.directory.path().join("depot")
    }

    pub fn project(&self) -> Utf8PathBuf {
        Utf8PathBuf::from_path_buf(self.directory.path().join("project")).unwrap()
    }

    pub fn tag_file(&self) -> PathBuf {
        self.project().join(maelstrom::image::TAG_FILE).into()
    }

    /// Trusts what this certificate has signed, where `host` has it.
    pub fn trust(&self, host: &str, certificate: &Path) -> &Self {
        let directory = self.directory.path().join("certs.d").join(host);
        fs::create_dir_all(&directory).unwrap();
        fs::copy(certificate, directory.join("ca.crt")).unwrap();
        self
    }

    pub fn log_in(&self, host: &str, user: &str, password: &str) -> &Self {
        let text = serde_json::json!({
            "auths": { host: { "username": user, "password": password } }
        });
        fs::write(self.directory.path().join("config.json"), text.to_string()).unwrap();
        self
    }

    pub fn find(&self, name: &str) -> Result<Image, ImageError> {
        self.find_with(&self.images(), name)
    }

    pub fn find_with(&self, images: &Images, name: &str) -> Result<Image, ImageError> {
        images.find(&name.parse().unwrap(), &self.project())
    }

    /// What finding the image fails with.
    #[track_caller]
    pub fn failure(&self, name: &str) -> String {
        match self.find(name) {
            Ok(image) => panic!("{image:?}"),
            Err(error) => {
                let text = error.to_string();
                assert!(!text.contains('\n'), "{text}");
                text.replace(self.home().to_str().unwrap(), "<home>")
            }
        }
    }

    /// How many blobs are in the depot, and how many on their way.
    pub fn kept(&self) -> [usize; 2] {
        ["blobs/sha256", "tmp"].map(|name| match fs::read_dir(self.depot().join(name)) {
            Ok(entries) => entries.count(),
            Err(_) => 0,
        })
    }
}

/// Of somebody who lives in a directory, and has little time.
pub fn settings(home: &Path) -> ImageSettings {
    ImageSettings {
        depot: home.join("depot"),
        accept_invalid_certificates: false,
        credentials: vec![home.join("config.json")],
        certificates: vec![home.join("certs.d")],
        proxies: Proxies::default(),
        retry: RetryPolicy {
            max_attempts: 4,
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_millis(4),
            ..RetryPolicy::default()
        },
    }
}

/// The bytes of a layer, which have its digest.
#[track_caller]
pub fn bytes(layer: &LayerBlob) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = layer.open().unwrap_or_else(|error| panic!("{error}"));
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(layer.digest, Some(digest(&bytes)));
    bytes
}

pub fn digest(bytes: &[u8]) -> String {
    let mut text = "sha256:".to_owned();
    for byte in Sha256::digest(bytes) {
        write!(text, "{byte:02x}").unwrap();
    }
    text
}
