//! The environment that Cargo gives tests when it runs them. It lacks the variables that only the
//! compiler gets, such as `CARGO_CRATE_NAME`, `CARGO_BIN_NAME` and `CARGO_TARGET_TMPDIR`.

use super::metadata::{RawPackage, directory_of};
use camino::{Utf8Path, Utf8PathBuf};
use std::collections::BTreeMap;

/// The variables that describe a package. A variable without a value in the manifest is empty, not
/// absent.
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

/// The sources of the environment of a test binary in ascending precedence.
pub(super) struct EnvironmentSources<'a> {
    /// The `[env]` table of the configuration.
    pub(super) configured: &'a BTreeMap<String, String>,
    /// The variables that the build script set with `rustc-env`.
    pub(super) script: &'a [(String, String)],
    pub(super) out_dir: Option<&'a Utf8Path>,
    pub(super) package: &'a BTreeMap<String, String>,
    pub(super) cargo: &'a Utf8Path,
    /// The package's programs by name, for integration tests and benchmarks.
    pub(super) programs: &'a BTreeMap<String, Utf8PathBuf>,
}

/// The whole environment except `LD_LIBRARY_PATH`.
pub(super) fn of_binary(sources: &EnvironmentSources<'_>) -> BTreeMap<String, String> {
    let mut environment = sources.configured.clone();
    environment.extend(sources.script.iter().cloned());
    if let Some(out_dir) = sources.out_dir {
        environment.insert("OUT_DIR".to_owned(), out_dir.to_string());
    }
    environment.insert("CARGO".to_owned(), sources.cargo.to_string());
    environment.extend(sources.package.clone());
    for (name, path) in sources.programs {
        // Cargo sets only the first variable. Shells can use only the second.
        environment.insert(format!("CARGO_BIN_EXE_{name}"), path.to_string());
        environment
            .entry(format!("CARGO_BIN_EXE_{}", name.replace('-', "_")))
            .or_insert_with(|| path.to_string());
    }
    environment
}
