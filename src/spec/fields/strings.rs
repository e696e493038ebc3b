//! Reading strings: text and paths.

use crate::spec::{Node, SpecError, SpecProblem, ValueLabel, substitute};
use camino::Utf8PathBuf;

/// A string without NUL, which system calls do not accept.
pub fn text<'a>(node: &'a Node, label: ValueLabel<'_>) -> Result<&'a str, SpecError> {
    let text = node.string(label)?;
    if text.contains('\0') {
        return Err(node.error(SpecProblem::Nul {
            label: label.to_string(),
        }));
    }
    Ok(text)
}

/// A non-empty [`text`].
pub fn non_empty<'a>(node: &'a Node, label: ValueLabel<'_>) -> Result<&'a str, SpecError> {
    let text = text(node, label)?;
    if text.is_empty() {
        return Err(node.error(SpecProblem::Empty {
            label: label.to_string(),
        }));
    }
    Ok(text)
}

/// A path of the host. Relative paths start at the project directory.
pub fn host_path(node: &Node, label: ValueLabel<'_>) -> Result<Utf8PathBuf, SpecError> {
    non_empty(node, label).map(Utf8PathBuf::from)
}

/// A path in a layer: a host path that may hold placeholders.
pub fn layer_path(node: &Node, label: ValueLabel<'_>) -> Result<Utf8PathBuf, SpecError> {
    layer_text(node, label).map(Utf8PathBuf::from)
}

/// A non-empty text that may hold placeholders.
pub fn layer_text(node: &Node, label: ValueLabel<'_>) -> Result<String, SpecError> {
    let text = non_empty(node, label)?;
    match substitute(text, |_| "") {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(node.error(SpecProblem::Placeholder(error))),
    }
}

/// A glob of files of the host. It may hold placeholders.
pub fn layer_glob(node: &Node, label: ValueLabel<'_>) -> Result<String, SpecError> {
    let glob = layer_text(node, label)?;
    match globset::Glob::new(&glob) {
        Ok(_) => Ok(glob),
        Err(error) => Err(node.error(SpecProblem::Glob(error.kind().to_string()))),
    }
}

/// A glob of files in the container. It may hold placeholders.
pub fn container_glob(node: &Node, label: ValueLabel<'_>) -> Result<String, SpecError> {
    let glob = layer_glob(node, label)?;
    check_no_parent_components(node, label, &glob)?;
    Ok(glob)
}

/// A path that a layer creates in the container. It may hold placeholders, and braces if
/// `braces` is set.
pub fn created_path(node: &Node, label: ValueLabel<'_>, braces: bool) -> Result<String, SpecError> {
    let text = layer_text(node, label)?;
    let starts_with_placeholder = text.starts_with('<') && !text.starts_with("<<");
    if starts_with_placeholder || braces && text.starts_with('{') {
        check_no_parent_components(node, label, &text)?;
    } else {
        check_absolute(node, label, &text)?;
    }
    Ok(text)
}

/// An absolute path in the container.
pub fn container_path(node: &Node, label: ValueLabel<'_>) -> Result<Utf8PathBuf, SpecError> {
    let text = non_empty(node, label)?;
    check_absolute(node, label, text)?;
    Ok(Utf8PathBuf::from(text))
}

fn check_absolute(node: &Node, label: ValueLabel<'_>, text: &str) -> Result<(), SpecError> {
    if !text.starts_with('/') {
        return Err(node.error(SpecProblem::NotAbsolute {
            label: label.to_string(),
            path: text.to_owned(),
        }));
    }
    check_no_parent_components(node, label, text)
}

fn check_no_parent_components(
    node: &Node,
    label: ValueLabel<'_>,
    text: &str,
) -> Result<(), SpecError> {
    if text.split('/').any(|component| component == "..") {
        return Err(node.error(SpecProblem::ParentComponent {
            label: label.to_string(),
            path: text.to_owned(),
        }));
    }
    Ok(())
}
