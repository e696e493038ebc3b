//! The placeholders that paths in layers may hold.

use super::mistake::Choices;
use std::fmt;
use thiserror::Error;

/// A directory that is known only when a layer is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Placeholder {
    /// The profile's artifact directory.
    BuildDir,
    /// The root of the workspace.
    WorkspaceDir,
    /// The directory of the package that the test is in.
    PackageDir,
    /// Cargo's target directory.
    TargetDir,
    /// The client's home directory.
    HomeDir,
}

impl Placeholder {
    pub const ALL: [Self; 5] = [
        Self::BuildDir,
        Self::WorkspaceDir,
        Self::PackageDir,
        Self::TargetDir,
        Self::HomeDir,
    ];

    /// The name that is written between angle brackets.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BuildDir => "build-dir",
            Self::WorkspaceDir => "workspace-dir",
            Self::PackageDir => "package-dir",
            Self::TargetDir => "target-dir",
            Self::HomeDir => "home-dir",
        }
    }
}

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.as_str())
    }
}

/// Why a text with placeholders cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlaceholderError {
    #[error("unknown placeholder `<{name}>` (a plain `<` is written `<<`); {choices}")]
    Unknown { name: String, choices: Choices },
    #[error("a placeholder is opened by `<` and not closed; a plain `<` is written `<<`")]
    Unclosed,
}

/// A text that [`substitute`] turns back into `path`, whatever is in that.
pub fn escape_placeholders(path: &str) -> String {
    path.replace('<', "<<")
}

/// Replaces every placeholder in `text` by what `lookup` says, and `<<` by `<`.
pub fn substitute<'a>(
    text: &str,
    lookup: impl Fn(Placeholder) -> &'a str,
) -> Result<String, PlaceholderError> {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        result.push_str(before);
        if let Some(after_escape) = after.strip_prefix('<') {
            result.push('<');
            rest = after_escape;
        } else {
            let (name, after_name) = after.split_once('>').ok_or(PlaceholderError::Unclosed)?;
            result.push_str(lookup(parse(name)?));
            rest = after_name;
        }
    }
    result.push_str(rest);
    Ok(result)
}

fn parse(name: &str) -> Result<Placeholder, PlaceholderError> {
    Placeholder::ALL
        .into_iter()
        .find(|placeholder| placeholder.as_str() == name)
        .ok_or_else(|| PlaceholderError::Unknown {
            name: name.to_owned(),
            choices: Choices::new(name, Placeholder::ALL.map(Placeholder::as_str)),
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lookup(placeholder: Placeholder) -> &'static str {
        match placeholder {
            Placeholder::BuildDir => "/w/target/debug",
            Placeholder::WorkspaceDir => "/w",
            Placeholder::PackageDir => "/w/p",
            Placeholder::TargetDir => "/w/target",
            Placeholder::HomeDir => "/home/me",
        }
    }

    #[test]
    fn placeholders_are_replaced_wherever_they_stand() {
        assert_eq!(
            substitute(
                "<build-dir>/a:<workspace-dir><package-dir>:<target-dir>",
                lookup
            ),
            Ok("/w/target/debug/a:/w/w/p:/w/target".to_owned())
        );
    }

    #[test]
    fn a_doubled_bracket_is_a_plain_one() {
        assert_eq!(
            substitute("<<build-dir>/<<<build-dir>>", lookup),
            Ok("<build-dir>/</w/target/debug>".to_owned())
        );
    }

    #[test]
    fn unknown_and_unclosed_placeholders_are_errors_that_say_what_to_write() {
        let message = |text| substitute(text, lookup).unwrap_err().to_string();
        assert_eq!(
            message("<build_dir>/x"),
            "unknown placeholder `<build_dir>` (a plain `<` is written `<<`); \
             did you mean `build-dir`?"
        );
        assert_eq!(
            message("/x/<y>"),
            "unknown placeholder `<y>` (a plain `<` is written `<<`); it must be one of \
             `build-dir`, `workspace-dir`, `package-dir`, `target-dir`, `home-dir`"
        );
        assert_eq!(
            message("/x/<target-dir"),
            "a placeholder is opened by `<` and not closed; a plain `<` is written `<<`"
        );
    }

    proptest! {
        #[test]
        fn any_text_survives_when_its_brackets_are_doubled(text in any::<String>()) {
            prop_assert_eq!(substitute(&text.replace('<', "<<"), lookup), Ok(text));
        }
    }
}
