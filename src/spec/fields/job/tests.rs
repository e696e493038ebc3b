use super::*;
use crate::spec::{Network, RootOverlay, Source, parse_json};

fn read(texts: &[&str]) -> Result<JobDocument, String> {
    let mut containers = Containers::new();
    let mut notes = Deprecations::default();
    let mut last = Ok(JobDocument::Containers);
    for text in texts {
        let source = Source {
            name: "<stdin>",
            text,
        };
        last = parse_json(text)
            .and_then(|node| read_job(&node, &mut containers, &mut notes))
            .map_err(|mistake| source.explain(&mistake.span, &mistake.problem));
    }
    last
}

fn job(texts: &[&str]) -> JobSpec {
    match read(texts) {
        Ok(JobDocument::Job(job)) => *job,
        other => panic!("{other:?}"),
    }
}

fn mistake(text: &str) -> String {
    let error = read(&[text]).unwrap_err();
    error.lines().next().unwrap_or_default().to_owned()
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
        "timeout": 1.5, "estimated_duration": 2, "priority": -3, "slots": 4, "user": 7 }"#,
    ]);
    assert_eq!(job.arguments, ["a", ""]);
    assert_eq!(job.timeout, Some(Duration::from_millis(1500)));
    assert_eq!(job.estimated_duration, Some(Duration::from_secs(2)));
    assert_eq!((job.priority, job.slots, job.container.user), (-3, 4, 7));
    assert_eq!(job.container.layers.len(), 1);
}

#[test]
fn containers_defined_before_can_be_parents() {
    let job = job(&[
        r#"{ "containers": { "base": { "layers": [{ "stubs": ["/a"] }], "user": 5 } } }"#,
        r#"{ "parent": "base", "added_layers": [{ "stubs": ["/b"] }], "program": "/x" }"#,
    ]);
    assert_eq!((job.container.layers.len(), job.container.user), (2, 5));
}

#[test]
fn each_mistake_names_its_place_and_the_remedy() {
    for (text, message) in [
        (
            r#"{ "layers": [] }"#,
            "<stdin>:1:1: a job needs the field `program`",
        ),
        (
            r#"{ "program": "/x" }"#,
            "<stdin>:1:1: a job needs the field `layers`",
        ),
        (
            "[]",
            "<stdin>:1:1: a job must be a table of fields, not a list",
        ),
        (
            r#"{ "layers": [], "program": "" }"#,
            "<stdin>:1:28: `program` must not be empty",
        ),
        (
            r#"{ "layers": [], "program": 1 }"#,
            "<stdin>:1:28: `program` must be a string, not a whole number",
        ),
        (
            r#"{ "layers": [], "program": "x", "argumnts": [] }"#,
            "<stdin>:1:33: unknown field `argumnts` of a job; did you mean `arguments`?",
        ),
        (
            r#"{ "layers": [], "program": "x", "arguments": ["\u0000"] }"#,
            "<stdin>:1:47: each element of `arguments` must be a string without NUL characters",
        ),
        (
            r#"{ "layers": [], "program": "x", "priority": 200 }"#,
            "<stdin>:1:45: `priority` must be between -128 and 127, but it is 200",
        ),
        (
            r#"{ "layers": [], "program": "x", "slots": 0 }"#,
            "<stdin>:1:42: `slots` must be between 1 and 4294967295, but it is 0",
        ),
        (
            r#"{ "layers": [], "program": "x", "timeout": -1 }"#,
            "<stdin>:1:44: `timeout` must be a number of seconds from 0 (no limit) to 4294967295",
        ),
        (
            r#"{ "containers": {}, "program": "x" }"#,
            "<stdin>:1:21: `containers` stands alone: an object that defines containers is no job, but it also has `program`; make it two objects",
        ),
        (
            r#"{ "layers": [], "added_layers": [], "program": "x" }"#,
            "<stdin>:1:17: `layers` and `added_layers` exclude each other: the one replaces what came before, the other adds to it; keep one of them",
        ),
        (
            r#"{ "layers": [], "program": "x", "network": "local", "mounts": [{ "type": "sys", "mount_point": "/sys" }] }"#,
            "<stdin>:1:33: a `sys` mount and the network `local` exclude each other: Linux lets a job mount sysfs only in a network namespace of its own; drop the mount, or choose another network",
        ),
    ] {
        assert_eq!(mistake(text), message, "{text}");
    }
}
