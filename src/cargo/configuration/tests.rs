use super::*;
use crate::cargo::CargoOptions;
use std::str::FromStr as _;

/// A workspace `ws` with the current directory `ws/sub`, and a home of Cargo.
struct TestDirectories {
    directory: tempfile::TempDir,
}

impl TestDirectories {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir_all(directory.path().join("ws/sub")).unwrap();
        Self { directory }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join(path)
    }

    fn write(&self, path: &str, text: &str) -> &Self {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        self
    }

    fn variables<'a>(
        &self,
        variables: &'a [(&str, &str)],
    ) -> impl Fn(&str) -> Option<OsString> + 'a {
        let home = self.path("home");
        move |name| match name {
            "CARGO_HOME" => Some(home.clone().into()),
            _ => variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.into()),
        }
    }

    fn load(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Configuration {
        self.try_load(arguments, variables).unwrap()
    }

    fn try_load(
        &self,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Configuration, CargoError> {
        let invocation = Invocation {
            cargo: "cargo".into(),
            directory: self.path("ws/sub"),
            options: CargoOptions::parse(arguments.iter().copied()),
            color: None,
            guard: None,
            doctests: None,
            environment: Vec::new(),
            built: None,
        };
        Configuration::load_with(&invocation, &self.variables(variables))
    }

    fn runner(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Option<Vec<String>> {
        self.load(arguments, variables)
            .runner_with(
                "x86_64-unknown-linux-gnu",
                &self.path("ws/sub"),
                &self.variables(variables),
                || Ok(vec![Cfg::from_str("unix").unwrap()]),
            )
            .unwrap()
    }
}

#[test]
fn the_nearest_file_wins_key_by_key() {
    let directories = TestDirectories::new();
    directories
        .write(
            "home/config.toml",
            "[env]\nA = 'home'\nB = 'home'\nC = 'home'",
        )
        .write("ws/.cargo/config.toml", "[env]\nA = 'ws'\nB = 'ws'")
        .write("ws/sub/.cargo/config.toml", "[env]\nA = 'sub'");
    let environment = directories.load(&[], &[]).environment;
    assert_eq!(environment["A"], "sub");
    assert_eq!(environment["B"], "ws");
    assert_eq!(environment["C"], "home");
}

#[test]
fn our_own_variable_wins_unless_forced() {
    let directories = TestDirectories::new();
    directories.write(
        "ws/.cargo/config.toml",
        "[env]\nA = 'a'\nB = { value = 'b', force = true }\nC = 'c'",
    );
    let environment = directories
        .load(&[], &[("A", "ours"), ("B", "ours"), ("D", "ours")])
        .environment;
    assert_eq!(environment["A"], "ours");
    assert_eq!(environment["B"], "b");
    assert_eq!(environment["C"], "c");
    assert!(!environment.contains_key("D"), "only what the table names");
}

#[test]
fn a_relative_value_starts_beside_the_dot_cargo_directory() {
    let directories = TestDirectories::new();
    directories.write(
        "ws/.cargo/config.toml",
        "[env]\nA = { value = 'x', relative = true }",
    );
    let environment = directories
        .load(
            &[
                "--config",
                "env.B.value='y'",
                "--config=env.B.relative=true",
            ],
            &[],
        )
        .environment;
    assert_eq!(environment["A"], directories.path("ws/x").to_str().unwrap());
    assert_eq!(
        environment["B"],
        directories.path("ws/sub/y").to_str().unwrap()
    );
}

#[test]
fn the_last_config_option_is_the_strongest() {
    let directories = TestDirectories::new();
    directories
        .write(
            "ws/.cargo/config.toml",
            "[env]\nA = 'file'\nB = 'file'\nC = 'file'",
        )
        .write("ws/sub/extra.toml", "[env]\nA = 'extra'\nB = 'extra'");
    let environment = directories
        .load(
            &[
                "--config",
                "env.A='one'",
                "--config",
                "extra.toml",
                "--config",
                "env.B='two'",
            ],
            &[],
        )
        .environment;
    assert_eq!(environment["A"], "extra");
    assert_eq!(environment["B"], "two");
    assert_eq!(environment["C"], "file");
}

#[test]
fn an_included_file_is_weaker_than_the_one_that_includes_it() {
    let directories = TestDirectories::new();
    directories
        .write(
            "ws/.cargo/config.toml",
            "include = ['one.toml', { path = 'two.toml' }, { path = 'none', optional = true }]\n\
             [env]\nA = 'file'",
        )
        .write(
            "ws/.cargo/one.toml",
            "[env]\nA = 'one'\nB = 'one'\nC = 'one'",
        )
        .write("ws/.cargo/two.toml", "[env]\nB = 'two'");
    let environment = directories.load(&[], &[]).environment;
    assert_eq!(environment["A"], "file");
    assert_eq!(environment["B"], "two");
    assert_eq!(environment["C"], "one");
}

#[test]
fn a_runner_is_found_by_triple_before_any_cfg() {
    let directories = TestDirectories::new();
    directories.write(
        "ws/.cargo/config.toml",
        "[target.'cfg(unix)']\nrunner = 'by-cfg'\n\
         [target.x86_64-unknown-linux-gnu]\nrunner = ['tools/run', 'a b']",
    );
    let tool = directories
        .path("ws/tools/run")
        .to_str()
        .unwrap()
        .to_owned();
    assert_eq!(
        directories.runner(&[], &[]),
        Some(vec![tool, "a b".to_owned()])
    );
}

#[test]
fn a_variable_is_stronger_than_a_file_and_weaker_than_an_option() {
    let directories = TestDirectories::new();
    directories.write(
        "ws/.cargo/config.toml",
        "[target.x86_64-unknown-linux-gnu]\nrunner = 'file'",
    );
    let variable = [("CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUNNER", "var -x")];
    assert_eq!(
        directories.runner(&[], &variable),
        Some(vec!["var".to_owned(), "-x".to_owned()])
    );
    let option = ["--config", "target.x86_64-unknown-linux-gnu.runner='cli'"];
    assert_eq!(
        directories.runner(&option, &variable),
        Some(vec!["cli".to_owned()])
    );
}

#[test]
fn a_cfg_that_does_not_hold_gives_no_runner() {
    let directories = TestDirectories::new();
    directories.write(
        "ws/.cargo/config.toml",
        "[target.'cfg(windows)']\nrunner = 'wine'",
    );
    assert_eq!(directories.runner(&[], &[]), None);
    directories.write(
        "ws/sub/.cargo/config.toml",
        "[target.'cfg(unix)']\nrunner = 'r'",
    );
    assert_eq!(directories.runner(&[], &[]), Some(vec!["r".to_owned()]));
}

#[test]
fn the_compiler_is_not_asked_without_a_conditional_runner() {
    let runner = Configuration::default()
        .runner("t", Path::new("/"), || panic!("asked"))
        .unwrap();
    assert_eq!(runner, None);
}

#[test]
fn several_matching_cfgs_are_an_error_that_names_them() {
    let directories = TestDirectories::new();
    directories.write(
        "ws/.cargo/config.toml",
        "[target.'cfg(unix)']\nrunner = 'a'\n[target.'cfg(all(unix))']\nrunner = 'b'",
    );
    let error = directories
        .load(&[], &[])
        .runner_with("t", Path::new("/"), &|_| None, || {
            Ok(vec![Cfg::from_str("unix").unwrap()])
        })
        .unwrap_err();
    let message = error.to_string();
    assert!(
        message.contains("cfg(unix)") && message.contains("cfg(all(unix))"),
        "{message}"
    );
}

#[test]
fn a_broken_file_is_named() {
    let directories = TestDirectories::new();
    directories.write("ws/.cargo/config.toml", "[env\n");
    let message = directories.try_load(&[], &[]).unwrap_err().to_string();
    assert!(message.contains("ws/.cargo/config.toml"), "{message}");
}

#[test]
fn the_configured_compiler_is_a_path_from_its_file() {
    let directories = TestDirectories::new();
    directories.write("ws/.cargo/config.toml", "build.rustc = 'tools/rustc'");
    assert_eq!(
        directories.load(&[], &[]).rustc,
        Some(directories.path("ws/tools/rustc"))
    );
    let variable = [("CARGO_BUILD_RUSTC", "my-rustc")];
    assert_eq!(
        directories.load(&[], &variable).rustc,
        Some(PathBuf::from("my-rustc"))
    );
}
