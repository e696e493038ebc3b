//! The key of the documentation tests of a library: a digest of everything that they are made of.

use super::recorder::Recording;
use crate::store::{Digest, Store, StoreError};
use camino::Utf8PathBuf;
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What the tests of a library are made of.
#[derive(Debug)]
pub struct DoctestIngredients<'a> {
    pub recording: &'a Recording,
    /// How tests are chosen.
    pub mode: &'a str,
    pub rustdoc: &'a RustdocIdentity,
    /// The layers with the sources.
    pub sources: &'a [Digest],
    /// The files of the libraries.
    pub libraries: &'a [Utf8PathBuf],
    /// The variables of this process that the code may read when it is compiled.
    pub variables: &'a BTreeMap<String, String>,
}

/// What tells one rustdoc from others.
#[derive(Debug)]
pub enum RustdocIdentity {
    /// The rustdoc of a toolchain: its content. Asking it for its version takes as long as everything
    /// else that a run without changes does with documentation tests.
    File(PathBuf),
    /// The version of a program, which may be a script that calls any rustdoc.
    Version(String),
}

/// The key of the tests of a library. Blocks.
pub fn key(store: &Store, ingredients: &DoctestIngredients<'_>) -> Result<String, StoreError> {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    };
    let DoctestIngredients {
        recording,
        mode,
        rustdoc,
        sources,
        libraries,
        variables,
    } = ingredients;
    let rustdoc = match rustdoc {
        RustdocIdentity::File(path) => store.hash_file(path)?.to_string(),
        RustdocIdentity::Version(version) => version.clone(),
    };
    for text in [env!("CARGO_PKG_VERSION"), mode, &rustdoc] {
        add(text);
    }
    add(&format!("{:?}", recording.call().arguments));
    add(&recording.directory.to_string_lossy());
    add(&format!("{:?} {variables:?}", recording.environment));
    for digest in *sources {
        add(&digest.to_string());
    }
    for path in *libraries {
        // Metadata is part of the library, too.
        if path.extension() != Some("rmeta") {
            add(path.as_str());
            add(&store.hash_file(path.as_std_path())?.to_string());
        }
    }
    let digest = Digest {
        sha256: hash.finalize().into(),
        size: 0,
    };
    Ok(digest.to_string().chars().take(32).collect())
}
