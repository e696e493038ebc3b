//! Who may have what, and who is believed to be the registry.

use crate::downloader::{downloader, outcome};
use crate::registry::{Layout, PASSWORD, Registry, USER};
use crate::user::User;
use maelstrom::image::Images;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

fn push_busybox(registry: &Registry) {
    let layout = Layout::new();
    layout.add_busybox("busybox", "greeting", b"hello");
    registry.push(&layout, "busybox", "busybox:1");
}

#[test]
fn a_refused_image_is_an_error_that_says_how_to_log_in() {
    let registry = Registry::with_password();
    push_busybox(&registry);
    let host = registry.host();
    let name = format!("docker://{host}/busybox:1");
    let user = User::new();
    user.trust(&host, &registry.authority());
    assert_eq!(
        user.failure(&name),
        format!(
            "the registry {host} refused {name}: the image does not exist or is private; if it is \
                private, log in with `docker login {host}`"
        )
    );
    user.log_in("elsewhere", USER, PASSWORD);
    assert!(user.failure(&name).contains("if it is private"));
    user.log_in(&host, USER, "wrong");
    assert_eq!(
        user.failure(&name),
        format!(
            "the registry {host} refused {name} with the credentials from <home>/config.json: they \
                are wrong or not for this image, or the image does not exist; log in again with \
                `docker login {host}`"
        )
    );
    assert_eq!(user.kept(), [0, 0]);
    user.log_in(&host, USER, PASSWORD);
    user.find(&name).unwrap();
}

#[test]
fn an_image_or_a_tag_that_does_not_exist_is_an_error() {
    let registry = Registry::open_to_all();
    push_busybox(&registry);
    let host = registry.host();
    let user = User::new();
    user.trust(&host, &registry.authority());
    let no_tag = user.failure(&format!("docker://{host}/busybox:2"));
    assert_eq!(
        no_tag,
        format!(
            "the registry {host} has no docker://{host}/busybox:2: it has this image with other \
             tags: 1"
        )
    );
    let no_image = user.failure(&format!("docker://{host}/bosybux:1"));
    assert!(
        no_image.contains("the repository, tag or digest does not exist"),
        "{no_image}"
    );
    assert!(!user.tag_file().exists());
}

#[test]
fn an_untrusted_certificate_is_an_error_unless_the_setting_accepts_it() {
    let registry = Registry::open_to_all();
    push_busybox(&registry);
    let name = format!("docker://{}/busybox:1", registry.host());
    let user = User::new();
    let failure = user.failure(&name);
    assert!(failure.contains(" is not trusted ("), "{failure}");
    for remedy in ["certs.d", "SSL_CERT_FILE", "--accept-invalid-remote"] {
        assert!(failure.contains(remedy), "{failure}");
    }
    let mut settings = user.settings();
    settings.accept_invalid_certificates = true;
    user.find_with(&Images::new(settings), &name).unwrap();
}

#[test]
fn registries_of_this_machine_are_not_asked_through_a_proxy() {
    let registry = Registry::open_to_all();
    push_busybox(&registry);
    let user = User::new();
    user.trust(&registry.host(), &registry.authority());
    let mut settings = user.settings();
    settings.proxies.https = Some("http://127.0.0.1:1".to_owned());
    settings.retry.max_attempts = 1;
    let images = Images::new(settings);
    let name = format!("docker://{}/busybox:1", registry.host());
    user.find_with(&images, &name).unwrap();
    // Other registries are.
    let elsewhere = user.find_with(&images, "docker://nowhere.invalid/a:1");
    let failure = elsewhere.unwrap_err().to_string();
    assert!(failure.contains("onnection refused"), "{failure}");
}

#[test]
fn a_file_of_credentials_or_certificates_that_is_broken_is_named() {
    let user = User::new();
    fs::write(user.home().join("config.json"), "{").unwrap();
    let failure = user.failure("docker://127.0.0.1:1/a:1");
    assert!(
        failure.contains("<home>/config.json is malformed"),
        "{failure}"
    );
    let user = User::new();
    let broken = user.home().join("broken");
    fs::write(&broken, "none").unwrap();
    user.trust("127.0.0.1:1", &broken);
    let failure = user.failure("docker://127.0.0.1:1/a:1");
    assert!(
        failure.contains("ca.crt has no certificate in PEM"),
        "{failure}"
    );
}

#[test]
fn certificates_named_by_the_environment_are_trusted() {
    let registry = Registry::open_to_all();
    push_busybox(&registry);
    let name = format!("docker://{}/busybox:1", registry.host());
    let user = User::new();
    let mut program = downloader(&user, &name);
    program.env("SSL_CERT_FILE", registry.authority());
    let (works, said) = outcome(&mut program);
    assert!(works, "{said}");
    // Without root certificates no registry is trusted.
    let user = User::new();
    let mut program = downloader(&user, &name);
    program
        .env("SSL_CERT_FILE", "/dev/null")
        .env_remove("SSL_CERT_DIR");
    let (works, said) = outcome(&mut program);
    assert!(!works, "{said}");
    assert!(
        said.contains("install the package ca-certificates"),
        "{said}"
    );
}

#[test]
fn credentials_come_from_a_helper_too() {
    let registry = Registry::with_password();
    push_busybox(&registry);
    let host = registry.host();
    let name = format!("docker://{host}/busybox:1");
    let run = |script: &str| {
        let user = User::new();
        user.trust(&host, &registry.authority());
        let helper = user.home().join("docker-credential-test");
        let script = format!("#!/bin/sh\nread -r server\n{script}\n");
        fs::write(&helper, script).unwrap();
        fs::set_permissions(&helper, Permissions::from_mode(0o755)).unwrap();
        let config = user.home().join("config.json");
        fs::write(config, r#"{ "credsStore": "test" }"#).unwrap();
        let path = std::env::var("PATH").unwrap();
        let path = format!("{}:{path}", user.home().display());
        outcome(downloader(&user, &name).env("PATH", path))
    };
    let (works, said) = run(&format!(
        r#"echo "{{\"ServerURL\":\"$server\",\"Username\":\"{USER}\",\"Secret\":\"{PASSWORD}\"}}""#
    ));
    assert!(works, "{said}");
    let (works, said) = run("echo 'the vault is shut' >&2; exit 3");
    assert!(!works);
    assert!(
        said.contains("the credential helper `docker-credential-test get` that"),
        "{said}"
    );
    assert!(said.contains("failed: the vault is shut"), "{said}");
    // One that has none is no error of its own.
    let (works, said) = run("echo 'credentials not found in native keychain'; exit 1");
    assert!(!works);
    assert!(said.contains("if it is private, log in with"), "{said}");
}
