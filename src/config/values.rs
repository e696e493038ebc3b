//! Reading each setting from its sources.

use super::{
    error::ConfigError,
    file::ParsedConfigFile,
    process_environment::ProcessEnvironment,
    setting::{Setting, SettingSource},
    value::ConfigValue,
};
use std::{fmt::Write, path::PathBuf};

/// A printed setting longer than this, such as a list, does not move the sources of the others to
/// the right.
const LONGEST_ALIGNED: usize = 80;

/// The names in a program's configuration.
#[derive(Clone, Copy, Debug)]
pub struct ProgramNames {
    pub name: &'static str,
    /// The program's directory below `maelstrom/` in the directories for configuration.
    pub directory: &'static str,
    /// The prefix of the program's own environment variables, such as `CARGO_MAELSTROM_`.
    pub prefix: &'static str,
}

/// The prefix of the environment variables for all programs.
const SHARED_PREFIX: &str = "MAELSTROM_";

/// The configuration files to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// The existing files in the usual directories.
    Usual,
    /// This file, which must exist.
    Named(PathBuf),
    None,
}

impl ConfigFile {
    /// The meaning of the argument of `--config-file`.
    pub fn from_option(argument: Option<PathBuf>) -> Self {
        match argument {
            None => Self::Usual,
            Some(path) if path.as_os_str() == "-" => Self::None,
            Some(path) => Self::Named(path),
        }
    }
}

/// The sources of a program's settings. The program takes its settings one by one; then
/// [`Values::finish`] checks that the files have no other keys.
pub struct Values<'a> {
    program: &'static ProgramNames,
    environment: &'a ProcessEnvironment,
    /// By precedence.
    files: Vec<ParsedConfigFile>,
    /// The paths in the usual directories that have no file.
    absent: Vec<PathBuf>,
    taken: Vec<TakenSetting>,
}

/// A line of what `--print-config` prints.
struct TakenSetting {
    name: &'static str,
    /// `None`: the setting has no value and no default.
    toml: Option<String>,
    source: SettingSource,
}

impl<'a> Values<'a> {
    /// Reads the configuration files.
    pub fn read(
        program: &'static ProgramNames,
        environment: &'a ProcessEnvironment,
        file: &ConfigFile,
    ) -> Result<Self, ConfigError> {
        let mut values = Self {
            program,
            environment,
            files: Vec::new(),
            absent: Vec::new(),
            taken: Vec::new(),
        };
        match file {
            ConfigFile::None => {}
            ConfigFile::Named(path) => values.files.push(ParsedConfigFile::read(path)?),
            ConfigFile::Usual => {
                for directory in environment.config_directories() {
                    let path = directory
                        .join("maelstrom")
                        .join(program.directory)
                        .join("config.toml");
                    match ParsedConfigFile::read(&path) {
                        Ok(file) => values.files.push(file),
                        Err(error) if error.is_missing_file() => values.absent.push(path),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(values)
    }

    /// Takes the setting `name`. `given` is its value on the command line.
    pub fn take<T: ConfigValue>(
        &mut self,
        name: &'static str,
        given: Option<Setting<T>>,
        default: T,
    ) -> Result<Setting<T>, ConfigError> {
        let setting = self.find(name, given)?.unwrap_or(Setting {
            value: default,
            source: SettingSource::Default,
        });
        self.taken.push(TakenSetting {
            name,
            toml: Some(setting.value.to_toml()),
            source: setting.source.clone(),
        });
        Ok(setting)
    }

    /// Takes the setting `name`. `argument` is the value of the option of the same name.
    pub fn take_argument<T: ConfigValue>(
        &mut self,
        name: &'static str,
        argument: Option<T>,
        default: T,
    ) -> Result<Setting<T>, ConfigError> {
        let given = argument.map(|value| Setting::given(format!("--{name}"), value));
        self.take(name, given, default)
    }

    /// Takes a setting without a default.
    pub fn take_optional<T: ConfigValue>(
        &mut self,
        name: &'static str,
        given: Option<Setting<T>>,
    ) -> Result<Option<Setting<T>>, ConfigError> {
        let setting = self.find(name, given)?;
        self.taken.push(TakenSetting {
            name,
            toml: setting.as_ref().map(|setting| setting.value.to_toml()),
            source: setting
                .as_ref()
                .map_or(SettingSource::Default, |setting| setting.source.clone()),
        });
        Ok(setting)
    }

    /// The value of the first source that has one. The other sources are read too, so that errors
    /// in them are found.
    fn find<T: ConfigValue>(
        &self,
        name: &'static str,
        given: Option<Setting<T>>,
    ) -> Result<Option<Setting<T>>, ConfigError> {
        let mut found = given;
        for prefix in [self.program.prefix, SHARED_PREFIX] {
            found = found.or(self.in_environment(name, prefix)?);
        }
        for file in &self.files {
            found = found.or(in_file(name, file)?);
        }
        Ok(found)
    }

    fn in_environment<T: ConfigValue>(
        &self,
        name: &'static str,
        prefix: &str,
    ) -> Result<Option<Setting<T>>, ConfigError> {
        let variable = prefix.to_owned() + &name.replace('-', "_").to_uppercase();
        let Some(text) = self.environment.variable(&variable) else {
            return Ok(None);
        };
        let source = SettingSource::Environment(variable);
        match text.to_str().and_then(T::from_text) {
            Some(value) => Ok(Some(Setting { value, source })),
            None => Err(ConfigError::BadValue {
                at: source,
                name,
                text: shown::<T>(&text.display().to_string()),
                expected: T::expected(),
            }),
        }
    }

    /// Checks that the files have no other keys than the settings taken. Returns the settings and
    /// their sources as a TOML document.
    pub fn finish(self) -> Result<String, ConfigError> {
        let entries = self.files.iter().flat_map(|file| &file.entries);
        for entry in entries {
            if !self.taken.iter().any(|taken| taken.name == entry.key) {
                let known: Vec<_> = self.taken.iter().map(|taken| taken.name).collect();
                return Err(ConfigError::UnknownKey {
                    at: entry.key_source.clone(),
                    key: entry.key.clone(),
                    known: known.join(", "),
                });
            }
        }
        Ok(self.listing())
    }

    fn listing(&self) -> String {
        let rows: Vec<_> = self
            .taken
            .iter()
            .map(|taken| {
                let setting = match &taken.toml {
                    Some(toml) => format!("{} = {toml}", taken.name),
                    None => format!("# {} is not set", taken.name),
                };
                (setting, &taken.source)
            })
            .collect();
        let widths = rows.iter().map(|(setting, _)| setting.len());
        let width = widths.filter(|&width| width <= LONGEST_ALIGNED).max();
        let width = width.unwrap_or_default();
        let mut text = format!("# configuration of {}\n", self.program.name);
        for file in &self.files {
            let _ = writeln!(text, "# file {}", in_comment(file.path.display()));
        }
        for path in &self.absent {
            let _ = writeln!(text, "# no file {}", in_comment(path.display()));
        }
        for (setting, source) in rows {
            let _ = writeln!(text, "{setting:width$}  # {}", in_comment(source));
        }
        text
    }
}

fn in_file<T: ConfigValue>(
    name: &'static str,
    file: &ParsedConfigFile,
) -> Result<Option<Setting<T>>, ConfigError> {
    let Some(entry) = file.entry(name) else {
        return Ok(None);
    };
    match T::from_literal(&entry.value) {
        Some(value) => Ok(Some(Setting {
            value,
            source: entry.value_source.clone(),
        })),
        None => Err(ConfigError::BadValue {
            at: entry.value_source.clone(),
            name,
            text: shown::<T>(&entry.text),
            expected: T::expected(),
        }),
    }
}

/// The text of a value for a message. Secrets are replaced.
fn shown<T: ConfigValue>(text: &str) -> String {
    let shown = if T::SECRET { "…" } else { text };
    shown.to_owned()
}

/// Replaces control characters, which could end the comment.
fn in_comment(text: impl std::fmt::Display) -> String {
    text.to_string().replace(
        char::is_control,
        char::REPLACEMENT_CHARACTER.encode_utf8(&mut [0; 4]),
    )
}

#[cfg(test)]
mod tests;
