//! Profiles: named groups of settings in the file of a repository.
//!
//! A profile is a table `[profile.NAME]`, whose keys are those of a configuration file. Every profile
//! inherits from the profile `default`, and from another one before that if it says so with
//! `inherits`.

use super::{
    error::ConfigError,
    file::{self, ConfigEntry},
    setting::{Setting, SettingSource},
    text::toml_string,
    value::{ConfigValue, Literal},
};
use crate::process::closest;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The profile that is in force if no other is chosen.
pub const DEFAULT_PROFILE: &str = "default";

/// The setting that chooses a profile. A profile cannot have it.
pub const CHOICE: &str = "test-profile";

/// The key of the profiles in a file.
const PROFILE: &str = "profile";

/// The key that names the profile from which a profile inherits.
const INHERITS: &str = "inherits";

/// The name of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileName(pub String);

impl ConfigValue for ProfileName {
    fn expected() -> String {
        "the name of a profile".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    fn to_toml(&self) -> String {
        toml_string(&self.0)
    }
}

/// The profiles of a file.
#[derive(Debug, Default)]
pub struct Profiles {
    /// The file that has the profiles, or could have them. `None`: there is no workspace.
    file: Option<PathBuf>,
    tables: Vec<Profile>,
    /// The names of the profiles in force, the first by precedence first.
    in_force: Vec<String>,
}

/// A table `[profile.NAME]`.
#[derive(Debug)]
struct Profile {
    name: String,
    /// The profile before `default` from which this one inherits.
    inherits: Option<Setting<String>>,
    entries: Vec<ConfigEntry>,
}

impl Profiles {
    /// The profiles of a file without any.
    pub fn none_in(file: PathBuf) -> Self {
        Self {
            file: Some(file),
            ..Self::default()
        }
    }

    /// Reads the profiles in the text of a file. Other tables are not looked at.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let document = file::parse(path, text)?;
        let mut tables = Vec::new();
        if let Some((key, value)) = document.get_ref().get_key_value(PROFILE) {
            let at = || file::position(path, text, key.span().start);
            for (name, value) in table(value.get_ref(), PROFILE.to_owned(), at)? {
                let at = || file::position(path, text, name.span().start);
                let name = name.get_ref().to_string();
                let settings = table(value.get_ref(), format!("{PROFILE}.{name}"), at)?;
                tables.push(Profile::of(name, file::entries(path, text, settings))?);
            }
        }
        let profiles = Self {
            file: Some(path.to_owned()),
            tables,
            in_force: Vec::new(),
        };
        for profile in &profiles.tables {
            profiles.chain(&profile.name)?;
        }
        Ok(profiles)
    }

    /// The names of all profiles, in order.
    pub fn names(&self) -> Vec<&str> {
        let names = self.tables.iter().map(|profile| profile.name.as_str());
        let mut names: Vec<_> = names.chain([DEFAULT_PROFILE]).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Puts a profile in force, with those from which it inherits. `None`: `default`.
    pub fn choose(&mut self, chosen: Option<&Setting<ProfileName>>) -> Result<(), ConfigError> {
        let name = chosen.map_or(DEFAULT_PROFILE, |chosen| &chosen.value.0);
        let names = self.names();
        if let Some(chosen) = chosen
            && !names.contains(&name)
        {
            return Err(self.unknown(chosen.source.clone(), name));
        }
        self.in_force = self.chain(name)?;
        Ok(())
    }

    /// The entries of the profiles in force, the first by precedence first.
    pub(super) fn in_force(&self) -> impl Iterator<Item = &[ConfigEntry]> {
        let names = self.in_force.iter();
        names.filter_map(|name| Some(self.profile(name)?.entries.as_slice()))
    }

    /// The entries of every profile.
    pub(super) fn all(&self) -> impl Iterator<Item = &[ConfigEntry]> {
        let profiles = self.tables.iter();
        profiles.map(|profile| profile.entries.as_slice())
    }

    /// The directory of the file, to which the paths in profiles are relative.
    pub(super) fn directory(&self) -> Option<&Path> {
        self.file.as_deref()?.parent()
    }

    /// The names of a profile and of those from which it inherits, which exist.
    fn chain(&self, name: &str) -> Result<Vec<String>, ConfigError> {
        let mut chain = vec![name.to_owned()];
        let mut next = self.profile(name);
        while let Some(inherits) = next.and_then(|profile| profile.inherits.as_ref()) {
            let name = &inherits.value;
            if chain.contains(name) {
                return Err(ConfigError::CircularProfiles {
                    at: inherits.source.clone(),
                    name: name.clone(),
                });
            }
            if !self.names().contains(&name.as_str()) {
                return Err(self.unknown(inherits.source.clone(), name));
            }
            chain.push(name.clone());
            next = self.profile(name);
        }
        if chain.last().is_none_or(|last| last != DEFAULT_PROFILE) {
            chain.push(DEFAULT_PROFILE.to_owned());
        }
        Ok(chain)
    }

    fn profile(&self, name: &str) -> Option<&Profile> {
        self.tables.iter().find(|profile| profile.name == name)
    }

    fn unknown(&self, at: SettingSource, name: &str) -> ConfigError {
        let near = closest(name, self.names());
        let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
        let file = self.file.as_ref();
        let file = file.map_or_else(String::new, |file| format!(" in {}", file.display()));
        let known = self.names().join(", ");
        ConfigError::UnknownProfile {
            at,
            name: name.to_owned(),
            place: format!("{file}; {near}the profiles are {known}"),
        }
    }
}

impl Profile {
    /// Takes `inherits`, which is no setting, out of the entries.
    fn of(name: String, mut entries: Vec<ConfigEntry>) -> Result<Self, ConfigError> {
        let place = entries.iter().position(|entry| entry.key == INHERITS);
        let entry = place.map(|place| entries.remove(place));
        let inherits = entry.map(|entry| match entry.value {
            Literal::Text(inherits) if name != DEFAULT_PROFILE => Ok(Setting {
                value: inherits,
                source: entry.value_source,
            }),
            Literal::Text(_) => Err(ConfigError::DefaultProfileInherits {
                at: entry.key_source,
            }),
            _ => Err(ConfigError::BadValue {
                at: entry.value_source,
                name: INHERITS,
                text: entry.text,
                problem: format!("expected {}", ProfileName::expected()),
            }),
        });
        Ok(Self {
            name,
            inherits: inherits.transpose()?,
            entries,
        })
    }
}

/// The table that `value` must be. `name` is its name in the file.
fn table<'a, 'i>(
    value: &'a DeValue<'i>,
    name: String,
    at: impl FnOnce() -> SettingSource,
) -> Result<&'a DeTable<'i>, ConfigError> {
    match value {
        DeValue::Table(table) => Ok(table),
        _ => Err(ConfigError::NotAProfile { at: at(), name }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Profiles, ConfigError> {
        Profiles::parse(Path::new("/w/maelstrom-test.toml"), text)
    }

    fn error(text: &str) -> String {
        parse(text).unwrap_err().to_string()
    }

    fn chosen(name: &str) -> Setting<ProfileName> {
        Setting::given("--test-profile", ProfileName(name.to_owned()))
    }

    fn in_force(text: &str, name: &str) -> Vec<String> {
        let mut profiles = parse(text).unwrap();
        profiles.choose(Some(&chosen(name))).unwrap();
        profiles.in_force
    }

    #[test]
    fn other_tables_of_the_file_are_not_looked_at() {
        let text = "[[directives]]\nodd = 1\n[containers.a]\nlayers = []\n[profile.ci]\nslots = 1";
        assert_eq!(parse(text).unwrap().names(), ["ci", "default"]);
        assert_eq!(parse("").unwrap().names(), ["default"]);
    }

    #[test]
    fn every_profile_inherits_from_default_last() {
        let text = "profile.a = {}\nprofile.b.inherits = \"a\"\nprofile.c.inherits = \"default\"";
        assert_eq!(in_force(text, "default"), ["default"]);
        assert_eq!(in_force(text, "a"), ["a", "default"]);
        assert_eq!(in_force(text, "b"), ["b", "a", "default"]);
        assert_eq!(in_force(text, "c"), ["c", "default"]);
    }

    #[test]
    fn an_unknown_profile_is_answered_with_those_that_exist() {
        let mut profiles = parse("profile.nightly = {}").unwrap();
        let mut error = |name| {
            profiles
                .choose(Some(&chosen(name)))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            error("ci"),
            "option --test-profile: there is no profile `ci` in /w/maelstrom-test.toml; the profiles are default, nightly"
        );
        assert_eq!(
            error("nigthly"),
            "option --test-profile: there is no profile `nigthly` in /w/maelstrom-test.toml; did you mean `nightly`? the \
             profiles are default, nightly"
        );
    }

    #[test]
    fn mistakes_in_the_structure_of_profiles_have_their_positions() {
        assert_eq!(
            error("\nprofile = 1"),
            "/w/maelstrom-test.toml:2:1: `profile` is not a table; a profile is a table `[profile.NAME]`"
        );
        assert_eq!(
            error("[profile]\nslots = 1"),
            "/w/maelstrom-test.toml:2:1: `profile.slots` is not a table; a profile is a table `[profile.NAME]`"
        );
        assert_eq!(
            error("profile.a.inherits = 1"),
            "/w/maelstrom-test.toml:1:22: `1` is not a value for `inherits`: expected the name of a profile"
        );
        assert_eq!(
            error("profile.a.inherits = \"b\""),
            "/w/maelstrom-test.toml:1:22: there is no profile `b` in /w/maelstrom-test.toml; the profiles are a, default"
        );
        assert_eq!(
            error("profile.a.inherits = \"b\"\nprofile.b.inherits = \"a\""),
            "/w/maelstrom-test.toml:2:22: the profile `a` would inherit from itself"
        );
        assert_eq!(
            error("profile.default.inherits = \"a\""),
            "/w/maelstrom-test.toml:1:17: the profile `default` inherits from no other; the other profiles inherit from it"
        );
    }
}
