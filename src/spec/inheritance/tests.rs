use super::super::{
    ContainerField, EnvironmentStep, LayerSpec, RootOverlay, SpecText, ValueLabel, parse_toml,
};
use super::*;
use proptest::prelude::*;
use std::fmt::Write;
use strum::VariantArray;

/// The containers of a TOML file whose tables are all `containers`, or the first error.
fn containers(text: &str) -> Result<Containers, String> {
    let source = SpecText { name: "f", text };
    let default = ContainerSpec {
        mounts: vec![
            Mount::Tmp {
                mount_point: "/tmp".into(),
            },
            Mount::Sys {
                mount_point: "/sys".into(),
            },
        ],
        user: 1000,
        ..ContainerSpec::default()
    };
    let mut containers = Containers::with_default(default);
    let mut define = || {
        for entry in parse_toml(text)?.map(ValueLabel::Document)? {
            containers.define(entry, SpecFormat::Toml, &mut Deprecations::default())?;
        }
        Ok(())
    };
    define().map_err(|error: SpecError| source.explain_error(&error))?;
    Ok(containers)
}

fn container(text: &str, name: &str) -> ContainerSpec {
    containers(text).unwrap().get(name).unwrap().clone()
}

fn explanation(text: &str) -> String {
    containers(text).unwrap_err()
}

fn stubs(names: &[&str]) -> Vec<LayerSpec> {
    names
        .iter()
        .map(|name| LayerSpec::Stubs {
            stubs: vec![format!("/{name}")],
        })
        .collect()
}

#[test]
fn inherited_elements_come_first_and_the_nearest_scalar_counts() {
    let text = r#"
[containers.child]
parent = "parent"
added_layers = [{ stubs = ["/c"] }]
group = 3

[containers.parent]
parent = "grandparent"
added_layers = [{ stubs = ["/b"] }]
user = 2

[containers.grandparent]
layers = [{ stubs = ["/a"] }]
user = 1
group = 1
hostname = "old"
"#;
    let child = container(text, "child");
    assert_eq!(child.layers, stubs(&["a", "b", "c"]));
    assert_eq!((child.user, child.group), (2, 3));
    assert_eq!(child.hostname, "old");
}

#[test]
fn a_plain_list_replaces_the_inherited_one() {
    let text = r#"
[containers.a]
layers = [{ stubs = ["/a"] }]
environment = { A = "a" }

[containers.b]
parent = "a"
layers = [{ stubs = ["/b"] }]
"#;
    let b = container(text, "b");
    assert_eq!(b.layers, stubs(&["b"]));
    assert_eq!(
        b.environment,
        [EnvironmentStep {
            vars: BTreeMap::from([("A".to_owned(), "a".to_owned())]),
            extend: true
        }]
    );
}

#[test]
fn use_limits_inheritance() {
    let text = r#"
[containers.a]
layers = [{ stubs = ["/a"] }]
user = 1
root_overlay = "tmp"

[containers.b]
parent = { name = "a", use = ["layers", "enable_writable_file_system"] }
group = 2

[containers.c]
parent = { name = "b", use = ["user", "group", "root_overlay"] }
"#;
    let b = container(text, "b");
    assert_eq!((b.layers, b.user, b.group), (stubs(&["a"]), 0, 2));
    let c = container(text, "c");
    assert_eq!((c.layers, c.user, c.group), (vec![], 0, 2));
    assert_eq!(c.root_overlay, RootOverlay::Tmp);
}

#[test]
fn each_field_can_be_used_without_the_others() {
    let parent = r#"
[containers.parent]
environment = { A = "a" }
layers = [{ stubs = ["/a"] }]
mounts = [{ type = "tmp", mount_point = "/tmp" }]
outputs = ["/tmp/*"]
network = "local"
root_overlay = "tmp"
working_directory = "/w"
user = 1
group = 2
init = true
hostname = "host"
"#;
    let own = |container: &ContainerSpec, field: ContainerField| match field {
        ContainerField::Environment => format!("{:?}", container.environment),
        ContainerField::Layers => format!("{:?}", container.layers),
        ContainerField::Mounts => format!("{:?}", container.mounts),
        ContainerField::Outputs => format!("{:?}", container.outputs),
        ContainerField::Network => format!("{:?}", container.network),
        ContainerField::RootOverlay => format!("{:?}", container.root_overlay),
        ContainerField::WorkingDirectory => format!("{:?}", container.working_directory),
        ContainerField::User => format!("{:?}", container.user),
        ContainerField::Group => format!("{:?}", container.group),
        ContainerField::Init => format!("{:?}", container.init),
        ContainerField::Hostname => format!("{:?}", container.hostname),
    };
    let (full, empty) = (container(parent, "parent"), ContainerSpec::default());
    for &used in ContainerField::VARIANTS {
        let name = used.into_str();
        let child = format!(
            "{parent}\n[containers.child]\nparent = {{ name = 'parent', use = ['{name}'] }}"
        );
        let child = container(&child, "child");
        assert_ne!(own(&full, used), own(&empty, used), "{name}");
        for &field in ContainerField::VARIANTS {
            let from = if field == used { &full } else { &empty };
            assert_eq!(own(&child, field), own(from, field), "{name}");
        }
    }
}

#[test]
fn the_built_in_containers_can_be_parents() {
    let text = "[containers]\na.parent = \"default\"\nb.parent = \"empty\"\nc = {}";
    assert_eq!(container(text, "a").user, 1000);
    assert_eq!(container(text, "b"), ContainerSpec::default());
    assert_eq!(container(text, "c"), ContainerSpec::default());
}

#[test]
fn the_local_network_removes_the_sys_mount_of_the_default_container() {
    let text = "[containers]\na = { parent = \"default\", network = \"local\", \
                added_mounts = [{ type = \"proc\", mount_point = \"/proc\" }] }";
    let containers = containers(text).unwrap();
    let a = containers.without_default_sys(containers.get("a").unwrap().clone());
    assert_eq!(
        a.mounts,
        [
            Mount::Tmp {
                mount_point: "/tmp".into()
            },
            Mount::Proc {
                mount_point: "/proc".into()
            }
        ]
    );
    let default = containers.get(DEFAULT).unwrap().clone();
    assert_eq!(containers.without_default_sys(default.clone()), default);
}

#[test]
fn a_sys_mount_beside_the_local_network_is_an_error() {
    insta::assert_snapshot!(explanation(
            "[containers.a]\nmounts = [{ type = \"sys\", mount_point = \"/sys\" }]\n\
             [containers.b]\nparent = \"a\"\nnetwork = \"local\""
        ), @r#"
    f:5:1: a `sys` mount and the network `local` exclude each other: Linux lets a job mount sysfs only in a network namespace of its own; drop the mount, or choose another network
      |
    5 | network = "local"
      | ^^^^^^^
    "#);
}

#[test]
fn the_built_in_containers_cannot_be_defined() {
    insta::assert_snapshot!(explanation("[containers.default]\nuser = 1"), @"
    f:1:13: `default` is the name of a built-in container; choose another name
      |
    1 | [containers.default]
      |             ^^^^^^^
    ");
    assert!(
        explanation("containers.empty = {}")
            .starts_with("f:1:12: `empty` is the name of a built-in container")
    );
}

#[test]
fn a_container_cannot_be_defined_again() {
    insta::assert_snapshot!(explanation("one.a = {}\ntwo.a = {}"), @"
    f:2:5: the container `a` is already defined; choose another name
      |
    2 | two.a = {}
      |     ^
    ");
}

#[test]
fn an_unknown_parent_is_an_error_that_lists_the_containers() {
    insta::assert_snapshot!(explanation("[containers]\na.parent = \"default\"\nb.parent = \"x\""), @r#"
    f:3:12: unknown container `x`; define it in `containers`, or name one of `a`, `b`, `default`, `empty`
      |
    3 | b.parent = "x"
      |            ^^^
    "#);
    insta::assert_snapshot!(explanation("[containers]\ntools = {}\nb.parent = { name = \"tolos\", use = [\"user\"] }"), @r#"
    f:3:21: unknown container `tolos`; did you mean `tools`?
      |
    3 | b.parent = { name = "tolos", use = ["user"] }
      |                     ^^^^^^^
    "#);
}

#[test]
fn a_cycle_of_parents_is_an_error_that_shows_the_cycle() {
    insta::assert_snapshot!(explanation("[containers]\na.parent = \"b\"\nb.parent = \"c\"\nc.parent = \"b\""), @r#"
    f:4:12: these containers are each other's parents: `b` -> `c` -> `b`; give one of them another parent or none
      |
    4 | c.parent = "b"
      |            ^^^
    "#);
    insta::assert_snapshot!(explanation("[containers]\na.parent = \"a\""), @r#"
    f:2:12: these containers are each other's parents: `a` -> `a`; give one of them another parent or none
      |
    2 | a.parent = "a"
      |            ^^^
    "#);
}

#[test]
fn a_container_can_have_thousands_of_ancestors() {
    let mut text = String::from("[containers]\nc0.user = 7\n");
    for number in 1..2000 {
        writeln!(text, "c{number}.parent = \"c{}\"", number - 1).unwrap();
    }
    assert_eq!(container(&text, "c1999").user, 7);
}

/// A container of the reference model: two lists, two scalars, and the fields to use of the parent.
#[derive(Clone, Debug)]
struct Model {
    parent: Option<(usize, Use)>,
    layers: List,
    mounts: List,
    user: Option<u32>,
    hostname: Option<String>,
}

#[derive(Clone, Debug)]
enum List {
    Unset,
    Plain(Vec<String>),
    Added(Vec<String>),
}

/// Layers, mounts, user, hostname; `None`: all.
type Use = Option<[bool; 4]>;

impl Model {
    fn uses(&self, index: usize) -> bool {
        matches!(&self.parent, Some((_, Some(used))) if used[index])
    }

    fn inherits(&self, index: usize) -> bool {
        match &self.parent {
            None => false,
            Some((_, None)) => true,
            Some((_, Some(used))) => used[index],
        }
    }

    /// Removes fields that would be errors.
    fn legal(mut self) -> Self {
        for index in 0..4 {
            let (used, inherits) = (self.uses(index), self.inherits(index));
            let list = match index {
                0 => &mut self.layers,
                1 => &mut self.mounts,
                2 => {
                    self.user = self.user.filter(|_| !used);
                    continue;
                }
                _ => {
                    self.hostname = self.hostname.filter(|_| !used);
                    continue;
                }
            };
            match list {
                List::Plain(_) if used => *list = List::Unset,
                List::Added(_) if !inherits => *list = List::Unset,
                _ => {}
            }
        }
        self
    }

    fn write(&self, number: usize, text: &mut String) {
        writeln!(text, "[containers.c{number}]").unwrap();
        match &self.parent {
            None => {}
            Some((parent, None)) => writeln!(text, "parent = \"c{parent}\"").unwrap(),
            Some((parent, Some(used))) => {
                let names: Vec<&str> = ["layers", "mounts", "user", "hostname"]
                    .into_iter()
                    .zip(used)
                    .filter_map(|(name, used)| used.then_some(name))
                    .collect();
                writeln!(text, "parent = {{ name = \"c{parent}\", use = {names:?} }}").unwrap();
            }
        }
        let layer = |name: &String| format!("{{ stubs = [\"/{name}\"] }}");
        let mount = |name: &String| format!("{{ type = \"tmp\", mount_point = \"/{name}\" }}");
        let mut list = |field: &str, list: &List, write: &dyn Fn(&String) -> String| {
            let (prefix, names) = match list {
                List::Unset => return,
                List::Plain(names) => ("", names),
                List::Added(names) => ("added_", names),
            };
            let elements: Vec<String> = names.iter().map(write).collect();
            writeln!(text, "{prefix}{field} = [{}]", elements.join(", ")).unwrap();
        };
        list("layers", &self.layers, &layer);
        list("mounts", &self.mounts, &mount);
        if let Some(user) = self.user {
            writeln!(text, "user = {user}").unwrap();
        }
        if let Some(hostname) = &self.hostname {
            writeln!(text, "hostname = \"{hostname}\"").unwrap();
        }
    }
}

fn model_list(all: &[Model], number: usize, index: usize) -> Vec<String> {
    let this = &all[number];
    let own = if index == 0 {
        &this.layers
    } else {
        &this.mounts
    };
    let mut inherited = match &this.parent {
        Some((parent, _)) if this.inherits(index) => model_list(all, *parent, index),
        _ => Vec::new(),
    };
    match own {
        List::Unset => inherited,
        List::Plain(names) => names.clone(),
        List::Added(names) => {
            inherited.extend_from_slice(names);
            inherited
        }
    }
}

fn model_scalar<T>(
    all: &[Model],
    number: usize,
    index: usize,
    own: &dyn Fn(&Model) -> Option<T>,
) -> Option<T> {
    let this = &all[number];
    own(this).or_else(|| match &this.parent {
        Some((parent, _)) if this.inherits(index) => model_scalar(all, *parent, index, own),
        _ => None,
    })
}

fn models() -> impl Strategy<Value = Vec<Model>> {
    let names = || proptest::collection::vec("[a-z]", 0..3);
    let list = move || {
        prop_oneof![
            Just(List::Unset),
            names().prop_map(List::Plain),
            names().prop_map(List::Added),
        ]
    };
    let used = proptest::option::of(
        any::<[bool; 4]>().prop_filter("`use` must not be empty", |used| used.contains(&true)),
    );
    let model = (
        proptest::option::of((any::<proptest::sample::Index>(), used)),
        list(),
        list(),
        proptest::option::of(0..5u32),
        proptest::option::of("[a-z]"),
    );
    // Parents have higher numbers, so that there is no cycle.
    proptest::collection::vec(model, 1..8).prop_map(|models| {
        let count = models.len();
        let models = models.into_iter().enumerate();
        models
            .map(|(number, (parent, layers, mounts, user, hostname))| {
                let rest = count - number - 1;
                let parent = parent.filter(|_| rest > 0);
                Model {
                    parent: parent.map(|(index, used)| (number + 1 + index.index(rest), used)),
                    layers,
                    mounts,
                    user,
                    hostname,
                }
                .legal()
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn inheritance_agrees_with_the_model(models in models()) {
        let mut text = String::new();
        for (number, model) in models.iter().enumerate() {
            model.write(number, &mut text);
        }
        let containers = containers(&text).map_err(TestCaseError::fail)?;
        for number in 0..models.len() {
            let container = containers.get(&format!("c{number}")).unwrap();
            let layers = model_list(&models, number, 0);
            let layers: Vec<&str> = layers.iter().map(String::as_str).collect();
            prop_assert_eq!(&container.layers, &stubs(&layers));
            let mounts: Vec<Mount> = model_list(&models, number, 1)
                .iter()
                .map(|name| Mount::Tmp { mount_point: format!("/{name}").into() })
                .collect();
            prop_assert_eq!(&container.mounts, &mounts);
            let user = model_scalar(&models, number, 2, &|model| model.user);
            prop_assert_eq!(container.user, user.unwrap_or(0));
            let hostname = model_scalar(&models, number, 3, &|model| model.hostname.clone());
            prop_assert_eq!(&container.hostname, hostname.as_deref().unwrap_or("maelstrom"));
        }
    }
}
