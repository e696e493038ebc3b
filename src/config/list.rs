//! Values that are lists: arrays in a file, lines in an environment variable.

use super::value::{ConfigValue, Literal};

/// Items of one kind, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T> List<T> {
    /// The items of an option on the command line. `None`: the option was not given.
    pub fn given(items: Vec<T>) -> Option<Self> {
        (!items.is_empty()).then_some(Self(items))
    }

    pub fn items(&self) -> &[T] {
        &self.0
    }

    pub fn into_items(self) -> Vec<T> {
        self.0
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: ConfigValue> ConfigValue for List<T> {
    const SECRET: bool = T::SECRET;

    fn expected() -> String {
        format!("{}; several as an array, or in lines", T::expected())
    }

    fn from_text(text: &str) -> Option<Self> {
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        lines.map(T::from_text).collect::<Option<_>>().map(Self)
    }

    fn from_literal(literal: &Literal) -> Option<Self> {
        match literal {
            Literal::Text(text) => Self::from_text(text),
            Literal::List(items) => {
                let items = items.iter().map(T::from_literal);
                items.collect::<Option<_>>().map(Self)
            }
            _ => None,
        }
    }

    fn to_toml(&self) -> String {
        let items: Vec<_> = self.0.iter().map(T::to_toml).collect();
        format!("[{}]", items.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Property;
    use super::*;

    fn property(key: &str, value: &str) -> Property {
        Property {
            key: key.to_owned(),
            value: value.to_owned(),
        }
    }

    #[test]
    fn a_list_is_lines_of_text_or_an_array() {
        let both = List(vec![property("a", "1"), property("b", "2")]);
        assert_eq!(List::from_text("a=1\n\nb=2\n"), Some(both.clone()));
        let literal = |text: &str| Literal::Text(text.to_owned());
        let array = Literal::List(vec![literal("a=1"), literal("b=2")]);
        assert_eq!(List::from_literal(&array), Some(both.clone()));
        assert_eq!(both.to_toml(), r#"["a=1", "b=2"]"#);
        assert_eq!(List::<Property>::from_text(""), Some(List::default()));
    }

    #[test]
    fn a_list_with_a_bad_item_is_an_error() {
        assert_eq!(List::<Property>::from_text("a=1\nb"), None);
        let array = Literal::List(vec![Literal::Text("a=1".to_owned()), Literal::Integer(2)]);
        assert_eq!(List::<Property>::from_literal(&array), None);
    }
}
