//! Finding each value in its sources.

use super::{
    error::ConfigError,
    file::File,
    setting::{Setting, Source},
    surroundings::Surroundings,
    value::Value,
};
use std::{fmt::Write, path::PathBuf};

/// What distinguishes a program's configuration from the others'.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    pub name: &'static str,
    /// Its directory below `maelstrom/` in the directories for configuration.
    pub directory: &'static str,
    /// How its own environment variables begin, for instance `CARGO_MAELSTROM_`.
    pub prefix: &'static str,
}

/// How the variables begin that all programs share.
const SHARED_PREFIX: &str = "MAELSTROM_";

/// Which configuration files are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigFile {
    /// Those in the usual directories that exist.
    Usual,
    /// This one only; it must exist.
    Named(PathBuf),
    None,
}

impl ConfigFile {
    /// What the argument of `--config-file` means.
    pub fn from_option(argument: Option<PathBuf>) -> Self {
        match argument {
            None => Self::Usual,
            Some(path) if path.as_os_str() == "-" => Self::None,
            Some(path) => Self::Named(path),
        }
    }
}

/// The sources of a program's values. Its values are taken one by one; what has been taken is what
/// the program knows, which [`Values::finish`] checks the files against.
pub struct Values<'a> {
    program: &'static Program,
    surroundings: &'a Surroundings,
    /// Nearest first.
    files: Vec<File>,
    /// Files that would have been read, had they existed.
    absent: Vec<PathBuf>,
    taken: Vec<Taken>,
}

/// A line of what `--print-config` prints.
struct Taken {
    name: &'static str,
    /// `None` if the value is not set anywhere and has no default.
    toml: Option<String>,
    source: Source,
}

impl<'a> Values<'a> {
    /// Reads the configuration files.
    pub fn read(
        program: &'static Program,
        surroundings: &'a Surroundings,
        file: &ConfigFile,
    ) -> Result<Self, ConfigError> {
        let mut values = Self {
            program,
            surroundings,
            files: Vec::new(),
            absent: Vec::new(),
            taken: Vec::new(),
        };
        match file {
            ConfigFile::None => {}
            ConfigFile::Named(path) => values.files.push(File::read(path)?),
            ConfigFile::Usual => {
                for directory in surroundings.config_directories() {
                    let path = directory
                        .join("maelstrom")
                        .join(program.directory)
                        .join("config.toml");
                    match File::read(&path) {
                        Ok(file) => values.files.push(file),
                        Err(error) if error.is_missing_file() => values.absent.push(path),
                        Err(error) => return Err(error),
                    }
                }
            }
        }
        Ok(values)
    }

    /// Finds the value called `name`, which the command line may have given.
    pub fn take<T: Value>(
        &mut self,
        name: &'static str,
        given: Option<Setting<T>>,
        default: T,
    ) -> Result<Setting<T>, ConfigError> {
        let setting = self.find(name, given)?.unwrap_or(Setting {
            value: default,
            source: Source::Default,
        });
        self.taken.push(Taken {
            name,
            toml: Some(setting.value.to_toml()),
            source: setting.source.clone(),
        });
        Ok(setting)
    }

    /// Finds a value without a default.
    pub fn take_optional<T: Value>(
        &mut self,
        name: &'static str,
        given: Option<Setting<T>>,
    ) -> Result<Option<Setting<T>>, ConfigError> {
        let setting = self.find(name, given)?;
        self.taken.push(Taken {
            name,
            toml: setting.as_ref().map(|setting| setting.value.to_toml()),
            source: setting
                .as_ref()
                .map_or(Source::Default, |setting| setting.source.clone()),
        });
        Ok(setting)
    }

    /// The first source that has it wins. The others are read all the same: a mistake in them is
    /// found now, not on the day when they win.
    fn find<T: Value>(
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

    fn in_environment<T: Value>(
        &self,
        name: &'static str,
        prefix: &str,
    ) -> Result<Option<Setting<T>>, ConfigError> {
        let variable = prefix.to_owned() + &name.replace('-', "_").to_uppercase();
        let Some(text) = self.surroundings.variable(&variable) else {
            return Ok(None);
        };
        let source = Source::Environment(variable);
        match text.to_str().and_then(T::from_text) {
            Some(value) => Ok(Some(Setting { value, source })),
            None => Err(ConfigError::BadValue {
                at: source,
                name,
                written: shown::<T>(&text.display().to_string()),
                expected: T::expected(),
            }),
        }
    }

    /// Checks that the files hold no other keys than have been taken, and says, as a TOML document,
    /// what has been found where.
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
        let width = rows.iter().map(|(setting, _)| setting.len()).max();
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

fn in_file<T: Value>(name: &'static str, file: &File) -> Result<Option<Setting<T>>, ConfigError> {
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
            written: shown::<T>(&entry.written),
            expected: T::expected(),
        }),
    }
}

/// What a message may show of what was written.
fn shown<T: Value>(written: &str) -> String {
    let shown = if T::SECRET { "…" } else { written };
    shown.to_owned()
}

/// A path may hold characters that would end a comment.
fn in_comment(text: impl std::fmt::Display) -> String {
    text.to_string().replace(
        char::is_control,
        char::REPLACEMENT_CHARACTER.encode_utf8(&mut [0; 4]),
    )
}

#[cfg(test)]
mod tests;
