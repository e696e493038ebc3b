//! Values that are lists: an array in a file, a line for each item in an environment variable.

use super::value::{Literal, Value};

/// Items of one kind, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T> List<T> {
    /// What was given on the command line, if anything was.
    pub fn given(items: Vec<T>) -> Option<Self> {
        (!items.is_empty()).then_some(Self(items))
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Value> Value for List<T> {
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
    fn one_wrong_item_makes_the_list_wrong() {
        assert_eq!(List::<Property>::from_text("a=1\nb"), None);
        let array = Literal::List(vec![Literal::Text("a=1".to_owned()), Literal::Integer(2)]);
        assert_eq!(List::<Property>::from_literal(&array), None);
    }
}
