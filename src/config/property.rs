//! What distinguishes machines: `KEY=VALUE`.

use super::value::Value;

/// What a worker offers, or an action wants, such as `pool=arm`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Property {
    pub key: String,
    pub value: String,
}

impl Value for Property {
    fn expected() -> String {
        "KEY=VALUE, such as `pool=arm`".to_owned()
    }

    fn from_text(text: &str) -> Option<Self> {
        let (key, value) = text.trim().split_once('=')?;
        let (key, value) = (key.trim().to_owned(), value.trim().to_owned());
        (!key.is_empty()).then_some(Self { key, value })
    }

    fn to_toml(&self) -> String {
        ::toml::Value::String(format!("{}={}", self.key, self.value)).to_string()
    }
}
