//! A job as JSON that [`read_job`](super::read_job) reads.

use super::{BindAccess, ContainerSpec, EnvironmentStep, ImageUse, JobSpec, WorkingDirectoryUse};
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::time::Duration;

impl JobSpec {
    /// The job in full. Fields with their default value are omitted.
    pub fn to_json(&self) -> Value {
        let mut fields = Fields::default();
        fields.set("program", &self.program);
        fields.set_unless("arguments", &self.arguments, self.arguments.is_empty());
        for (name, time) in [
            ("timeout", self.timeout),
            ("estimated_duration", self.estimated_duration),
        ] {
            fields.set_unless(name, time.map(seconds), time.is_none());
        }
        let memory_limit = self.memory_limit.map(|limit| limit.to_string());
        fields.set_unless("memory_limit", memory_limit, self.memory_limit.is_none());
        fields.set_unless(
            "process_limit",
            self.process_limit,
            self.process_limit.is_none(),
        );
        fields.set_unless("priority", self.priority, self.priority == 0);
        fields.set_unless("slots", self.slots, self.slots == 1);
        fields.set_container(&self.container);
        fields.0.into()
    }
}

/// A whole number of seconds is written without a fraction.
fn seconds(time: Duration) -> Value {
    if time.subsec_nanos() == 0 {
        time.as_secs().into()
    } else {
        time.as_secs_f64().into()
    }
}

#[derive(Default)]
struct Fields(Map<String, Value>);

impl Fields {
    fn set(&mut self, name: &str, value: impl Serialize) {
        self.0.insert(name.to_owned(), json!(value));
    }

    fn set_unless(&mut self, name: &str, value: impl Serialize, is_omitted: bool) {
        if !is_omitted {
            self.set(name, value);
        }
    }

    fn set_container(&mut self, container: &ContainerSpec) {
        let default = ContainerSpec::default();
        let takes = |of: fn(&ImageUse) -> bool| container.image.as_ref().is_some_and(of);
        let ContainerSpec {
            image: used,
            environment,
            layers,
            mounts,
            outputs,
            network,
            root_overlay,
            working_directory,
            user,
            group,
            init,
            hostname,
        } = container;
        self.set_unless("image", used.as_ref().map(image), used.is_none());
        if takes(|image| image.layers) {
            self.set_unless("added_layers", layers, layers.is_empty());
        } else {
            self.set("layers", layers);
        }
        if takes(|image| image.environment) {
            self.set_unless("environment", environment, environment.is_empty());
        } else {
            let variables = self::environment(environment, serde_json::value::Serializer);
            self.set_unless("environment", variables.ok(), environment.is_empty());
        }
        self.set_unless("mounts", mounts, mounts.is_empty());
        self.set_unless("outputs", outputs, outputs.is_empty());
        self.set_unless("network", network, *network == default.network);
        self.set_unless(
            "root_overlay",
            root_overlay,
            *root_overlay == default.root_overlay,
        );
        self.set_unless(
            "working_directory",
            working_directory,
            working_directory.is_none(),
        );
        self.set_unless("user", user, *user == default.user);
        self.set_unless("group", group, *group == default.group);
        self.set_unless("init", init, *init == default.init);
        self.set_unless("hostname", hostname, *hostname == default.hostname);
    }
}

fn image(used: &ImageUse) -> Value {
    let parts = [
        ("layers", used.layers),
        ("environment", used.environment),
        (
            "working_directory",
            used.working_directory != WorkingDirectoryUse::No,
        ),
    ];
    let parts = parts.iter().filter(|(_, is_used)| *is_used);
    let parts: Vec<_> = parts.map(|(name, _)| *name).collect();
    json!({ "name": used.image.to_string(), "use": parts })
}

/// A map where it has the same meaning, else a list.
pub fn environment<S: Serializer>(
    steps: &[EnvironmentStep],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match steps {
        [step] if step.extend => step.vars.serialize(serializer),
        _ => steps.serialize(serializer),
    }
}

impl Serialize for BindAccess {
    /// A field of the mount.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map([match self {
            Self::ReadWrite => ("read_only", false),
            Self::ReadOnly => ("read_only", true),
            Self::DiscardChanges => ("discard_changes", true),
        }])
    }
}

/// The nearest layer that has a spelling.
pub fn test_source<S: Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map([("source", "<workspace-dir>")])
}

pub fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

#[cfg(test)]
mod tests {
    use crate::spec::{
        Containers, Deprecations, JobDocument, JobSpec, SpecText, parse_json, read_job,
    };

    fn read(text: &str) -> JobSpec {
        let job = parse_json(text)
            .and_then(|node| read_job(&node, &mut Containers::new(), &mut Deprecations::default()));
        match job {
            Ok(JobDocument::Job(job)) => *job,
            Ok(JobDocument::Containers) => panic!("containers"),
            Err(error) => panic!("{}", SpecText { name: "f", text }.explain_error(&error)),
        }
    }

    #[test]
    fn a_job_survives_writing_and_reading() {
        for text in [
            r#"{ "layers": [{ "stubs": ["/x"] }], "program": "p" }"#,
            r#"{
                "layers": [
                    { "tar": "a.tar" },
                    { "glob": "*.x", "follow_symlinks": true, "canonicalize": true },
                    { "paths": ["a", "/b"], "strip_prefix": "a", "prepend_prefix": "/c" },
                    { "stubs": ["/{a,b}/"] },
                    { "symlinks": [{ "link": "/l", "target": "t" }] },
                    { "shared_library_dependencies": ["/bin/x"] },
                    { "files": { "/f": "text\n" } },
                    { "programs": ["sh"] },
                    { "source": "<workspace-dir>" },
                    { "command": "make" },
                    {
                        "command": ["make", ""],
                        "environment": { "A": "$env{A:-}" },
                        "mounts": [{ "type": "proc", "mount_point": "/proc" }],
                        "network": "local",
                        "working_directory": "/w"
                    }
                ],
                "mounts": [
                    { "type": "bind", "mount_point": "/b", "local_path": "b", "read_only": true },
                    { "type": "devices", "devices": ["null", "shm"] },
                    { "type": "devpts", "mount_point": "/dev/pts" },
                    { "type": "mqueue", "mount_point": "/dev/mqueue" },
                    { "type": "proc", "mount_point": "/proc" },
                    { "type": "sys", "mount_point": "/sys" },
                    { "type": "tmp", "mount_point": "/tmp" }
                ],
                "environment": [
                    { "vars": { "A": "a" }, "extend": true },
                    { "vars": { "A": "$prev{A}" }, "extend": false }
                ],
                "outputs": ["/var/report/*.xml", "<workspace-dir>/**/*.new"],
                "network": "loopback",
                "root_overlay": { "local": { "upper": "u", "work": "w" } },
                "working_directory": "/w", "user": 1, "group": 2, "init": true,
                "hostname": "h", "program": "p", "arguments": ["", "a"], "timeout": 1.5,
                "memory_limit": "1500 kB", "process_limit": 7,
                "estimated_duration": 2, "priority": -3, "slots": 4
            }"#,
            r#"{ "layers": [{ "stubs": ["/x"] }], "environment": { "A": "a" },
                 "root_overlay": "tmp", "network": "local", "program": "p", "timeout": 10 }"#,
            r#"{ "image": "docker://localhost:5000/x", "program": "p" }"#,
            r#"{ "image": { "name": "oci:a:b", "use": ["layers", "working_directory"] },
                 "added_layers": [{ "stubs": ["/x"] }], "environment": { "A": "a" },
                 "program": "p" }"#,
            r#"{ "image": { "name": "oci-archive:/a", "use": ["environment"] },
                 "layers": [{ "stubs": ["/x"] }],
                 "environment": [{ "vars": { "A": "$prev{A}" }, "extend": false }],
                 "program": "p" }"#,
        ] {
            let job = read(text);
            let written = serde_json::to_string_pretty(&job.to_json()).unwrap();
            assert_eq!(read(&written), job, "{written}");
        }
    }

    #[test]
    fn fields_with_their_default_are_omitted() {
        let job = read(r#"{ "layers": [{ "stubs": ["/x"] }], "program": "p" }"#);
        assert_eq!(
            job.to_json().to_string(),
            r#"{"program":"p","layers":[{"stubs":["/x"]}]}"#
        );
    }
}
