//! The credentials for registries, in the files that `docker login` writes.

use docker_credential::{CredentialRetrievalError, DockerCredential, get_credential_from_reader};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The name of Docker Hub in these files.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// A user's name and password, and the file that they are from.
#[derive(Clone)]
pub struct Credentials {
    pub user: String,
    pub password: String,
    pub file: PathBuf,
}

/// Finds the credentials for a registry. Blocks while a credential helper runs. An error names
/// the file and the problem.
pub fn find(registry: &str, files: &[PathBuf]) -> Result<Option<Credentials>, String> {
    let name = if registry == "docker.io" {
        DOCKER_HUB
    } else {
        registry
    };
    for file in files {
        match fs::read(file) {
            Ok(text) => {
                if let Some(found) = find_in(&text, name, file)? {
                    return Ok(Some(found));
                }
            }
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(format!("cannot read {}: {error}", file.display())),
        }
    }
    Ok(None)
}

fn is_absent(error: &io::Error) -> bool {
    use io::ErrorKind::{NotADirectory, NotFound};
    matches!(error.kind(), NotFound | NotADirectory)
}

fn find_in(text: &[u8], name: &str, file: &Path) -> Result<Option<Credentials>, String> {
    let in_file = file.display();
    match get_credential_from_reader(text, name) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Credentials {
            user,
            password,
            file: file.to_owned(),
        })),
        Ok(DockerCredential::IdentityToken(_)) => Err(format!(
            "{in_file} has an identity token for the registry, which is not supported; log in with a \
                user name and a password or access token: `docker login --username NAME {name}`"
        )),
        Err(CredentialRetrievalError::NoCredentialConfigured) => Ok(None),
        Err(CredentialRetrievalError::HelperFailure {
            helper,
            stdout,
            stderr,
        }) => {
            // Helpers print on stdout that they have no credentials.
            if stdout.contains("credentials not found") {
                return Ok(None);
            }
            let said = [stdout.trim(), stderr.trim()].join(" ");
            Err(format!(
                "the credential helper `{helper} get` that {in_file} names failed: {}",
                said.trim()
            ))
        }
        Err(CredentialRetrievalError::HelperCommunicationError) => Err(format!(
            "the credential helper that {in_file} names for the registry (`credHelpers` or \
                `credsStore`) cannot be run; check that `docker-credential-…` is installed and in PATH"
        )),
        Err(CredentialRetrievalError::MalformedHelperResponse) => Err(format!(
            "the credential helper that {in_file} names for the registry printed no user name and \
                password"
        )),
        Err(CredentialRetrievalError::ConfigReadError) => {
            Err(format!("{in_file} is malformed: {}", what_is_wrong(text)))
        }
        Err(_) => Err(format!(
            "the credentials for the registry in {in_file} are malformed; log in again with \
             `docker login {name}`"
        )),
    }
}

fn what_is_wrong(text: &[u8]) -> String {
    match serde_json::from_slice::<serde_json::Value>(text) {
        Err(error) => error.to_string(),
        Ok(_) => "`auths` must be an object of objects, `credHelpers` an object of strings, and \
            `credsStore` a string"
            .to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find_with(config: &str, registry: &str) -> Result<Option<(String, String)>, String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.json");
        fs::write(&file, config).unwrap();
        let found = find(registry, &[directory.path().join("absent"), file]);
        let found = found.map_err(|problem| {
            problem.replace(directory.path().to_str().unwrap(), "<directory>")
        })?;
        Ok(found.map(|found| (found.user, found.password)))
    }

    #[test]
    fn credentials_are_found_by_registry() {
        // `me:secret` and `you:other`.
        let config = r#"{ "auths": {
            "https://index.docker.io/v1/": { "auth": "bWU6c2VjcmV0" },
            "localhost:5000": { "auth": "eW91Om90aGVy" },
            "token": { "identitytoken": "x" },
            "broken": { "auth": "???" }
        } }"#;
        let me = Some(("me".to_owned(), "secret".to_owned()));
        assert_eq!(find_with(config, "docker.io"), Ok(me));
        let you = Some(("you".to_owned(), "other".to_owned()));
        assert_eq!(find_with(config, "localhost:5000"), Ok(you));
        assert_eq!(find_with(config, "localhost:5001"), Ok(None));
        let problem = find_with(config, "token").unwrap_err();
        assert!(
            problem.contains("<directory>/config.json has an identity token"),
            "{problem}"
        );
        let problem = find_with(config, "broken").unwrap_err();
        assert!(problem.contains("are malformed; log in again"), "{problem}");
    }

    #[test]
    fn an_error_in_the_file_names_line_and_column() {
        let problem = find_with("{\n  \"auths\": }", "a").unwrap_err();
        assert!(
            problem.starts_with("<directory>/config.json is malformed:"),
            "{problem}"
        );
        assert!(problem.ends_with("at line 2 column 12"), "{problem}");
        let problem = find_with(r#"{ "auths": 3 }"#, "a").unwrap_err();
        assert!(
            problem.contains("must be an object of objects"),
            "{problem}"
        );
    }

    #[test]
    fn a_credential_helper_runs_only_for_its_registry() {
        let config = r#"{ "credHelpers": { "here": "that-is-nowhere" } }"#;
        let problem = find_with(config, "here").unwrap_err();
        assert!(problem.contains("cannot be run"), "{problem}");
        assert_eq!(find_with(config, "there"), Ok(None));
    }
}
