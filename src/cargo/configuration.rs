//! The parts of Cargo's configuration that concern tests: the `[env]` table, and the runners of
//! `[target]`.
//!
//! Sources in descending precedence, as for Cargo: `--config` options (the last one first),
//! environment variables, `.cargo/config.toml` of the current directory and of each directory
//! above it, the file in Cargo's home. (The crate `cargo-config2` supports neither `--config` nor
//! `include`.)

use super::home::home;
use super::{CargoError, Invocation};
use cargo_metadata::cargo_platform::{Cfg, CfgExpr};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
};
use toml::{Table, Value};

/// Looks up a variable of the environment of this process.
pub(super) type Variables<'a> = &'a dyn Fn(&str) -> Option<OsString>;

/// How deep `include`s may nest.
const INCLUDE_DEPTH_LIMIT: usize = 16;

/// The parts of Cargo's configuration that concern tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Configuration {
    /// The variables of the `[env]` table with the values that tests get. A variable of this
    /// process's environment takes precedence unless the table has `force`.
    pub environment: BTreeMap<String, String>,
    /// `build.rustc`.
    pub(super) rustc: Option<PathBuf>,
    /// `build.rustdoc`.
    pub(super) rustdoc: Option<PathBuf>,
    /// `build.rustc-wrapper`.
    pub rustc_wrapper: Option<PathBuf>,
    /// In descending precedence.
    runners: Vec<Runner>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Runner {
    /// The key in `[target]`: a triple or a `cfg(…)`.
    key: String,
    from_command_line: bool,
    command: Vec<String>,
}

impl Configuration {
    pub(super) fn load(invocation: &Invocation) -> Result<Self, CargoError> {
        Self::load_with(invocation, &|name| std::env::var_os(name))
    }

    fn load_with(invocation: &Invocation, variables: Variables<'_>) -> Result<Self, CargoError> {
        let mut sources = Vec::new();
        let given: Vec<&str> = invocation.options.values("config").collect();
        for argument in given.iter().rev() {
            command_line_source(argument, &invocation.directory, &mut sources)?;
        }
        for source in &mut sources {
            source.from_command_line = true;
        }
        for file in files(&invocation.directory, variables) {
            file_sources(&file, 0, &mut sources)?;
        }
        Ok(Self {
            environment: environment(&sources, variables),
            rustc: build_program("rustc", &sources, variables, &invocation.directory),
            rustdoc: build_program("rustdoc", &sources, variables, &invocation.directory),
            rustc_wrapper: build_program(
                "rustc-wrapper",
                &sources,
                variables,
                &invocation.directory,
            ),
            runners: runners(&sources),
        })
    }

    /// The runner for binaries of a target. `cfgs` returns the compiler's configuration of the
    /// target; it is called only if a runner depends on it.
    pub(super) fn runner(
        &self,
        triple: &str,
        directory: &Path,
        cfgs: impl FnOnce() -> Result<Vec<Cfg>, CargoError>,
    ) -> Result<Option<Vec<String>>, CargoError> {
        self.runner_with(triple, directory, &|name| std::env::var_os(name), cfgs)
    }

    fn runner_with(
        &self,
        triple: &str,
        directory: &Path,
        variables: Variables<'_>,
        cfgs: impl FnOnce() -> Result<Vec<Cfg>, CargoError>,
    ) -> Result<Option<Vec<String>>, CargoError> {
        let exact = self.runners.iter().find(|runner| runner.key == triple);
        if let Some(runner) = exact.filter(|runner| runner.from_command_line) {
            return Ok(Some(runner.command.clone()));
        }
        let variable = format!(
            "CARGO_TARGET_{}_RUNNER",
            triple.to_uppercase().replace(['-', '.'], "_")
        );
        let from_environment = variables(&variable).and_then(|value| value.into_string().ok());
        if let Some(command) = from_environment.and_then(|value| words(&value, directory)) {
            return Ok(Some(command));
        }
        if let Some(runner) = exact {
            return Ok(Some(runner.command.clone()));
        }
        let mut conditional = self
            .runners
            .iter()
            .filter(|runner| runner.key.starts_with("cfg("))
            .peekable();
        if conditional.peek().is_none() {
            return Ok(None);
        }
        let cfgs = cfgs()?;
        let matching: Vec<_> = conditional
            .filter(|runner| CfgExpr::matches_key(&runner.key, &cfgs))
            .collect();
        match matching.as_slice() {
            [] => Ok(None),
            [runner] => Ok(Some(runner.command.clone())),
            several => Err(CargoError::Runners {
                triple: triple.to_owned(),
                keys: several.iter().map(|runner| runner.key.clone()).collect(),
            }),
        }
    }
}

/// A configuration file, or a `--config KEY=VALUE`.
struct ConfigSource {
    table: Table,
    /// The directory that relative paths are relative to.
    root: PathBuf,
    from_command_line: bool,
}

fn command_line_source(
    argument: &str,
    directory: &Path,
    sources: &mut Vec<ConfigSource>,
) -> Result<(), CargoError> {
    let file = directory.join(argument);
    if file.is_file() {
        return file_sources(&file, 0, sources);
    }
    sources.push(ConfigSource {
        table: parse(argument, &format!("given as `--config {argument}`"))?,
        root: directory.to_owned(),
        from_command_line: true,
    });
    Ok(())
}

/// Adds a file and, with lower precedence, the files that it includes. Of these, the last one has
/// the highest precedence.
fn file_sources(
    path: &Path,
    depth: usize,
    sources: &mut Vec<ConfigSource>,
) -> Result<(), CargoError> {
    let name = path.display().to_string();
    let text = fs::read_to_string(path).map_err(|error| CargoError::Configuration {
        path: name.clone(),
        message: error.to_string(),
    })?;
    let table = parse(&text, &name)?;
    let directory = path.parent().unwrap_or(path);
    let included: Vec<PathBuf> = if depth < INCLUDE_DEPTH_LIMIT {
        includes(&table, directory)
    } else {
        Vec::new()
    };
    sources.push(ConfigSource {
        table,
        // Relative paths are relative to the directory that contains `.cargo`.
        root: directory.parent().unwrap_or(directory).to_owned(),
        from_command_line: false,
    });
    for path in included.iter().rev() {
        file_sources(path, depth + 1, sources)?;
    }
    Ok(())
}

fn parse(text: &str, name: &str) -> Result<Table, CargoError> {
    text.parse()
        .map_err(|error: toml::de::Error| CargoError::Configuration {
            path: name.to_owned(),
            message: error.to_string(),
        })
}

fn includes(table: &Table, directory: &Path) -> Vec<PathBuf> {
    let entries = match table.get("include") {
        Some(Value::Array(entries)) => entries.as_slice(),
        Some(entry) => std::slice::from_ref(entry),
        None => &[],
    };
    entries
        .iter()
        .filter_map(|entry| {
            let path = directory.join(entry.as_str().or_else(|| entry.get("path")?.as_str())?);
            let optional = entry.get("optional").and_then(Value::as_bool) == Some(true);
            (!optional || path.exists()).then_some(path)
        })
        .collect()
}

/// The existing configuration files in descending precedence.
fn files(directory: &Path, variables: Variables<'_>) -> Vec<PathBuf> {
    let home = home("CARGO_HOME", ".cargo", directory, variables);
    let mut files = Vec::new();
    for parent in directory
        .ancestors()
        .map(|parent| parent.join(".cargo"))
        .chain(home)
    {
        // Cargo prefers the older name if both files exist.
        let names = ["config", "config.toml"];
        let file = names
            .iter()
            .map(|name| parent.join(name))
            .find(|file| file.is_file());
        files.extend(file.filter(|file| !files.contains(file)));
    }
    files
}

fn environment(sources: &[ConfigSource], variables: Variables<'_>) -> BTreeMap<String, String> {
    #[derive(Default)]
    struct EnvEntry<'a> {
        value: Option<(&'a str, &'a Path)>,
        force: Option<bool>,
        relative: Option<bool>,
    }
    let mut entries = BTreeMap::<&str, EnvEntry<'_>>::new();
    for source in sources {
        let Some(table) = source.table.get("env").and_then(Value::as_table) else {
            continue;
        };
        for (name, definition) in table {
            let entry = entries.entry(name).or_default();
            let value = definition
                .as_str()
                .or_else(|| definition.get("value")?.as_str());
            entry.value = entry
                .value
                .or(value.map(|value| (value, source.root.as_path())));
            let flag = |key| definition.get(key).and_then(Value::as_bool);
            entry.force = entry.force.or_else(|| flag("force"));
            entry.relative = entry.relative.or_else(|| flag("relative"));
        }
    }
    entries
        .into_iter()
        .filter_map(|(name, entry)| {
            let (value, root) = entry.value?;
            let configured = if entry.relative == Some(true) {
                root.join(value).into_os_string()
            } else {
                value.into()
            };
            let value = if entry.force == Some(true) {
                configured
            } else {
                variables(name).unwrap_or(configured)
            };
            Some((name.to_owned(), value.into_string().ok()?))
        })
        .collect()
}

fn runners(sources: &[ConfigSource]) -> Vec<Runner> {
    let mut runners = Vec::<Runner>::new();
    for source in sources {
        let targets = source.table.get("target").and_then(Value::as_table);
        for (key, target) in targets.into_iter().flatten() {
            let command = match target.get("runner") {
                Some(Value::String(text)) => words(text, &source.root),
                Some(Value::Array(list)) => {
                    command(list.iter().filter_map(Value::as_str), &source.root)
                }
                _ => None,
            };
            if let Some(command) = command
                && !runners.iter().any(|runner| runner.key == *key)
            {
                runners.push(Runner {
                    key: key.clone(),
                    from_command_line: source.from_command_line,
                    command,
                });
            }
        }
    }
    runners
}

fn build_program(
    key: &str,
    sources: &[ConfigSource],
    variables: Variables<'_>,
    directory: &Path,
) -> Option<PathBuf> {
    let configured = |source: &ConfigSource| {
        let path = source.table.get("build")?.get(key)?.as_str()?;
        Some(PathBuf::from(program(path, &source.root)))
    };
    let (given, files): (Vec<_>, Vec<_>) =
        sources.iter().partition(|source| source.from_command_line);
    given
        .into_iter()
        .find_map(configured)
        .or_else(|| {
            let variable = format!("CARGO_BUILD_{}", key.to_uppercase().replace('-', "_"));
            let path = variables(&variable)?.into_string().ok()?;
            Some(program(&path, directory).into())
        })
        .or_else(|| files.into_iter().find_map(configured))
}

/// Splits a command at whitespace, without quoting, as Cargo does.
fn words(text: &str, root: &Path) -> Option<Vec<String>> {
    command(text.split_whitespace(), root)
}

fn command<'a>(words: impl Iterator<Item = &'a str>, root: &Path) -> Option<Vec<String>> {
    let mut command: Vec<String> = words.map(str::to_owned).collect();
    let first = command.first_mut()?;
    *first = program(first, root);
    Some(command)
}

/// A program with a slash is a path relative to `root`. Other programs are found on PATH.
pub(super) fn program(name: &str, root: &Path) -> String {
    if name.contains('/') {
        root.join(name).to_string_lossy().into_owned()
    } else {
        name.to_owned()
    }
}

#[cfg(test)]
mod tests;
