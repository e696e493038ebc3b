use super::*;
use crate::config::{ByteSize, FilePath, ProfileName, SlotCount, Timeout, Ui};
use std::{ffi::OsStr, num::NonZeroU32, path::Path};
use tempfile::TempDir;

const PROGRAM: ProgramNames = ProgramNames {
    name: "cargo-maelstrom",
    directory: "cargo-maelstrom",
    prefix: "CARGO_MAELSTROM_",
    other_names: &[("tests-at-once", "slots")],
    foreign_variables: &[("NEXTEST_SLOTS", "slots")],
};

/// The directories `own/` and `shared/` for configuration, and an environment that names them.
struct Fixture {
    directory: TempDir,
    environment: ProcessEnvironment,
}

/// The settings that [`Fixture::take`] takes.
#[derive(Debug)]
struct TakenSettings {
    slots: Setting<SlotCount>,
    timeout: Option<Setting<Timeout>>,
    printed: String,
}

impl Fixture {
    fn new(variables: &[(&str, &str)]) -> Self {
        let directory = TempDir::new().unwrap();
        let mut environment = ProcessEnvironment {
            variables: variables
                .iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
            cpus: NonZeroU32::MIN,
        };
        for (variable, name) in [("XDG_CONFIG_HOME", "own"), ("XDG_CONFIG_DIRS", "shared")] {
            let path = directory.path().join(name);
            environment.variables.insert(variable.into(), path.into());
        }
        Self {
            directory,
            environment,
        }
    }

    fn unset(&mut self, variable: &str) {
        self.environment.variables.remove(OsStr::new(variable));
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    fn read(&self, file: &ConfigFile) -> Result<Values<'_>, ConfigError> {
        Values::read(&PROGRAM, &self.environment, file)
    }

    /// Takes `slots` (default 1), `timeout` (no default) and `cache-size` from the usual files.
    fn take(&self) -> Result<TakenSettings, ConfigError> {
        let mut values = self.read(&ConfigFile::Usual)?;
        let slots = values.take("slots", None, SlotCount::ONE)?;
        let timeout = values.take_optional("timeout", None)?;
        values.take("cache-size", None, ByteSize(10 << 30))?;
        Ok(TakenSettings {
            slots,
            timeout,
            printed: values.finish()?,
        })
    }

    /// The error message, without the name of the temporary directory.
    fn error(&self) -> String {
        self.anonymous(&self.take().unwrap_err().to_string())
    }

    fn anonymous(&self, text: &str) -> String {
        text.replace(self.directory.path().to_str().unwrap(), "")
    }
}

const OWN: &str = "own/maelstrom/cargo-maelstrom/config.toml";
const SHARED: &str = "shared/maelstrom/cargo-maelstrom/config.toml";

fn slots(number: u32) -> SlotCount {
    SlotCount(NonZeroU32::new(number).unwrap())
}

fn file(path: &Path, line: usize, column: usize) -> SettingSource {
    SettingSource::File {
        path: path.to_owned(),
        line,
        column,
    }
}

#[test]
fn without_any_source_the_default_is_taken() {
    let fixture = Fixture::new(&[]);
    let TakenSettings {
        slots: setting,
        timeout,
        ..
    } = fixture.take().unwrap();
    assert_eq!(setting.value, SlotCount::ONE);
    assert_eq!(setting.source, SettingSource::Default);
    assert_eq!(timeout, None);
}

#[test]
fn each_source_precedes_those_after_it() {
    let mut fixture = Fixture::new(&[
        ("CARGO_MAELSTROM_SLOTS", "7"),
        ("MAELSTROM_SLOTS", "6"),
        ("SLOTS", "9"),
    ]);
    let own = fixture.write(OWN, "slots = 5");
    let shared = fixture.write(SHARED, "# shared\n slots = 4");

    let given = Some(Setting::given("--slots", slots(8)));
    let mut values = fixture.read(&ConfigFile::Usual).unwrap();
    let setting = values.take("slots", given, SlotCount::ONE).unwrap();
    assert_eq!(setting, Setting::given("--slots", slots(8)));

    for (number, variable) in [(7, "CARGO_MAELSTROM_SLOTS"), (6, "MAELSTROM_SLOTS")] {
        let setting = fixture.take().unwrap().slots;
        assert_eq!(setting.value, slots(number));
        assert_eq!(
            setting.source,
            SettingSource::Environment(variable.to_owned())
        );
        fixture.unset(variable);
    }
    for (number, path, line, column) in [(5, &own, 1, 9), (4, &shared, 2, 10)] {
        let setting = fixture.take().unwrap().slots;
        assert_eq!(setting.value, slots(number));
        assert_eq!(setting.source, file(path, line, column));
        std::fs::remove_file(path).unwrap();
    }
    assert_eq!(fixture.take().unwrap().slots.source, SettingSource::Default);
}

/// Takes `slots` with the profile `name` of a file with this text, below a configuration file that
/// sets it to 1.
fn slots_in_profile(
    variables: &[(&str, &str)],
    name: &str,
    text: &str,
) -> Result<Setting<SlotCount>, ConfigError> {
    let fixture = Fixture::new(variables);
    fixture.write(OWN, "slots = 1");
    let mut values = fixture.read(&ConfigFile::Usual)?;
    let mut profiles = Profiles::parse(Path::new("/w/test.toml"), text)?;
    profiles.choose(Some(&Setting::given(
        "--test-profile",
        ProfileName(name.to_owned()),
    )))?;
    values.use_profiles(profiles);
    let setting = values.take("slots", None, SlotCount::ONE)?;
    values.take("ui", None, Ui::Auto)?;
    values.take_optional::<Timeout>("timeout", None)?;
    values.finish()?;
    Ok(setting)
}

#[test]
fn profiles_precede_files_and_follow_the_environment() {
    let text = "[profile.ci]\nui = \"quiet\"\n[profile.night]\ninherits = \"ci\"\nslots = 4\n[profile.default]\nslots = 3";
    let find = |variables: &[_], name| slots_in_profile(variables, name, text).unwrap();
    let test_file = Path::new("/w/test.toml");
    assert_eq!(
        find(&[], "night"),
        Setting {
            value: slots(4),
            source: file(test_file, 5, 9)
        }
    );
    for name in ["ci", "default"] {
        assert_eq!(find(&[], name).source, file(test_file, 7, 9));
    }
    let set = [("NEXTEST_SLOTS", "5"), ("MAELSTROM_SLOTS", "6")];
    assert_eq!(find(&set, "night").value, slots(6));
    assert_eq!(find(&set[..1], "night").value, slots(5));
    let without = slots_in_profile(&[], "ci", "profile.ci = {}").unwrap();
    assert_eq!(without.value, slots(1));
}

#[test]
fn mistakes_in_profiles_are_errors_also_if_another_is_in_force() {
    let error = |text| {
        slots_in_profile(&[], "default", text)
            .unwrap_err()
            .to_string()
    };
    let known = "the keys are slots, ui, timeout";
    assert_eq!(
        error("[profile.ci]\nui = \"quiet\"\nslot = 1"),
        "/w/test.toml:3:1: unknown key `slot`; did you mean `slots`?"
    );
    assert_eq!(
        error("profile.ci.aardvark = 1"),
        format!("/w/test.toml:1:12: unknown key `aardvark`; {known}")
    );
    assert_eq!(
        error("[profile.ci]\nslots = \"many\""),
        "/w/test.toml:2:9: `\"many\"` is not a value for `slots`: expected a number of slots, at least 1"
    );
    assert!(error("profile.ci.test-profile = \"a\"").contains("1:12: unknown key `test-profile`"));
}

#[test]
fn a_path_in_a_profile_is_relative_to_its_file() {
    let fixture = Fixture::new(&[]);
    let mut values = fixture.read(&ConfigFile::None).unwrap();
    let text = "[profile.default]\na = \"b/c\"\nd = \"/e\"";
    let mut profiles = Profiles::parse(Path::new("/w/test.toml"), text).unwrap();
    profiles.choose(None).unwrap();
    values.use_profiles(profiles);
    for (name, path) in [("a", "/w/b/c"), ("d", "/e")] {
        let found = values
            .take_optional::<FilePath>(name, None)
            .unwrap()
            .unwrap();
        assert_eq!(found.value, FilePath(path.into()));
    }
}

#[test]
fn a_setting_has_its_other_names_in_each_source() {
    let fixture = Fixture::new(&[("MAELSTROM_TESTS_AT_ONCE", "3")]);
    fixture.write(OWN, "tests-at-once = 2");
    assert_eq!(fixture.take().unwrap().slots.value, slots(3));
    let fixture = Fixture::new(&[]);
    fixture.write(OWN, "tests-at-once = 2");
    assert_eq!(fixture.take().unwrap().slots.value, slots(2));
    fixture.write(OWN, "slots = 1\ntests-at-once = 2");
    insta::assert_snapshot!(fixture.error(), @"/own/maelstrom/cargo-maelstrom/config.toml:2:17: `tests-at-once` is another name of `slots`, which is set there too; leave one of them out");
    fixture.write(OWN, "tests-at-once = 0");
    assert!(
        fixture
            .error()
            .contains("`0` is not a value for `tests-at-once`")
    );
}

#[test]
fn each_setting_is_read_from_any_file() {
    let fixture = Fixture::new(&[]);
    fixture.write(OWN, "slots = 5");
    fixture.write(SHARED, "slots = 4\ntimeout = 1.5");
    let TakenSettings {
        slots: setting,
        timeout,
        ..
    } = fixture.take().unwrap();
    assert_eq!(setting.value, slots(5));
    let limit = timeout.unwrap().value.limit();
    assert_eq!(limit, Some(std::time::Duration::from_millis(1500)));
}

#[test]
fn a_named_file_is_read_instead_of_the_usual_ones() {
    let fixture = Fixture::new(&[]);
    fixture.write(OWN, "slots = 5");
    let named = fixture.write("named.toml", "timeout = 0");
    let mut values = fixture.read(&ConfigFile::Named(named)).unwrap();
    let setting = values.take("slots", None, SlotCount::ONE).unwrap();
    assert_eq!(setting.source, SettingSource::Default);
    let timeout = values.take_optional::<Timeout>("timeout", None).unwrap();
    assert_eq!(timeout.unwrap().value.limit(), None);
}

#[test]
fn a_named_file_must_exist() {
    let fixture = Fixture::new(&[]);
    let error = fixture
        .read(&ConfigFile::Named(fixture.path("absent.toml")))
        .err()
        .unwrap();
    insta::assert_snapshot!(fixture.anonymous(&error.to_string()), @"cannot read the configuration file /absent.toml: No such file or directory (os error 2); name another with --config-file, or `-` for none");
}

#[test]
fn an_unreadable_file_is_an_error() {
    let fixture = Fixture::new(&[]);
    std::fs::create_dir_all(fixture.path(OWN)).unwrap();
    insta::assert_snapshot!(fixture.error(), @"cannot read the configuration file /own/maelstrom/cargo-maelstrom/config.toml: Is a directory (os error 21); name another with --config-file, or `-` for none");
}

#[test]
fn a_dash_means_no_file() {
    let fixture = Fixture::new(&[]);
    fixture.write(OWN, "this is not TOML");
    let choice = ConfigFile::from_option(Some("-".into()));
    assert_eq!(choice, ConfigFile::None);
    let mut values = fixture.read(&choice).unwrap();
    let setting = values.take("slots", None, SlotCount::ONE).unwrap();
    assert_eq!(setting.source, SettingSource::Default);
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let fixture = Fixture::new(&[("CARGO_MAELSTROM_SLOTS", ""), ("MAELSTROM_SLOTS", "2")]);
    assert_eq!(fixture.take().unwrap().slots.value, slots(2));
}

#[test]
fn a_dash_in_a_name_is_an_underscore_in_its_variable() {
    let fixture = Fixture::new(&[("MAELSTROM_CACHE_SIZE", "1 MiB")]);
    assert!(
        fixture
            .take()
            .unwrap()
            .printed
            .contains("cache-size = \"1 MiB\"  # environment variable MAELSTROM_CACHE_SIZE\n")
    );
}

#[test]
fn a_bad_value_in_the_environment_names_the_variable() {
    let fixture = Fixture::new(&[("CARGO_MAELSTROM_SLOTS", "many")]);
    insta::assert_snapshot!(fixture.error(), @"environment variable CARGO_MAELSTROM_SLOTS: `many` is not a value for `slots`: expected a number of slots, at least 1");
}

#[test]
fn a_variable_that_is_not_unicode_is_a_bad_value() {
    use std::os::unix::ffi::OsStringExt;
    let mut fixture = Fixture::new(&[]);
    let garbage = std::ffi::OsString::from_vec(vec![b'1', 0xff]);
    fixture
        .environment
        .variables
        .insert("MAELSTROM_TIMEOUT".into(), garbage);
    insta::assert_snapshot!(fixture.error(), @"environment variable MAELSTROM_TIMEOUT: `1�` is not a value for `timeout`: expected a number of seconds, 0 for no timeout");
}

#[test]
fn a_bad_value_in_a_file_names_file_line_and_column() {
    for (text, written, position) in [
        ("slots = 0", "0", "1:9"),
        ("\n\"slots\"  =  \"4\"", "\"4\"", "2:13"),
        ("# é\nslots = [\n1]", "[ …", "2:9"),
        ("slots = 2024-01-01", "2024-01-01", "1:9"),
        (
            "slots = 99999999999999999999",
            "99999999999999999999",
            "1:9",
        ),
        ("slots = 4.0", "4.0", "1:9"),
    ] {
        let fixture = Fixture::new(&[]);
        fixture.write(OWN, text);
        assert_eq!(
            fixture.error(),
            format!(
                "/{OWN}:{position}: `{written}` is not a value for `slots`: expected a number of slots, at least 1"
            )
        );
    }
}

#[test]
fn a_bad_value_is_an_error_even_if_another_source_precedes() {
    let fixture = Fixture::new(&[("CARGO_MAELSTROM_SLOTS", "2")]);
    fixture.write(SHARED, "slots = true");
    insta::assert_snapshot!(fixture.error(), @"/shared/maelstrom/cargo-maelstrom/config.toml:1:9: `true` is not a value for `slots`: expected a number of slots, at least 1");
}

#[test]
fn an_unknown_key_is_an_error_that_lists_the_keys() {
    let fixture = Fixture::new(&[]);
    fixture.write(OWN, "slots = 1\n  slot = 2\naardvark = 3");
    insta::assert_snapshot!(fixture.error(), @"/own/maelstrom/cargo-maelstrom/config.toml:2:3: unknown key `slot`; did you mean `slots`?");
}

#[test]
fn a_table_is_an_unknown_key_too() {
    let fixture = Fixture::new(&[]);
    fixture.write(OWN, "[cargo-maelstrom]\nslots = 1");
    insta::assert_snapshot!(fixture.error(), @"/own/maelstrom/cargo-maelstrom/config.toml:1:2: unknown key `cargo-maelstrom`; the keys are slots, timeout, cache-size");
}

#[test]
fn a_file_that_is_not_toml_is_an_error_with_its_position() {
    let fixture = Fixture::new(&[]);
    fixture.write(OWN, "slots = 1\ntimeout = \"");
    insta::assert_snapshot!(fixture.error(), @r#"/own/maelstrom/cargo-maelstrom/config.toml:2:12: invalid basic string, expected `"`"#);
}

#[test]
fn every_toml_spelling_of_an_integer_is_read() {
    for text in [
        "slots = 1_2",
        "slots = 0xC",
        "slots = +12",
        "slots = 0b1100",
    ] {
        let fixture = Fixture::new(&[]);
        fixture.write(OWN, text);
        assert_eq!(fixture.take().unwrap().slots.value, slots(12), "{text}");
    }
}

#[test]
fn the_printed_configuration_has_each_value_and_its_source() {
    let fixture = Fixture::new(&[("CARGO_MAELSTROM_SLOTS", "4")]);
    fixture.write(OWN, "cache-size = 1_048_576");
    let mut values = fixture.read(&ConfigFile::Usual).unwrap();
    values.take("slots", None, SlotCount::ONE).unwrap();
    values.take_optional::<Timeout>("timeout", None).unwrap();
    values.take("cache-size", None, ByteSize(0)).unwrap();
    let ui = Some(Setting::given("--quiet", Ui::Quiet));
    values.take("ui", ui, Ui::Auto).unwrap();
    values.take("show-output", None, false).unwrap();
    let printed = values.finish().unwrap();
    insta::assert_snapshot!(fixture.anonymous(&printed), @r#"
    # configuration of cargo-maelstrom
    # file /own/maelstrom/cargo-maelstrom/config.toml
    # no file /shared/maelstrom/cargo-maelstrom/config.toml
    slots = 4             # environment variable CARGO_MAELSTROM_SLOTS
    # timeout is not set  # default
    cache-size = "1 MiB"  # /own/maelstrom/cargo-maelstrom/config.toml:1:14
    ui = "quiet"          # option --quiet
    show-output = false   # default
    "#);
}

#[test]
fn the_printed_configuration_is_a_configuration_file() {
    let fixture = Fixture::new(&[("MAELSTROM_SLOTS", "3"), ("MAELSTROM_TIMEOUT", "0.25")]);
    let TakenSettings {
        timeout, printed, ..
    } = fixture.take().unwrap();
    let again = Fixture::new(&[]);
    again.write(OWN, &printed);
    let TakenSettings {
        slots: read_slots,
        timeout: read_timeout,
        ..
    } = again.take().unwrap();
    assert_eq!(read_slots.value, slots(3));
    assert_eq!(read_timeout.unwrap().value, timeout.unwrap().value);
}

#[test]
fn a_path_with_a_line_break_does_not_end_the_comment_it_is_printed_in() {
    let mut fixture = Fixture::new(&[]);
    let odd = fixture.path("a\nslots = 1");
    fixture
        .environment
        .variables
        .insert("XDG_CONFIG_HOME".into(), odd.into());
    let printed = fixture.take().unwrap().printed;
    assert!(
        printed.contains("a\u{fffd}slots = 1/maelstrom"),
        "{printed}"
    );
}
