//! Reading each setting from its sources.

use super::{
    error::ConfigError,
    file::{ConfigEntry, ParsedConfigFile},
    process_environment::ProcessEnvironment,
    profile::{CHOICE, Profiles},
    setting::{Setting, SettingSource},
    value::{ConfigValue, Literal},
};
use crate::process::closest;
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
    /// Other names of settings, each with the name of the setting.
    pub other_names: &'static [(&'static str, &'static str)],
    /// The environment variables of another program that mean settings, each with the name of the
    /// setting. The program's own variables precede them.
    pub foreign_variables: &'static [(&'static str, &'static str)],
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
    /// They precede the files.
    profiles: Profiles,
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
            profiles: Profiles::default(),
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

    /// Makes the profiles in force a source of the settings that are taken from now on.
    pub fn use_profiles(&mut self, profiles: Profiles) {
        self.profiles = profiles;
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
        let foreign = self.program.foreign_variables.iter();
        for (variable, _) in foreign.filter(|(_, meant)| *meant == name) {
            found = found.or(self.in_variable(name, variable)?);
        }
        for entries in self.profiles.in_force() {
            found = found.or(self.in_profile(name, entries)?);
        }
        for entries in self.profiles.all() {
            self.in_profile::<T>(name, entries)?;
        }
        for file in &self.files {
            found = found.or(self.in_entries(name, &file.entries)?);
        }
        Ok(found)
    }

    /// The setting's own name, then its other names.
    fn names(&self, name: &'static str) -> impl Iterator<Item = &'static str> {
        let others = self.program.other_names.iter();
        let others = others.filter(move |(_, meant)| *meant == name);
        std::iter::once(name).chain(others.map(|(other, _)| *other))
    }

    /// The value that `read` finds under one of the names of a setting.
    fn under_one_name<T>(
        &self,
        name: &'static str,
        read: impl Fn(&'static str) -> Result<Option<Setting<T>>, ConfigError>,
    ) -> Result<Option<Setting<T>>, ConfigError> {
        let mut found: Option<(&str, Setting<T>)> = None;
        for name in self.names(name) {
            let Some(setting) = read(name)? else { continue };
            if let Some((other, _)) = found {
                return Err(ConfigError::SetTwice {
                    at: setting.source,
                    name,
                    other,
                });
            }
            found = Some((name, setting));
        }
        Ok(found.map(|(_, setting)| setting))
    }

    fn in_environment<T: ConfigValue>(
        &self,
        name: &'static str,
        prefix: &str,
    ) -> Result<Option<Setting<T>>, ConfigError> {
        self.under_one_name(name, |name| {
            let variable = prefix.to_owned() + &name.replace('-', "_").to_uppercase();
            self.in_variable(name, &variable)
        })
    }

    fn in_variable<T: ConfigValue>(
        &self,
        name: &'static str,
        variable: &str,
    ) -> Result<Option<Setting<T>>, ConfigError> {
        let Some(text) = self.environment.variable(variable) else {
            return Ok(None);
        };
        let source = SettingSource::Environment(variable.to_owned());
        match text.to_str().and_then(T::from_text) {
            Some(value) => Ok(Some(Setting { value, source })),
            None => Err(ConfigError::BadValue {
                at: source,
                name,
                text: shown::<T>(&text.display().to_string()),
                problem: problem::<T>(text.to_str()),
            }),
        }
    }

    fn in_profile<T: ConfigValue>(
        &self,
        name: &'static str,
        entries: &[ConfigEntry],
    ) -> Result<Option<Setting<T>>, ConfigError> {
        let found: Option<Setting<T>> = self.in_entries(name, entries)?;
        let directory = self.profiles.directory();
        Ok(found.map(|Setting { value, source }| Setting {
            value: match directory {
                Some(directory) => value.relative_to(directory),
                None => value,
            },
            source,
        }))
    }

    fn in_entries<T: ConfigValue>(
        &self,
        name: &'static str,
        entries: &[ConfigEntry],
    ) -> Result<Option<Setting<T>>, ConfigError> {
        self.under_one_name(name, |name| {
            let entry = entries.iter().find(|entry| entry.key == name);
            entry.map(|entry| value_of(name, entry)).transpose()
        })
    }

    /// Checks that files and profiles have no other keys than the settings taken. Returns the
    /// settings and their sources as a TOML document.
    pub fn finish(self) -> Result<String, ConfigError> {
        let taken: Vec<_> = self.taken.iter().map(|taken| taken.name).collect();
        let of_files = self.files.iter().map(|file| file.entries.as_slice());
        for entries in of_files {
            self.check_keys(entries, &taken)?;
        }
        let of_profiles: Vec<_> = taken.into_iter().filter(|&name| name != CHOICE).collect();
        for entries in self.profiles.all() {
            self.check_keys(entries, &of_profiles)?;
        }
        Ok(self.listing())
    }

    fn check_keys(
        &self,
        entries: &[ConfigEntry],
        settings: &[&'static str],
    ) -> Result<(), ConfigError> {
        let known: Vec<_> = settings.iter().flat_map(|name| self.names(name)).collect();
        match entries
            .iter()
            .find(|entry| !known.contains(&entry.key.as_str()))
        {
            None => Ok(()),
            Some(entry) if entry.key == "profile" && settings.contains(&CHOICE) => {
                Err(ConfigError::ProfileInFile {
                    at: entry.key_source.clone(),
                })
            }
            Some(entry) => Err(ConfigError::UnknownKey {
                at: entry.key_source.clone(),
                key: entry.key.clone(),
                near: closest(&entry.key, known.iter().copied()).map(str::to_owned),
                known: settings.join(", "),
            }),
        }
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

fn value_of<T: ConfigValue>(
    name: &'static str,
    entry: &ConfigEntry,
) -> Result<Setting<T>, ConfigError> {
    if let Some(value) = T::from_literal(&entry.value) {
        return Ok(Setting {
            value,
            source: entry.value_source.clone(),
        });
    }
    let text = match &entry.value {
        Literal::Text(text) => Some(text.as_str()),
        _ => None,
    };
    Err(ConfigError::BadValue {
        at: entry.value_source.clone(),
        name,
        text: shown::<T>(&entry.text),
        problem: problem::<T>(text),
    })
}

/// Why a text is not a value.
fn problem<T: ConfigValue>(text: Option<&str>) -> String {
    let mistake = text.and_then(T::mistake);
    mistake.unwrap_or_else(|| format!("expected {}", T::expected()))
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
