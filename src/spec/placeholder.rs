//! Placeholders in the paths of layers.

use super::Suggestions;
use camino::{Utf8Path, Utf8PathBuf};
use std::fmt;
use strum::{IntoStaticStr, VariantArray};
use thiserror::Error;

/// A directory that becomes known when a layer is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case", const_into_str)]
pub enum Placeholder {
    /// The directory with the artifacts of Cargo's profile.
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

impl fmt::Display for Placeholder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", self.into_str())
    }
}

/// An error in a text with placeholders.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlaceholderError {
    #[error("unknown placeholder `<{name}>` (a plain `<` is written `<<`); {suggestions}")]
    Unknown {
        name: String,
        suggestions: Suggestions,
    },
    #[error("`<` starts a placeholder that has no closing `>`; a plain `<` is written `<<`")]
    Unclosed,
}

/// A text that [`substitute`] turns into `path`.
pub fn escape_placeholders(path: &str) -> String {
    path.replace('<', "<<")
}

/// As [`escape_placeholders`], for a path.
pub fn escaped_path(path: &Utf8Path) -> Utf8PathBuf {
    escape_placeholders(path.as_str()).into()
}

/// Replaces each placeholder in `text` by its path from `lookup`, and each `<<` by `<`.
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
    let mut all = Placeholder::VARIANTS.iter().copied();
    all.find(|placeholder| placeholder.into_str() == name)
        .ok_or_else(|| PlaceholderError::Unknown {
            name: name.to_owned(),
            suggestions: Suggestions::new(
                name,
                Placeholder::VARIANTS.iter().map(Placeholder::into_str),
            ),
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
    fn placeholders_are_replaced_anywhere_in_the_text() {
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
    fn unknown_and_unclosed_placeholders_are_errors_with_a_remedy() {
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
            "`<` starts a placeholder that has no closing `>`; a plain `<` is written `<<`"
        );
    }

    proptest! {
        #[test]
        fn an_escaped_text_is_substituted_back(text in any::<String>()) {
            prop_assert_eq!(substitute(&escape_placeholders(&text), lookup), Ok(text));
        }
    }
}
