//! The environment that Cargo gives a test when it runs it (not what it sets for the
//! compiler: `CARGO_CRATE_NAME`, `CARGO_BIN_NAME` and `CARGO_TARGET_TMPDIR` are gone
//! by then).

use super::metadata::{RawPackage, directory_of};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;

/// The variables that describe a package. One that the manifest does not set is empty,
/// not absent.
pub(super) fn of_package(package: &RawPackage) -> BTreeMap<String, String> {
    let version = &package.version;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    [
        (
            "CARGO_MANIFEST_DIR",
            directory_of(&package.manifest_path).into_string(),
        ),
        ("CARGO_MANIFEST_PATH", package.manifest_path.to_string()),
        ("CARGO_PKG_AUTHORS", package.authors.join(":")),
        ("CARGO_PKG_DESCRIPTION", text(&package.description)),
        ("CARGO_PKG_HOMEPAGE", text(&package.homepage)),
        ("CARGO_PKG_LICENSE", text(&package.license)),
        ("CARGO_PKG_LICENSE_FILE", text(&package.license_file)),
        ("CARGO_PKG_NAME", package.name.clone()),
        ("CARGO_PKG_README", text(&package.readme)),
        ("CARGO_PKG_REPOSITORY", text(&package.repository)),
        ("CARGO_PKG_RUST_VERSION", text(&package.rust_version)),
        ("CARGO_PKG_VERSION", version.to_string()),
        ("CARGO_PKG_VERSION_MAJOR", version.major.to_string()),
        ("CARGO_PKG_VERSION_MINOR", version.minor.to_string()),
        ("CARGO_PKG_VERSION_PATCH", version.patch.to_string()),
        ("CARGO_PKG_VERSION_PRE", version.pre.to_string()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

/// What Cargo sets from, the weakest first.
pub(super) struct Sources<'a> {
    /// The `[env]` table, resolved.
    pub(super) configured: &'a BTreeMap<String, String>,
    /// The build script's `rustc-env`.
    pub(super) script: &'a [(String, String)],
    pub(super) out_dir: Option<&'a Utf8Path>,
    pub(super) package: &'a BTreeMap<String, String>,
    pub(super) cargo: &'a Utf8Path,
    /// The package's binaries, for integration tests and benchmarks.
    pub(super) programs: &'a BTreeMap<String, Utf8PathBuf>,
}

/// The whole environment but `LD_LIBRARY_PATH`.
pub(super) fn of_binary(sources: &Sources<'_>) -> BTreeMap<String, String> {
    let mut environment = sources.configured.clone();
    environment.extend(sources.script.iter().cloned());
    if let Some(out_dir) = sources.out_dir {
        environment.insert("OUT_DIR".to_owned(), out_dir.to_string());
    }
    environment.insert("CARGO".to_owned(), sources.cargo.to_string());
    environment.extend(sources.package.clone());
    for (name, path) in sources.programs {
        // Cargo knows only the first spelling. The second can be named in a shell.
        environment.insert(format!("CARGO_BIN_EXE_{name}"), path.to_string());
        environment
            .entry(format!("CARGO_BIN_EXE_{}", name.replace('-', "_")))
            .or_insert_with(|| path.to_string());
    }
    environment
}
