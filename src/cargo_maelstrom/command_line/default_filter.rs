//! `default-filter`: the pattern of the tests that run by default.

use crate::config::{ConfigValue, toml_string};
use crate::filter::Pattern;

/// The tests outside of this pattern are not selected, unless `--ignore-default-filter` is given.
#[derive(Clone, Debug)]
pub struct DefaultFilter(pub Pattern);

/// Filters are the same if their texts are.
impl PartialEq for DefaultFilter {
    fn eq(&self, other: &Self) -> bool {
        self.0.to_string() == other.0.to_string()
    }
}

impl Eq for DefaultFilter {}

impl ConfigValue for DefaultFilter {
    fn expected() -> String {
        "a pattern such as `package.equals(parser) || library`".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }

    fn mistake(text: &str) -> Option<String> {
        let error = text.parse::<Pattern>().err()?;
        Some(error.to_string())
    }

    fn to_toml(&self) -> String {
        toml_string(&self.0.to_string())
    }
}
