use super::*;
use crate::spec::{Deprecated, Network, RootOverlay, SpecText, WorkingDirectoryUse, parse_json};

mod errors;

fn read(texts: &[&str]) -> Result<JobDocument, String> {
    let mut containers = Containers::new();
    let mut deprecations = Deprecations::default();
    let mut last = Ok(JobDocument::Containers);
    for text in texts {
        let source = SpecText {
            name: "<stdin>",
            text,
        };
        last = parse_json(text)
            .and_then(|node| read_job(&node, &mut containers, &mut deprecations))
            .map_err(|error| source.explain_error(&error));
    }
    last
}

fn job(texts: &[&str]) -> JobSpec {
    match read(texts) {
        Ok(JobDocument::Job(job)) => *job,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_job_has_the_defaults_of_the_documentation() {
    let job = job(&[r#"{ "layers": [], "program": "/x" }"#]);
    assert_eq!(
        job,
        JobSpec {
            container: ContainerSpec::default(),
            program: "/x".to_owned(),
            arguments: Vec::new(),
            timeout: None,
            memory_limit: None,
            process_limit: None,
            estimated_duration: None,
            priority: 0,
            slots: 1,
        }
    );
    assert_eq!(job.container.network, Network::Disabled);
    assert_eq!(job.container.root_overlay, RootOverlay::None);
    assert_eq!((job.container.user, job.container.group), (0, 0));
    assert!(!job.container.init);
}

#[test]
fn every_field_of_a_job_is_read() {
    let job = job(&[
        r#"{ "layers": [{ "stubs": ["/a"] }], "program": "p", "arguments": ["a", ""],
        "timeout": 1.5, "memory_limit": "64 MiB", "process_limit": 5, "estimated_duration": 2,
        "priority": -3, "slots": 4, "user": 7 }"#,
    ]);
    assert_eq!(job.arguments, ["a", ""]);
    assert_eq!(job.timeout, Some(Duration::from_millis(1500)));
    assert_eq!(job.memory_limit, Some(ByteSize(64 << 20)));
    assert_eq!(job.process_limit, Some(5));
    assert_eq!(job.estimated_duration, Some(Duration::from_secs(2)));
    assert_eq!((job.priority, job.slots, job.container.user), (-3, 4, 7));
    assert_eq!(job.container.layers.len(), 1);
}

#[test]
fn a_limit_of_memory_may_be_in_bytes_and_zero_is_no_limit() {
    let limits = |fields: &str| {
        let text = format!(r#"{{ "layers": [], "program": "p", {fields} }}"#);
        let job = job(&[&text]);
        (job.memory_limit, job.process_limit)
    };
    let bytes = limits(r#""memory_limit": 1000"#);
    assert_eq!(bytes, (Some(ByteSize(1000)), None));
    for none in [
        r#""memory_limit": 0, "process_limit": 0"#,
        r#""memory_limit": "0""#,
    ] {
        assert_eq!(limits(none), (None, None));
    }
}

/// The used parts of the image: layers, environment, working directory.
fn used(job: &JobSpec) -> (bool, bool, WorkingDirectoryUse) {
    let image = job.container.image.as_ref().unwrap();
    assert_eq!(image.image.to_string(), "oci:x");
    (image.layers, image.environment, image.working_directory)
}

#[test]
fn layers_and_environment_of_an_image_are_used_by_default() {
    let image = |rest: &str| {
        used(&job(&[&format!(
            r#"{{ "image": {rest}, "program": "p" }}"#
        )]))
    };
    let usual = (true, true, WorkingDirectoryUse::No);
    assert_eq!(image(r#""oci:x""#), usual);
    assert_eq!(image(r#"{ "name": "oci:x" }"#), usual);
    assert_eq!(
        image(r#"{ "name": "oci:x", "use": ["working_directory", "layers"] }"#),
        (true, false, WorkingDirectoryUse::Required)
    );
    assert_eq!(
        image(r#"{ "name": "oci:x", "use": ["environment"] }, "layers": [{ "stubs": ["/x"] }]"#),
        (false, true, WorkingDirectoryUse::No)
    );
}

#[test]
fn steps_start_from_the_variables_of_an_image() {
    let steps = r#"[{ "vars": { "A": "a" }, "extend": false }]"#;
    for field in ["environment", "added_environment"] {
        let text = format!(r#"{{ "image": "oci:x", "{field}": {steps}, "program": "p" }}"#);
        let job = job(&[&text]);
        assert_eq!(used(&job), (true, true, WorkingDirectoryUse::No));
        assert_eq!(job.container.environment.len(), 1);
    }
    let text = r#"{ "image": { "name": "oci:x", "use": ["layers"] },
                    "environment": { "A": "a" }, "working_directory": "/w", "program": "p" }"#;
    assert_eq!(used(&job(&[text])), (true, false, WorkingDirectoryUse::No));
}

#[test]
fn a_child_uses_the_same_parts_of_an_image_as_its_parent() {
    let containers = r#"{ "containers": { "c": { "image": "oci:x" } } }"#;
    let child = job(&[containers, r#"{ "parent": "c", "program": "p" }"#]);
    assert_eq!(used(&child), (true, true, WorkingDirectoryUse::No));
    let own = job(&[
        containers,
        r#"{ "parent": "c", "environment": { "A": "a" }, "program": "p" }"#,
    ]);
    assert_eq!(used(&own), (true, false, WorkingDirectoryUse::No));
}

#[test]
fn an_image_may_have_a_separate_tag() {
    let text = r#"{ "image": { "name": "debian", "tag": "12" }, "program": "p" }"#;
    let node = parse_json(text).unwrap();
    let mut deprecations = Deprecations::default();
    let Ok(JobDocument::Job(job)) = read_job(&node, &mut Containers::new(), &mut deprecations)
    else {
        panic!("no job");
    };
    let image = job.container.image.unwrap().image;
    assert_eq!(image.to_string(), "docker://docker.io/library/debian:12");
    let deprecations: Vec<_> = deprecations.iter().map(|(_, note)| note).collect();
    assert_eq!(deprecations, [Deprecated::ImageTag]);
}

#[test]
fn containers_defined_before_can_be_parents() {
    let job = job(&[
        r#"{ "containers": { "base": { "layers": [{ "stubs": ["/a"] }], "user": 5 } } }"#,
        r#"{ "parent": "base", "added_layers": [{ "stubs": ["/b"] }], "program": "/x" }"#,
    ]);
    assert_eq!((job.container.layers.len(), job.container.user), (2, 5));
}
