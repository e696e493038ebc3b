use super::*;
use crate::spec::{Network, RootOverlay, Source, parse_json};

mod mistakes;

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
