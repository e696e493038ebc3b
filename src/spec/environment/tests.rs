use super::*;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

fn element(extend: bool, vars: &[(&str, &str)]) -> EnvironmentStep {
    EnvironmentStep {
        vars: map(vars),
        extend,
    }
}

fn map(vars: &[(&str, &str)]) -> BTreeMap<String, String> {
    vars.iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn client(name: &str) -> Option<String> {
    (name == "CLIENT").then(|| "client's".to_owned())
}

fn expand_one(value: &str) -> Result<String, String> {
    let initial = map(&[("OLD", "old")]);
    expand(&[element(false, &[("X", value)])], initial, &client)
        .map(|mut computed| computed.remove("X").unwrap())
        .map_err(|error| error.to_string())
}

#[test]
fn extending_elements_merge_and_others_replace() {
    let elements = [
        element(false, &[("FOO", "foo1"), ("BAR", "bar1")]),
        element(true, &[("FOO", "foo2"), ("BAZ", "$env{CLIENT}")]),
    ];
    let initial = map(&[("GONE", "")]);
    let merged = expand(&elements, initial.clone(), &client).unwrap();
    assert_eq!(
        merged,
        map(&[("FOO", "foo2"), ("BAR", "bar1"), ("BAZ", "client's")])
    );
    let mut elements = elements.to_vec();
    elements.push(element(false, &[("FOO", "$prev{BAZ}")]));
    assert_eq!(
        expand(&elements, initial, &client).unwrap(),
        map(&[("FOO", "client's")])
    );
}

#[test]
fn an_element_does_not_see_its_own_variables() {
    let elements = [element(true, &[("A", "new"), ("B", "$prev{A}")])];
    assert_eq!(
        expand(&elements, map(&[("A", "old")]), &client).unwrap(),
        map(&[("A", "new"), ("B", "old")])
    );
}

#[test]
fn references_are_replaced_anywhere_in_a_value() {
    assert_eq!(
        expand_one("/bin:$prev{OLD}:$env{CLIENT}$env{CLIENT}"),
        Ok("/bin:old:client'sclient's".to_owned())
    );
}

#[test]
fn a_default_replaces_only_a_missing_variable() {
    assert_eq!(
        expand_one("$env{CLIENT:-x}$env{NO:-y:-z}$prev{NO:-}"),
        Ok("client'sy:-z".to_owned())
    );
}

#[test]
fn a_dollar_that_starts_no_reference_is_plain() {
    for plain in [
        "$", "$$", "a$b", "$HOME", "${X}", "$env", "$envy{X}", "$ env{X}", "$(x)$",
    ] {
        assert_eq!(expand_one(plain), Ok(plain.to_owned()));
    }
}

#[test]
fn a_doubled_dollar_before_a_reference_is_a_plain_one() {
    assert_eq!(expand_one("$$env{NO}"), Ok("$env{NO}".to_owned()));
    assert_eq!(expand_one("$$$prev{OLD}"), Ok("$old".to_owned()));
    assert_eq!(expand_one("$$$$prev{OLD"), Ok("$$prev{OLD".to_owned()));
}

#[test]
fn a_missing_variable_is_an_error_that_names_both_variables() {
    insta::assert_snapshot!(expand_one("$env{NO}").unwrap_err(), @"failed to compute the environment variable `X`: its value refers to `$env{NO}`, but the client's environment has no variable `NO`; set it, or give a default: `$env{NO:-...}`");
    insta::assert_snapshot!(expand_one("$prev{X}").unwrap_err(), @"failed to compute the environment variable `X`: its value refers to `$prev{X}`, but the job's environment so far has no variable `X`; set it, or give a default: `$prev{X:-...}`");
}

#[test]
fn malformed_references_are_errors_with_a_remedy() {
    insta::assert_snapshot!(expand_one("a$env{CLIENT").unwrap_err(), @"bad value for the environment variable `X`: `$env{` has no closing `}`; for the plain text write `$$env{`");
    insta::assert_snapshot!(expand_one("$prev{}").unwrap_err(), @"bad value for the environment variable `X`: `$prev{}` names no variable; for the plain text write `$$prev{}`");
    insta::assert_snapshot!(expand_one("$env{A:-$env{B}}").unwrap_err(), @"bad value for the environment variable `X`: the default in `$env{A:-...}` holds a reference; defaults are plain text");
}

/// A piece of a value, for the reference model.
#[derive(Clone, Debug)]
enum TemplatePiece {
    Text(String),
    Reference(Scope, String, Option<String>),
}

impl TemplatePiece {
    fn write(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Reference(scope, name, None) => format!("{scope}{{{name}}}"),
            Self::Reference(scope, name, Some(default)) => format!("{scope}{{{name}:-{default}}}"),
        }
    }
}

type Environment = BTreeMap<String, String>;

/// The environment by the reference model. The error is the name of the missing variable.
fn model(
    elements: &[(BTreeMap<String, Vec<TemplatePiece>>, bool)],
    initial: &Environment,
    client: &Environment,
) -> Result<Environment, String> {
    let mut environment = initial.clone();
    for (variables, extend) in elements {
        let mut next = if *extend {
            environment.clone()
        } else {
            Environment::new()
        };
        for (variable, pieces) in variables {
            let mut value = String::new();
            for piece in pieces {
                value += &match piece {
                    TemplatePiece::Text(text) => text.clone(),
                    TemplatePiece::Reference(scope, name, default) => {
                        let from = match scope {
                            Scope::Client => client,
                            Scope::Previous => &environment,
                        };
                        let found = from.get(name).or(default.as_ref());
                        found.ok_or_else(|| name.clone())?.clone()
                    }
                };
            }
            next.insert(variable.clone(), value);
        }
        environment = next;
    }
    Ok(environment)
}

fn piece() -> impl Strategy<Value = TemplatePiece> {
    let scope = prop_oneof![Just(Scope::Client), Just(Scope::Previous)];
    prop_oneof![
        "[a-z{}: -]{0,5}".prop_map(TemplatePiece::Text),
        (scope, "[A-D]", proptest::option::of("[a-z$:-]{0,3}"))
            .prop_map(|(scope, name, default)| TemplatePiece::Reference(scope, name, default)),
    ]
}

proptest! {
    #[test]
    fn escaped_text_expands_to_itself(text in "([$]|env\\{|prev\\{|X|\\})*") {
        prop_assert_eq!(expand_one(&escape(&text)), Ok(text));
    }

    #[test]
    fn expansion_agrees_with_the_model(
        elements in vec((btree_map("[A-D]", vec(piece(), 0..4), 0..4), any::<bool>()), 0..5),
        initial in btree_map("[A-D]", "[0-9$]{0,3}", 0..4),
        client in btree_map("[A-D]", "[0-9$]{0,3}", 0..4),
    ) {
        let spelled: Vec<EnvironmentStep> = elements
            .iter()
            .map(|(variables, extend)| EnvironmentStep {
                vars: variables
                    .iter()
                    .map(|(name, pieces)| (name.clone(), pieces.iter().map(TemplatePiece::write).collect()))
                    .collect(),
                extend: *extend,
            })
            .collect();
        let lookup = |name: &str| client.get(name).cloned();
        let computed = expand(&spelled, initial.clone(), &lookup).map_err(|error| match error {
            EnvironmentError::Missing { name, .. } => name,
            error @ EnvironmentError::Template { .. } => panic!("{error}"),
        });
        prop_assert_eq!(computed, model(&elements, &initial, &client));
    }

    #[test]
    fn any_text_can_be_quoted(text in "([$]{0,4}(env|prev|x)?[{}a]{0,2}){0,6}") {
        let quoted = regex::Regex::new(r"([$]+)(env\{|prev\{)")
            .unwrap()
            .replace_all(&text, "$1$1$2");
        prop_assert_eq!(expand_one(&quoted), Ok(text));
    }

    #[test]
    fn any_text_is_accepted_or_an_error(text in any::<String>()) {
        let _ = check_template(&text);
    }
}
