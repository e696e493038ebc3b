//! Containers that start from an image, and what they take of it.

use crate::both::{Ended, jobs, project as shell_project, test};
use crate::fixture::Project;
use crate::image::{Layer, TestImage, write_oci};
use crate::need::needs_containers;
use serde_json::{Value, json};

/// A workspace with a script for a test, and two images: `full` has all that images have, `bare`
/// has files only.
fn project() -> Project {
    let project = shell_project();
    let layer = |of: &str| {
        Layer::new()
            .directory("work")
            .file("work/of-image", format!("{of}\n").as_bytes())
    };
    let full = TestImage::new()
        .layer(layer("below"))
        .layer(layer("full"))
        .variable("PATH", "/usr/bin:/bin")
        .variable("OF_IMAGE", "yes")
        .working_directory("/work");
    let bare = TestImage::new().layer(layer("bare"));
    write_oci(
        &project.root.join("images"),
        &[("full", &[&full]), ("bare", &[&bare])],
    );
    project
}

/// The programs of a container, as a layer.
fn programs() -> Value {
    json!({ "programs": ["sh", "cat"] })
}

const PROGRAMS: &str = "{ programs = ['sh', 'cat'] }";

/// Runs a script in a container with these fields; the test's starts from nothing else.
fn run(project: &Project, json: &Value, toml: &str, script: &str) -> [Ended; 2] {
    run_with(project, &[], "", json, toml, script)
}

/// The same, with containers that have names.
fn run_with(
    project: &Project,
    containers: &[Value],
    toml_containers: &str,
    json: &Value,
    toml: &str,
    script: &str,
) -> [Ended; 2] {
    let mut job = json!({ "program": "/bin/sh", "arguments": ["-c", script] });
    for (name, value) in json.as_object().unwrap() {
        job[name] = value.clone();
    }
    // The images here have no libraries.
    project.directives(&format!(
        "{toml_containers}\n[[directives]]\ninclude_shared_libraries = true\n{toml}\n"
    ));
    let documents = [containers, &[job]].concat();
    [jobs(project, &[], &documents), test(project, script)]
}

#[track_caller]
fn print(ended: [Ended; 2], expected: [&str; 2]) {
    for (ended, expected) in ended.into_iter().zip(expected) {
        assert!(ended.succeeded, "{ended:#?}");
        assert_eq!(ended.stdout, expected, "{ended:#?}");
    }
}

#[track_caller]
fn are_refused(ended: [Ended; 2], message: &str) {
    for ended in ended {
        assert!(!ended.succeeded && ended.stdout.is_empty(), "{ended:#?}");
        assert!(ended.stderr.contains(message), "{ended:#?}");
    }
}

/// Says what there is of the image.
const PARTS: &str = "[ -e /work/of-image ] && cat /work/of-image; echo ${OF_IMAGE-no}; pwd";

#[test]
fn an_image_gives_its_files_and_variables_and_to_tests_its_working_directory() {
    needs_containers!();
    let project = project();
    for (json_image, toml_image) in [
        (json!("oci:images:full"), "'oci:images:full'"),
        (
            json!({ "name": "oci:images:full" }),
            "{ name = 'oci:images:full' }",
        ),
    ] {
        let ended = run(
            &project,
            &json!({ "image": json_image, "added_layers": [programs()] }),
            &format!("image = {toml_image}\nadded_layers = [{PROGRAMS}]"),
            PARTS,
        );
        print(ended, ["full\nyes\n/\n", "full\nyes\n/work\n"]);
    }
}

#[test]
fn a_use_takes_each_part_of_an_image_and_nothing_else() {
    needs_containers!();
    let project = project();
    let made = json!({ "stubs": ["/work/"] });
    for (parts, expected) in [
        (&["layers"][..], "full\nno\n/\n"),
        (&["environment"], "yes\n/\n"),
        (&["working_directory"], "no\n/work\n"),
        (&["layers", "working_directory"], "full\nno\n/work\n"),
        (
            &["environment", "layers", "working_directory"],
            "full\nyes\n/work\n",
        ),
    ] {
        let added = if parts.contains(&"layers") {
            "added_layers"
        } else {
            "layers"
        };
        let mut fields = json!({ "image": { "name": "oci:images:full", "use": parts } });
        fields[added] = json!([made, programs()]);
        let mut toml = format!(
            "image = {{ name = 'oci:images:full', use = {} }}\n\
             {added} = [{{ stubs = ['/work/'] }}, {PROGRAMS}]\n",
            json!(parts)
        );
        if !parts.contains(&"working_directory") {
            // Otherwise a test starts in the directory of its package.
            toml.push_str("working_directory = '/'\n");
        }
        print(run(&project, &fields, &toml, PARTS), [expected, expected]);
    }
}

#[test]
fn a_part_that_use_names_cannot_be_set_plainly_besides() {
    needs_containers!();
    let project = project();
    for (field, json, toml) in [
        ("layers", json!([programs()]), format!("[{PROGRAMS}]")),
        ("environment", json!({ "A": "a" }), "{ A = 'a' }".to_owned()),
        ("working_directory", json!("/"), "'/'".to_owned()),
    ] {
        let used = if field == "layers" {
            json!(["layers"])
        } else {
            json!(["layers", field])
        };
        let image = json!({ "name": "oci:images:full", "use": used });
        let mut fields = json!({ "image": image });
        fields[field] = json;
        let toml =
            format!("image = {{ name = 'oci:images:full', use = {used} }}\n{field} = {toml}");
        let message = format!("`{field}` is set here and also taken from the image");
        are_refused(run(&project, &fields, &toml, PARTS), &message);
    }
}

#[test]
fn without_use_a_plain_field_replaces_that_of_an_image_in_toml_and_is_refused_in_json() {
    needs_containers!();
    let project = project();
    for (field, json, toml, expected) in [
        (
            "layers",
            json!([programs(), { "stubs": ["/work/"] }]),
            format!("[{PROGRAMS}, {{ stubs = ['/work/'] }}]"),
            "yes\n/work\n",
        ),
        (
            "environment",
            json!({ "A": "a" }),
            "{ A = 'a', PATH = '/usr/bin:/bin' }".to_owned(),
            "full\nno\n/work\n",
        ),
    ] {
        let mut fields = json!({ "image": "oci:images:full" });
        fields[field] = json;
        let mut lines = format!("image = 'oci:images:full'\n{field} = {toml}");
        if field != "layers" {
            fields["added_layers"] = json!([programs()]);
            lines = format!("{lines}\nadded_layers = [{PROGRAMS}]");
        }
        let [job, test] = run(&project, &fields, &lines, PARTS);
        assert!(test.succeeded, "{test:#?}");
        assert_eq!(test.stdout, expected, "{field}: {test:#?}");
        let message = format!("`{field}` is set here and also taken from the image");
        assert!(!job.succeeded && job.stderr.contains(&message), "{job:#?}");
    }
    // Of the working directory a job has nothing that it does not ask for.
    let ended = run(
        &project,
        &json!({
            "image": "oci:images:full", "added_layers": [programs()], "working_directory": "/usr"
        }),
        &format!(
            "image = 'oci:images:full'\nadded_layers = [{PROGRAMS}]\nworking_directory = '/usr'"
        ),
        PARTS,
    );
    print(ended, ["full\nyes\n/usr\n"; 2]);
}

#[test]
fn variables_are_computed_from_those_of_the_image() {
    needs_containers!();
    let project = project();
    let script = "echo ${OF_IMAGE-no} ${A-no}";
    for (json_field, json_value, toml, expected) in [
        (
            "environment",
            json!([{ "vars": { "A": "$prev{OF_IMAGE}, a" }, "extend": true }]),
            "added_environment = [{ vars = { A = '$prev{OF_IMAGE}, a' }, extend = true }]",
            "yes yes, a\n",
        ),
        (
            "environment",
            json!([{ "vars": { "A": "$prev{OF_IMAGE}, a" }, "extend": false }]),
            "added_environment = [{ vars = { A = '$prev{OF_IMAGE}, a' }, extend = false }]",
            "no yes, a\n",
        ),
        (
            "added_environment",
            json!({ "A": "$prev{OF_IMAGE}, a" }),
            "added_environment = { A = '$prev{OF_IMAGE}, a' }",
            "yes yes, a\n",
        ),
        (
            "added_environment",
            json!({ "OF_IMAGE": "mine" }),
            "added_environment = { OF_IMAGE = 'mine' }",
            "mine no\n",
        ),
    ] {
        for used in ["", "use = ['layers', 'environment']"] {
            let mut image = json!({ "name": "oci:images:full" });
            if !used.is_empty() {
                image["use"] = json!(["layers", "environment"]);
            }
            let mut fields = json!({ "image": image, "added_layers": [programs()] });
            fields[json_field] = json_value.clone();
            let toml = format!(
                "image = {{ name = 'oci:images:full', {used} }}\n\
                 added_layers = [{PROGRAMS}]\n{toml}"
            );
            print(run(&project, &fields, &toml, script), [expected; 2]);
        }
    }
}

#[test]
fn a_working_directory_that_is_used_and_that_the_image_lacks_is_an_error() {
    needs_containers!();
    let project = project();
    let parts = ["layers", "working_directory"];
    let ended = run(
        &project,
        &json!({
            "image": { "name": "oci:images:bare", "use": parts }, "added_layers": [programs()]
        }),
        &format!(
            "image = {{ name = 'oci:images:bare', use = {parts:?} }}\nadded_layers = [{PROGRAMS}]"
        ),
        PARTS,
    );
    are_refused(
        ended,
        "the image has no working directory, but `use` names it",
    );
    // Without `use`, it is as if there were no image.
    let [job, test] = run(
        &project,
        &json!({ "image": "oci:images:bare", "added_layers": [programs()] }),
        &format!("image = 'oci:images:bare'\nadded_layers = [{PROGRAMS}]"),
        "pwd",
    );
    assert_eq!(job.stdout, "/\n", "{job:#?}");
    assert_eq!(
        test.stdout,
        format!("{}\n", project.root.display()),
        "{test:#?}"
    );
}

#[test]
fn the_parts_of_an_image_are_inherited_as_far_as_use_allows() {
    needs_containers!();
    let project = project();
    let containers = json!({ "containers": {
        "young": {
            "parent": "old", "added_layers": [programs()],
            "added_environment": { "LINE": "$prev{LINE} young" }
        },
        "narrow": { "parent": { "name": "young", "use": ["layers"] } },
        "old": {
            "image": { "name": "oci:images:full", "use": ["layers", "environment", "working_directory"] },
            "added_environment": { "LINE": "old" }
        }
    } });
    let toml = format!(
        "[containers.young]\nparent = 'old'\nadded_layers = [{PROGRAMS}]\n\
         added_environment = {{ LINE = '$prev{{LINE}} young' }}\n\
         [containers.narrow]\nparent = {{ name = 'young', use = ['layers'] }}\n\
         [containers.old]\nimage = 'oci:images:full'\nadded_environment = {{ LINE = 'old' }}\n"
    );
    let script = format!("{PARTS}; echo ${{LINE-none}}");
    for (parent, rest, expected) in [
        ("young", "", "full\nyes\n/work\nold young\n"),
        ("narrow", "working_directory = '/'", "full\nno\n/\nnone\n"),
    ] {
        let ended = run_with(
            &project,
            std::slice::from_ref(&containers),
            &toml,
            &json!({ "parent": parent }),
            &format!("parent = '{parent}'\n{rest}"),
            &script,
        );
        print(ended, [expected; 2]);
    }
}

#[test]
fn an_image_excludes_a_parent_and_has_no_mounts_to_add_to() {
    needs_containers!();
    let project = project();
    let refused = |more: &str, value: &Value, message: &str| {
        let mut fields = json!({ "image": "oci:images:full" });
        fields[more] = value.clone();
        let toml = format!("image = 'oci:images:full'\n{more} = {value}");
        are_refused(run(&project, &fields, &toml, PARTS), message);
    };
    refused(
        "parent",
        &json!("empty"),
        "`image` and `parent` exclude each other",
    );
    refused(
        "added_mounts",
        &json!([]),
        "`added_mounts` has nothing to add to, because images have no `mounts`",
    );
}

#[test]
fn a_missing_image_is_an_error_that_names_the_existing_ones() {
    needs_containers!();
    let project = project();
    for (name, message) in [
        ("oci:nowhere", "/nowhere does not exist"),
        ("oci:images:other", "has no image `other`"),
        (
            "oci:images",
            "has several images; add a colon and the name of one",
        ),
        ("images", "an image reference is a transport and a location"),
    ] {
        let ended = run(
            &project,
            &json!({ "image": name, "added_layers": [programs()] }),
            &format!("image = '{name}'\nadded_layers = [{PROGRAMS}]"),
            PARTS,
        );
        are_refused(ended, message);
    }
}
