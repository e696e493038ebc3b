//! Certificates that are trusted besides those of the system.

use oci_client::client::{Certificate, CertificateEncoding};
use rustls::RootCertStore;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// Reads `*.crt` below `HOST[:PORT]` in each of the directories. An error names the file and the
/// problem.
pub fn of_registry(registry: &str, directories: &[PathBuf]) -> Result<Vec<Certificate>, String> {
    let mut found = Vec::new();
    for directory in directories {
        let Ok(entries) = fs::read_dir(directory.join(registry)) else {
            continue;
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let mut paths: Vec<_> = paths.filter(|path| is_certificate(path)).collect();
        paths.sort();
        for path in paths {
            let bytes = fs::read(&path)
                .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            let certificates = in_pem(&bytes);
            if certificates.is_empty() {
                return Err(format!("{} has no certificate in PEM", path.display()));
            }
            found.extend(certificates);
        }
    }
    Ok(found)
}

/// Whether the system has root certificates. The client library cannot be started without them.
pub fn has_roots() -> bool {
    static HAS_ROOTS: LazyLock<bool> = LazyLock::new(|| {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        !roots.is_empty()
    });
    *HAS_ROOTS
}

fn is_certificate(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "crt")
}

/// The certificates in a PEM file.
fn in_pem(bytes: &[u8]) -> Vec<Certificate> {
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    CertificateDer::pem_slice_iter(bytes)
        .flatten()
        .map(|certificate| Certificate {
            encoding: CertificateEncoding::Der,
            data: certificate.to_vec(),
        })
        .collect()
}
