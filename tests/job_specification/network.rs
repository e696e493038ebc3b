//! The three networks a job can have.

use crate::both::{both_print, both_refuse, project};
use crate::need::needs_containers;
use serde_json::{Value, json};
use std::fs;
use std::net::TcpListener;

/// Tells whether this machine's port can be reached, and one of its own.
const CONNECT: &str = r#"
    connect() { ( exec 3<>/dev/tcp/127.0.0.1/$1 ) 2>&1; }
    case $(connect $PORT) in
        '') echo "reaches this machine";;
        *refused*) echo "has a localhost of its own";;
        *unreachable*) echo "reaches nothing";;
    esac
    [ "$(readlink /proc/self/ns/net)" = "$NAMESPACE" ] && echo "in the namespace of this machine"
    exit 0
"#;

/// Asserts what becomes of an attempt to reach this machine, with these further fields.
#[track_caller]
fn connects(json: &Value, toml: &str, expected: &str) {
    let project = project();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let namespace = fs::read_link("/proc/self/ns/net").unwrap();
    let namespace = namespace.to_str().unwrap();
    let mut fields = json!({
        "added_layers": [{ "programs": ["bash"] }, { "stubs": ["/proc/"] }],
        "added_mounts": [{ "type": "proc", "mount_point": "/proc" }],
        "added_environment": { "PORT": port.to_string(), "NAMESPACE": namespace }
    });
    for (name, value) in json.as_object().unwrap() {
        fields[name] = value.clone();
    }
    both_print(
        &project,
        &fields,
        &format!(
            r#"
                added_layers = [{{ programs = ["bash"] }}, {{ stubs = ["/proc/"] }}]
                added_mounts = [{{ type = "proc", mount_point = "/proc" }}]
                added_environment = {{ PORT = "{port}", NAMESPACE = "{namespace}" }}
                {toml}
            "#
        ),
        &format!("exec bash -c '{}'", CONNECT.replace('\'', r"'\''")),
        expected,
    );
}

#[test]
fn a_disabled_network_which_is_the_default_reaches_nothing_not_even_localhost() {
    needs_containers!();
    connects(&json!({}), "", "reaches nothing\n");
    connects(
        &json!({ "network": "disabled" }),
        r#"network = "disabled""#,
        "reaches nothing\n",
    );
}

#[test]
fn a_loopback_network_is_a_localhost_of_the_jobs_own() {
    needs_containers!();
    connects(
        &json!({ "network": "loopback" }),
        r#"network = "loopback""#,
        "has a localhost of its own\n",
    );
}

#[test]
fn a_local_network_is_that_of_this_machine() {
    needs_containers!();
    connects(
        &json!({ "network": "local" }),
        r#"network = "local""#,
        "reaches this machine\nin the namespace of this machine\n",
    );
}

#[test]
fn a_local_network_excludes_a_sys_mount() {
    needs_containers!();
    both_refuse(
        &project(),
        &json!({
            "added_layers": [{ "stubs": ["/sys/"] }],
            "added_mounts": [{ "type": "sys", "mount_point": "/sys" }],
            "network": "local"
        }),
        r#"
            added_layers = [{ stubs = ["/sys/"] }]
            added_mounts = [{ type = "sys", mount_point = "/sys" }]
            network = "local"
        "#,
        "a `sys` mount and the network `local` exclude each other",
    );
}

#[test]
fn a_network_is_one_of_three() {
    needs_containers!();
    both_refuse(
        &project(),
        &json!({ "network": "host" }),
        r#"network = "host""#,
        "unknown network `host`; it must be one of `disabled`, `loopback`, `local`",
    );
}
