//! A job as JSON that [`read_job`](super::read_job) reads.

use super::{
    BindAccess, CommandLine, CommandSpec, ContainerSpec, EnvironmentElement, ImageUse, JobSpec,
    LayerSpec, Mount, Network, PrefixOptions, RootOverlay, WorkingDirectoryUse,
};
use serde_json::{Map, Value, json};
use std::time::Duration;

impl JobSpec {
    /// The job in full. Fields with their default value are omitted.
    pub fn to_json(&self) -> Value {
        let mut fields = Map::new();
        fields.insert("program".to_owned(), self.program.as_str().into());
        let mut set = |name: &str, value: Option<Value>| {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        };
        let unless_empty = (!self.arguments.is_empty()).then(|| self.arguments.clone().into());
        set("arguments", unless_empty);
        set("timeout", self.timeout.map(seconds));
        set("estimated_duration", self.estimated_duration.map(seconds));
        set(
            "priority",
            (self.priority != 0).then(|| self.priority.into()),
        );
        set("slots", (self.slots != 1).then(|| self.slots.into()));
        fields.extend(self.container.to_json());
        fields.into()
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

impl ContainerSpec {
    fn to_json(&self) -> Map<String, Value> {
        let default = Self::default();
        let mut fields = Map::new();
        let mut set = |name: &str, is_default: bool, value: Value| {
            if !is_default {
                fields.insert(name.to_owned(), value);
            }
        };
        set(
            "image",
            self.image.is_none(),
            self.image.as_ref().map(image).into(),
        );
        let uses = |of: fn(&ImageUse) -> bool| self.image.as_ref().is_some_and(of);
        let layers = list(&self.layers, layer);
        if uses(|image| image.layers) {
            set("added_layers", self.layers.is_empty(), layers);
        } else {
            set("layers", false, layers);
        }
        let variables = if uses(|image| image.environment) {
            steps(&self.environment)
        } else {
            environment(&self.environment)
        };
        set("environment", self.environment.is_empty(), variables);
        set("mounts", self.mounts.is_empty(), list(&self.mounts, mount));
        set("outputs", self.outputs.is_empty(), json!(self.outputs));
        set(
            "network",
            self.network == default.network,
            network(self.network),
        );
        set(
            "root_overlay",
            self.root_overlay == default.root_overlay,
            root_overlay(&self.root_overlay),
        );
        set(
            "working_directory",
            self.working_directory.is_none(),
            json!(self.working_directory),
        );
        set("user", self.user == default.user, self.user.into());
        set("group", self.group == default.group, self.group.into());
        set("init", self.init == default.init, self.init.into());
        set(
            "hostname",
            self.hostname == default.hostname,
            json!(self.hostname),
        );
        fields
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

fn list<T>(items: &[T], write: impl Fn(&T) -> Value) -> Value {
    items.iter().map(write).collect::<Vec<_>>().into()
}

/// A map where it has the same meaning, else a list.
fn environment(elements: &[EnvironmentElement]) -> Value {
    match elements {
        [element] if element.extend => json!(element.vars),
        _ => steps(elements),
    }
}

fn steps(elements: &[EnvironmentElement]) -> Value {
    list(
        elements,
        |element| json!({ "vars": element.vars, "extend": element.extend }),
    )
}

fn network(network: Network) -> Value {
    match network {
        Network::Disabled => "disabled",
        Network::Loopback => "loopback",
        Network::Local => "local",
    }
    .into()
}

fn root_overlay(overlay: &RootOverlay) -> Value {
    match overlay {
        RootOverlay::None => "none".into(),
        RootOverlay::Tmp => "tmp".into(),
        RootOverlay::Local { upper, work } => {
            json!({ "local": { "upper": upper, "work": work } })
        }
    }
}

fn mount(mount: &Mount) -> Value {
    match mount {
        Mount::Bind {
            mount_point,
            local_path,
            access,
            identity: _,
        } => {
            let mut bind = json!({
                "type": "bind", "mount_point": mount_point, "local_path": local_path,
            });
            match access {
                BindAccess::DiscardChanges => bind["discard_changes"] = true.into(),
                access => bind["read_only"] = (*access == BindAccess::ReadOnly).into(),
            }
            bind
        }
        Mount::Cache { mount_point, name } => {
            json!({ "type": "cache", "mount_point": mount_point, "name": name })
        }
        Mount::Devices { devices } => {
            let names: Vec<_> = devices.iter().map(|device| device.as_str()).collect();
            json!({ "type": "devices", "devices": names })
        }
        Mount::Devpts { mount_point } => json!({ "type": "devpts", "mount_point": mount_point }),
        Mount::Mqueue { mount_point } => json!({ "type": "mqueue", "mount_point": mount_point }),
        Mount::Proc { mount_point } => json!({ "type": "proc", "mount_point": mount_point }),
        Mount::Sys { mount_point } => json!({ "type": "sys", "mount_point": mount_point }),
        Mount::Tmp { mount_point } => json!({ "type": "tmp", "mount_point": mount_point }),
    }
}

fn layer(layer: &LayerSpec) -> Value {
    match layer {
        LayerSpec::Tar { tar } => json!({ "tar": tar }),
        LayerSpec::Glob { glob, prefix } => with_prefix(json!({ "glob": glob }), prefix),
        LayerSpec::Paths { paths, prefix } => with_prefix(json!({ "paths": paths }), prefix),
        LayerSpec::Stubs { stubs } => json!({ "stubs": stubs }),
        LayerSpec::Symlinks { symlinks } => {
            let symlinks = list(
                symlinks,
                |symlink| json!({ "link": symlink.link, "target": symlink.target }),
            );
            json!({ "symlinks": symlinks })
        }
        LayerSpec::SharedLibraryDependencies { binaries, prefix } => {
            with_prefix(json!({ "shared_library_dependencies": binaries }), prefix)
        }
        LayerSpec::Files { files } => json!({ "files": files }),
        LayerSpec::Programs { programs } => json!({ "programs": programs }),
        LayerSpec::Base { base } => {
            let names: Vec<_> = base.iter().map(|part| part.as_str()).collect();
            json!({ "base": names })
        }
        LayerSpec::Source { source } => json!({ "source": source }),
        LayerSpec::TestSource => json!({ "source": "<workspace-dir>" }),
        LayerSpec::Command(spec) => command(spec),
    }
}

fn with_prefix(mut layer: Value, prefix: &PrefixOptions) -> Value {
    if prefix.follow_symlinks {
        layer["follow_symlinks"] = true.into();
    }
    if prefix.canonicalize {
        layer["canonicalize"] = true.into();
    }
    if let Some(path) = &prefix.strip_prefix {
        layer["strip_prefix"] = path.as_str().into();
    }
    if let Some(path) = &prefix.prepend_prefix {
        layer["prepend_prefix"] = path.as_str().into();
    }
    layer
}

fn command(spec: &CommandSpec) -> Value {
    let mut layer = match &spec.command {
        CommandLine::Shell(text) => json!({ "command": text }),
        CommandLine::Words(words) => json!({ "command": words }),
    };
    if !spec.environment.is_empty() {
        layer["environment"] = environment(&spec.environment);
    }
    if !spec.mounts.is_empty() {
        layer["mounts"] = list(&spec.mounts, mount);
    }
    if spec.network != Network::default() {
        layer["network"] = network(spec.network);
    }
    if let Some(path) = &spec.working_directory {
        layer["working_directory"] = path.as_str().into();
    }
    layer
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
