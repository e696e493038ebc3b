//! Reading paths.

use crate::spec::{Mistake, Node, Place, Problem, substitute};
use camino::Utf8PathBuf;

/// A non-empty path of the host; relative ones start at the project directory.
pub fn host_path(node: &Node, place: Place<'_>) -> Result<Utf8PathBuf, Mistake> {
    plain_text(node, place).map(Utf8PathBuf::from)
}

/// A path in a layer: a host path that may hold placeholders.
pub fn layer_path(node: &Node, place: Place<'_>) -> Result<Utf8PathBuf, Mistake> {
    layer_text(node, place).map(Utf8PathBuf::from)
}

/// Like [`layer_path`], but not yet known to be a path.
pub fn layer_text(node: &Node, place: Place<'_>) -> Result<String, Mistake> {
    let text = plain_text(node, place)?;
    match substitute(text, |_| "") {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(node.mistake(Problem::Placeholder(error))),
    }
}

/// A path that a layer makes in the container; may hold placeholders, and
/// braces where `braces` are expanded.
pub fn made_path(node: &Node, place: Place<'_>, braces: bool) -> Result<String, Mistake> {
    let text = layer_text(node, place)?;
    let starts_with_placeholder = text.starts_with('<') && !text.starts_with("<<");
    if starts_with_placeholder || braces && text.starts_with('{') {
        no_parent_components(node, place, &text)?;
    } else {
        absolute(node, place, &text)?;
    }
    Ok(text)
}

/// An absolute path in the container.
pub fn container_path(node: &Node, place: Place<'_>) -> Result<Utf8PathBuf, Mistake> {
    let text = plain_text(node, place)?;
    absolute(node, place, text)?;
    Ok(Utf8PathBuf::from(text))
}

/// Non-empty and without NUL.
pub fn plain_text<'a>(node: &'a Node, place: Place<'_>) -> Result<&'a str, Mistake> {
    let text = node.string(place)?;
    if text.is_empty() {
        return Err(node.mistake(Problem::Empty {
            place: place.to_string(),
        }));
    }
    if text.contains('\0') {
        return Err(node.mistake(Problem::Nul {
            place: place.to_string(),
        }));
    }
    Ok(text)
}

fn absolute(node: &Node, place: Place<'_>, text: &str) -> Result<(), Mistake> {
    if !text.starts_with('/') {
        return Err(node.mistake(Problem::NotAbsolute {
            place: place.to_string(),
            path: text.to_owned(),
        }));
    }
    no_parent_components(node, place, text)
}

fn no_parent_components(node: &Node, place: Place<'_>, text: &str) -> Result<(), Mistake> {
    if text.split('/').any(|component| component == "..") {
        return Err(node.mistake(Problem::ParentComponent {
            place: place.to_string(),
            path: text.to_owned(),
        }));
    }
    Ok(())
}
