//! Containers with names, and what is inherited from them.

use crate::both::{Ended, TOOLS, job, jobs, project, test, tools};
use crate::fixture::Project;
use crate::need::needs_containers;
use serde_json::{Value, json};

/// Containers, and fields of a job in one of them, in JSON and in TOML.
struct Family<'a> {
    containers: &'a Value,
    toml_containers: &'a str,
    fields: Value,
    directive: &'a str,
}

impl Family<'_> {
    fn run(&self, project: &Project, script: &str) -> [Ended; 2] {
        let containers = json!({ "containers": self.containers });
        project.directives(&format!(
            "{TOOLS}\n{}\n[[directives]]\n{}\n",
            self.toml_containers, self.directive
        ));
        [
            jobs(
                project,
                &[],
                &[tools(), containers, job(&self.fields, script)],
            ),
            test(project, script),
        ]
    }

    #[track_caller]
    fn prints(&self, script: &str, expected: &str) {
        for ended in self.run(&project(), script) {
            assert!(ended.succeeded, "{ended:#?}");
            assert_eq!(ended.stdout, expected, "{ended:#?}");
        }
    }

    #[track_caller]
    fn is_refused(&self, message: &str) {
        for ended in self.run(&project(), "echo it runs") {
            assert!(!ended.succeeded && ended.stdout.is_empty(), "{ended:#?}");
            assert!(ended.stderr.contains(message), "{ended:#?}");
        }
    }
}

/// A grandparent and a parent, written the younger one first.
const GENERATIONS: &str = r#"
    [containers.parent]
    parent = "grandparent"
    added_layers = [{ files = { "/generation" = "parent\n" } }]
    added_environment = { LINE = "$prev{LINE} parent" }
    user = 33

    [containers.grandparent]
    parent = "tools"
    added_layers = [{ files = { "/generation" = "grandparent\n" } }, { stubs = ["/{kept,proc}/"] }]
    added_mounts = [{ type = "proc", mount_point = "/proc" }]
    added_environment = { LINE = "grandparent", KEPT = "kept" }
    user = 11
    group = 22
    hostname = "of-grandparent"
"#;

fn generations() -> Value {
    json!({
        "parent": {
            "parent": "grandparent",
            "added_layers": [{ "files": { "/generation": "parent\n" } }],
            "added_environment": { "LINE": "$prev{LINE} parent" },
            "user": 33
        },
        "grandparent": {
            "parent": "tools",
            "added_layers": [
                { "files": { "/generation": "grandparent\n" } },
                { "stubs": ["/{kept,proc}/"] }
            ],
            "added_mounts": [{ "type": "proc", "mount_point": "/proc" }],
            "added_environment": { "LINE": "grandparent", "KEPT": "kept" },
            "user": 11,
            "group": 22,
            "hostname": "of-grandparent"
        }
    })
}

#[test]
fn over_three_generations_lists_add_up_and_the_nearest_scalar_counts() {
    needs_containers!();
    let family = Family {
        containers: &generations(),
        toml_containers: GENERATIONS,
        fields: json!({
            "parent": "parent",
            "added_layers": [{ "files": { "/own": "own\n" } }],
            "added_environment": { "LINE": "$prev{LINE} job" },
            "hostname": "of-job"
        }),
        directive: r#"
            parent = "parent"
            added_layers = [{ files = { "/own" = "own\n" } }]
            added_environment = { LINE = "$prev{LINE} job" }
            hostname = "of-job"
        "#,
    };
    family.prints(
        "cat /generation /own; ls -d /kept; echo $LINE $KEPT
         id -u; id -g; cat /proc/sys/kernel/hostname",
        "parent\nown\n/kept\ngrandparent parent job kept\n33\n22\nof-job\n",
    );
}

#[test]
fn a_plain_list_replaces_only_the_inherited_list() {
    needs_containers!();
    let family = Family {
        containers: &generations(),
        toml_containers: GENERATIONS,
        fields: json!({ "parent": "parent", "environment": { "LINE": "job" } }),
        directive: r#"
            parent = "parent"
            environment = { LINE = "job" }
        "#,
    };
    family.prints(
        "echo $LINE ${KEPT-dropped}; cat /generation; id -u",
        "job dropped\nparent\n33\n",
    );
}

#[test]
fn a_use_of_the_parent_also_limits_fields_of_the_grandparent() {
    needs_containers!();
    let mut containers = generations();
    containers["narrow"] = json!({
        "parent": { "name": "parent", "use": ["layers", "environment", "group"] }
    });
    let family = Family {
        containers: &containers,
        toml_containers: &format!(
            "{GENERATIONS}\n[containers.narrow]\n\
             parent = {{ name = 'parent', use = ['layers', 'environment', 'group'] }}\n"
        ),
        fields: json!({ "parent": "narrow", "working_directory": "/" }),
        directive: "parent = 'narrow'\nworking_directory = '/'",
    };
    family.prints(
        "cat /generation; echo $LINE $KEPT; id -u; id -g; [ -e /proc/self ] || echo no mounts",
        "parent\ngrandparent parent kept\n0\n22\nno mounts\n",
    );
}

/// Tells which fields are not as they are by default.
const DIFFERENCES: &str = r#"
    [ "$SET" = yes ] && echo environment
    [ -e /layer ] && echo layers
    [ -c /dev/null ] && echo mounts
    case $( ( exec 3<>/dev/tcp/127.0.0.1/9 ) 2>&1 ) in *refused*) echo network;; esac
    ( echo >/new ) 2>&- && echo root_overlay
    [ . -ef /layer ] && echo working_directory
    [ $(id -u) != 0 ] && echo user
    [ $(id -g) != 0 ] && echo group
    [ $$ != 1 ] && echo init
    [ $(uname -n) = of-parent ] && echo hostname
    exit 0
"#;

#[test]
fn a_use_takes_only_the_fields_that_it_names() {
    needs_containers!();
    let containers = json!({ "full": {
        "layers": [{ "stubs": ["/layer/", "/dev/null"] }],
        "mounts": [{ "type": "devices", "devices": ["null"] }],
        "environment": { "SET": "yes" },
        "network": "loopback",
        "root_overlay": "tmp",
        "working_directory": "/layer",
        "user": 1,
        "group": 2,
        "init": true,
        "hostname": "of-parent"
    } });
    let toml = r#"
        [containers.full]
        layers = [{ stubs = ["/layer/", "/dev/null"] }]
        mounts = [{ type = "devices", devices = ["null"] }]
        environment = { SET = "yes" }
        network = "loopback"
        root_overlay = "tmp"
        working_directory = "/layer"
        user = 1
        group = 2
        init = true
        hostname = "of-parent"
    "#;
    // What the script needs is there without being inherited.
    let programs = json!([
        { "programs": ["bash", "sh", "id", "uname"] },
        { "stubs": ["/layer/", "/dev/null"] }
    ]);
    let toml_programs = r#"[
        { programs = ["bash", "sh", "id", "uname"] },
        { stubs = ["/layer/", "/dev/null"] },
    ]"#
    .replace('\n', " ");
    let script = format!("exec bash -c '{DIFFERENCES}'");
    for field in [
        "environment",
        "mounts",
        "network",
        "root_overlay",
        "working_directory",
        "user",
        "group",
        "init",
        "hostname",
    ] {
        let rest = if field == "working_directory" {
            ""
        } else {
            "working_directory = '/'"
        };
        let family = Family {
            containers: &containers,
            toml_containers: toml,
            fields: json!({ "parent": { "name": "full", "use": [field] }, "layers": programs }),
            directive: &format!(
                "parent = {{ name = 'full', use = ['{field}'] }}\nlayers = {toml_programs}\n{rest}"
            ),
        };
        family.prints(
            &script,
            &format!("layers\n{field}\n").replace(
                // They are told in the order of the script.
                "layers\nenvironment\n",
                "environment\nlayers\n",
            ),
        );
    }
}

#[test]
fn added_lists_need_a_parent_that_gives_them() {
    needs_containers!();
    let family = |container: Value, toml: &'static str| {
        (
            json!({ "odd": container }),
            format!("[containers.odd]\n{toml}"),
        )
    };
    for ((containers, toml), message) in [
        (
            family(json!({ "added_layers": [] }), "added_layers = []"),
            "`added_layers` has nothing to add to; name an `image` or a `parent`",
        ),
        (
            family(
                json!({ "parent": { "name": "tools", "use": ["layers"] }, "added_mounts": [] }),
                "parent = { name = 'tools', use = ['layers'] }\nadded_mounts = []",
            ),
            "the parent's `use` leaves out `mounts`",
        ),
        (
            family(
                json!({ "parent": { "name": "tools", "use": ["layers"] }, "layers": [] }),
                "parent = { name = 'tools', use = ['layers'] }\nlayers = []",
            ),
            "`layers` is set here and also taken from the parent; ",
        ),
        (
            family(
                json!({ "parent": { "name": "tools", "use": ["user"] }, "user": 1 }),
                "parent = { name = 'tools', use = ['user'] }\nuser = 1",
            ),
            "`user` is set here and also taken from the parent; ",
        ),
        (
            family(
                json!({ "parent": { "name": "tools", "use": [] } }),
                "parent = { name = 'tools', use = [] }",
            ),
            "`use` must not be empty",
        ),
    ] {
        let family = Family {
            containers: &containers,
            toml_containers: &toml,
            fields: json!({}),
            directive: "parent = 'tools'",
        };
        family.is_refused(message);
    }
}

#[test]
fn containers_are_not_each_others_parents_and_have_parents_that_there_are() {
    needs_containers!();
    for (containers, toml, message) in [
        (
            json!({ "a": { "parent": "b" }, "b": { "parent": "a" } }),
            "[containers.a]\nparent = 'b'\n[containers.b]\nparent = 'a'",
            "these containers are each other's parents: `a` -> `b` -> `a`",
        ),
        (
            json!({ "a": { "parent": "tolls" } }),
            "[containers.a]\nparent = 'tolls'",
            "unknown container `tolls`; did you mean `tools`?",
        ),
        (
            json!({ "empty": {} }),
            "[containers.empty]",
            "`empty` is the name of a built-in container",
        ),
    ] {
        let family = Family {
            containers: &containers,
            toml_containers: toml,
            fields: json!({}),
            directive: "parent = 'tools'",
        };
        family.is_refused(message);
    }
}

#[test]
fn a_container_empty_has_nothing_and_a_container_default_is_that_of_tests() {
    needs_containers!();
    let project = project();
    let layers = json!([{ "programs": ["sh"] }]);
    let fields = json!({ "parent": "empty", "layers": layers });
    let ended = jobs(&project, &[], &[job(&fields, "echo /* $$")]);
    let toml = "parent = 'empty'\nlayers = [{ programs = ['sh'] }]\nworking_directory = '/'";
    project.directives(&format!("[[directives]]\n{toml}"));
    let tested = test(&project, "echo /* $$; [ -e /etc ] || echo no /etc");
    assert!(ended.stdout.ends_with("/usr 1\n"), "{ended:#?}");
    assert!(tested.stdout.ends_with("/usr 1\nno /etc\n"), "{tested:#?}");

    project.directives(
        "[[directives]]\nparent = 'empty'\n\
         [[directives]]\nparent = 'default'\nadded_layers = [{ programs = ['sh'] }]",
    );
    let tested = test(
        &project,
        "echo $HOME; [ -d /proc/self ] && [ -w /etc ] && echo all there",
    );
    assert_eq!(tested.stdout, "/home/maelstrom\nall there\n", "{tested:#?}");
    // Jobs know no default container.
    let ended = jobs(&project, &[], &[job(&json!({ "parent": "default" }), "")]);
    assert!(
        ended
            .stderr
            .contains("the container `default` is for tests only"),
        "{ended:#?}"
    );
}
